use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::tests::{Server, assert_is, get, probe, probe_in_vain, refusing};
use probelet_domain::spec::{Handler, Header};

fn http(path: &str) -> Handler {
    Handler::HttpGet(get(path))
}

fn answer(status: u64, location: Option<&str>) -> String {
    let location = location.map(|l| format!("Location: {l}\r\n")).unwrap_or_default();
    let length = if status == 304 { "" } else { "Content-Length: 4\r\n" };
    format!("HTTP/1.1 {status} Whatever\r\n{location}{length}\r\nbody")
}

/// Answers `first` to the first `times` requests and 200 from then on.
async fn redirecting(times: usize, first: String) -> Server {
    Server::new(move |n, mut stream, _| {
        let answer = if n < times { first.clone() } else { answer(200, None) };
        async move { drop(stream.write_all(answer.as_bytes()).await) }
    })
    .await
}

/// Runs one row of `handlers.jsonl`.
pub async fn vector(row: &Value) {
    let statuses = match row["status"].as_array() {
        Some(statuses) => statuses.iter().map(|status| status.as_u64().unwrap()).collect(),
        None => vec![200],
    };
    if let Some(times) = row["redirects"].as_u64() {
        let server = redirecting(usize::try_from(times).unwrap(), answer(302, Some("/loop"))).await;
        return assert_is(&probe(http("/"), server.port).await, row);
    }
    if row["headers_after"] == "never" {
        let server = Server::stalling("").await;
        return assert_is(&probe_in_vain(http("/"), server.port).await, row);
    }
    for status in statuses {
        let server = match (row["location"].as_str(), row["body_bytes"].as_u64()) {
            (Some("same hostname, then 200"), _) => {
                redirecting(1, answer(status, Some("/next"))).await
            }
            (Some(location), _) => Server::saying(answer(status, Some(location))).await,
            (None, Some(bytes)) => {
                let body = "x".repeat(usize::try_from(bytes).unwrap());
                let head = format!("HTTP/1.1 {status} OK\r\nContent-Length: {bytes}\r\n\r\n");
                Server::saying(head + &body).await
            }
            // A stalled body differs on purpose and has another test.
            (None, None) if row["body"].is_string() => {
                let head = format!("HTTP/1.1 {status} OK\r\nContent-Length: 9\r\n\r\nshort");
                Server::saying(head).await
            }
            (None, None) => Server::saying(answer(status, None)).await,
        };
        assert_is(&probe(http("/"), server.port).await, row);
    }
}

/// Server that records every request. It redirects `/to?LOCATION`, and answers 200 to other paths.
async fn recording() -> (Server, Arc<Mutex<Vec<String>>>) {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&heads);
    let server = Server::new(move |_, mut stream, head| {
        let redirect = head.strip_prefix("GET /to?").and_then(|rest| rest.split(' ').next());
        let answer = match redirect {
            Some(location) => answer(302, Some(location)),
            None => answer(200, None),
        };
        seen.lock().unwrap().push(head);
        async move { drop(stream.write_all(answer.as_bytes()).await) }
    })
    .await;
    (server, heads)
}

/// Returns the requests that a server gets for these headers, with `PORT` for its port.
async fn sent(path: &str, headers: &[(&str, &str)]) -> Vec<String> {
    let (server, heads) = recording().await;
    let headers = headers.iter().map(|(n, v)| Header { name: (*n).into(), value: (*v).into() });
    let get = HttpGet { headers: headers.collect(), ..get(path) };
    assert_eq!(probe(Handler::HttpGet(get), server.port).await, Outcome::Success("body".into()));
    let heads = heads.lock().unwrap();
    heads.iter().map(|head| head.replace(&server.port.to_string(), "PORT")).collect()
}

#[tokio::test]
async fn a_request_is_the_kubelets_to_the_byte() {
    let first = "GET /x?a=b HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nUser-Agent: kube-probe/1.36\r\n";
    let wanted = format!("{first}Accept: */*\r\nConnection: close\r\n\r\n");
    assert_eq!(sent("x?a=b#c", &[]).await, [wanted]);
}

#[tokio::test]
async fn headers_are_overridden_repeated_and_removed() {
    let given = [
        ("x-two", "1"),
        ("host", "first.example"),
        ("Host", "second.example"),
        ("X-Two", " 2 "),
        ("User-Agent", "mine"),
        ("accept", "text/plain"),
        ("Connection", "keep-alive"),
        ("Content-Length", "7"),
        ("Transfer-Encoding", "chunked"),
    ];
    let wanted = "GET / HTTP/1.1\r\nHost: first.example\r\nUser-Agent: mine\r\n\
        Accept: text/plain\r\nConnection: keep-alive\r\nConnection: close\r\n\
        X-Two: 1\r\nX-Two: 2\r\n\r\n";
    assert_eq!(sent("/", &given).await, [wanted]);
    let wanted = "GET / HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nConnection: close\r\n\r\n";
    assert_eq!(sent("/", &[("user-agent", ""), ("Accept", ""), ("Host", "")]).await, [wanted]);
}

#[tokio::test]
async fn a_header_that_cannot_be_sent_is_a_failure() {
    let (server, heads) = recording().await;
    for (name, text) in [
        ("x-bad", "invalid header field value for \"X-Bad\""),
        ("Host", "invalid header field value for \"Host\""),
        ("b ad", "invalid header field name \"b ad\""),
    ] {
        let headers = vec![Header { name: name.into(), value: "a\nb".into() }];
        let get = HttpGet { headers, ..get("/p") };
        let url = format!("http://127.0.0.1:{}/p", server.port);
        let wanted = Outcome::Failure(format!("Get \"{url}\": net/http: {text}"));
        assert_eq!(probe(Handler::HttpGet(get), server.port).await, wanted);
    }
    assert!(heads.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_redirect_sends_a_referer_and_keeps_a_custom_host() {
    let heads = sent("/to?/x?y", &[("Host", "mine")]).await;
    let wanted = "GET /x?y HTTP/1.1\r\nHost: mine\r\nUser-Agent: kube-probe/1.36\r\n\
        Accept: */*\r\nReferer: http://127.0.0.1:PORT/to?/x?y\r\nConnection: close\r\n\r\n";
    assert_eq!(heads.last().unwrap(), wanted);

    let (other, others) = recording().await;
    let path = format!("/to?http://127.0.0.1:{}/z", other.port);
    let (server, _) = recording().await;
    let headers = vec![Header { name: "Host".into(), value: "mine".into() }];
    let get = HttpGet { headers, ..get(&path) };
    assert!(probe(Handler::HttpGet(get), server.port).await.is_success());
    let head = others.lock().unwrap().join("");
    assert!(head.contains(&format!("\r\nHost: 127.0.0.1:{}\r\n", other.port)), "{head}");
}

#[tokio::test]
async fn localhost_keeps_its_name() {
    let (server, heads) = recording().await;
    let path = format!("/to?http://localhost:{}/z", server.port);
    let get = HttpGet { host: Some("localhost".into()), ..get(&path) };
    assert!(probe(Handler::HttpGet(get), server.port).await.is_success());
    let heads = heads.lock().unwrap();
    let host = format!("\r\nHost: localhost:{}\r\n", server.port);
    assert!(heads.len() == 2 && heads.iter().all(|head| head.contains(&host)), "{heads:?}");
}

#[tokio::test]
async fn redirects_that_are_not_followed_have_the_kubelets_texts() {
    let server = Server::saying(answer(302, Some("/loop"))).await;
    let wanted = Outcome::Failure("Get \"/loop\": stopped after 10 redirects".into());
    assert_eq!(probe(http("/"), server.port).await, wanted);

    for location in [None, Some("http://localhost/"), Some("https://other.host/")] {
        let server = Server::saying(answer(301, location)).await;
        let text = "Probe terminated redirects, Response body: body";
        assert_eq!(probe(http("/"), server.port).await, Outcome::Warning(text.into()));
    }
    for (location, text) in [
        ("https://127.0.0.1:1/", "dial tcp 127.0.0.1:1: connect: connection refused"),
        ("ftp://127.0.0.1:1/", "unsupported protocol scheme \"ftp\""),
        ("http://127.0.0.1:1/", "dial tcp 127.0.0.1:1: connect: connection refused"),
    ] {
        let server = Server::saying(answer(307, Some(location))).await;
        let wanted = Outcome::Failure(format!("Get \"{location}\": {text}"));
        assert_eq!(probe(http("/"), server.port).await, wanted);
    }
}

#[tokio::test]
async fn failures_do_not_contain_the_body() {
    for status in [400, 404, 500, 503, 999] {
        let server = Server::saying(answer(status, None)).await;
        let text = format!("HTTP probe failed with statuscode: {status}");
        assert_eq!(probe(http("/"), server.port).await, Outcome::Failure(text));
    }
    let switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";
    let server = Server::saying(switching).await;
    let text = "HTTP probe failed with statuscode: 101";
    assert_eq!(probe(http("/"), server.port).await, Outcome::Failure(text.into()));
    let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n";
    let server = Server::saying(interim.to_owned() + &answer(200, None)).await;
    assert_eq!(probe(http("/"), server.port).await, Outcome::Success("body".into()));
}

#[tokio::test]
async fn a_transport_that_fails_reads_as_gos() {
    let (_v4, _v6, port) = refusing();
    let url = format!("http://127.0.0.1:{port}/x");
    let text = format!("Get \"{url}\": dial tcp 127.0.0.1:{port}: connect: connection refused");
    assert_eq!(probe(http("/x"), port).await, Outcome::Failure(text));

    for (said, text) in [
        ("", "EOF"),
        ("HTTP/1.1 200 OK\r\nX: y", "EOF"),
        (
            "220 mail.example ESMTP\r\n\r\n",
            "net/http: HTTP/1.x transport connection broken: malformed HTTP response (invalid HTTP version parsed)",
        ),
    ] {
        let server = Server::saying(said).await;
        let wanted = format!("Get \"http://127.0.0.1:{}/\": {text}", server.port);
        assert_eq!(probe(http("/"), server.port).await, Outcome::Failure(wanted), "{said}");
    }

    let server = Server::new(|_, stream, _| async move {
        stream.set_zero_linger().unwrap();
    })
    .await;
    let Outcome::Failure(text) = probe(http("/"), server.port).await else { panic!() };
    let peer = format!("127.0.0.1:{}", server.port);
    let start = format!("Get \"http://{peer}/\": read tcp 127.0.0.1:");
    let end = format!("->{peer}: read: connection reset by peer");
    assert!(text.starts_with(&start) && text.ends_with(&end), "{text}");
}

#[tokio::test]
async fn a_server_that_sends_first_is_a_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = listener.local_addr().unwrap();
    let here = Location::first("http", "127.0.0.1", peer.port(), "/");
    for (said, text) in [
        (
            "220 ready\r\n",
            "net/http: HTTP/1.x transport connection broken: malformed HTTP response",
        ),
        ("", "EOF"),
    ] {
        let client = TcpStream::connect(peer).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        server.write_all(said.as_bytes()).await.unwrap();
        server.shutdown().await.unwrap();
        client.peek(&mut [0; 1]).await.unwrap();
        let request = Headers::new(&[]).unwrap().request(&here, true, None).unwrap();
        let mut stage = Stage { here: here.clone(), reached: Reached::Nothing };
        let Err(Outcome::Failure(told)) =
            exchange((client, peer), request, &here, &mut stage).await
        else {
            panic!("{said}")
        };
        let wanted = format!("Get \"{}\": {text}", here.url());
        assert!(told.starts_with(&wanted), "{told}");
    }
}

#[tokio::test]
async fn endless_headers_are_given_up() {
    let server = Server::new(|_, mut stream, _| async move {
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\nX-Endless: ").await);
        while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
    })
    .await;
    let text = "net/http: server response headers exceeded the limit; aborted";
    let wanted = format!("Get \"http://127.0.0.1:{}/\": {text}", server.port);
    assert_eq!(probe(http("/"), server.port).await, Outcome::Failure(wanted));
}

#[tokio::test]
async fn a_server_that_hangs_runs_into_the_timeout() {
    let awaiting = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)";
    let server = Server::stalling("HTTP/1.1 200 OK\r\nX-Half: ").await;
    let wanted = format!("Get \"http://127.0.0.1:{}/\": {awaiting}", server.port);
    assert_eq!(probe_in_vain(http("/"), server.port).await, Outcome::Failure(wanted));

    // A byte now and then does not extend the timeout.
    let server = Server::new(|_, mut stream, _| async move {
        let mut tick = tokio::time::interval(std::time::Duration::from_millis(10));
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\nX-Slow: ").await);
        while stream.write_all(b"x").await.is_ok() {
            tick.tick().await;
        }
    })
    .await;
    let wanted = format!("Get \"http://127.0.0.1:{}/\": {awaiting}", server.port);
    assert_eq!(probe_in_vain(http("/"), server.port).await, Outcome::Failure(wanted));

    let reading =
        "context deadline exceeded (Client.Timeout or context cancellation while reading body)";
    for status in [200, 500] {
        let head = format!("HTTP/1.1 {status} OK\r\nContent-Length: 9\r\n\r\nshort");
        let server = Server::stalling(head).await;
        let wanted = Outcome::Failure(reading.into());
        assert_eq!(probe_in_vain(http("/"), server.port).await, wanted);
    }
}

#[tokio::test]
async fn a_body_cut_short_is_an_error() {
    for said in [
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
        "HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nshort",
    ] {
        let server = Server::saying(said).await;
        let wanted = Outcome::Error("unexpected EOF".into());
        assert_eq!(probe(http("/"), server.port).await, wanted, "{said}");
    }
}

#[tokio::test]
async fn an_endless_body_is_read_up_to_the_limit() {
    let server = Server::new(|_, mut stream, _| async move {
        let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        drop(stream.write_all(head).await);
        while stream.write_all(b"3\r\nabc\r\n").await.is_ok() {}
    })
    .await;
    let Outcome::Success(body) = probe(http("/"), server.port).await else { panic!() };
    assert_eq!(body.len(), 10240);
    // The end of a body of exactly the limit is not waited for.
    let said = format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(10240));
    let server = Server::stalling(said).await;
    assert!(probe(http("/"), server.port).await.is_success());
}

#[tokio::test]
async fn unusual_but_valid_answers_are_accepted() {
    for said in [
        "HTTP/1.0 200 OK\r\n\r\nold",
        "HTTP/1.1 200\r\n\r\nno reason",
        "HTTP/1.1 200 OK\r\nX-Folded: a\r\n b\r\n\r\nfolded",
        &format!("HTTP/1.1 200 OK\r\n{}\r\nmany", "X-Many: y\r\n".repeat(300)),
    ] {
        let server = Server::saying(said).await;
        let Outcome::Success(body) = probe(http("/"), server.port).await else { panic!("{said}") };
        assert!(said.ends_with(&body));
    }
}
