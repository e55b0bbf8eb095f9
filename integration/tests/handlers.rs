//! Each probe handler against healthy servers and servers that misbehave. The output is the
//! kubelet's, except for the differences in docs/kubelet-differences.md.

use anyhow::Result;
use probelet_integration::target::matches;
use probelet_integration::with_host;
use serde_json::json;

/// The servers of the one container that serves all rows.
const SERVERS: &str = "http 127.0.0.1:8080 \
    + http 127.0.0.1:8443 --tls + http 127.0.0.1:8444 --tls --http1 \
    + tcp 127.0.0.1:7001 full + tcp 127.0.0.1:7002 deaf + tcp 127.0.0.1:7003 refuse \
    + grpc 127.0.0.1:9001 + grpc 127.0.0.1:9002 --status NOT_SERVING \
    + grpc 127.0.0.1:9003 --status UNKNOWN + grpc 127.0.0.1:9004 --hang \
    + grpc 127.0.0.1:9005 --unimplemented + grpc 127.0.0.1:9006 --tls";

const TIMEOUT: f64 = 0.4;
const PATIENT: f64 = 10.0;
/// The seconds that a busy machine may add to an attempt.
const LATE: f64 = 1.0;

/// How an attempt ends. `Timeout` is a failure by the time limit.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Is {
    Success,
    Warning,
    Failure,
    Timeout,
    Error,
}
use Is::{Error, Failure, Success, Timeout, Warning};

/// The probe in short form, its outcome, and its output (`*` stands for any text, `URL` for the
/// short form with its default host).
type Row = (&'static str, Is, &'static str);

const NO_HEADERS: &str =
    r#"Get "URL": context deadline exceeded (Client.Timeout exceeded while awaiting headers)"#;
const NO_BODY: &str =
    "context deadline exceeded (Client.Timeout or context cancellation while reading body)";
const NO_TLS: &str = r#"Get "URL": net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)"#;
const MALFORMED: &str =
    r#"Get "URL": net/http: HTTP/1.x transport connection broken: malformed HTTP response *"#;
const NO_HTTP2: &str = r#"error: failed to connect service at "127.0.0.1:*http2: frame too large, note that the frame header looked like an HTTP/1.1 header*"#;
const NO_HANDSHAKE: &str = r#"error: failed to connect service at "127.0.0.1:*tls: first record does not look like a TLS handshake*"#;
const FOREIGN: &str = "Probe terminated redirects, Response body: elsewhere\n";

const HTTP: [Row; 20] = [
    ("http://:8080/", Success, "well\n"),
    ("http://:8080/status/299", Success, "status as asked for\n"),
    ("http://:8080/status/304", Warning, "Probe terminated redirects, Response body: "),
    ("http://:8080/status/404", Failure, "HTTP probe failed with statuscode: 404"),
    ("http://:8080/status/503", Failure, "HTTP probe failed with statuscode: 503"),
    ("http://:8080/headers", Success, "Host: 127.0.0.1:8080\r\nUser-Agent: kube-probe/*"),
    ("http://:8080/redirect/9", Success, "well\n"),
    ("http://:8080/redirect/10", Failure, r#"Get "/redirect/0": stopped after 10 redirects"#),
    ("http://:8080/loop", Failure, r#"Get "/loop": stopped after 10 redirects"#),
    ("http://:8080/foreign", Warning, FOREIGN),
    ("http://:8080/huge", Success, "xxxxxxxx*"),
    ("http://:8080/accept-and-hang", Timeout, NO_HEADERS),
    ("http://:8080/slow-headers", Timeout, NO_HEADERS),
    ("http://:8080/drip", Timeout, NO_HEADERS),
    ("http://:8080/slow-body", Timeout, NO_BODY),
    ("http://:8080/short-body", Error, "unexpected EOF"),
    (
        "http://:8080/reset",
        Failure,
        r#"Get "URL": read tcp 127.0.0.1:*->127.0.0.1:8080: read: connection reset by peer"#,
    ),
    ("http://:8080/close", Failure, r#"Get "URL": EOF"#),
    ("http://:8080/not-http", Failure, MALFORMED),
    ("http://:9001/", Failure, MALFORMED),
];

/// Ports without an HTTP server.
const HTTP_PORTS: [Row; 4] = [
    ("http://:7001/", Timeout, NO_HEADERS),
    ("http://:7002/", Timeout, NO_HEADERS),
    (
        "http://:7003/",
        Failure,
        r#"Get "URL": dial tcp 127.0.0.1:7003: connect: connection refused"#,
    ),
    ("http://:8443/", Failure, "HTTP probe failed with statuscode: 400"),
];

const HTTPS: [Row; 24] = [
    ("https://:8443/", Success, "well\n"),
    ("https://:8443/headers", Success, ":authority: 127.0.0.1:8443\n*"),
    ("https://:8443/status/503", Failure, "HTTP probe failed with statuscode: 503"),
    ("https://:8443/redirect/9", Success, "well\n"),
    ("https://:8443/loop", Failure, r#"Get "/loop": stopped after 10 redirects"#),
    ("https://:8443/foreign", Warning, FOREIGN),
    ("https://:8443/huge", Success, "xxxxxxxx*"),
    ("https://:8443/accept-and-hang", Timeout, NO_HEADERS),
    ("https://:8443/slow-body", Timeout, NO_BODY),
    ("https://:8444/", Success, "well\n"),
    ("https://:8444/headers", Success, "Host: 127.0.0.1:8444\r\n*Connection: close*"),
    ("https://:8444/status/503", Failure, "HTTP probe failed with statuscode: 503"),
    ("https://:8444/redirect/9", Success, "well\n"),
    ("https://:8444/loop", Failure, r#"Get "/loop": stopped after 10 redirects"#),
    ("https://:8444/drip", Timeout, NO_HEADERS),
    ("https://:8444/slow-body", Timeout, NO_BODY),
    ("https://:8444/short-body", Error, "unexpected EOF"),
    ("https://:8444/close", Failure, r#"Get "URL": EOF"#),
    (
        "https://:8444/reset",
        Failure,
        r#"Get "URL": read tcp 127.0.0.1:*->127.0.0.1:8444: read: connection reset by peer"#,
    ),
    ("https://:8444/not-http", Failure, MALFORMED),
    ("https://:8080/", Failure, r#"Get "URL": http: server gave HTTP response to HTTPS client"#),
    ("https://:7001/", Timeout, NO_HEADERS),
    ("https://:7002/", Timeout, NO_TLS),
    (
        "https://:7003/",
        Failure,
        r#"Get "URL": dial tcp 127.0.0.1:7003: connect: connection refused"#,
    ),
];

const TCP: [Row; 4] = [
    ("tcp://:8080", Success, ""),
    ("tcp://:7001", Timeout, "dial tcp 127.0.0.1:7001: i/o timeout"),
    ("tcp://:7002", Success, ""),
    ("tcp://:7003", Failure, "dial tcp 127.0.0.1:7003: connect: connection refused"),
];

const GRPC: [Row; 16] = [
    ("grpc://:9001", Success, "service healthy"),
    ("grpc://:9001/db", Success, "service healthy"),
    (
        "grpc://:9001/unheard-of",
        Failure,
        "error: health rpc probe failed: rpc error: code = NotFound desc = unknown service",
    ),
    ("grpc://:9002", Failure, r#"service unhealthy (responded with "NOT_SERVING")"#),
    ("grpc://:9003", Failure, r#"service unhealthy (responded with "UNKNOWN")"#),
    ("grpc://:9004", Timeout, "timeout: health rpc did not complete within 400ms"),
    (
        "grpc://:9005",
        Failure,
        "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): *",
    ),
    ("grpcs://:9006", Success, "service healthy"),
    ("grpc://:9006", Failure, NO_HTTP2),
    ("grpc://:8080", Failure, NO_HTTP2),
    ("grpcs://:8444", Failure, NO_HTTP2),
    ("grpcs://:9001", Failure, NO_HANDSHAKE),
    ("grpcs://:8080", Failure, NO_HANDSHAKE),
    (
        "grpc://:7001",
        Timeout,
        r#"timeout: failed to connect service "127.0.0.1:7001" within 400ms: context deadline exceeded"#,
    ),
    (
        "grpc://:7002",
        Timeout,
        r#"timeout: failed to connect service "127.0.0.1:7002" within 400ms: context deadline exceeded"#,
    ),
    (
        "grpc://:7003",
        Failure,
        r#"error: failed to connect service at "127.0.0.1:7003": dial tcp 127.0.0.1:7003: connect: connection refused"#,
    ),
];

const EXEC: [Row; 5] = [
    ("exec:/prober-target exit 0", Success, ""),
    ("exec:/prober-target print hello", Success, "hello\n"),
    ("exec:/prober-target exit 3", Failure, "command exited with code 3"),
    (
        "exec:/prober-target sleep",
        Timeout,
        r#"command timed out: "/prober-target sleep" timed out after 400ms"#,
    ),
    ("exec:/no/such/program", Error, "*no such file or directory*"),
];

#[test]
fn http_probes_say_what_the_kubelet_says() -> Result<()> {
    hold(HTTP.iter().chain(&HTTP_PORTS))
}

#[test]
fn https_probes_say_what_the_kubelet_says() -> Result<()> {
    hold(&HTTPS)
}

#[test]
fn tcp_grpc_and_exec_probes_say_what_the_kubelet_says() -> Result<()> {
    hold(TCP.iter().chain(&GRPC).chain(&EXEC))
}

fn hold<'a>(rows: impl IntoIterator<Item = &'a Row>) -> Result<()> {
    with_host(|host| {
        host.target("app", SERVERS, json!({}))?;
        // This server listens last, because the generation of its key takes a moment.
        host.probe_until_success("app", &json!({ "url": "tcp://:9006" }))?;
        let mut wrong = Vec::new();
        for (url, is, says) in rows {
            // Other attempts have a time limit that even a busy machine does not reach.
            let (timeout, most) =
                if *is == Timeout { (TIMEOUT, TIMEOUT + LATE) } else { (PATIENT, PATIENT / 2.0) };
            let probe = json!({ "url": url, "timeout": format!("{timeout}s") });
            let said = host.probe_once("app", &probe)?;
            let (outcome, least) = match is {
                Success => ("success", 0.0),
                Warning => ("warning", 0.0),
                Failure => ("failure", 0.0),
                Timeout => ("failure", TIMEOUT),
                Error => ("error", 0.0),
            };
            let says = says.replace("URL", &url.replace("://:", "://127.0.0.1:"));
            let in_time = (least..most).contains(&said.seconds);
            if said.outcome != outcome || !matches(&says, &said.output) || !in_time {
                let mut said = said;
                said.output.truncate(300);
                wrong.push(format!("{url}: {outcome}, {says:?} expected: {said:?}"));
            }
        }
        assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
        Ok(())
    })
}
