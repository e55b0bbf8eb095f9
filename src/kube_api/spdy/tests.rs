//! SPDY over real connections to real ports, by frames written by hand.

use std::time::Duration;

use tokio::io::{DuplexStream, WriteHalf};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::*;
use crate::kube_api::port_forward::tests::forward;
use crate::kube_api::tests::Users;

const BOUND: Duration = Duration::from_secs(20);

/// A frame of the server: the first four bytes, the flags, the content.
type Frame = ([u8; 4], u8, Vec<u8>);

/// A client of a port-forward.
struct Client {
    reader: tokio::io::ReadHalf<DuplexStream>,
    writer: WriteHalf<DuplexStream>,
    has_headers: bool,
    users: Users,
    _task: JoinSet<()>,
}

impl Client {
    fn new() -> Self {
        let (server, client) = tokio::io::duplex(64 << 10);
        let (forward, users, _cancel) = forward();
        let mut task = JoinSet::new();
        task.spawn(async move {
            let _cancel = _cancel;
            serve_port_forward(tokio::io::split(server), &forward).await;
        });
        let (reader, writer) = tokio::io::split(client);
        Self { reader, writer, has_headers: false, users, _task: task }
    }

    async fn send(&mut self, bytes: &[u8]) {
        timeout(BOUND, self.writer.write_all(bytes)).await.unwrap().unwrap();
    }

    /// Opens a stream with these headers, in stored blocks.
    async fn open(&mut self, stream: u8, headers: &[(&str, &str)]) {
        let mut block = vec![0, 0, 0, u8::try_from(headers.len()).unwrap()];
        for text in headers.iter().flat_map(|(name, value)| [name, value]) {
            block.extend([0, 0, 0, u8::try_from(text.len()).unwrap()]);
            block.extend(text.bytes());
        }
        let length = u8::try_from(block.len()).unwrap();
        let zlib: &[u8] = if self.has_headers { &[] } else { &[0x78, 1] };
        self.has_headers = true;
        let block = [zlib, &[0, length, 0, !length, 255], &block].concat();
        let content = [&[0, 0, 0, stream, 0, 0, 0, 0, 0, 0], &block[..]].concat();
        let length = u8::try_from(content.len()).unwrap();
        self.send(&[&[0x80, 3, 0, 1, 0, 0, 0, length], &content[..]].concat()).await;
    }

    async fn pair(&mut self, stream: u8, port: u16, request: &str) {
        let port = port.to_string();
        for (stream, kind) in [(stream, "error"), (stream + 2, "data")] {
            let headers = [("streamtype", kind), ("port", &port), ("requestid", request)];
            self.open(stream, &headers).await;
            assert_eq!(self.frame().await.0, [0x80, 3, 0, 2], "a reply");
        }
    }

    async fn frame(&mut self) -> Frame {
        let mut head = [0; 8];
        timeout(BOUND, self.reader.read_exact(&mut head)).await.unwrap().unwrap();
        let [a, b, c, d, flags, l1, l2, l3] = head;
        let mut content = vec![0; u32::from_be_bytes([0, l1, l2, l3]) as usize];
        timeout(BOUND, self.reader.read_exact(&mut content)).await.unwrap().unwrap();
        ([a, b, c, d], flags, content)
    }
}

async fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

#[tokio::test]
async fn a_pair_of_streams_is_a_connection_with_two_halves() {
    let (listener, port) = listener().await;
    let mut client = Client::new();
    client.pair(1, port, "0").await;
    client.send(b"\0\0\0\x01\x01\0\0\0").await;
    client.send(b"\0\0\0\x03\0\0\0\x02hi").await;
    client.send(b"\0\0\0\x03\x01\0\0\0").await;
    let (mut server, _) = timeout(BOUND, listener.accept()).await.unwrap().unwrap();
    let mut request = [0; 3];
    server.read_exact(&mut request[..2]).await.unwrap();
    assert_eq!(&request[..2], b"hi");
    assert_eq!(server.read(&mut request).await.unwrap(), 0, "the client's half is closed");
    server.write_all(b"you").await.unwrap();
    assert_eq!(client.frame().await, ([0, 0, 0, 3], 0, b"you".to_vec()));
    drop(server);
    assert_eq!(client.frame().await, ([0, 0, 0, 3], 1, vec![]));
    assert_eq!(client.frame().await, ([0, 0, 0, 1], 1, vec![]), "no error");
    client.send(&[0x80, 3, 0, 6, 0, 0, 0, 4, 0, 0, 0, 7]).await;
    assert_eq!(client.frame().await, ([0x80, 3, 0, 6], 0, vec![0, 0, 0, 7]), "a pong");
}

#[tokio::test]
async fn a_port_that_refuses_has_an_error_and_a_reset() {
    let (listener, port) = listener().await;
    drop(listener);
    let mut client = Client::new();
    client.pair(1, port, "0").await;
    let (stream, flags, text) = client.frame().await;
    assert_eq!((stream, flags), ([0, 0, 0, 1], 0));
    let text = String::from_utf8(text).unwrap();
    let start = format!("error forwarding port {port} to pod web: Connection refused");
    assert!(text.starts_with(&start), "{text}");
    assert_eq!(client.frame().await.0, [0x80, 3, 0, 3]);
    assert_eq!(client.frame().await, ([0, 0, 0, 1], 1, vec![]));
}

#[tokio::test]
async fn streams_that_fit_to_no_connection_are_reset() {
    let mut client = Client::new();
    let rows: [(u8, &[(&str, &str)]); 3] = [
        (1, &[("streamtype", "data"), ("port", "0"), ("requestid", "0")]),
        (3, &[("streamtype", "stdin")]),
        (5, &[]),
    ];
    for (stream, headers) in rows {
        client.open(stream, headers).await;
        assert_eq!(client.frame().await.0, [0x80, 3, 0, 2]);
        let (kind, _, content) = client.frame().await;
        assert_eq!((kind, content[3]), ([0x80, 3, 0, 3], stream));
    }
    // Without a request the data stream is the one behind the error stream.
    let (listener, port) = listener().await;
    let port = port.to_string();
    client.open(7, &[("streamtype", "error"), ("port", &port)]).await;
    client.open(9, &[("streamtype", "data"), ("port", &port)]).await;
    timeout(BOUND, listener.accept()).await.unwrap().unwrap();
}

#[tokio::test]
async fn the_connection_ends_with_the_protocol_and_with_the_credential() {
    let mut client = Client::new();
    client.send(&[0x80, 2, 0, 1, 0, 0, 0, 0]).await;
    let (kind, _, content) = client.frame().await;
    assert_eq!((kind, content[7]), ([0x80, 3, 0, 7], 1), "GOAWAY with an error");
    let client = Client::new();
    let Client { mut reader, writer, users, mut _task, .. } = client;
    users.revoke("ann");
    let mut rest = [0; 64];
    let read = timeout(BOUND, reader.read(&mut rest)).await.unwrap().unwrap();
    assert_eq!(rest[..read.min(4)], [0x80, 3, 0, 7][..read.min(4)]);
    drop((reader, writer));
    timeout(BOUND, _task.join_next()).await.unwrap();
    let mut client = Client::new();
    let (listener, port) = listener().await;
    client.pair(1, port, "0").await;
    let (mut server, _) = listener.accept().await.unwrap();
    drop(client);
    let read = timeout(BOUND, server.read(&mut rest)).await.unwrap();
    assert_eq!(read.unwrap_or_default(), 0, "a client that leaves ends its connections");
}
