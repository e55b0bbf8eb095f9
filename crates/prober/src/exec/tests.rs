use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use tokio::task::JoinSet;

use super::*;
use crate::Executed;

/// Container whose commands all take `takes` and have the same result.
struct Scripted {
    turn: Arc<Semaphore>,
    takes: Duration,
    answer: Result<Executed, ExecError>,
    running: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Scripted {
    fn new(takes: Duration, answer: Result<Executed, ExecError>) -> Self {
        let (running, most) = (Arc::default(), Arc::default());
        Self { turn: Arc::new(Semaphore::new(1)), takes, answer, running, most }
    }
}

#[async_trait]
impl Target for Scripted {
    fn tcp_socket(&self, _: SocketAddr) -> io::Result<tokio::net::TcpSocket> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn udp_socket(&self, _: SocketAddr) -> io::Result<tokio::net::UdpSocket> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn read_file(&self, _: &Path, _: usize) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn exec_turn(&self) -> Arc<Semaphore> {
        self.turn.clone()
    }
    async fn exec(
        &self,
        _: &[String],
        _: Duration,
        turn: Turn,
        _: ExecVia,
    ) -> Result<Executed, ExecError> {
        assert!(turn.host.is_some(), "the host's beside the container's");
        let running = self.running.fetch_add(1, Ordering::Relaxed) + 1;
        self.most.fetch_max(running, Ordering::Relaxed);
        tokio::time::sleep(self.takes).await;
        self.running.fetch_sub(1, Ordering::Relaxed);
        self.answer.clone()
    }
}

const SECOND: Duration = Duration::from_secs(1);

fn command() -> Exec {
    Exec { command: ["cat", "/tmp/healthy"].map(str::to_owned).to_vec() }
}

fn exited(exit_code: u32, output: &[u8]) -> Result<Executed, ExecError> {
    Ok(Executed { exit_code, output: output.to_vec() })
}

#[tokio::test(start_paused = true)]
async fn outcomes_of_commands_have_the_kubelets_texts() {
    use Outcome::{Error, Exited, Failure, Success};
    let late = "command timed out: \"cat /tmp/healthy\" timed out after 1s";
    for (answer, outcome) in [
        (exited(0, b"fine\n"), Success("fine\n".into())),
        (exited(1, b"cat: no"), Exited(1, "cat: no".into())),
        (exited(137, b""), Exited(137, "command exited with code 137".into())),
        (exited(3, b"\n"), Exited(3, "command exited with code 3".into())),
        (exited(2, b"\xff!"), Exited(2, "\u{fffd}!".into())),
        (Err(ExecError::TimedOut), Failure(late.into())),
        (Err(ExecError::Failed("no such file".into())), Error("no such file".into())),
    ] {
        let task = Arc::new(Scripted::new(SECOND / 2, answer));
        let attempt = Queue::default().attempt(task, &command(), SECOND, ExecVia::Containerd).await;
        assert_eq!(attempt, Attempt { outcome, latency: SECOND / 2 });
    }
}

async fn all(queue: &Queue, tasks: Vec<Arc<Scripted>>) -> Vec<Attempt> {
    let mut attempts = JoinSet::new();
    for task in tasks {
        let queue = queue.clone();
        attempts.spawn(async move {
            queue.attempt(task, &command(), SECOND, ExecVia::Containerd).await
        });
    }
    attempts.join_all().await
}

#[tokio::test(start_paused = true)]
async fn one_container_runs_one_command_at_a_time() {
    let task = Arc::new(Scripted::new(SECOND, exited(0, b"")));
    let attempts = all(&Queue::new(4), vec![task.clone(); 3]).await;
    assert_eq!(task.most.load(Ordering::Relaxed), 1);
    // The latency is the time that a command ran, without its wait.
    assert!(attempts.iter().all(|attempt| attempt.latency == SECOND), "{attempts:?}");
}

#[tokio::test(start_paused = true)]
async fn a_host_runs_as_many_commands_as_it_has_permits() {
    let first = Scripted::new(SECOND, exited(0, b""));
    let (running, most) = (first.running.clone(), first.most.clone());
    let others = (0..6).map(|_| {
        let other = Scripted::new(SECOND, exited(0, b""));
        Arc::new(Scripted { running: running.clone(), most: most.clone(), ..other })
    });
    let attempts = all(&Queue::new(3), others.collect()).await;
    assert_eq!(most.load(Ordering::Relaxed), 3);
    assert!(attempts.iter().all(|attempt| attempt.outcome.is_success()), "{attempts:?}");
}

#[tokio::test(start_paused = true)]
async fn a_missing_permit_is_an_error_and_no_failure() {
    let task = Arc::new(Scripted::new(SECOND, exited(0, b"")));
    let held = task.turn.clone().acquire_owned().await.unwrap();
    let queue = Queue::new(4);
    let start = Instant::now();
    let attempt = queue.attempt(task.clone(), &command(), SECOND, ExecVia::Containerd).await;
    assert_eq!(start.elapsed(), QUEUE);
    let text = "command not run: no turn within 30s: too many exec probes at once";
    assert_eq!(attempt.outcome, Outcome::Error(text.into()));
    drop(held);
    assert_eq!(queue.host.available_permits(), 4, "none was kept");
    let next = queue.attempt(task, &command(), SECOND, ExecVia::Containerd).await;
    assert!(next.outcome.is_success());
}
