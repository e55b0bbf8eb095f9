//! Changed probes, pauses and single runs on a live pod.

use super::*;
use crate::domain::spec::ProbeKind;

const NONE: Probes = Probes { startup: None, readiness: None, liveness: None };

/// The pod with its liveness probe changed.
fn changed(change: impl FnOnce(&mut ProbeSpec)) -> Validated<PodSpec> {
    let mut pod = pod("app").into_inner();
    change(pod.containers[0].probes.liveness.as_mut().unwrap());
    pod.validate().unwrap()
}

async fn host() -> Host {
    let host = Host::new(Fake::default());
    host.supervisor.apply(pod("app"), Wanted::Running).await.unwrap();
    host.restarts(0).await;
    host
}

#[tokio::test(start_paused = true)]
async fn a_changed_probe_takes_effect_without_a_restart_and_is_recorded() {
    let host = host().await;
    let spec = changed(|probe| probe.period = Duration::from_secs(1));
    let (view, applied) = host.supervisor.apply(spec.clone(), Wanted::Running).await.unwrap();
    assert_eq!(applied, Applied::Configured);
    assert_eq!(view.spec.containers, spec.containers);
    host.prober.0.store(true, Relaxed);
    let start = tokio::time::Instant::now();
    host.restarts(1).await;
    assert!(start.elapsed() <= Duration::from_secs(4), "{:?}", start.elapsed());
    assert_eq!(host.runtime.remembered().0.containers, spec.containers);
    let (_, applied) = host.supervisor.apply(spec, Wanted::Running).await.unwrap();
    assert_eq!(applied, Applied::Unchanged);
}

#[tokio::test(start_paused = true)]
async fn invalid_probes_change_nothing() {
    let host = host().await;
    let mut probes = pod("app").containers[0].probes.clone();
    probes.liveness.as_mut().unwrap().success_threshold = 2;
    let error =
        host.supervisor.live_changes().update_probes(&key("web"), "", probes).await.unwrap_err();
    let text = "spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1";
    assert_eq!(error.to_string(), text);
    assert_eq!(*host.supervisor.get(&key("web")).unwrap().spec, *pod("app"));
}

#[tokio::test(start_paused = true)]
async fn two_concurrent_updates_both_take_effect() {
    let host = host().await;
    let web = key("web");
    let bare = host.supervisor.live_changes().update_probes(&web, "app", NONE);
    let other = host.supervisor.apply(changed(|p| p.failure_threshold = 9), Wanted::Running);
    let (bare, other) = tokio::join!(bare, other);
    assert_eq!(bare.unwrap().spec.containers[0].probes, NONE);
    assert_eq!(other.unwrap().1, Applied::Configured);
}

#[tokio::test(start_paused = true)]
async fn a_paused_pod_is_not_killed_and_a_resumed_one_is() {
    let host = host().await;
    host.supervisor.requests().pause_probes(&key("web"), "", 5 * MINUTE).unwrap();
    host.prober.0.store(true, Relaxed);
    let start = tokio::time::Instant::now();
    host.restarts(1).await;
    // No probe for five minutes, then three failures.
    assert_eq!(start.elapsed().as_secs(), 5 * 60 + 20);
    let unknown = host.supervisor.requests().pause_probes(&key("web"), "db", MINUTE).unwrap_err();
    assert!(matches!(unknown, SupervisorError::NoContainer { .. }));
    host.supervisor.requests().pause_probes(&key("web"), "app", MINUTE).unwrap();
    host.supervisor.requests().resume_probes(&key("web"), "app").unwrap();
    let start = tokio::time::Instant::now();
    host.restarts(2).await;
    assert!(start.elapsed() < MINUTE);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_a_caller_runs_changes_no_counter() {
    let host = host().await;
    let before = host.supervisor.get(&key("web")).unwrap();
    let run = async |kind| host.supervisor.requests().run_probe(&key("web"), "", kind).await;
    assert!(run(ProbeKind::Liveness).await.unwrap().outcome.is_success());
    host.prober.0.store(true, Relaxed);
    for _ in 0..5 {
        assert!(!run(ProbeKind::Liveness).await.unwrap().outcome.is_success());
    }
    assert_eq!(host.supervisor.get(&key("web")).unwrap().status, before.status);
    let error = run(ProbeKind::Startup).await.unwrap_err();
    assert!(matches!(error, SupervisorError::NoProbe { kind: "startup", .. }));
    host.supervisor.requests().want(&key("web"), Wanted::Stopped, None, None).unwrap();
    let stopped = |view: &PodView| view.status.containers[0].pid.is_none();
    host.supervisor.wait(&key("web"), "stop", MINUTE, stopped).await.unwrap();
    let error = run(ProbeKind::Liveness).await.unwrap_err();
    assert!(matches!(error, SupervisorError::NotRunning { .. }));
}
