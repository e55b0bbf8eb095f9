//! The garbage collection of objects by their owners, with kubectl.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use anyhow::{Context, Result, ensure};
use probelet_integration::image::BUSYBOX_IMAGE;
use probelet_integration::kube::Kube;
use probelet_integration::{SOON, eventually};
use serde_json::{Value, json};

/// An item of `metadata.ownerReferences`.
fn owner(object: &Value, blocks: bool) -> Value {
    json!({
        "apiVersion": object["apiVersion"], "kind": object["kind"],
        "name": object["metadata"]["name"], "uid": object["metadata"]["uid"],
        "blockOwnerDeletion": blocks,
    })
}

fn create(kube: &Kube, kind: &str, name: &str, owners: &[Value]) -> Result<Value> {
    let metadata = json!({"name": name, "ownerReferences": owners});
    let object = json!({"apiVersion": "v1", "kind": kind, "metadata": metadata});
    let made = kube.apply(&["create", "-o", "json", "-f", "-"], &object.to_string())?;
    serde_json::from_str(&made).context(made)
}

fn job(kube: &Kube, name: &str, owners: &[Value]) -> Result<()> {
    let container = json!({"name": "main", "image": BUSYBOX_IMAGE, "command": ["true"]});
    let template = json!({"spec": {"restartPolicy": "Never", "containers": [container]}});
    let metadata = json!({"name": name, "ownerReferences": owners});
    let job = json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": metadata,
        "spec": {"template": template, "suspend": true},
    });
    kube.apply(&["create", "-f", "-"], &job.to_string()).map(drop)
}

fn names(kube: &Kube) -> Result<Vec<String>> {
    let names = kube.kubectl(&["get", "cm,secret,job,pod", "-o", "name"])?;
    let names = names.lines().filter(|name| !name.contains("kube-root-ca.crt"));
    Ok(names.map(str::to_owned).collect())
}

/// Waits until exactly these objects are left.
fn left(kube: &Kube, expected: &[&str]) -> Result<()> {
    eventually(&format!("{expected:?} are left"), SOON, || {
        (names(kube).ok()? == expected).then_some(())
    })
    .with_context(|| format!("{:?}", names(kube)))
}

#[test]
fn objects_go_with_their_last_owner() -> Result<()> {
    let kube = Kube::start()?;
    kube.host.busybox_image(&json!({}))?;
    let a = create(&kube, "ConfigMap", "a", &[])?;
    let b = create(&kube, "Secret", "b", &[])?;
    create(&kube, "Secret", "of-a", &[owner(&a, false)])?;
    create(&kube, "ConfigMap", "of-both", &[owner(&a, false), owner(&b, false)])?;
    job(&kube, "of-b", &[owner(&b, false)])?;
    kube.kubectl(&["run", "pod", "--image", BUSYBOX_IMAGE, "--", "sleep", "1000"])?;
    let pod = kube.json(&["get", "pod", "pod"])?;
    let of_pod = create(&kube, "ConfigMap", "of-pod", &[owner(&pod, false)])?;
    create(&kube, "ConfigMap", "chain", &[owner(&of_pod, false)])?;
    // An owner of a kind that is not served counts as existing.
    let widget = json!({"apiVersion": "example.org/v1", "kind": "W", "name": "w", "uid": "w"});
    create(&kube, "ConfigMap", "of-widget", &[widget])?;
    kube.kubectl(&["delete", "cm", "a"])?;
    let stay = ["configmap/chain", "configmap/of-both", "configmap/of-pod", "configmap/of-widget"];
    left(&kube, &[&stay[..], &["secret/b", "job.batch/of-b", "pod/pod"]].concat())?;
    kube.kubectl(&["delete", "pod", "pod", "--now"])?;
    let stay = ["configmap/of-both", "configmap/of-widget", "secret/b", "job.batch/of-b"];
    left(&kube, &stay)?;
    kube.kubectl(&["delete", "secret", "b"])?;
    left(&kube, &["configmap/of-widget"])?;
    // An owner that never existed.
    create(&kube, "ConfigMap", "of-nothing", &[owner(&a, false)])?;
    left(&kube, &["configmap/of-widget"])
}

#[test]
fn a_deletion_waits_for_blocking_dependents_or_frees_them() -> Result<()> {
    let kube = Kube::start()?;
    let a = create(&kube, "ConfigMap", "a", &[])?;
    let kept = create(&kube, "Secret", "kept", &[owner(&a, true)])?;
    let patch = r#"{"metadata":{"finalizers":["example.com/wait"]}}"#;
    kube.kubectl(&["patch", "secret", "kept", "--type=merge", "-p", patch])?;
    create(&kube, "Secret", "later", &[owner(&a, false)])?;
    create(&kube, "Secret", "of-kept", &[owner(&kept, true)])?;
    kube.kubectl(&["delete", "cm", "a", "--cascade=foreground", "--wait=false"])?;
    // The Secret with a finalizer of its own stays, and so does its owner.
    left(&kube, &["configmap/a", "secret/kept", "secret/of-kept"])?;
    let a = kube.json(&["get", "cm", "a"])?;
    ensure!(a["metadata"]["finalizers"] == json!(["foregroundDeletion"]), "{a}");
    ensure!(a["metadata"]["deletionTimestamp"].is_string(), "{a}");
    let free = r#"{"metadata":{"finalizers":null}}"#;
    kube.kubectl(&["patch", "secret", "kept", "--type=merge", "-p", free])?;
    left(&kube, &[])?;

    let a = create(&kube, "ConfigMap", "a", &[])?;
    create(&kube, "Secret", "orphan", &[owner(&a, true)])?;
    kube.kubectl(&["delete", "cm", "a", "--cascade=orphan"])?;
    left(&kube, &["secret/orphan"])?;
    let orphan = kube.json(&["get", "secret", "orphan"])?;
    ensure!(orphan["metadata"]["ownerReferences"].is_null(), "{orphan}");
    Ok(())
}
