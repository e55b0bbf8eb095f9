//! Values of stored objects that a pod cannot use.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use anyhow::{Result, ensure};
use probelet_integration::image::BUSYBOX_IMAGE;
use probelet_integration::kube::Kube;
use probelet_integration::{SOON, eventually};
use serde_json::json;

#[test]
fn a_value_that_no_variable_can_have_is_an_event_and_the_old_one_stays() -> Result<()> {
    let kube = Kube::start()?;
    kube.host.busybox_image(&json!({}))?;
    kube.kubectl(&["create", "secret", "generic", "db", "--from-literal=name=first"])?;
    let reference = json!({"secretKeyRef": {"name": "db", "key": "name"}});
    let container = json!({
        "name": "main", "image": BUSYBOX_IMAGE, "command": ["sleep", "1000"],
        "env": [{"name": "NAME", "valueFrom": reference}],
    });
    let spec = json!({"terminationGracePeriodSeconds": 0, "containers": [container]});
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": spec,
    });
    kube.apply(&["create", "-f", "-"], &pod.to_string())?;
    kube.kubectl(&["wait", "--for=condition=Ready", "pod/web", "--timeout=30s"])?;
    // The bytes ff fe in base64.
    let patch = r#"{"data":{"name":"//4="}}"#;
    kube.kubectl(&["patch", "secret", "db", "--type=merge", "-p", patch])?;
    let event = eventually("the event", SOON, || {
        let reason = "--field-selector=reason=ValuesNotUsed,involvedObject.name=web";
        let list = kube.json(&["get", "events", reason]).ok()?;
        list["items"].as_array()?.first().cloned()
    })?;
    ensure!(event["type"] == "Warning", "{event}");
    let message = event["message"].as_str().unwrap_or_default();
    ensure!(message.contains("has no effect on the pod") && message.contains("env"), "{message}");
    ensure!(kube.kubectl(&["describe", "pod", "web"])?.contains("ValuesNotUsed"));
    let script = ["exec", "web", "--", "sh", "-c", "echo $NAME"];
    ensure!(kube.kubectl(&script)? == "first\n");
    // A value that can be used takes the place of the old one at the next start.
    let patch = r#"{"stringData":{"name":"second"}}"#;
    kube.kubectl(&["patch", "secret", "db", "--type=merge", "-p", patch])?;
    kube.host.probelet(["restart", "web"])?;
    eventually("the new value", SOON, || (kube.kubectl(&script).ok()? == "second\n").then_some(()))
}
