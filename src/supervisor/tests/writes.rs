//! Records and cleanup: nothing is deleted that is the only source of a fact.

use super::*;
use crate::domain::container::Memory;

fn refused() -> NodeError {
    NodeError::StartFailed("no such file or directory".into())
}

impl Host {
    async fn run() -> Self {
        let host = Host::new(Fake::default());
        host.supervisor.apply(pod("app"), Wanted::Running).await.unwrap();
        host.restarts(0).await;
        host
    }

    fn has_called(&self, call: &str) -> bool {
        self.runtime.calls().iter().any(|known| known == call)
    }

    /// Waits, bounded, for a call of the runtime.
    async fn call(&self, call: &str) {
        let called = async {
            while !self.has_called(call) {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(10 * MINUTE, called).await.unwrap();
    }

    async fn waits_with(&self, reason: &str, attempt: u32) {
        let reached = |view: &PodView| {
            let status = &view.status.containers[0];
            let waits = |state: &ContainerState| match state {
                ContainerState::Waiting { reason: shown, .. } => shown.as_str() == reason,
                _ => false,
            };
            status.attempt.0 == attempt && waits(&status.state)
        };
        self.supervisor.wait(&key("web"), "a wait", 10 * MINUTE, reached).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn an_ended_task_stays_until_the_next_attempt_has_a_record() {
    let host = Host::run().await;
    let internal = NodeError::Internal("disk full".into());
    *host.runtime.start_errors.lock().unwrap() = vec![internal.clone(), internal];
    host.runtime.recordless.store(true, Relaxed);
    host.runtime.end(Ending::Exited(3));
    host.waits_with("CreateContainerError", 1).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!host.has_called("reap web_app_0"), "only the task has its exit code");
    host.runtime.recordless.store(false, Relaxed);
    host.restarts(1).await;
    host.call("reap web_app_0").await;
}

#[tokio::test(start_paused = true)]
async fn an_older_record_stays_until_the_newest_attempt_has_one() {
    let host = Host::run().await;
    host.runtime.recordless.store(true, Relaxed);
    *host.runtime.start_errors.lock().unwrap() = vec![refused(); 3];
    host.runtime.end(Ending::Exited(3));
    host.waits_with("CrashLoopBackOff", 3).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(host.has_called("restore web_app_3"), "the write is tried");
    let calls = host.runtime.calls();
    assert!(!calls.iter().any(|call| call.starts_with("forget")), "{calls:?}");
    host.runtime.recordless.store(false, Relaxed);
    host.restarts(4).await;
    host.call("forget web_app_0").await;
}

#[tokio::test(start_paused = true)]
async fn a_restored_record_allows_the_cleanup() {
    let host = Host::run().await;
    *host.runtime.start_errors.lock().unwrap() = vec![refused(); 3];
    host.runtime.end(Ending::Exited(3));
    host.waits_with("CrashLoopBackOff", 3).await;
    host.call("forget web_app_1").await;
}

#[tokio::test(start_paused = true)]
async fn a_container_without_a_record_is_removed() {
    let host = Host::run().await;
    host.runtime.recordless.store(true, Relaxed);
    host.supervisor.requests().want(&key("web"), Wanted::Removed, None, None).unwrap();
    host.supervisor.wait_gone(&key("web"), MINUTE).await.unwrap();
}

impl Host {
    fn pending(&self) -> Option<Memory> {
        self.runtime.kept.lock().unwrap().clone().map(|(_, memory)| memory)
    }

    /// Waits, bounded, for a pending record that meets the condition.
    async fn has_pending(&self, good: impl Fn(&Memory) -> bool) {
        let pending = async {
            while !self.pending().is_some_and(|memory| good(&memory)) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(MINUTE, pending).await.unwrap();
    }
}

fn was_killed(memory: &Memory) -> bool {
    let last = memory.ended.as_ref().or(memory.last_state.as_ref());
    last.is_some_and(|last| last.exit_code == 137)
}

#[tokio::test(start_paused = true)]
async fn an_exit_that_cannot_be_recorded_is_pending_until_it_can() {
    let host = Host::run().await;
    host.runtime.away.store(true, Relaxed);
    host.runtime.end(Ending::Signaled(9));
    host.has_pending(|memory| memory.attempt.0 == 1 && was_killed(memory)).await;
    assert!(!was_killed(&host.runtime.remembered().1));
    host.runtime.away.store(false, Relaxed);
    host.restarts(1).await;
    let written = async {
        while host.pending().is_some() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(10 * MINUTE, written).await.unwrap();
    assert!(was_killed(&host.runtime.remembered().1));
}

#[tokio::test(start_paused = true)]
async fn a_newer_state_is_pending_while_a_write_waits_and_is_written_then() {
    let host = Host::run().await;
    host.runtime.away.store(true, Relaxed);
    host.runtime.end(Ending::Signaled(9));
    host.has_pending(was_killed).await;
    // After a day the retries have their longest pause.
    tokio::time::sleep(24 * 60 * MINUTE).await;
    let start = tokio::time::Instant::now();
    host.supervisor.requests().want(&key("web"), Wanted::Stopped, None, None).unwrap();
    host.has_pending(|memory| memory.wanted == Wanted::Stopped).await;
    assert!(
        start.elapsed() < Duration::from_secs(1),
        "the pending record does not wait for a retry"
    );
    host.runtime.away.store(false, Relaxed);
    let written = async {
        while host.pending().is_some() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(10 * MINUTE, written).await.unwrap();
    assert_eq!(host.runtime.remembered().1.wanted, Wanted::Stopped);
}
