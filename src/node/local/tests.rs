use std::sync::Arc;

use probelet_containerd::Containerd;

use super::*;
use crate::domain::Incarnation;
use crate::domain::pod_key::PodKey;
use crate::node::record::tests::{memory, pod};

fn runtime(log_dir: &str) -> Result<LocalNode, NodeError> {
    let run_dir = tempfile::tempdir().unwrap();
    let (_, registries) = watch::channel(Default::default());
    let socket = "/nonexistent/containerd.sock".into();
    let containerd = Containerd::new(socket, "overlayfs", registries).unwrap();
    let config = Config {
        log_dir: log_dir.into(),
        run_dir: run_dir.path().into(),
        data_dir: run_dir.path().join("data"),
        // The networks of the host, such as podman's, are not for tests.
        cni_conf_dir: run_dir.path().join("cni"),
        ..Config::default()
    };
    LocalNode::new(config, Arc::new(containerd))
}

#[tokio::test]
async fn containerd_away_is_told_as_such() {
    let runtime = runtime("/logs").unwrap();
    let pod = Arc::new(pod());
    let id = AttemptId::new(PodKey::in_default("web"), "app", Incarnation(0));
    let creation = StartRequest { id: id.clone(), pod: pod.clone(), index: 0, memory: memory() };
    for error in [
        runtime.check(&pod.containers[0]).await.err(),
        runtime.create(&creation).await.err(),
        runtime.start(&creation).await.err(),
        runtime.write_record(&id, &pod, &memory()).await.err(),
        runtime.delete_task(&id).await.err(),
        runtime.delete_attempt(&id).await.err(),
        runtime.survey().await.err(),
    ] {
        assert!(matches!(error, Some(NodeError::Call(CallError::Unavailable(_)))), "{error:?}");
    }
}

#[tokio::test]
async fn a_bundle_is_checked_without_containerd() {
    let runtime = runtime("/logs").unwrap();
    let check = async |oci_spec: &str, rootfs: &str| {
        let mut container = pod().containers[0].clone();
        container.source = Source::Bundle { oci_spec: oci_spec.into(), rootfs: rootfs.into() };
        runtime.check(&container).await.map_err(|error| error.to_string())
    };
    let good = r#"{"ociVersion":"1.0.2","process":{"args":["/x"],"cwd":"/"}}"#;
    assert_eq!(check(good, "/proc").await, Ok(ImageFacts::default()));
    assert!(check("{}", "/proc").await.unwrap_err().starts_with("ociSpec.process: "));
    for rootfs in ["proc", "/nonexistent", "/proc/version"] {
        assert!(check(good, rootfs).await.unwrap_err().starts_with("rootfs: "));
    }
}
