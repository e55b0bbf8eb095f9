//! Probes processes at a fixed rate and does nothing else: a socket made inside the network namespace
//! of the process by its pidfd, one request over it, no state, no log, one thread. Prints the number of
//! probes, of failures, and the CPU time that they took in microseconds.
//!
//! ```text
//! probelet-floor http|tcp RATE SECONDS PORT PID…
//! ```

use std::convert::Infallible;
use std::fs::File;
use std::future::pending;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with, sockopt};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use rustix::thread::{
    LinkNameSpaceType, ThreadNameSpaceType, move_into_link_name_space, move_into_thread_name_spaces,
};
use rustix::time::{ClockId, clock_gettime};
use tokio::net::TcpSocket;
use tokio::task::{JoinError, JoinSet, LocalSet};
use tokio::time::{MissedTickBehavior, interval, timeout};

const TIMEOUT: Duration = Duration::from_secs(1);
/// Bytes of a body that are read.
const BODY: usize = 10 << 10;

struct Floor {
    is_http: bool,
    peer: SocketAddr,
    home: File,
    targets: Vec<OwnedFd>,
}

impl Floor {
    fn socket(&self, pidfd: &OwnedFd) -> Result<TcpSocket> {
        move_into_thread_name_spaces(pidfd.as_fd(), ThreadNameSpaceType::NETWORK)?;
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None);
        move_into_link_name_space(self.home.as_fd(), Some(LinkNameSpaceType::Network))?;
        let socket = socket?;
        // Closed by RST, so that no TIME_WAIT is left.
        sockopt::set_socket_linger(&socket, Some(Duration::ZERO))?;
        Ok(TcpSocket::from_std_stream(TcpStream::from(socket)))
    }

    async fn probe(&self, pidfd: &OwnedFd) -> Result<()> {
        let stream = self.socket(pidfd)?.connect(self.peer).await?;
        if !self.is_http {
            return Ok(());
        }
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
        let exchange = async {
            let request = Request::get("/").header("host", "127.0.0.1").body(Empty::<Bytes>::new());
            let answer = sender.send_request(request?).await?;
            ensure!(answer.status().is_success(), "status {}", answer.status());
            let (mut body, mut read) = (answer.into_body(), 0);
            while let Some(frame) = body.frame().await {
                read += frame?.data_ref().map_or(0, Bytes::len);
                ensure!(read <= BODY, "a long body");
            }
            Ok(())
        };
        // The connection may end before the answer is taken out of it.
        let driven = async {
            let _ = connection.await;
            pending::<Infallible>().await
        };
        tokio::select! {
            biased;
            done = exchange => done,
            never = driven => match never {},
        }
    }
}

async fn run(floor: Rc<Floor>, rate: u32, seconds: u32) -> (u32, u32) {
    let mut ticks = interval(Duration::from_secs(1) / rate);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let probes = rate.saturating_mul(seconds);
    let (mut running, mut failures) = (JoinSet::new(), 0_u32);
    for number in 0..probes {
        ticks.tick().await;
        let floor = floor.clone();
        running.spawn_local(async move {
            let target = floor.targets.get(number as usize % floor.targets.len());
            let target = target.context("no process")?;
            timeout(TIMEOUT, floor.probe(target)).await?
        });
        while let Some(done) = running.try_join_next() {
            failures = failures.saturating_add(failure(done, failures));
        }
    }
    while let Some(done) = running.join_next().await {
        failures = failures.saturating_add(failure(done, failures));
    }
    (probes, failures)
}

/// Returns 1 for a failure, and says why the first one failed.
fn failure(done: Result<Result<()>, JoinError>, before: u32) -> u32 {
    let Err(error) = done.map_err(Into::into).and_then(|done| done) else { return 0 };
    if before == 0 {
        eprintln!("{error:#}");
    }
    1
}

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let [kind @ ("http" | "tcp"), rate, seconds, port, pids @ ..] = &words[..] else {
        bail!("usage: probelet-floor http|tcp RATE SECONDS PORT PID…");
    };
    let open = |pid: &&str| {
        let pid = Pid::from_raw(pid.parse()?).context("no process id")?;
        Ok(pidfd_open(pid, PidfdFlags::empty())?)
    };
    let floor = Floor {
        is_http: *kind == "http",
        peer: (Ipv4Addr::LOCALHOST, port.parse()?).into(),
        home: File::open("/proc/self/ns/net")?,
        targets: pids.iter().map(open).collect::<Result<_>>()?,
    };
    ensure!(!floor.targets.is_empty(), "no process to probe");
    let (rate, seconds) = (rate.parse()?, seconds.parse()?);
    ensure!(rate > 0, "RATE is the number of probes in a second");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let before = clock_gettime(ClockId::ProcessCPUTime);
    let local = LocalSet::new();
    let (probes, failures) = local.block_on(&runtime, run(Rc::new(floor), rate, seconds));
    let used = Duration::try_from(clock_gettime(ClockId::ProcessCPUTime))?
        .saturating_sub(Duration::try_from(before)?);
    println!("{probes} {failures} {}", used.as_micros());
    Ok(())
}
