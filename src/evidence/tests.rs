//! Captures of real processes of this host, behind a fake task.

use std::collections::HashSet;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use tokio::sync::oneshot;

use super::*;
use crate::domain::Incarnation;
use crate::domain::exit::Ending;
use crate::domain::pod_key::PodKey;
use crate::domain::spec::{Exec, ExecVia};
use crate::node::session::{Order, Session, SessionError};
use crate::node::{AttemptId, ExecError, Executed, StartNotes, Target, Task, Turn};
use crate::process::Process;

struct Real(Arc<Process>);

#[async_trait]
impl Target for Real {
    fn tcp_socket(&self, _: std::net::SocketAddr) -> std::io::Result<tokio::net::TcpSocket> {
        tokio::net::TcpSocket::new_v4()
    }

    fn udp_socket(&self, _: std::net::SocketAddr) -> std::io::Result<tokio::net::UdpSocket> {
        Err(std::io::ErrorKind::Unsupported.into())
    }

    fn read_file(&self, _: &Path, _: usize) -> std::io::Result<Vec<u8>> {
        Err(std::io::ErrorKind::NotFound.into())
    }

    fn exec_turn(&self) -> Arc<tokio::sync::Semaphore> {
        Arc::new(tokio::sync::Semaphore::new(1))
    }

    async fn exec(
        &self,
        words: &[String],
        _: Duration,
        _: Turn,
        _: ExecVia,
    ) -> Result<Executed, ExecError> {
        Ok(Executed { exit_code: 3, output: words.concat().into_bytes() })
    }
}

#[async_trait]
impl Task for Real {
    fn pid(&self) -> u32 {
        self.0.pid()
    }

    fn process(&self) -> Option<Arc<Process>> {
        Some(self.0.clone())
    }

    fn signal(&self, _: i32) -> std::io::Result<()> {
        Ok(())
    }

    async fn open(&self, _: &Order) -> Result<Session, SessionError> {
        Err(SessionError::Failed("it runs no command".to_owned()))
    }

    fn shim_memory(&self) -> std::io::Result<u64> {
        Ok(0)
    }

    fn start_notes(&self) -> StartNotes {
        StartNotes::default()
    }

    fn oom_kills_before(&self) -> Option<u64> {
        None
    }

    fn oom_kills(&self) -> Option<u64> {
        None
    }

    async fn oom_killed(&self, _: u64) -> Option<u64> {
        self.ended().await;
        None
    }

    async fn ended(&self) -> Ending {
        std::future::pending().await
    }
}

/// A child process and the folder of its log.
struct Stage {
    child: Child,
    task: Arc<dyn Task>,
    folder: tempfile::TempDir,
}

impl Stage {
    fn new(script: &str) -> Self {
        let child = Command::new("sh").args(["-c", script]).stdin(Stdio::null()).spawn().unwrap();
        let task = Arc::new(Real(Arc::new(Process::open(child.id()).unwrap())));
        Self { child, task, folder: tempfile::tempdir().unwrap() }
    }

    fn evidence_source(&self) -> EvidenceSource {
        let id = AttemptId::new(PodKey::in_default("web"), "app", Incarnation(2));
        EvidenceSource {
            id,
            uid: "u".into(),
            at: SystemTime::UNIX_EPOCH + Duration::from_secs(1),
            cause: "liveness".into(),
            probes: vec![],
            signaled: false,
            command: None,
            log: self.folder.path().join("2.log"),
            bound: Duration::from_secs(5),
            sample: None,
        }
    }

    /// A sample of a second ago. A thread's wait for a CPU is counted when it gets one, so on a busy
    /// host a short time would lack much of it.
    async fn sample(&self, collector: &HostEvidence) -> Option<Sample> {
        let sample = collector.sample(&self.evidence_source().log, self.task.clone()).await;
        assert!(sample.is_some());
        tokio::time::sleep(Duration::from_secs(1)).await;
        sample
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn a_spinning_process_is_captured_and_stored() {
    let stage = Stage::new("while :; do :; done");
    std::fs::write(stage.folder.path().join("2.log"), "one\ntwo\n").unwrap();
    let evidence_collector = HostEvidence::default();
    let command = Some(Exec { command: vec!["dump".into()] });
    let sample = stage.sample(&evidence_collector).await;
    let evidence_source = EvidenceSource { command, sample, ..stage.evidence_source() };
    let said = evidence_collector
        .capture(evidence_source, stage.task.clone(), oneshot::channel().0)
        .await
        .unwrap();
    let kept = evidence_collector.stored(stage.folder.path(), "u").await;
    let [evidence] = &kept[..] else { panic!("{kept:?}") };
    assert_eq!((evidence.attempt.0, evidence.at, &evidence.reading), (2, 1000, &said));
    let seen = &evidence.captured;
    assert_eq!(seen.log, ["one", "two"]);
    assert_eq!(seen.command_output.as_deref(), Some("dump\n(exit status 3)"));
    let init = &seen.processes[0];
    assert_eq!((init.pid, init.name.as_str(), init.thread_count), (stage.child.id(), "sh", 1));
    assert!(init.descriptors.open >= 3 && init.descriptors.limit.is_some());
    assert!(init.resident_bytes > 0);
    // The thread's own times are checked, and not the interpretation: that may name other busy
    // processes of this host instead.
    let [thread] = &init.threads[..] else { panic!("{init:?}") };
    let able = thread.ran_microseconds + thread.waited_microseconds;
    assert!(thread.ran_microseconds > 0, "{thread:?}");
    assert!(able >= 800 * seen.sample_milliseconds, "{thread:?}");
    evidence_collector.delete_all(stage.folder.path()).await;
    assert_eq!(evidence_collector.stored(stage.folder.path(), "u").await, []);
}

#[tokio::test]
async fn a_sleeping_process_shows_its_kernel_function() {
    let stage = Stage::new("exec sleep 60");
    let evidence_collector = HostEvidence::default();
    // The shell has executed `sleep`, and it sleeps.
    for _ in 0..1000 {
        let place = std::fs::read_to_string(format!("/proc/{}/wchan", stage.child.id())).unwrap();
        if place.contains("nanosleep") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    evidence_collector
        .capture(stage.evidence_source(), stage.task.clone(), oneshot::channel().0)
        .await
        .unwrap();
    let kept = evidence_collector.stored(stage.folder.path(), "u").await;
    let thread = &kept[0].captured.processes[0].threads[0];
    assert!(thread.place().contains("nanosleep"), "{thread:?}");
    assert_eq!((thread.state.as_str(), thread.ran_microseconds), ("S", 0));
    // The missing log is reported and is no error.
    assert!(kept[0].captured.missing.iter().any(|missing| missing.starts_with("log: ")));
}

#[tokio::test]
async fn a_capture_with_an_earlier_sample_waits_for_nothing() {
    let stage = Stage::new("while :; do :; done");
    let collector = HostEvidence::default();
    let sample = stage.sample(&collector).await;
    let (stop, may_stop) = oneshot::channel();
    let evidence_source = EvidenceSource { sample, ..stage.evidence_source() };
    let capture = collector.capture(evidence_source, stage.task.clone(), stop);
    let (_, released) = tokio::join!(capture, may_stop);
    assert!(released.is_ok(), "the stop goes on before the capture ends");
    let kept = collector.stored(stage.folder.path(), "u").await;
    let seen = &kept[0].captured;
    let thread = &seen.processes[0].threads[0];
    assert!(seen.sample_milliseconds >= 1000, "{seen:?}");
    let able = thread.ran_microseconds + thread.waited_microseconds;
    assert!(able >= 800 * seen.sample_milliseconds, "{thread:?}");
}

#[tokio::test]
async fn a_missing_folder_and_an_ended_process_are_reported() {
    let mut stage = Stage::new("exec sleep 60");
    let evidence_collector = HostEvidence::default();
    let gone = stage.folder.path().join("gone/2.log");
    let evidence_source = EvidenceSource { log: gone, ..stage.evidence_source() };
    let error = evidence_collector
        .capture(evidence_source, stage.task.clone(), oneshot::channel().0)
        .await
        .unwrap_err();
    assert!(error.contains("not stored"), "{error}");
    stage.child.kill().unwrap();
    stage.child.wait().unwrap();
    let error = evidence_collector
        .capture(stage.evidence_source(), stage.task.clone(), oneshot::channel().0)
        .await
        .unwrap_err();
    assert!(error.starts_with("not captured"), "{error}");
}

#[tokio::test]
async fn an_abandoned_capture_is_stored_and_a_second_one_is_refused_meanwhile() {
    let stage = Stage::new("exec sleep 60");
    let evidence_collector = HostEvidence::default();
    let first = evidence_collector.capture(
        stage.evidence_source(),
        stage.task.clone(),
        oneshot::channel().0,
    );
    tokio::time::timeout(Duration::from_millis(20), first).await.unwrap_err();
    let second = evidence_collector
        .capture(stage.evidence_source(), stage.task.clone(), oneshot::channel().0)
        .await;
    assert!(second.unwrap_err().contains("still running"));
    // The abandoned capture goes on and stores its evidence.
    let folder = stage.folder.path();
    for _ in 0..500 {
        if !evidence_collector.stored(folder, "u").await.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(evidence_collector.stored(folder, "u").await.len(), 1);
}

#[test]
fn processes_and_threads_beyond_the_limits_are_reported_as_missing() {
    let mut missing = Vec::new();
    let own = std::process::id();
    let pids = threads::chosen(own, &(1..100).collect::<Vec<_>>(), &mut missing);
    assert_eq!((pids.len(), pids[0]), (20, own));
    assert_eq!(missing, ["processes: 20 of 100 were read"]);

    let stop = Arc::new(std::sync::Barrier::new(251));
    let threads: Vec<_> = (0..250)
        .map(|_| {
            let stop = stop.clone();
            std::thread::spawn(move || stop.wait())
        })
        .collect();
    let mut release = release::Release::new(oneshot::channel().0, false);
    let budget = text::Budget::new(Duration::from_secs(10));
    missing.clear();
    let seen =
        threads::processes(&[own], |_| threads::Ran::default(), budget, &mut release, &mut missing);
    // Threads of other tests may have ended meanwhile.
    let count = seen[0].threads.len();
    assert!((150..=200).contains(&count), "{count}");
    let different: HashSet<u32> = seen[0].threads.iter().map(|thread| thread.tid).collect();
    assert_eq!(different.len(), count);
    assert!(missing[0].starts_with("threads: 200 of "), "{missing:?}");
    stop.wait();
    for thread in threads {
        thread.join().unwrap();
    }
}
