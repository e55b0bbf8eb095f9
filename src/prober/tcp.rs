//! The TCP handler, and the dialling that the HTTP handler shares with it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use crate::domain::probe::Outcome;
use crate::domain::spec::TcpSocket;
use crate::runtime::Task;

/// Succeeds when a connection is made; it is closed at once, with nothing sent or read.
pub(super) async fn attempt(
    task: &dyn Task,
    probe: &TcpSocket,
    port: u16,
    deadline: Instant,
) -> Outcome {
    let destination = match Destination::new(probe.host.as_deref()) {
        Ok(destination) => destination,
        Err(text) => return Outcome::Error(text),
    };
    match timeout_at(deadline, destination.connect(task, port)).await {
        Ok(Ok(_connection)) => Outcome::Success(String::new()),
        Ok(Err(error)) => error.outcome(|text| text),
        Err(_) => Outcome::Failure(format!("dial tcp {}: i/o timeout", destination.first(port))),
    }
}

/// Where to dial, as seen from inside the container.
#[derive(Debug, Clone)]
pub(super) struct Destination {
    /// `localhost`, where the user wrote that; it then stays so in URLs and `Host`.
    name: Option<&'static str>,
    ip: IpAddr,
    /// Tried where `ip` refuses.
    fallback: Option<IpAddr>,
}

impl Destination {
    /// The error is the prober's own: names would need the container's resolver.
    pub(super) fn new(host: Option<&str>) -> Result<Self, String> {
        let loopback = |name| Self {
            name,
            ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
            fallback: Some(IpAddr::V6(Ipv6Addr::LOCALHOST)),
        };
        let host = match host {
            None | Some("") => return Ok(loopback(None)),
            Some(host) if host.eq_ignore_ascii_case("localhost") => {
                return Ok(loopback(Some("localhost")));
            }
            Some(host) => host,
        };
        let literal = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        literal.parse().map(Self::only).map_err(|_| {
            format!(
                "lookup {host}: resolving host names inside the container is not supported yet: use an IP address"
            )
        })
    }

    fn only(ip: IpAddr) -> Self {
        Self { name: None, ip, fallback: None }
    }

    /// How URLs call it, given the address that was dialled. IPv6 is in brackets.
    pub(super) fn hostname(&self, ip: IpAddr) -> String {
        match (self.name, ip) {
            (Some(name), _) => name.to_owned(),
            (None, IpAddr::V4(ip)) => ip.to_string(),
            (None, IpAddr::V6(ip)) => format!("[{ip}]"),
        }
    }

    /// After a connection was made to `ip`, what its hostname means from then on.
    pub(super) fn settle(self, ip: IpAddr) -> Self {
        if self.name.is_some() { self } else { Self::only(ip) }
    }

    pub(super) fn first(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.ip, port)
    }

    pub(super) async fn connect(
        &self,
        task: &dyn Task,
        port: u16,
    ) -> Result<(TcpStream, SocketAddr), DialError> {
        let first = match dial(task, self.first(port)).await {
            Err(DialError::Connect(peer, error))
                if error.kind() == io::ErrorKind::ConnectionRefused =>
            {
                DialError::Connect(peer, error)
            }
            done => return done,
        };
        // Where both fail, the first one's refusal is the news: ::1 may not even exist.
        match self.fallback {
            Some(ip) => dial(task, SocketAddr::new(ip, port)).await.map_err(|_| first),
            None => Err(first),
        }
    }
}

async fn dial(task: &dyn Task, peer: SocketAddr) -> Result<(TcpStream, SocketAddr), DialError> {
    let socket = task.tcp_socket(peer).map_err(DialError::Socket)?;
    // The address goes along: a peer that resets at once leaves a stream that can't tell it.
    let stream = socket.connect(peer).await.map_err(|error| DialError::Connect(peer, error))?;
    Ok((stream, peer))
}

#[derive(Debug)]
pub(super) enum DialError {
    /// No socket could be had: nothing is known about the container.
    Socket(io::Error),
    Connect(SocketAddr, io::Error),
}

impl DialError {
    /// `frame` puts a failure's text into its handler's words.
    pub(super) fn outcome(&self, frame: impl FnOnce(String) -> String) -> Outcome {
        match self {
            Self::Socket(error) => Outcome::Error(format!(
                "no socket in the container's network namespace: {}",
                errno(error)
            )),
            Self::Connect(peer, error) => {
                Outcome::Failure(frame(format!("dial tcp {peer}: connect: {}", errno(error))))
            }
        }
    }
}

/// An error as Go words it: libc's text in lower case, without the number.
pub(super) fn errno(error: &io::Error) -> String {
    let text = error.to_string();
    match (error.raw_os_error(), text.split_once(" (os error")) {
        (Some(_), Some((words, _))) => words.to_lowercase(),
        _ => text,
    }
}
