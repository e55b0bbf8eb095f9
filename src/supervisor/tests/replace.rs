//! Replacement of a pod.

use super::*;
use crate::domain::image::PullPolicy;
use crate::domain::spec::{Volume, VolumeImage, VolumeSource};
use crate::domain::status::ContainerStatus;
use crate::node::PullError;

fn named(image: &str, uid: &str) -> Validated<PodSpec> {
    PodSpec { uid: uid.into(), ..pod(image).into_inner() }.validate().unwrap()
}

fn runs(view: &PodView) -> bool {
    view.status.all().all(|status| matches!(status.state, ContainerState::Running { .. }))
}

async fn running() -> Host {
    let host = Host::new(Fake::default());
    host.supervisor.apply(named("app", "old"), Wanted::Running).await.unwrap();
    host.supervisor.wait(&key("web"), "run", MINUTE, runs).await.unwrap();
    host
}

#[tokio::test(start_paused = true)]
async fn the_old_pod_is_removed_before_the_new_one_starts() {
    let host = running().await;
    let replaced = host.supervisor.apply_or_replace(named("other", "new"), None).await.unwrap();
    assert_eq!(replaced.1, Applied::Replaced(vec!["spec.containers[0].image".to_owned()]));
    let view = host.supervisor.wait(&key("web"), "run", MINUTE, runs).await.unwrap();
    let status: Vec<&ContainerStatus> = view.status.all().collect();
    assert_eq!((view.spec.uid.as_str(), status[0].restart_count), ("new", 0));
    assert_eq!(status[0].image, "other");
    let calls = host.runtime.calls();
    let at = |call: &str| calls.iter().position(|known| known == call).unwrap();
    assert!(
        at("create web_app_10") < at("forget web_app_0"),
        "one of them is always recorded: {calls:?}"
    );
    assert!(at("forget web_app_0") < at("start web_app_10"), "only one of them runs: {calls:?}");
    let events = host.supervisor.events().after(0, &Subject::Pod(key("web")));
    assert!(events.iter().any(|event| event.reason == "Replaced"), "{events:?}");
}

#[tokio::test(start_paused = true)]
async fn the_old_pod_stays_if_an_image_cannot_be_pulled() {
    let host = running().await;
    let gone = PullError::Failed("manifest unknown".into());
    host.runtime.pulls.send_replace(vec![Err(gone)]);
    let refused = host.supervisor.apply_or_replace(named("absent", "new"), None).await;
    assert!(matches!(refused, Err(SupervisorError::Invalid(_))), "{refused:?}");
    let view = host.supervisor.get(&key("web")).unwrap();
    assert!(runs(&view) && view.spec.uid == "old" && view.status.deletion.is_none());
    host.runtime.pulls.send_replace(vec![Ok(())]);
    host.supervisor.apply_or_replace(named("absent", "new"), None).await.unwrap();
    let calls = host.runtime.calls();
    let at = |call: &str| calls.iter().position(|known| known.starts_with(call)).unwrap();
    assert!(at("pull docker.io/library/absent") < at("forget web_app_0"), "{calls:?}");
}

#[tokio::test(start_paused = true)]
async fn the_old_pod_stays_if_the_image_of_a_volume_cannot_be_pulled() {
    let host = running().await;
    let with = |reference: &str, pull_policy| {
        let image = VolumeImage { reference: reference.into(), pull_policy };
        let mut spec = named("app", "new").into_inner();
        spec.volumes.push(Volume { name: "model".into(), source: VolumeSource::Image(image) });
        spec.validate().unwrap()
    };
    let gone = PullError::Failed("manifest unknown".into());
    host.runtime.pulls.send_replace(vec![Ok(()), Err(gone)]);
    for (policy, why) in
        [(Some(PullPolicy::Never), "image \"absent\" is not present"), (None, "manifest unknown")]
    {
        let refused = host.supervisor.apply_or_replace(with("absent", policy), None).await;
        let refused = refused.unwrap_err().to_string();
        assert_eq!(refused, format!("spec.volumes[0].image.reference: {why}"));
    }
    assert!(runs(&host.supervisor.get(&key("web")).unwrap()));
    let replaced = host.supervisor.apply_or_replace(with("absent", None), None).await.unwrap();
    assert_eq!(replaced.1, Applied::Replaced(vec!["spec.volumes".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_can_be_changed_live_is_not_replaced() {
    let host = running().await;
    let mut spec = named("app", "new").into_inner();
    spec.termination_grace = MINUTE;
    let changed = host.supervisor.apply_or_replace(spec.validate().unwrap(), None).await.unwrap();
    assert_eq!((changed.1, changed.0.spec.uid.as_str()), (Applied::Configured, "old"));
    assert_eq!(host.runtime.calls().iter().filter(|call| call.starts_with("start")).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stopped_pod_is_replaced_by_a_stopped_one() {
    let host = running().await;
    host.supervisor.requests().want(&key("web"), Wanted::Stopped, None, None).unwrap();
    host.supervisor.wait(&key("web"), "stop", MINUTE, |view| !runs(view)).await.unwrap();
    host.supervisor.apply_or_replace(named("other", "new"), None).await.unwrap();
    assert!(!runs(&host.supervisor.get(&key("web")).unwrap()));
    assert!(!host.runtime.calls().contains(&"start web_app_10".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_deleted_pod_deletes_its_successor() {
    let host = Host::new(Fake::stubborn());
    host.supervisor.apply(named("app", "old"), Wanted::Running).await.unwrap();
    host.supervisor.wait(&key("web"), "run", MINUTE, runs).await.unwrap();
    let replaced = host.supervisor.apply_or_replace(named("other", "new"), None);
    let deleted = async {
        let leaving = |view: &PodView| view.status.deletion.is_some();
        host.supervisor.wait(&key("web"), "end", MINUTE, leaving).await.unwrap();
        let again = host.supervisor.apply_or_replace(named("third", "x"), None).await;
        assert!(matches!(again, Err(SupervisorError::BeingDeleted(_))), "{again:?}");
        host.supervisor.requests().want(&key("web"), Wanted::Removed, None, None).unwrap();
        host.supervisor.wait_gone(&key("web"), MINUTE).await.unwrap();
    };
    let (replaced, ()) = tokio::join!(replaced, deleted);
    assert!(matches!(replaced, Err(SupervisorError::NotFound(_))), "{replaced:?}");
    let calls = host.runtime.calls();
    assert!(calls.contains(&"forget web_app_10".to_owned()), "{calls:?}");
    assert!(!calls.contains(&"start web_app_10".to_owned()), "{calls:?}");
    assert_eq!(host.runtime.remembered().1.wanted, Wanted::Removed);
}

#[tokio::test(start_paused = true)]
async fn a_pod_is_not_replaced_by_one_of_another_namespace() {
    let host = Host::new(Fake::default());
    host.supervisor.apply(pod("app"), Wanted::Running).await.unwrap();
    let other = PodSpec {
        namespace: "shop".into(),
        uid: "new".into(),
        termination_grace: Duration::from_secs(5),
        ..pod("other").into_inner()
    };
    let other = other.validate().unwrap();
    host.supervisor.check(&other).await.unwrap();
    let (_, applied) = host.supervisor.apply_or_replace(other, None).await.unwrap();
    assert_eq!(applied, Applied::Created);
    let uid = |pod: &PodKey| host.supervisor.get(pod).unwrap().spec.uid.clone();
    assert_eq!((uid(&key("web")), uid(&PodKey::new("shop", "web"))), ("u".into(), "new".into()));
}
