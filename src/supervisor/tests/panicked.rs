//! Panics of an actor.

use std::time::SystemTime;

use super::*;
use crate::domain::Incarnation;
use crate::domain::container::Memory;
use crate::domain::status::Phase;
use crate::node::{AttemptId, Recorded};

/// A host with a pod that an earlier daemon left running and that is recovered.
async fn recovered() -> Host {
    let runtime = Fake::default();
    let pod = pod("app").into_inner();
    let id = AttemptId::new(key("web"), "app", Incarnation(0));
    let memory = Memory::new(Wanted::Running, SystemTime::UNIX_EPOCH);
    let memory = Memory { started_at: Some(SystemTime::UNIX_EPOCH), ..memory };
    *runtime.recorded.lock().unwrap() = vec![Recorded { id, pod, memory, pending_record: false }];
    let answers = [("web_app_0".to_owned(), Duration::from_millis(10))];
    *runtime.answers.lock().unwrap() = answers.into();
    let host = Host::new(runtime);
    assert_eq!(host.supervisor.recover().await.unwrap(), 1);
    host
}

async fn panics(host: &Host) {
    host.runtime.panics.store(true, Relaxed);
    host.supervisor.requests().pause_probes(&key("web"), "", MINUTE).unwrap();
    let mut changes = host.supervisor.changes();
    let changed = changes.wait_for(|_| !host.supervisor.health().supervises_all);
    tokio::time::timeout(MINUTE, changed).await.expect("the panic is reported").unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_reported_and_the_pod_recovered_while_the_container_runs() {
    let host = recovered().await;
    panics(&host).await;
    let view = host.supervisor.get(&key("web")).unwrap();
    assert_eq!(view.status.phase, Phase::Unknown);
    let refused =
        host.supervisor.requests().want(&key("web"), Wanted::Stopped, None, None).unwrap_err();
    assert!(refused.to_string().contains("SupervisionFailed: on purpose"), "{refused}");
    let events = host.supervisor.events().after(0, &Subject::Pod(key("web")));
    assert!(events.iter().any(|event| event.reason == "SupervisionFailed"), "{events:?}");

    let mut changes = host.supervisor.changes();
    let back = changes.wait_for(|_| host.supervisor.health().supervises_all);
    tokio::time::timeout(MINUTE, back).await.expect("the pod is recovered").unwrap();
    let view = host.restarts(0).await;
    assert!(view.status.containers[0].pid.is_some());
    assert!(
        !host.runtime.calls().iter().any(|call| call.starts_with("start")),
        "the container continued to run"
    );
    // The container is probed as before.
    host.prober.0.store(true, Relaxed);
    host.restarts(1).await;
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_the_pod_does_not_report_that_it_is_removed() {
    let host = recovered().await;
    let (supervisor, never) = (host.supervisor.clone(), |_: &PodView| false);
    let waits =
        async move { supervisor.wait(&key("web"), "removal", MINUTE, never).await.unwrap_err() };
    let (error, ()) = tokio::join!(waits, panics(&host));
    let is_gone = matches!(error, SupervisorError::NotFound(_));
    assert!(!is_gone, "{error}");
}
