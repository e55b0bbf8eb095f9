//! Pods that an earlier daemon left.

use std::time::SystemTime;

use super::*;
use crate::domain::Incarnation;
use crate::domain::container::Memory;
use crate::runtime::{AttemptId, Recorded};

/// What a shim that hangs costs: five looks of containerd's, and the pauses between them.
const HANGS: Duration = Duration::from_secs(12);
const ANSWERS: Duration = Duration::from_millis(10);

fn recorded(name: &str) -> Recorded {
    let mut pod = pod("app").into_inner();
    (pod.name, pod.uid) = (name.into(), name.into());
    let attempt = Incarnation(0);
    let id = AttemptId { pod: name.into(), container: "app".into(), attempt };
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

fn is_taken_up(host: &Host, name: &str) -> bool {
    host.supervisor.get(name).is_ok_and(|view| view.status.containers[0].pid.is_some())
}

#[tokio::test(start_paused = true)]
async fn each_pod_is_taken_up_as_soon_as_its_own_tasks_have_answered() {
    let host = host_of(&[("hung", HANGS), ("web", ANSWERS), ("last", ANSWERS)]);
    let (supervisor, mut changes) = (host.supervisor.clone(), host.supervisor.changes());
    let others = async {
        let both = |_: &u64| is_taken_up(&host, "web") && is_taken_up(&host, "last");
        changes.wait_for(both).await.unwrap();
        assert!(!is_taken_up(&host, "hung"));
        // Its end is seen, and it is started again, while the other one still hangs.
        host.runtime.end_of("web_app_0", Ending::Exited(1));
        host.restarts(1).await;
        assert!(!is_taken_up(&host, "hung"));
    };
    let (count, ()) = tokio::join!(supervisor.recover(), others);
    assert_eq!(count.unwrap(), 3);
    assert!(is_taken_up(&host, "hung"));
}

#[tokio::test(start_paused = true)]
async fn those_that_hang_are_waited_for_together() {
    let names: Vec<String> = (0..10).map(|number| format!("hung-{number}")).collect();
    let pods: Vec<_> = names.iter().map(|name| (name.as_str(), HANGS)).collect();
    let host = host_of(&pods);
    let start = tokio::time::Instant::now();
    assert_eq!(host.supervisor.recover().await.unwrap(), pods.len());
    assert!(start.elapsed() < HANGS + Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_containerd_that_goes_away_ends_it_and_the_next_try_takes_up_the_rest() {
    let host = host_of(&[("late", HANGS), ("web", ANSWERS)]);
    let supervisor = host.supervisor.clone();
    let goes_away = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        host.runtime.away.store(true, Relaxed);
    };
    let (failed, ()) = tokio::join!(supervisor.recover(), goes_away);
    assert!(failed.is_err() && is_taken_up(&host, "web") && !is_taken_up(&host, "late"));
    host.runtime.away.store(false, Relaxed);
    assert_eq!(supervisor.recover().await.unwrap(), 1);
    assert!(is_taken_up(&host, "late"));
}

#[tokio::test(start_paused = true)]
async fn a_pod_whose_tasks_are_not_clear_is_looked_at_again_within_seconds() {
    let host = host_of(&[("web", ANSWERS)]);
    host.runtime.task_errors.lock().unwrap().push(RuntimeError::Internal("what?".into()));
    assert_eq!(host.supervisor.recover().await.unwrap(), 0);
    assert!(host.supervisor.get("web").is_ok() && !is_taken_up(&host, "web"));
    let (supervisor, mut changes) = (host.supervisor.clone(), host.supervisor.changes());
    let taken_up = changes.wait_for(|_| is_taken_up(&host, "web"));
    let soon = tokio::time::timeout(Duration::from_secs(7), taken_up);
    tokio::select! {
        () = supervisor.run() => unreachable!("it goes on"),
        taken_up = soon => drop(taken_up.expect("not within seconds").unwrap()),
    }
}
