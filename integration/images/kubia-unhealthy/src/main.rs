//! Behaves as luksa/kubia-unhealthy of "Kubernetes in Action": it answers five requests well, and
//! then all with 500.
//!
//! There is no SIGTERM handler on purpose: as PID 1 of a container it ignores SIGTERM, as the
//! original does, so that only SIGKILL ends it. The other modes are for the tests.

mod hang;

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const USAGE: &str = "usage: kubia-unhealthy \
    [serve [--addr HOST:PORT] [--fail-after N] [--times] | exit CODE [AFTER-MILLISECONDS] | sleep \
    | crash-after MILLISECONDS | deadlock | spin | deaf PORT | hog MEBIBYTES FILE]";

/// The largest request head, in bytes. Heads of probes are far smaller.
const MAX_HEAD: usize = 16 * 1024;

struct Server {
    addr: String,
    fail_after: u64,
    /// Whether the time of each answer is logged, as Unix time in microseconds.
    times: bool,
}

enum Mode {
    Serve(Server),
    Exit(u8, Duration),
    Sleep,
    CrashAfter(Duration),
    Hang(hang::Hang),
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match parse(&words) {
        Some(Mode::Serve(server)) => match serve(&server) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("cannot serve on {}: {error}", server.addr);
                ExitCode::FAILURE
            }
        },
        Some(Mode::Exit(code, delay)) => {
            thread::sleep(delay);
            ExitCode::from(code)
        }
        Some(Mode::Sleep) => loop {
            thread::park();
        },
        Some(Mode::CrashAfter(delay)) => {
            thread::sleep(delay);
            eprintln!("crashing now");
            ExitCode::FAILURE
        }
        Some(Mode::Hang(how)) => {
            let error = hang::hang(&how);
            eprintln!("cannot hang: {error:?}");
            ExitCode::FAILURE
        }
        None => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn parse(words: &[&str]) -> Option<Mode> {
    match words {
        [] => parse_serve(&[]),
        ["serve", rest @ ..] => parse_serve(rest),
        ["exit", code] => code.parse().ok().map(|code| Mode::Exit(code, Duration::ZERO)),
        ["exit", code, ms] => {
            let delay = Duration::from_millis(ms.parse().ok()?);
            code.parse().ok().map(|code| Mode::Exit(code, delay))
        }
        ["sleep"] => Some(Mode::Sleep),
        ["crash-after", ms] => {
            ms.parse().ok().map(|ms| Mode::CrashAfter(Duration::from_millis(ms)))
        }
        ["deadlock"] => Some(Mode::Hang(hang::Hang::Deadlock)),
        ["spin"] => Some(Mode::Hang(hang::Hang::Spin)),
        ["deaf", port] => port.parse().ok().map(hang::Hang::Deaf).map(Mode::Hang),
        ["hog", mebibytes, file] => {
            let mebibytes = mebibytes.parse().ok()?;
            Some(Mode::Hang(hang::Hang::Hog { mebibytes, file: (*file).to_owned() }))
        }
        _ => None,
    }
}

fn parse_serve(mut words: &[&str]) -> Option<Mode> {
    let mut server = Server { addr: "0.0.0.0:8080".to_owned(), fail_after: 5, times: false };
    loop {
        match words {
            [] => return Some(Mode::Serve(server)),
            ["--addr", value, rest @ ..] => {
                server.addr = (*value).to_owned();
                words = rest;
            }
            ["--fail-after", value, rest @ ..] => {
                server.fail_after = value.parse().ok()?;
                words = rest;
            }
            ["--times", rest @ ..] => {
                server.times = true;
                words = rest;
            }
            _ => return None,
        }
    }
}

fn serve(server: &Server) -> io::Result<()> {
    let (fail_after, times) = (server.fail_after, server.times);
    println!("Kubia server starting...");
    let listener = TcpListener::bind(&server.addr)?;
    let served = Arc::new(AtomicU64::new(0));
    for stream in listener.incoming() {
        let Ok(stream) = stream else { continue };
        let served = Arc::clone(&served);
        // Each client has its own thread, so a slow one does not delay the others.
        let spawned = thread::Builder::new().spawn(move || {
            // An error means that the client disconnected.
            let _ = answer(stream, &served, fail_after, times);
        });
        if let Err(error) = spawned {
            eprintln!("no thread for a request: {error}");
        }
    }
    Ok(())
}

#[allow(clippy::disallowed_methods, reason = "the test server may read the clock")]
fn answer(
    mut stream: TcpStream,
    served: &AtomicU64,
    fail_after: u64,
    times: bool,
) -> io::Result<()> {
    let limit = Some(Duration::from_secs(10));
    stream.set_read_timeout(limit)?;
    stream.set_write_timeout(limit)?;
    let peer = stream.peer_addr()?;
    if !read_head(&mut stream)? {
        return Ok(());
    }
    println!("Received request from {}", peer.ip());
    let (status, body) = if served.fetch_add(1, Ordering::Relaxed) < fail_after {
        ("200 OK", format!("You've hit {}\n", hostname()))
    } else {
        ("500 Internal Server Error", "I'm not well. Please restart me!\n".to_owned())
    };
    let length = body.len();
    let reply = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{body}"
    );
    if times {
        // The time is taken before the answer, so nothing can react to the answer earlier.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).map_err(io::Error::other)?;
        println!("answered at {}", since.as_micros());
    }
    stream.write_all(reply.as_bytes())
}

/// Reads up to the empty line; false if the request head is incomplete or too long.
fn read_head(stream: &mut TcpStream) -> io::Result<bool> {
    let mut head: Vec<u8> = Vec::new();
    let mut chunk = [0; 1024];
    while head.len() < MAX_HEAD {
        let count = stream.read(&mut chunk)?;
        if count == 0 {
            return Ok(false);
        }
        head.extend(chunk.iter().copied().take(count));
        if head.windows(4).any(|window| window == b"\r\n\r\n") {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The host name in this process' UTS namespace.
fn hostname() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map_or_else(|_| "localhost".to_owned(), |name| name.trim_end().to_owned())
}
