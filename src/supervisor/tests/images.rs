//! Pulls of images.

use super::*;
use crate::domain::spec::{Volume, VolumeImage, VolumeSource};
use crate::node::PullError;
use crate::registry::RegistryError;

fn named(name: &str, image: &str) -> Validated<PodSpec> {
    PodSpec { name: name.into(), uid: name.into(), ..pod(image).into_inner() }.validate().unwrap()
}

fn pulls(host: &Host) -> usize {
    host.runtime.calls().iter().filter(|call| call.starts_with("pull ")).count()
}

async fn reason(host: &Host, pod: &str, wanted: &str) {
    let is_it = |view: &PodView| match &view.status.containers[0].state {
        ContainerState::Waiting { reason, .. } => reason.as_str() == wanted,
        _ => false,
    };
    host.supervisor.wait(&key(pod), "the reason", 10 * MINUTE, is_it).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn one_pull_is_shared_by_all_containers_of_the_image() {
    let host = Host::new(Fake::default());
    for name in ["a", "b", "c"] {
        host.supervisor.apply(named(name, "absent"), Wanted::Running).await.unwrap();
    }
    reason(&host, "c", "ContainerCreating").await;
    tokio::time::sleep(MINUTE).await;
    host.runtime.pulls.send_replace(vec![Ok(())]);
    for name in ["a", "b", "c"] {
        let runs = |view: &PodView| view.status.containers[0].pid.is_some();
        host.supervisor.wait(&key(name), "running", MINUTE, runs).await.unwrap();
    }
    assert_eq!(pulls(&host), 1);
}

#[tokio::test(start_paused = true)]
async fn a_failed_pull_is_retried_after_its_back_off() {
    let host = Host::new(Fake::default());
    let away = PullError::Registry(RegistryError::Unreachable("connection refused".into()));
    host.runtime.pulls.send_replace(vec![Ok(()), Err(away)]);
    let start = tokio::time::Instant::now();
    host.supervisor.apply(pod("absent"), Wanted::Running).await.unwrap();
    reason(&host, "web", "ImagePullBackOff").await;
    host.restarts(0).await;
    assert_eq!((start.elapsed().as_secs(), pulls(&host)), (10, 2));
}

#[tokio::test(start_paused = true)]
async fn a_pull_without_waiters_is_cancelled() {
    let host = Host::new(Fake::default());
    host.supervisor.apply(pod("absent"), Wanted::Running).await.unwrap();
    let mut pull = host.supervisor.images().pull("absent").unwrap();
    tokio::time::sleep(MINUTE).await;
    host.supervisor.requests().want(&key("web"), Wanted::Removed, None, None).unwrap();
    host.supervisor.wait_gone(&key("web"), MINUTE).await.unwrap();
    assert_eq!(host.runtime.pulls.receiver_count(), 1, "another pod waits for it");
    let waits = tokio::time::timeout(MINUTE, pull.ended()).await;
    assert!(waits.is_err());
    drop(pull);
    tokio::time::timeout(MINUTE, host.runtime.pulls.closed()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_stuck_registry_delays_no_other_one() {
    let host = Host::new(Fake::default());
    let stuck: Vec<_> = (0..9)
        .map(|n| host.supervisor.images().pull(&format!("stuck.io/absent{n}")).unwrap())
        .collect();
    tokio::time::sleep(MINUTE).await;
    assert_eq!(pulls(&host), 4, "at a time from one registry");
    let _other = host.supervisor.images().pull("other.io/absent").unwrap();
    tokio::time::sleep(MINUTE).await;
    assert!(host.runtime.calls().contains(&"pull other.io/absent:latest".into()));
    drop(stuck);
}

#[tokio::test(start_paused = true)]
async fn an_image_of_a_pod_is_not_removed() {
    let host = Host::new(Fake::default());
    host.supervisor.apply(pod("app"), Wanted::Stopped).await.unwrap();
    let error = host.supervisor.images().remove("docker.io/library/app:latest").await.unwrap_err();
    assert!(error.to_string().ends_with("is in use by pod web"), "{error}");
    host.supervisor.images().remove("other").await.unwrap();

    let image = VolumeImage { reference: "model:1".into(), pull_policy: None };
    let mut spec = named("viewer", "app").into_inner();
    spec.volumes.push(Volume { name: "model".into(), source: VolumeSource::Image(image) });
    host.supervisor.apply(spec.validate().unwrap(), Wanted::Stopped).await.unwrap();
    let error = host.supervisor.images().remove("model:1").await.unwrap_err();
    assert!(error.to_string().ends_with("is in use by pod viewer"), "{error}");
}
