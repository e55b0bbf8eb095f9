//! Servers that send endlessly. Each attempt ends because of the size that it has read, long before
//! its timeout, and reads nothing after that.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::*;

/// Upper bound in bytes of what an attempt reads and of the sockets' buffers.
const MOST_SENT: usize = 16 << 20;

/// Sends `head` and then `part` again and again until the connection breaks.
async fn flood(
    mut stream: impl wire::Stream,
    head: Vec<u8>,
    part: Vec<u8>,
    sent: Arc<AtomicUsize>,
) {
    let part = part.repeat(1 + 8192 / part.len());
    if stream.write_all(&head).await.is_ok() {
        while stream.write_all(&part).await.is_ok() {
            sent.fetch_add(part.len(), Relaxed);
        }
    }
}

/// Makes an attempt at a server that floods. The outcome must be no success and come before the
/// timeout.
async fn attempt(
    handler: Handler,
    secret: bool,
    alpn: &[&str],
    head: impl Into<Vec<u8>>,
    part: impl Into<Vec<u8>>,
) -> Outcome {
    let (head, part, sent) = (head.into(), part.into(), Arc::<AtomicUsize>::default());
    let taken = sent.clone();
    let server = if secret {
        secure(speaking(alpn), move |stream| {
            flood(stream, head.clone(), part.clone(), sent.clone())
        })
        .await
    } else {
        Server::raw(move |stream| flood(stream, head.clone(), part.clone(), sent.clone())).await
    };
    let attempt = run(Here, handler, server.port, AMPLE).await;
    assert!(attempt.latency < AMPLE, "{attempt:?}");
    let taken = taken.load(Relaxed);
    assert!(taken < MOST_SENT, "{taken} bytes: {attempt:?}");
    // An incomplete body is an error, as in the kubelet.
    let bad = matches!(attempt.outcome, Outcome::Failure(_) | Outcome::Error(_));
    assert!(bad && attempt.outcome.output().len() <= 10 << 10, "{attempt:?}");
    attempt.outcome
}

fn http(scheme: Scheme) -> Handler {
    Handler::HttpGet(HttpGet { scheme, ..get("/") })
}

#[tokio::test]
async fn over_http1() {
    const OK: &str = "HTTP/1.1 200 OK\r\n";
    const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let floods = [
        ("".to_owned(), "HTTP/1.1 103 Early Hints\r\n\r\n"),
        ("".to_owned(), "HTTP/1.1 100 Continue\r\na: b\r\n\r\n"),
        ("HTTP/1.1 200 ".to_owned(), "x"),
        (OK.to_owned(), "a: b\r\n"),
        (format!("{OK}a: "), "b"),
        (format!("{OK}a: b\r\n"), " folded\r\n"),
        (format!("{CHUNKED}1;"), "a=b;"),
        (format!("{CHUNKED}0\r\n"), "a: b\r\n"),
        ("HTTP/1.1 302 Found\r\nLocation: /".to_owned(), "x"),
    ];
    for (head, part) in floods {
        for (scheme, secret) in [(Scheme::Http, false), (Scheme::Https, true)] {
            attempt(http(scheme), secret, &["http/1.1"], head.clone(), part).await;
        }
    }
    let hints = attempt(http(Scheme::Http), false, &[], "", "HTTP/1.1 103 Hi\r\n\r\n").await;
    let expected = "server sent more than 524288 bytes; aborted";
    assert!(matches!(&hints, Outcome::Failure(text) if text.ends_with(expected)), "{hints:?}");
}

/// Makes a frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags, 0, 0, 0, stream]);
    frame.extend(payload);
    frame
}

#[tokio::test]
async fn over_http2_and_grpc() {
    let hello = frame(4, 0, 0, &[]);
    let with = |more: Vec<u8>| [hello.clone(), more].concat();
    // Literals of HPACK: `:status: 103`, `:status: 200` by its index, and `a: b`.
    let (hints, ok, header) = (*b"\x08\x03103", [0x88], *b"\x00\x01a\x01b");
    let floods = [
        ("PING", hello.clone(), frame(6, 0, 0, &[0; 8])),
        ("SETTINGS", hello.clone(), frame(4, 0, 0, &[])),
        ("WINDOW_UPDATE", hello.clone(), frame(8, 0, 0, &[0, 0, 0, 1])),
        ("an unknown frame", hello.clone(), frame(0xfa, 0, 0, &[0; 100])),
        ("PRIORITY", hello.clone(), frame(2, 0, 1, &[0, 0, 0, 0, 1])),
        ("CONTINUATION", with(frame(1, 0, 1, &ok)), frame(9, 0, 1, &header)),
        ("no CONTINUATION", with(frame(1, 0, 1, &ok)), frame(9, 0, 1, &[])),
        ("informational answers", hello.clone(), frame(1, 4, 1, &hints)),
        ("empty DATA", with(frame(1, 4, 1, &ok)), frame(0, 0, 1, &[])),
    ];
    for (what, head, part) in floods {
        let grpc =
            Handler::Grpc(Grpc { port: web(), service: String::new(), tls: false, host: None });
        let outcome = attempt(grpc, false, &[], head.clone(), part.clone()).await;
        assert!(matches!(outcome, Outcome::Failure(_)), "{what}: {outcome:?}");
        attempt(http(Scheme::Https), true, &["h2"], head, part).await;
    }
}

#[tokio::test]
async fn while_hands_are_shaken() {
    // TLS records: an empty handshake, a warning, and a part of a ServerHello of 16 MiB.
    for record in [
        b"\x16\x03\x03\x00\x00".to_vec(),
        b"\x15\x03\x03\x00\x02\x01\x00".to_vec(),
        b"\x14\x03\x03\x00\x01\x01".to_vec(),
        [b"\x16\x03\x03\x00\x04\x02\xff\xff\xff".to_vec()].concat(),
    ] {
        let outcome = attempt(http(Scheme::Https), false, &[], "", record.clone()).await;
        assert!(matches!(outcome, Outcome::Failure(_)), "{outcome:?}");
        let grpc =
            Handler::Grpc(Grpc { port: web(), service: String::new(), tls: true, host: None });
        let outcome = attempt(grpc, false, &[], "", record).await;
        assert!(outcome.output().contains("authentication handshake failed"), "{outcome:?}");
    }
}

#[tokio::test]
async fn a_flood_in_single_bytes_ends_as_well() {
    let server = Server::raw(|mut stream| async move {
        stream.set_nodelay(true).unwrap();
        if stream.write_all(b"HTTP/1.1 200 OK\r\na: ").await.is_ok() {
            while stream.write_all(b"b").await.is_ok() {
                tokio::task::yield_now().await;
            }
        }
    })
    .await;
    let attempt = run(Here, http(Scheme::Http), server.port, AMPLE).await;
    assert!(matches!(attempt.outcome, Outcome::Failure(_)), "{attempt:?}");
    assert!(attempt.latency < AMPLE, "{attempt:?}");
}
