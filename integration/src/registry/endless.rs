//! A registry whose answers have no end.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::Result;
use serde_json::json;

/// The most bytes of an answer that its reader should end.
const ENOUGH: usize = 2 << 30;

/// A registry that answers without end. The tag of the image selects which answer is endless.
pub struct EndlessRegistry {
    address: String,
    closed: Arc<AtomicBool>,
}

impl EndlessRegistry {
    pub fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?.to_string();
        let closed = Arc::new(AtomicBool::new(false));
        let (own, stop) = (address.clone(), closed.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let own = own.clone();
                // The thread ends when its client disconnects.
                thread::spawn(move || serve(&stream, &own));
            }
        });
        Ok(Self { address, closed })
    }

    pub fn image(&self, name: &str) -> String {
        format!("{}/{name}", self.address)
    }
}

impl Drop for EndlessRegistry {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Relaxed);
        // Wakes the accepting thread.
        let _ = TcpStream::connect(&self.address);
    }
}

fn serve(mut stream: &TcpStream, own: &str) {
    let mut lines = BufReader::new(stream.take(16 << 10)).lines().map_while(Result::ok);
    let request = lines.next().unwrap_or_default();
    lines.take_while(|line| !line.is_empty()).for_each(drop);
    let target = request.split(' ').nth(1).unwrap_or_default();
    let target = target.split('?').next().unwrap_or_default();
    let chunked = |status: &str| format!("HTTP/1.1 {status}\r\nTransfer-Encoding: chunked\r\n\r\n");
    let chunk = format!("2000\r\n{}\r\n", "x".repeat(0x2000));
    let (head, part) = match target.rsplit('/').next().unwrap_or_default() {
        "error" => (chunked("404 Not Found"), chunk.as_str()),
        "failure" => (chunked("500 Internal Server Error"), chunk.as_str()),
        "hints" => (String::new(), "HTTP/1.1 103 Early Hints\r\n\r\n"),
        "token" if target.starts_with("/v2/") => {
            let realm = format!("http://{own}/realm/token");
            let head = format!(
                "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer realm=\"{realm}\"\r\n\
                 Content-Length: 0\r\n\r\n"
            );
            (head, "")
        }
        "config" => {
            let blob = |size: u64| {
                json!({
                    "mediaType": "application/vnd.oci.image.config.v1+json",
                    "digest": format!("sha256:{}", "0".repeat(64)),
                    "size": size,
                })
            };
            let manifest = json!({
                "schemaVersion": 2,
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": blob(800 << 20),
                "layers": [],
            });
            let body = manifest.to_string();
            (format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()), "")
        }
        _ => (chunked("200 OK"), chunk.as_str()),
    };
    let part = part.repeat(if part.len() < 100 { 8 << 10 } else { 8 });
    if stream.write_all(head.as_bytes()).is_err() || part.is_empty() {
        return;
    }
    let mut sent = 0;
    while sent < ENOUGH && stream.write_all(part.as_bytes()).is_ok() {
        sent += part.len();
    }
}
