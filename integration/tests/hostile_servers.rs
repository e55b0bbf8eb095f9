//! What a probed server may answer: each has its outcome within the timeout, and no effect beyond it.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use probelet_integration::bystander::Bystander;
use probelet_integration::target::{Said, extend};
use probelet_integration::{Host, SOON, with_host};
use serde_json::{Value, json};

/// What a server sends on each connection.
enum Answer {
    /// Bytes, and then the end of the connection.
    Whole(Vec<u8>),
    /// Bytes, and then the same part until the client closes.
    Endless(Vec<u8>, Vec<u8>),
    /// One byte each 50 ms until the client closes.
    Drip(Vec<u8>),
}

use Answer::{Drip, Endless, Whole};

/// Starts a server that sends this on each connection, and returns its port. Its threads end with the
/// test's process.
fn serve(answer: Answer) -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // The client closes when it has seen enough.
            let _ = send(stream, &answer);
        }
    });
    Ok(port)
}

fn send(mut stream: TcpStream, answer: &Answer) -> std::io::Result<()> {
    stream.set_write_timeout(Some(SOON))?;
    stream.set_read_timeout(Some(SOON))?;
    // An answer before the request would be another error.
    let _ = stream.read(&mut [0; 4096])?;
    match answer {
        Whole(bytes) => {
            stream.write_all(bytes)?;
            stream.shutdown(Shutdown::Write)?;
            let mut buffer = [0; 4096];
            while stream.read(&mut buffer)? > 0 {}
            Ok(())
        }
        Endless(head, part) => {
            stream.write_all(head)?;
            loop {
                stream.write_all(part)?;
            }
        }
        Drip(bytes) => {
            for byte in bytes.iter().cycle() {
                stream.write_all(&[*byte])?;
                thread::sleep(Duration::from_millis(50));
            }
            Ok(())
        }
    }
}

fn whole(text: &str) -> Answer {
    Whole(text.replace('\n', "\r\n").into_bytes())
}

/// An answer, the outcome of an HTTP probe, and words of its output.
fn http() -> Vec<(Answer, &'static str, &'static str)> {
    let ok = "HTTP/1.1 200 OK\r\n";
    vec![
        (whole(""), "failure", "EOF"),
        (whole("hello\n\n"), "failure", "malformed HTTP"),
        (whole("<html>HTTP/0.9</html>"), "failure", "malformed HTTP"),
        (whole("HTTP/1.1 999999 OK\n\n"), "failure", "malformed HTTP"),
        (whole("HTTP/1.1 099 Low\nContent-Length: 0\n\n"), "failure", "malformed HTTP"),
        (whole("HTTP/9.9 200 OK\n\n"), "failure", "malformed HTTP"),
        (
            whole("HTTP/1.1 200 OK\nContent-Length: 99999999999999999999\n\n"),
            "failure",
            "content-length",
        ),
        (whole("HTTP/1.1 200 OK\nContent-Length: -1\n\n"), "failure", "content-length"),
        (whole("HTTP/1.1 200 OK\nContent-Length: 5\n\nab"), "error", "unexpected EOF"),
        (whole("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\nzz\n"), "error", "chunk"),
        (
            whole("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\nffffffffffffffff0\nx"),
            "error",
            "chunk",
        ),
        (
            whole("HTTP/1.1 302 Found\nLocation: http://169.254.169.254/latest/\n\n"),
            "warning",
            "redirects",
        ),
        (whole("HTTP/1.1 302 Found\nLocation: //evil.test/\n\n"), "warning", "redirects"),
        (whole("HTTP/1.1 302 Found\nLocation: file:///etc/passwd\n\n"), "warning", "redirects"),
        (
            whole("HTTP/1.1 302 Found\nLocation: http://[\n\n"),
            "failure",
            "failed to parse Location",
        ),
        (
            whole("HTTP/1.1 302 Found\nLocation: /again\n\n"),
            "failure",
            "stopped after 10 redirects",
        ),
        (
            whole("HTTP/1.1 101 Switching Protocols\nUpgrade: x\nConnection: upgrade\n\n"),
            "failure",
            "",
        ),
        (Whole(b"\0\0\0\x04\0\0\0\0\0".to_vec()), "failure", "malformed HTTP"),
        (Whole(b"\x15\x03\x01\0\x02\x02\x16".to_vec()), "failure", "malformed HTTP"),
        (Endless(format!("{ok}X: ").into_bytes(), vec![b'a'; 4096]), "failure", ""),
        (Endless(ok.into(), b"A: b\r\n".repeat(500)), "failure", ""),
        (
            Endless(
                b"HTTP/1.1 100 Continue\r\n\r\n".to_vec(),
                b"HTTP/1.1 100 Continue\r\n\r\n".repeat(99),
            ),
            "failure",
            "",
        ),
        (Endless(format!("{ok}\r\n").into_bytes(), vec![b'x'; 4096]), "success", "xxx"),
        (
            Endless(format!("{ok}\r\n").into_bytes(), b"\x1b[2J\x9b\xe2\x80\xae".repeat(400)),
            "success",
            "",
        ),
        (Drip(b"H".to_vec()), "failure", ""),
        (Drip(format!("{ok}\r\n").into_bytes()), "failure", "deadline"),
    ]
}

/// An answer, and words of the output of a gRPC probe, which fails.
fn grpc() -> Vec<(Answer, &'static str)> {
    let settings = b"\0\0\0\x04\0\0\0\0\0";
    let with = |frame: &[u8]| Whole([settings, frame].concat());
    vec![
        (whole(""), "failed to connect"),
        (whole("HTTP/1.1 400 Bad Request\n\n"), "failed to connect"),
        // A frame of 16 MiB, data of no stream, and a header block that is no HPACK.
        (with(b"\xff\xff\xff\0\0\0\0\0\x01"), ""),
        (with(b"\0\0\x01\0\0\0\0\0\x09x"), ""),
        (with(b"\0\0\x04\x01\x04\0\0\0\x01\xff\xff\xff\xff"), ""),
        (with(b"\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\x0b"), ""),
        (Endless(settings.to_vec(), b"\0\0\x08\x06\0\0\0\0\0pingping".repeat(99)), ""),
        (Endless(settings.to_vec(), settings.repeat(99)), ""),
        (Drip(settings.to_vec()), ""),
    ]
}

/// A container in the host's network, where the servers are.
fn start(host: &Host) -> Result<()> {
    let mut request = host.busybox("probed", "exec sleep 100000")?;
    let spec = &mut request["ociSpec"]["linux"]["namespaces"];
    let namespaces = spec.as_array_mut().context("no namespaces")?;
    namespaces.retain(|namespace| namespace["type"] != "network");
    extend(&mut request, json!({ "start": true, "terminationGracePeriod": "0s" }));
    host.call("probelet.v1.Containers/CreateContainer", &request)?;
    host.wait_status("probed", SOON, |status| status["state"]["running"].is_object()).map(drop)
}

fn judge(said: &Said, outcome: &str, words: &str) -> Result<()> {
    ensure!(
        said.outcome == outcome && said.output.contains(words),
        "{outcome} {words:?}: {said:?}"
    );
    ensure!(said.output.len() <= 10 << 10, "{} bytes", said.output.len());
    Ok(())
}

#[test]
fn no_answer_of_a_server_harms_the_daemon_or_another_container() -> Result<()> {
    with_host(|host| {
        let bystander = Bystander::start(host)?;
        start(host)?;
        let mut wrong = Vec::new();
        let mut probe = |index: usize, probe: Value, outcome: &str, words: &str| -> Result<()> {
            let said = host.probe_once("probed", &probe)?;
            wrong.extend(
                judge(&said, outcome, words).err().map(|error| format!("{index}: {error}")),
            );
            Ok(())
        };
        for (index, (answer, outcome, words)) in http().into_iter().enumerate() {
            let get = json!({ "host": "127.0.0.1", "port": serve(answer)?, "path": "/" });
            probe(index, json!({ "httpGet": get, "timeout": "1s" }), outcome, words)?;
        }
        for (index, (answer, words)) in grpc().into_iter().enumerate() {
            let grpc = json!({ "port": serve(answer)? });
            probe(100 + index, json!({ "grpc": grpc, "timeout": "1s" }), "failure", words)?;
        }
        for (index, (script, outcome, words)) in [
            ("cat /dev/zero", "failure", "timed out"),
            ("while :; do echo y; done", "failure", "timed out"),
            ("dd if=/dev/zero bs=64k count=64; exit 3", "failure", "\0\0\0"),
            ("setsid sleep 1000 & exit 0", "success", ""),
            ("exec 0<&- 1>&- 2>&-; exit 0", "success", ""),
            ("printf '\\033[2J\\nName: forged'; exit 1", "failure", "forged"),
            ("kill -9 $$", "failure", ""),
        ]
        .into_iter()
        .enumerate()
        {
            let exec = json!({ "command": ["sh", "-c", script] });
            probe(200 + index, json!({ "exec": exec, "timeout": "1s" }), outcome, words)?;
        }
        host.probelet(["delete", "pod", "probed"])?;
        bystander.is_unharmed(host)?;
        ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
        Ok(())
    })
}
