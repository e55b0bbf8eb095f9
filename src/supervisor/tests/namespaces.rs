//! Pods of one name in different namespaces.

use std::time::SystemTime;

use super::*;
use crate::domain::Incarnation;
use crate::domain::container::Memory;
use crate::node::{AttemptId, Recorded};

fn pod_in(namespace: &str) -> Validated<PodSpec> {
    let (namespace, uid) = (namespace.to_owned(), format!("uid of {namespace}"));
    PodSpec { namespace, uid, ..pod("app").into_inner() }.validate().unwrap()
}

fn web_in(namespace: &str) -> PodKey {
    PodKey::new(namespace, "web")
}

async fn runs(host: &Host, pod: &PodKey, restarts: u32) -> PodView {
    let reached = |view: &PodView| {
        let status = &view.status.containers[0];
        matches!(status.state, ContainerState::Running { .. }) && status.restart_count == restarts
    };
    host.supervisor.wait(pod, "running", MINUTE, reached).await.unwrap()
}

fn id_of(view: &PodView) -> String {
    view.status.containers[0].container_id.clone()
}

#[tokio::test(start_paused = true)]
async fn each_has_its_own_life() {
    let host = Host::new(Fake::default());
    let all = ["default", "a", "b"].map(web_in);
    let mut ids = std::collections::BTreeSet::new();
    for pod in &all {
        let (view, applied) =
            host.supervisor.apply(pod_in(pod.namespace()), Wanted::Running).await.unwrap();
        assert_eq!((view.spec.key(), applied), (pod.clone(), Applied::Created));
        ids.insert(id_of(&runs(&host, pod, 0).await));
    }
    assert_eq!(ids.len(), 3, "{ids:?}");
    let [_, a, b] = &all;
    host.runtime.end_of(&id_of(&runs(&host, a, 0).await), Ending::Exited(1));
    runs(&host, a, 1).await;
    host.supervisor.requests().want(a, Wanted::Removed, None, None).unwrap();
    host.supervisor.wait_gone(a, MINUTE).await.unwrap();
    assert!(matches!(host.supervisor.get(a), Err(SupervisorError::NotFound(pod)) if pod == *a));
    for pod in [&all[0], b] {
        runs(&host, pod, 0).await;
    }
    let ended = host.supervisor.events().after(0, &Subject::Namespace("b".into()));
    assert!(ended.iter().all(|event| event.pod_uid == "uid of b") && !ended.is_empty());
}

#[tokio::test(start_paused = true)]
async fn one_of_an_older_build_keeps_its_ids_and_no_other_pod_gets_them() {
    let runtime = Fake::default();
    let old = PodSpec { ids_of_default: true, ..pod_in("shop").into_inner() };
    let memory = Memory::new(Wanted::Running, SystemTime::UNIX_EPOCH);
    let memory = Memory { started_at: Some(SystemTime::UNIX_EPOCH), ..memory };
    let id = AttemptId::of(&old, "app", Incarnation(0));
    *runtime.recorded.lock().unwrap() =
        vec![Recorded { id, pod: old, memory, pending_record: false }];
    runtime.answers.lock().unwrap().insert("web_app_0".to_owned(), Duration::ZERO);
    let host = Host::new(runtime);
    assert_eq!(host.supervisor.recover().await.unwrap(), 1);
    host.runtime.end_of("web_app_0", Ending::Exited(1));
    let view = runs(&host, &web_in("shop"), 1).await;
    assert_eq!(id_of(&view), "web_app_1");
    // A live change keeps the ids too.
    let changed = PodSpec { labels: Default::default(), ..pod_in("shop").into_inner() };
    host.supervisor.apply(changed.validate().unwrap(), Wanted::Running).await.unwrap();
    assert!(host.supervisor.get(&web_in("shop")).unwrap().spec.ids_of_default);
    let refused = host.supervisor.apply(pod_in("default"), Wanted::Running).await;
    assert!(matches!(refused, Err(SupervisorError::AlreadyExists(pod)) if pod == web_in("shop")));
    host.supervisor.check(&pod_in("default")).await.unwrap_err();
    host.supervisor.apply(pod_in("other"), Wanted::Running).await.unwrap();
}
