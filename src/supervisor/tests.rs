//! The actor over a scripted runtime and prober, on a paused clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use async_trait::async_trait;

use super::{Applied, PodView, Subject, Supervisor, SupervisorBuilder, SupervisorError, now};
use crate::domain::container::Event;
use crate::domain::container::Wanted;
use crate::domain::exit::Ending;
use crate::domain::pod_key::PodKey;
use crate::domain::probe::Outcome;
use crate::domain::spec::{
    BackoffLimits, ContainerSpec, Handler, MessagePolicy, PodSpec, PortRef, ProbeSpec, Probes,
    RestartPolicy, Source, TcpSocket, Validated,
};
use crate::domain::status::{ContainerState, WaitingReason};
use crate::node::NodeError;
use crate::node::fake::Fake;
use crate::node::{CallError, Target, Task};
use crate::prober::{Attempt, Prober};

mod brake;
mod evidence;
mod images;
mod namespaces;
mod panicked;
mod ports;
mod probes;
mod recover;
mod replace;
mod several;
mod simulation;
mod writes;

const MINUTE: Duration = Duration::from_secs(60);

/// Fails each probe once the flag is set.
#[derive(Default)]
struct Scripted(AtomicBool);

#[async_trait]
impl Prober for Scripted {
    async fn attempt(&self, _: Arc<dyn Target>, _: &ContainerSpec, _: &ProbeSpec) -> Attempt {
        let outcome = if self.0.load(Relaxed) {
            Outcome::Failure("HTTP probe failed with statuscode: 500".into())
        } else {
            Outcome::Success(String::new())
        };
        Attempt { outcome, latency: Duration::from_millis(1) }
    }
}

fn key(name: impl Into<String>) -> PodKey {
    PodKey::in_default(name)
}

fn pod(image: &str) -> Validated<PodSpec> {
    let handler = Handler::TcpSocket(TcpSocket { host: None, port: PortRef::Number(80) });
    PodSpec {
        namespace: "default".into(),
        name: "web".into(),
        uid: "u".into(),
        labels: Default::default(),
        annotations: Default::default(),
        restart_policy: RestartPolicy::Always,
        termination_grace: Duration::from_secs(30),
        active_deadline: None,
        hostname: None,
        service_account: None,
        pull_secrets: vec![],
        init_containers: vec![],
        dependents: Default::default(),
        security: Default::default(),
        host_namespaces: Default::default(),
        network: Default::default(),
        share_process_namespace: false,
        naming: Default::default(),
        volumes: vec![],
        gates: Default::default(),
        origin: None,
        ids_of_default: false,
        submitted: None,
        stored: None,
        containers: vec![ContainerSpec {
            name: "app".into(),
            source: Source::Image(image.into()),
            pull_policy: None,
            command: vec![],
            args: vec![],
            env: vec![],
            working_dir: None,
            ports: vec![],
            probes: Probes { liveness: Some(ProbeSpec::new(handler)), ..Probes::default() },
            lifecycle: Default::default(),
            restart_policy: None,
            restart_policy_rules: vec![],
            termination_message: Default::default(),
            backoff: BackoffLimits::default(),
            security: Default::default(),
            resources: Default::default(),
            devices: Default::default(),
            volume_mounts: vec![],
            log_limits: Default::default(),
            streams: Default::default(),
        }],
    }
    .validate()
    .unwrap()
}

struct Host {
    runtime: Arc<Fake>,
    prober: Arc<Scripted>,
    supervisor: Arc<Supervisor>,
}

impl Host {
    fn new(runtime: Fake) -> Self {
        Self::with(runtime, |builder| builder)
    }

    fn with(runtime: Fake, configure: impl FnOnce(SupervisorBuilder) -> SupervisorBuilder) -> Self {
        let (runtime, prober) = (Arc::new(runtime), Arc::new(Scripted::default()));
        let builder = SupervisorBuilder::new(runtime.clone(), prober.clone());
        let supervisor = Arc::new(configure(builder).build());
        Self { runtime, prober, supervisor }
    }

    async fn restarts(&self, count: u32) -> PodView {
        let reached = |view: &PodView| {
            let status = &view.status.containers[0];
            status.restart_count == count && matches!(status.state, ContainerState::Running { .. })
        };
        self.supervisor.wait(&key("web"), "restarts", 10 * MINUTE, reached).await.unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn a_condemned_process_that_ignores_sigterm_is_killed_and_restarted() {
    let host = Host::new(Fake::stubborn());
    host.supervisor.apply(pod("app"), Wanted::Running).await.unwrap();
    host.restarts(0).await;
    host.prober.0.store(true, Relaxed);
    let start = tokio::time::Instant::now();
    let view = host.restarts(1).await;
    // First probe at once and good; failures at 10, 20 and 30 s; 30 s of grace.
    assert_eq!(start.elapsed().as_secs(), 60);
    let last = view.status.containers[0].last_state.clone().unwrap();
    assert_eq!((last.exit_code, last.signal), (137, Some(9)));
    let events: Vec<_> = host.supervisor.events().after(0, &Subject::Pod(key("web")));
    let count = |reason: &str| events.iter().find(|event| event.reason == reason).unwrap().count;
    // The new instance's first probe may have been reported already.
    assert!((3..=4).contains(&count("Unhealthy")));
    assert_eq!(count("Killing"), 1);
    let calls = host.runtime.calls();
    assert_eq!(calls[..3], ["create web_app_0", "start web_app_0", "start web_app_1"]);
}

#[tokio::test(start_paused = true)]
async fn crashes_lengthen_the_back_off_and_old_attempts_are_deleted() {
    let host = Host::new(Fake::default());
    host.supervisor.apply(pod("app"), Wanted::Running).await.unwrap();
    let mut waits = Vec::new();
    for count in 0..4 {
        host.restarts(count).await;
        let start = tokio::time::Instant::now();
        host.runtime.end(Ending::Exited(1));
        host.restarts(count + 1).await;
        waits.push(start.elapsed().as_secs());
    }
    assert_eq!(waits, [0, 10, 20, 40]);
    assert!(host.runtime.calls().contains(&"forget web_app_2".into()));
    assert!(!host.runtime.calls().contains(&"forget web_app_3".into()));
}

#[tokio::test(start_paused = true)]
async fn an_invalid_image_names_the_field_and_leaves_nothing() {
    let host = Host::new(Fake::default());
    let error = host.supervisor.apply(pod("bad"), Wanted::Running).await.unwrap_err();
    assert_eq!(error.to_string(), "spec.containers[0].image: is no image");
    assert_eq!(host.runtime.calls(), [""; 0]);
    assert!(matches!(host.supervisor.get(&key("web")), Err(SupervisorError::NotFound(_))));
}

#[tokio::test(start_paused = true)]
async fn an_equal_pod_is_unchanged_and_a_different_one_is_refused() {
    let host = Host::new(Fake::default());
    host.supervisor.apply(pod("app"), Wanted::Running).await.unwrap();
    let (_, applied) = host.supervisor.apply(pod("app"), Wanted::Running).await.unwrap();
    assert_eq!(applied, Applied::Unchanged);
    let error = host.supervisor.apply(pod("other"), Wanted::Running).await.unwrap_err();
    assert!(matches!(error, SupervisorError::Differs { .. }));
}

#[tokio::test(start_paused = true)]
async fn removal_leaves_nothing_and_frees_the_name() {
    let host = Host::new(Fake::default());
    host.supervisor.apply(pod("app"), Wanted::Running).await.unwrap();
    host.restarts(0).await;
    host.supervisor.requests().want(&key("web"), Wanted::Removed, None, None).unwrap();
    host.supervisor.wait_gone(&key("web"), MINUTE).await.unwrap();
    assert!(host.runtime.calls().contains(&"forget web_app_0".into()));
    host.supervisor.apply(pod("other"), Wanted::Running).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_start_without_containerd_is_no_restart() {
    let host = Host::new(Fake::default());
    let away = NodeError::Call(CallError::Unavailable("connection refused".into()));
    // An internal error of containerd is no failure of the container either.
    let internal = NodeError::Internal("failed to rename: file exists".into());
    *host.runtime.start_errors.lock().unwrap() = vec![internal, away.clone(), away];
    host.supervisor.apply(pod("app"), Wanted::Running).await.unwrap();
    assert_eq!(host.restarts(0).await.status.containers[0].last_state, None);
}

#[tokio::test(start_paused = true)]
async fn a_refused_configuration_is_retried_and_is_no_restart() {
    let host = Host::new(Fake::default());
    let root = NodeError::Config("container has runAsNonRoot and image will run as root".into());
    *host.runtime.start_errors.lock().unwrap() = vec![root];
    host.supervisor.apply(pod("app"), Wanted::Running).await.unwrap();
    let waits = |view: &PodView| match &view.status.containers[0].state {
        ContainerState::Waiting { reason, .. } => {
            *reason == WaitingReason::CreateContainerConfigError
        }
        _ => false,
    };
    host.supervisor.wait(&key("web"), "refusal", MINUTE, waits).await.unwrap();
    assert_eq!(host.restarts(0).await.status.containers[0].last_state, None);
}

#[tokio::test(start_paused = true)]
async fn stopping_the_daemon_leaves_containers_running() {
    let host = Host::new(Fake::default());
    host.supervisor.apply(pod("app"), Wanted::Running).await.unwrap();
    host.restarts(0).await;
    host.supervisor.stop().await;
    assert_eq!(host.runtime.calls(), ["create web_app_0", "start web_app_0"]);
}

#[tokio::test(start_paused = true)]
async fn oom_kills_are_reported_while_the_process_runs_and_at_its_end() {
    let host = Host::new(Fake::default());
    host.supervisor.apply(pod("app"), Wanted::Running).await.unwrap();
    host.restarts(0).await;
    host.runtime.oom_kill();
    let mut newest = host.supervisor.events().newest();
    let reported = newest.wait_for(|_| {
        host.supervisor
            .events()
            .after(0, &Subject::Pod(key("web")))
            .iter()
            .any(|event| event.reason == "OOMKilling")
    });
    tokio::time::timeout(MINUTE, reported).await.unwrap().unwrap();
    host.runtime.oom_kill();
    host.runtime.end(Ending::Signaled(9));
    let view = host.restarts(1).await;
    let last = view.status.containers[0].last_state.clone().unwrap();
    assert_eq!((last.reason.as_str(), last.oom_kills), ("OOMKilled", 2));
    assert_eq!(last.cause, crate::domain::exit::Cause::OutOfMemory);
    assert_eq!(host.runtime.remembered().1.history.iter().count(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_oom_kill_right_after_the_start_is_reported() {
    let host = Host::new(Fake::default());
    host.runtime.early_oom_kills.store(1, Relaxed);
    host.supervisor.apply(pod("app"), Wanted::Running).await.unwrap();
    host.restarts(0).await;
    host.runtime.end(Ending::Signaled(9));
    let last = host.restarts(1).await.status.containers[0].last_state.clone().unwrap();
    assert_eq!((last.reason.as_str(), last.oom_kills), ("OOMKilled", 1));
}

#[tokio::test(start_paused = true)]
async fn the_log_is_read_only_if_it_may_replace_the_message() {
    for (policy, code, expected) in [
        (MessagePolicy::FallbackToLogsOnError, 1, "log of web_app_0"),
        (MessagePolicy::FallbackToLogsOnError, 0, ""),
        (MessagePolicy::File, 1, ""),
    ] {
        let host = Host::new(Fake::default());
        let mut spec = pod("app").into_inner();
        spec.containers[0].termination_message.policy = policy;
        host.supervisor.apply(spec.validate().unwrap(), Wanted::Running).await.unwrap();
        host.restarts(0).await;
        host.runtime.end(Ending::Exited(code));
        let view = host.restarts(1).await;
        assert_eq!(view.status.containers[0].last_state.clone().unwrap().message, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn an_actor_that_does_not_answer_is_detected() {
    let host = Host::new(Fake::default());
    assert!(host.supervisor.requests().all_answer(MINUTE).await);
    let (view, _) = host.supervisor.apply(pod("app"), Wanted::Running).await.unwrap();
    assert!(host.supervisor.requests().all_answer(MINUTE).await);
    let cancel = tokio_util::sync::CancellationToken::new();
    let (handle, channels) = super::pod_handle::PodHandle::new(view, Wanted::Running, None, cancel);
    host.supervisor.registry.insert(&key("stuck"), handle);
    assert!(!host.supervisor.requests().all_answer(MINUTE).await);
    drop(channels);
    assert!(host.supervisor.requests().all_answer(MINUTE).await);
}
