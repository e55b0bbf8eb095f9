//! Clients of an interactive container. Each gets the output, and may send input. What waits for a
//! client is limited, so a client that does not read delays neither the container nor other clients.

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::socket_peercred;
use rustix::process::geteuid;

use super::backlog::Backlog;
use super::client::Client;
use super::input::Input;
use crate::attach::{Frame, Streams};
use crate::format::Stream;
use crate::handover::Reachable;

/// Limit of clients. More are refused.
const CLIENTS: usize = 16;
/// How long clients may take to receive the last output once the container has ended.
const LAST: Duration = Duration::from_secs(5);

/// What a descriptor of [`Sessions::watch`] is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watched {
    Listener,
    Input,
    Client(usize),
}

#[derive(Debug)]
pub struct Sessions {
    streams: Streams,
    listener: UnixListener,
    path: PathBuf,
    clients: Vec<Client>,
    input: Input,
    /// Kept until the first client has it; `None` if the container was not started for one client.
    backlog: Option<Backlog>,
}

impl Sessions {
    pub fn open(path: &Path, streams: Streams, input: Input) -> io::Result<Self> {
        let _ = fs::remove_file(path);
        let listener = UnixListener::bind(Reachable::new(path)?.path())?;
        listener.set_nonblocking(true)?;
        let backlog = streams.once.then(Backlog::default);
        Ok(Self { streams, listener, path: path.to_owned(), clients: Vec::new(), input, backlog })
    }

    /// Adds what to wait for.
    pub fn watch<'a>(&'a self, fds: &mut Vec<PollFd<'a>>) -> Vec<Watched> {
        let mut watched = vec![Watched::Listener];
        fds.push(PollFd::new(&self.listener, PollFlags::IN));
        if let Some(fifo) = self.input.wanted() {
            fds.push(PollFd::from_borrowed_fd(fifo, PollFlags::OUT));
            watched.push(Watched::Input);
        }
        for (at, client) in self.clients.iter().enumerate() {
            let may_read = !(client.is_typing() && self.input.is_full());
            if let Some(flags) = client.interest(may_read) {
                fds.push(PollFd::from_borrowed_fd(client.socket.as_fd(), flags));
                watched.push(Watched::Client(at));
            }
        }
        watched
    }

    /// Passes output on.
    pub fn output(&mut self, stream: Stream, bytes: &[u8]) {
        if let Some(backlog) = &mut self.backlog {
            backlog.add(stream, bytes);
        }
        for client in &mut self.clients {
            client.output(stream, bytes);
        }
    }

    /// Serves what is ready, and then writes what waits.
    pub fn serve(&mut self, ready: &[Watched], buffer: &mut [u8]) {
        for one in ready {
            match one {
                Watched::Listener | Watched::Input => {}
                Watched::Client(at) => self.hear(*at, buffer),
            }
        }
        let mut left = false;
        for client in self.clients.iter_mut().filter(|client| client.is_gone()) {
            left |= client.end_input();
        }
        self.clients.retain(|client| !client.is_gone());
        if left {
            self.end_of_input();
        }
        if ready.contains(&Watched::Listener) {
            self.accept();
        }
        if self.input.write() {
            self.clients.iter_mut().for_each(|client| client.send(&Frame::InputOver));
        }
        self.clients.iter_mut().for_each(Client::write);
    }

    fn hear(&mut self, at: usize, buffer: &mut [u8]) {
        let Some(client) = self.clients.get_mut(at) else { return };
        let (mut ended, mut begun) = (false, false);
        for frame in client.read(buffer) {
            match frame {
                Frame::Begin(wants) if client.wants.is_none() => {
                    client.wants = Some(wants);
                    let is_over = self.streams.stdin && self.input.is_over();
                    client.send(&Frame::Begun(Streams { is_over, ..self.streams }));
                    begun = true;
                }
                Frame::Input(bytes) if client.is_typing() => self.input.add(&bytes),
                Frame::InputEnd => ended |= client.end_input(),
                _ => {}
            }
        }
        if begun && let Some((lost, pieces)) = self.backlog.take().map(Backlog::take) {
            if lost > 0 {
                client.send(&Frame::Lost(lost));
            }
            for (stream, piece) in pieces {
                client.output(stream, &piece);
            }
        }
        if ended {
            self.end_of_input();
        }
    }

    /// A client's input has ended. As in the kubelet, a terminal stays open.
    fn end_of_input(&mut self) {
        if self.streams.once && !self.streams.tty {
            self.input.end();
        }
    }

    fn accept(&mut self) {
        while let Ok((socket, _)) = self.listener.accept() {
            let is_ours = socket_peercred(&socket)
                .is_ok_and(|peer| peer.uid.is_root() || peer.uid == geteuid());
            let fits = self.clients.len() < CLIENTS;
            if is_ours && fits && socket.set_nonblocking(true).is_ok() {
                self.clients.push(Client::new(socket));
            }
        }
    }

    /// Sends the last output, once there is no more, and closes the connections.
    pub fn finish(mut self) {
        #[allow(
            clippy::disallowed_methods,
            reason = "another process than the daemon: its only clock"
        )]
        let now = Instant::now;
        let until = now().checked_add(LAST);
        self.clients.iter_mut().for_each(Client::report_lost);
        loop {
            self.clients.iter_mut().for_each(Client::write);
            self.clients.retain(|client| client.has_waiting() && !client.is_gone());
            let left = until.map(|until| until.saturating_duration_since(now()));
            let Some(left) = left.filter(|left| !left.is_zero()) else { return };
            if self.clients.is_empty() {
                return;
            }
            let of = |client| PollFd::new(client, PollFlags::OUT);
            let sockets = self.clients.iter().map(|client| &client.socket);
            let mut fds: Vec<PollFd<'_>> = sockets.map(of).collect();
            let _ = poll(&mut fds, Timespec::try_from(left).ok().as_ref());
        }
    }
}

impl Drop for Sessions {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests;
