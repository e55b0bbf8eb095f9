use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;

use super::*;
use crate::attach::{Decoder, Wants};
use crate::fifos::Fifos;

struct Stage {
    folder: tempfile::TempDir,
    sessions: Sessions,
}

fn stage(streams: Streams) -> Stage {
    let folder = tempfile::tempdir().unwrap();
    let fifos = Fifos::beside(&folder.path().join("a"), streams);
    fifos.make().unwrap();
    let (stdin, ..) = fifos.open().unwrap();
    let sessions = Sessions::open(&fifos.clients, streams, Input::new(stdin)).unwrap();
    Stage { folder, sessions }
}

struct Peer {
    socket: UnixStream,
    decoder: Decoder,
}

impl Stage {
    /// Serves all that is ready, until nothing is.
    fn serve(&mut self) {
        let mut buffer = vec![0; 16 << 10];
        for _ in 0..64 {
            let mut fds = Vec::new();
            let watched = self.sessions.watch(&mut fds);
            poll(&mut fds, Some(&Timespec::default())).unwrap();
            let ready = fds.iter().map(|fd| !fd.revents().is_empty());
            let ready: Vec<_> =
                watched.into_iter().zip(ready).filter(|(_, is)| *is).map(|(it, _)| it).collect();
            self.sessions.serve(&ready, &mut buffer);
        }
    }

    fn connect(&mut self, wants: Wants) -> Peer {
        let socket = UnixStream::connect(self.folder.path().join("a.clients")).unwrap();
        socket.set_nonblocking(true).unwrap();
        let mut peer = Peer { socket, decoder: Decoder::default() };
        peer.send(&Frame::Begin(wants));
        self.serve();
        peer
    }

    /// What the container can read.
    fn input(&self) -> Vec<u8> {
        let path = self.folder.path().join("a.in");
        let mut fifo = fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
        let mut read = vec![0; 1 << 20];
        let waiting = usize::try_from(rustix::io::ioctl_fionread(&fifo).unwrap()).unwrap();
        read.truncate(waiting);
        fifo.read_exact(&mut read).unwrap();
        read
    }
}

impl Peer {
    fn send(&mut self, frame: &Frame) {
        self.socket.write_all(&frame.encode()).unwrap();
    }

    fn frames(&mut self) -> Vec<Frame> {
        let (mut frames, mut buffer) = (Vec::new(), vec![0; 1 << 16]);
        loop {
            match self.socket.read(&mut buffer) {
                Ok(0) => return frames,
                Ok(length) => self.decoder.feed(&buffer[..length]),
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::WouldBlock | ErrorKind::ConnectionReset
                    ) =>
                {
                    return frames;
                }
                Err(error) => panic!("{error}"),
            }
            while let Some(frame) = self.decoder.next_frame().unwrap() {
                frames.push(frame);
            }
        }
    }
}

const ALL: Wants = Wants { input: true, stdout: true, stderr: true };
const PIPE: Streams = Streams { stdin: true, once: true, tty: false, is_over: false };

fn text(stream: Stream, text: &str) -> Frame {
    Frame::Output(stream, text.as_bytes().to_vec())
}

#[test]
fn the_first_client_has_the_output_before_it_and_its_end_closes_the_input() {
    let mut stage = stage(PIPE);
    stage.sessions.output(Stream::Stdout, b"early");
    let mut first = stage.connect(ALL);
    assert_eq!(first.frames(), [Frame::Begun(PIPE), text(Stream::Stdout, "early")]);
    let mut second = stage.connect(Wants { input: false, stdout: false, stderr: true });
    stage.sessions.output(Stream::Stdout, b"out");
    stage.sessions.output(Stream::Stderr, b"err");
    first.send(&Frame::Input(b"in".to_vec()));
    stage.serve();
    assert_eq!(first.frames(), [text(Stream::Stdout, "out"), text(Stream::Stderr, "err")]);
    assert_eq!(second.frames(), [Frame::Begun(PIPE), text(Stream::Stderr, "err")]);
    assert_eq!(stage.input(), b"in");
    // Its death is the end of its input, too.
    drop(first);
    stage.serve();
    assert_eq!(second.frames(), [Frame::InputOver]);
    let mut late = stage.connect(ALL);
    assert_eq!(late.frames(), [Frame::Begun(Streams { is_over: true, ..PIPE })]);
}

#[test]
fn a_terminal_and_a_shared_input_stay_open() {
    for streams in [Streams { tty: true, ..PIPE }, Streams { once: false, ..PIPE }] {
        let mut stage = stage(streams);
        let mut first = stage.connect(ALL);
        first.send(&Frame::InputEnd);
        first.send(&Frame::Input(b"too late".to_vec()));
        stage.serve();
        drop(first);
        let mut second = stage.connect(ALL);
        second.send(&Frame::Input(b"more".to_vec()));
        stage.serve();
        assert_eq!(second.frames(), [Frame::Begun(streams)]);
        assert_eq!(stage.input(), b"more");
    }
}

#[test]
fn what_a_slow_client_does_not_take_is_counted() {
    let mut stage = stage(Streams { once: false, ..PIPE });
    let (mut slow, mut quick) = (stage.connect(ALL), stage.connect(ALL));
    let (mut sent, mut taken) = (0, 0);
    let chunk = [b'x'; 16 << 10];
    let bytes = |frames: &[Frame]| -> (u64, u64) {
        frames.iter().fold((0, 0), |(got, lost), frame| match frame {
            Frame::Output(_, bytes) => (got + bytes.len() as u64, lost),
            Frame::Lost(count) => (got, lost + count),
            _ => (got, lost),
        })
    };
    for _ in 0..256 {
        stage.sessions.output(Stream::Stdout, &chunk);
        sent += chunk.len() as u64;
        stage.serve();
        taken += bytes(&quick.frames()).0;
    }
    assert_eq!(taken, sent, "the other client has all");
    let (mut got, mut lost) = (0, 0);
    for _ in 0..256 {
        let (more, missing) = bytes(&slow.frames());
        (got, lost) = (got + more, lost + missing);
        stage.serve();
    }
    assert!(got < sent && lost == 0, "{got} {lost}");
    // The notice has its place before the next output.
    stage.sessions.output(Stream::Stdout, b"next");
    stage.serve();
    let frames = slow.frames();
    assert_eq!(frames, [Frame::Lost(sent - got), text(Stream::Stdout, "next")]);
}

#[test]
fn input_waits_in_the_client_if_the_container_does_not_read() {
    let mut stage = stage(PIPE);
    let mut client = stage.connect(ALL);
    let frame = Frame::Input(vec![b'i'; 16 << 10]).encode();
    let mut written = 0;
    for _ in 0..256 {
        match client.socket.write(&frame[written % frame.len()..]) {
            Ok(count) => written += count,
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
        stage.serve();
    }
    assert!(written < 2 << 20, "{written} bytes are buffered");
    let mut others = stage.connect(Wants { stdout: true, ..Wants::default() });
    stage.sessions.output(Stream::Stdout, b"out");
    stage.serve();
    assert!(others.frames().contains(&text(Stream::Stdout, "out")));
}

#[test]
fn clients_are_limited_and_must_keep_the_protocol() {
    let mut stage = stage(PIPE);
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| stage.connect(ALL)).collect();
    let mut surplus = stage.connect(ALL);
    assert!(surplus.frames().is_empty());
    assert_eq!(stage.sessions.clients.len(), CLIENTS);
    clients[0].socket.write_all(&[0xff; 3]).unwrap();
    stage.serve();
    assert_eq!(stage.sessions.clients.len(), CLIENTS - 1);
}
