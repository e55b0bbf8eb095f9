//! What a node of a cluster reads: its kubeconfig, and the answers of the API.

use probelet_cluster::kubeconfig::Kubeconfig;
use probelet_cluster::mirror::{Mirror, Watched};
use probelet_cluster::pod::BoundPod;
use probelet_cluster::status;
use probelet_kube_wire::time::Timestamp;
use serde_json::{Value, json};

/// A kubeconfig that is accepted names a server that is verified.
pub fn kubeconfig(data: &[u8]) {
    if let Ok(read) = Kubeconfig::parse(&String::from_utf8_lossy(data)) {
        assert!(read.server.starts_with("https://"), "{read:?}");
    }
}

/// Lines of a watch. A mirror loses no object but by an event that says so, and the status of each object
/// is posted once.
pub fn watch(data: &[u8]) {
    let kept = json!({"metadata": {"name": "kept", "namespace": "a", "uid": "u"}});
    let list = json!({"metadata": {"resourceVersion": "1"}, "items": [kept]});
    let mut mirror = Mirror::default();
    mirror.begin_list();
    assert_eq!(mirror.add_page(&list), Ok(None));
    for line in data.split(|byte| *byte == b'\n') {
        let before = mirror.objects().map(|all| all.len());
        let watched = mirror.watched(line);
        let after = mirror.objects().map(|all| all.len());
        assert!(before == after || watched == Watched::Changed, "{watched:?}");
    }
    let now = Timestamp::from_micros(0);
    for object in mirror.objects().into_iter().flat_map(|all| all.values()) {
        let Some(pod) = BoundPod::of(object) else { continue };
        let own = status::pending(pod, ("ContainerCreating", ""), now);
        for is_over in [false, true] {
            let wanted = status::wanted(&own, pod, is_over, now);
            let Some(patch) = status::patch(pod, &wanted) else { continue };
            assert_eq!(patch.pointer("/metadata/uid").and_then(Value::as_str), Some(pod.uid()));
        }
    }
}
