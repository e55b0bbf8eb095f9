//! `port-forward` to a server on a pod's loopback, by the API alone.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use probelet_integration::image::BUSYBOX_IMAGE;
use probelet_integration::{Host, SOON, clean, eventually, probelet_bin, with_host};
use serde_json::json;

/// The file with the error output of a forward.
const ERRORS: &str = "forward-errors";

/// A client that forwards, and the local port that it printed.
struct Forward {
    verb: Child,
    port: u16,
}

impl Forward {
    fn open(host: &Host, port: &str) -> Result<Self> {
        let mut command = Command::new(probelet_bin());
        command.arg("--socket").arg(host.socket()).args(["port-forward", "web", port]);
        let mut verb =
            command.stdout(Stdio::piped()).stderr(File::create(host.path(ERRORS))?).spawn()?;
        let mut line = String::new();
        let out = verb.stdout.take().context("no output")?;
        let read = BufReader::new(out).read_line(&mut line);
        let mut forward = Self { verb, port: 0 };
        read?;
        let address = line.strip_prefix("Forwarding from 127.0.0.1:").context(line.clone())?;
        forward.port = address.split(' ').next().context(line.clone())?.parse()?;
        Ok(forward)
    }

    fn connect(&self) -> Result<TcpStream> {
        let stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(SOON))?;
        Ok(stream)
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        clean::end(&mut self.verb);
    }
}

/// All that the server sends back after the client's half is closed.
fn answer(forward: &Forward, sent: &[u8]) -> Result<Vec<u8>> {
    let mut stream = forward.connect()?;
    let mut writing = stream.try_clone()?;
    let bytes = sent.to_vec();
    let writer = std::thread::spawn(move || -> std::io::Result<()> {
        writing.write_all(&bytes)?;
        writing.shutdown(Shutdown::Write)
    });
    let mut received = Vec::new();
    stream.read_to_end(&mut received)?;
    writer.join().ok().context("the writer has panicked")??;
    Ok(received)
}

#[test]
fn bytes_go_both_ways_over_a_restart_and_a_closed_port_is_reported() -> Result<()> {
    with_host(|host| {
        host.busybox_image(&json!({}))?;
        let echo = "exec busybox nc -ll -p 7 -e busybox cat";
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "web" },
            "spec": {
                "terminationGracePeriodSeconds": 0,
                "containers": [{ "name": "app", "image": BUSYBOX_IMAGE, "command": ["sh", "-c", echo] }],
            },
        });
        host.apply(&pod.to_string())?;
        let refused = host.try_probelet(["port-forward", "wbe", ":7"], "")?;
        ensure!(
            refused.code == Some(1) && refused.stderr.contains("did you mean \"web\"?"),
            "{refused:?}"
        );

        let forward = Forward::open(host, ":7")?;
        let large: Vec<u8> = (0..3_u32 << 20).map(|n| (n % 251) as u8).collect();
        let echoes = |bytes: &[u8]| {
            eventually("the server answers", SOON, || {
                (answer(&forward, bytes).ok()? == bytes).then_some(())
            })
        };
        echoes(b"hello")?;
        ensure!(answer(&forward, &large)? == large, "the bytes are not those that were sent");
        host.probelet(["restart", "web"])?;
        echoes(b"again")?;
        drop(forward);

        let closed = Forward::open(host, ":9")?;
        // The connection is closed, or reset because not all that was sent was read.
        ensure!(answer(&closed, b"x").unwrap_or_default().is_empty());
        // The client reports the error after it has closed the connection.
        let text = eventually("the error is reported", SOON, || {
            let text = fs::read_to_string(host.path(ERRORS)).ok()?;
            text.ends_with('\n').then_some(text)
        })?;
        ensure!(
            text.contains("port 9 of pods \"web\" takes no connection: Connection refused"),
            "{text}"
        );
        ensure!(!text.contains("os error"), "{text}");
        host.probelet(["delete", "pod", "web"])?;
        Ok(())
    })
}
