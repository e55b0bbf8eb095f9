//! Servers that misbehave as the command line says. The image has no other file.
//!
//! There is no SIGTERM handler on purpose: as PID 1 of a container it ignores SIGTERM, so that
//! tests can observe a container that is being stopped until its grace is over.

mod grpc;
mod http1;
mod http2;
mod listen;
mod reply;
mod tcp;

use std::future::pending;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use tokio::task::JoinSet;

use listen::Options;

const USAGE: &str = "usage: prober-target SERVER [+ SERVER]…
  http ADDRESS [OPTION…]   answers by path: see reply.rs
  grpc ADDRESS [OPTION…] [--status SERVING|NOT_SERVING|UNKNOWN] [--hang] [--unimplemented]
  tcp ADDRESS full|deaf|refuse
  sleep | exit CODE | print TEXT
options: --tls  --http1 (no HTTP/2 by ALPN)  --delay MS (before it listens)
  --after N (requests that are answered well before misbehaviour begins)
  --log (path and CLOCK_MONOTONIC microseconds of each request)";

fn main() -> Result<ExitCode> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["exit", code] => return Ok(ExitCode::from(code.parse::<u8>()?)),
        ["print", text] => {
            println!("{text}");
            return Ok(ExitCode::SUCCESS);
        }
        _ => {}
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(&words)).map(|()| ExitCode::SUCCESS)
}

async fn run(words: &[&str]) -> Result<()> {
    let mut servers = JoinSet::new();
    for words in words.split(|word| *word == "+") {
        let server = Server::parse(words).with_context(|| format!("{words:?}\n{USAGE}"))?;
        servers.spawn(server.serve());
    }
    let ended = servers.join_next().await.context(USAGE)?;
    ended?
}

enum Server {
    Http(Options),
    Grpc(Options, grpc::Answer),
    Tcp(String, tcp::Mode),
    Sleep,
}

impl Server {
    fn parse(words: &[&str]) -> Result<Self> {
        match words {
            ["http", address, rest @ ..] => {
                let mut options = Options::new(address);
                let rest = options.take(rest)?;
                if let Some(word) = rest.first() {
                    bail!("unknown word {word}");
                }
                Ok(Self::Http(options))
            }
            ["grpc", address, rest @ ..] => {
                let mut options = Options::new(address);
                let rest = options.take(rest)?;
                Ok(Self::Grpc(options, grpc::Answer::parse(&rest)?))
            }
            ["tcp", address, mode] => Ok(Self::Tcp((*address).to_owned(), mode.parse()?)),
            ["sleep"] => Ok(Self::Sleep),
            _ => Err(anyhow!("no server")),
        }
    }

    async fn serve(self) -> Result<()> {
        match self {
            Self::Http(options) => {
                let counters = options.counters();
                let serve = move |wire| http1::or_http2(wire, counters.clone());
                options.serve(&[b"h2", b"http/1.1"], serve).await
            }
            Self::Grpc(options, answer) => {
                let counters = options.counters();
                let serve = move |wire| grpc::serve(wire, answer, counters.clone());
                options.serve(&[b"h2"], serve).await
            }
            Self::Tcp(address, mode) => tcp::serve(&address, mode).await,
            Self::Sleep => pending().await,
        }
    }
}

/// Parses a number of milliseconds of the command line.
fn milliseconds(text: &str) -> Result<Duration> {
    Ok(Duration::from_millis(text.parse()?))
}
