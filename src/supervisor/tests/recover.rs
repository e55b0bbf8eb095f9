//! Recovery of pods that an earlier daemon left.

use std::time::SystemTime;

use super::*;
use crate::domain::Incarnation;
use crate::domain::container::Memory;
use crate::node::{AttemptId, Recorded};

/// The delay of a shim that hangs: five queries by containerd, and the pauses between them.
const HANGS: Duration = Duration::from_secs(12);
const ANSWERS: Duration = Duration::from_millis(10);

fn recorded(name: &str) -> Recorded {
    let mut pod = pod("app").into_inner();
    (pod.name, pod.uid) = (name.into(), name.into());
    let attempt = Incarnation(0);
    let id = AttemptId::new(key(name), "app", attempt);
    let memory = Memory::new(Wanted::Running, SystemTime::UNIX_EPOCH);
    let memory = Memory { started_at: Some(SystemTime::UNIX_EPOCH), ..memory };
    Recorded { id, pod, memory, pending_record: false }
}

fn host_of(pods: &[(&str, Duration)]) -> Host {
    let runtime = Fake::default();
    *runtime.recorded.lock().unwrap() = pods.iter().map(|(name, _)| recorded(name)).collect();
    let answers = pods.iter().map(|(name, takes)| (format!("{name}_app_0"), *takes));
    *runtime.answers.lock().unwrap() = answers.collect();
    Host::new(runtime)
}

fn is_recovered(host: &Host, name: &str) -> bool {
    host.supervisor.get(&key(name)).is_ok_and(|view| view.status.containers[0].pid.is_some())
}

#[tokio::test(start_paused = true)]
async fn each_pod_is_recovered_as_soon_as_its_tasks_have_answered() {
    let host = host_of(&[("hung", HANGS), ("web", ANSWERS), ("last", ANSWERS)]);
    let (supervisor, mut changes) = (host.supervisor.clone(), host.supervisor.changes());
    let others = async {
        let both = |_: &u64| is_recovered(&host, "web") && is_recovered(&host, "last");
        changes.wait_for(both).await.unwrap();
        assert!(!is_recovered(&host, "hung"));
        // The end of its process is handled, and it is restarted, while the other one still hangs.
        host.runtime.end_of("web_app_0", Ending::Exited(1));
        host.restarts(1).await;
        assert!(!is_recovered(&host, "hung"));
    };
    let (count, ()) = tokio::join!(supervisor.recover(), others);
    assert_eq!(count.unwrap(), 3);
    assert!(is_recovered(&host, "hung"));
}

#[tokio::test(start_paused = true)]
async fn hanging_tasks_are_awaited_concurrently() {
    let names: Vec<String> = (0..10).map(|number| format!("hung-{number}")).collect();
    let pods: Vec<_> = names.iter().map(|name| (name.as_str(), HANGS)).collect();
    let host = host_of(&pods);
    let start = tokio::time::Instant::now();
    assert_eq!(host.supervisor.recover().await.unwrap(), pods.len());
    assert!(start.elapsed() < HANGS + Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_loss_of_containerd_ends_the_recovery_and_the_next_one_recovers_the_rest() {
    let host = host_of(&[("late", HANGS), ("web", ANSWERS)]);
    let supervisor = host.supervisor.clone();
    let away = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        host.runtime.away.store(true, Relaxed);
    };
    let (failed, ()) = tokio::join!(supervisor.recover(), away);
    assert!(failed.is_err() && is_recovered(&host, "web") && !is_recovered(&host, "late"));
    host.runtime.away.store(false, Relaxed);
    assert_eq!(supervisor.recover().await.unwrap(), 1);
    assert!(is_recovered(&host, "late"));
}

#[tokio::test(start_paused = true)]
async fn a_pod_whose_tasks_are_unclear_is_queried_again_within_seconds() {
    let host = host_of(&[("web", ANSWERS)]);
    host.runtime.task_errors.lock().unwrap().push(NodeError::Internal("what?".into()));
    assert_eq!(host.supervisor.recover().await.unwrap(), 0);
    assert!(host.supervisor.get(&key("web")).is_ok() && !is_recovered(&host, "web"));
    let (supervisor, mut changes) = (host.supervisor.clone(), host.supervisor.changes());
    let recovered = changes.wait_for(|_| is_recovered(&host, "web"));
    let soon = tokio::time::timeout(Duration::from_secs(7), recovered);
    tokio::select! {
        () = supervisor.run() => unreachable!("it runs until the supervisor stops"),
        recovered = soon => drop(recovered.expect("not within seconds").unwrap()),
    }
}

#[tokio::test(start_paused = true)]
async fn a_pod_is_listed_from_its_record_and_only_its_own_requests_wait() {
    let host = host_of(&[("hung", HANGS), ("web", ANSWERS)]);
    for recorded in &mut *host.runtime.recorded.lock().unwrap() {
        (recorded.memory.started, recorded.memory.ready) = (true, true);
    }
    let supervisor = &host.supervisor;
    let recorded = supervisor.list_recorded().await.unwrap();
    let views = supervisor.list();
    assert_eq!(views.len(), 2);
    for view in &views {
        let status = &view.status.containers[0];
        assert!(matches!(status.state, ContainerState::Running { .. }) && status.ready);
        assert_eq!((status.pid, view.generation), (None, 0));
    }
    assert!(!supervisor.health().supervises_all);
    let stop = |name: &str| supervisor.requests().want(&key(name), Wanted::Stopped, None, None);
    assert!(matches!(stop("web"), Err(SupervisorError::Recovering(_))));
    let requests = async {
        supervisor.find_recovered("default", "web").await.unwrap();
        assert!(is_recovered(&host, "web") && supervisor.get(&key("web")).unwrap().generation > 0);
        stop("web").unwrap();
        let mut same = pod("app").into_inner();
        (same.name, same.uid) = ("hung".into(), "hung".into());
        let same = same.validate().unwrap();
        let applied = supervisor.apply(same, Wanted::Running);
        let within = Duration::from_secs(5);
        assert!(tokio::time::timeout(within, applied).await.is_err(), "it waits for the pod");
        assert!(!is_recovered(&host, "hung"));
        let running = |view: &PodView| view.status.containers[0].pid.is_some();
        supervisor.wait(&key("hung"), "running", MINUTE, running).await.unwrap();
    };
    let (count, ()) = tokio::join!(recorded.recover(), requests);
    assert_eq!(count.unwrap(), 2);
    assert!(supervisor.health().supervises_all);
    assert!(!host.runtime.calls().iter().any(|call| call.starts_with("create")));
}

#[tokio::test(start_paused = true)]
async fn a_request_gives_up_a_pod_that_is_not_recovered_in_time() {
    let host = host_of(&[("hung", 10 * MINUTE)]);
    let recorded = host.supervisor.list_recorded().await.unwrap();
    let requested = host.supervisor.find_recovered("default", "hung");
    let requested = tokio::time::timeout(MINUTE, requested);
    let recovering = async {
        let recovered = tokio::time::timeout(MINUTE, recorded.recover()).await;
        assert!(recovered.is_err());
    };
    let (requested, ()) = tokio::join!(requested, recovering);
    assert!(matches!(requested, Ok(Err(SupervisorError::Recovering(_)))));
}

#[tokio::test(start_paused = true)]
async fn a_listed_pod_stays_until_a_survey_shows_that_it_has_no_record() {
    let host = host_of(&[("late", HANGS), ("web", ANSWERS)]);
    let supervisor = host.supervisor.clone();
    let away = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        host.runtime.away.store(true, Relaxed);
    };
    let (failed, ()) = tokio::join!(supervisor.recover(), away);
    failed.unwrap_err();
    supervisor.recover().await.unwrap_err();
    assert!(supervisor.get(&key("late")).is_ok() && !is_recovered(&host, "late"));
    host.runtime.away.store(false, Relaxed);
    host.runtime.recorded.lock().unwrap().retain(|recorded| recorded.id.pod != key("late"));
    assert_eq!(supervisor.recover().await.unwrap(), 0);
    assert!(matches!(supervisor.get(&key("late")), Err(SupervisorError::NotFound(_))));
    assert!(is_recovered(&host, "web"));
}
