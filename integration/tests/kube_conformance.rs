//! What Kubernetes' own specs of pods assert and no other test has: finalizers, images that change
//! in place, resize policies.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use anyhow::{Context, Result, ensure};
use probelet_integration::image::BUSYBOX_IMAGE;
use probelet_integration::kube::Kube;
use probelet_integration::{SOON, eventually};
use serde_json::{Value, json};

const OTHER_IMAGE: &str = "docker.io/library/busybox:other";

fn start() -> Result<Kube> {
    let kube = Kube::start()?;
    kube.host.busybox_image(&json!({}))?;
    Ok(kube)
}

fn pod(metadata: &Value, container: &Value) -> String {
    let mut own = json!({
        "name": "app", "image": BUSYBOX_IMAGE,
        "command": ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done"],
    });
    probelet_integration::target::extend(&mut own, container.clone());
    let spec = json!({"terminationGracePeriodSeconds": 5, "containers": [own]});
    let mut named = json!({"name": "web"});
    probelet_integration::target::extend(&mut named, metadata.clone());
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": named, "spec": spec}).to_string()
}

#[test]
fn a_deleted_pod_stays_until_its_last_finalizer_is_removed() -> Result<()> {
    let mut kube = start()?;
    let finalizers = json!({"finalizers": ["example.com/a", "example.com/b"]});
    let manifest = pod(&finalizers, &json!({}));
    kube.apply(&["apply", "-f", "-"], &manifest)?;
    kube.ready("web")?;
    ensure!(kube.pod("web")?["metadata"]["finalizers"] == finalizers["finalizers"]);
    // No successor waits for what other clients have to do.
    let other = pod(&json!({}), &json!({"args": ["x"]}));
    let replaced = kube.host.try_probelet(["apply", "-f", "-"], &other)?;
    ensure!(replaced.stderr.contains("has finalizers (example.com/a"), "{}", replaced.stderr);
    kube.kubectl(&["delete", "pod", "web", "--wait=false"])?;
    let has_ended = |pod: &Value| {
        let status = &pod["status"];
        let ended = &status["containerStatuses"][0]["state"]["terminated"];
        ended["exitCode"] == 0 && status["phase"] == "Succeeded"
    };
    let ended = || kube.pod("web").ok().filter(has_ended);
    let before = eventually("the container has ended", SOON, ended)?;
    ensure!(!before["metadata"]["deletionTimestamp"].is_null(), "{before}");
    kube.crash()?;
    let after = eventually("the pod is there", SOON, || kube.pod("web").ok())?;
    ensure!(has_ended(&after) && after["metadata"]["uid"] == before["metadata"]["uid"], "{after}");
    // The deletion is the only change of the spec.
    ensure!(before["metadata"]["generation"] == 2 && after["metadata"]["generation"] == 2);
    ensure!(!after["metadata"]["deletionTimestamp"].is_null(), "{after}");
    let patch = |list: Value| {
        let patch = json!({"metadata": {"finalizers": list}}).to_string();
        kube.try_kubectl(&["patch", "pod", "web", "--type=merge", "-p", &patch], "")
    };
    let added = patch(json!(["example.com/a", "example.com/c"]))?;
    ensure!(added.stderr.contains("no new finalizers can be added"), "{}", added.stderr);
    let one = patch(json!(["example.com/b"]))?;
    ensure!(one.code == Some(0), "{}", one.stderr);
    ensure!(kube.pod("web")?["metadata"]["finalizers"] == json!(["example.com/b"]));
    ensure!(patch(Value::Null)?.code == Some(0));
    let gone = || kube.refused(&["get", "pod", "web"], "").ok();
    let why = eventually("the pod is gone", SOON, gone)?;
    ensure!(why.contains("not found"), "{why}");
    // A pod of the same name is another pod.
    kube.apply(&["apply", "-f", "-"], &pod(&json!({}), &json!({})))?;
    kube.ready("web")
}

#[test]
fn the_old_instance_is_shown_until_the_one_of_another_image_runs() -> Result<()> {
    let kube = start()?;
    kube.host.ctr(["image", "tag", BUSYBOX_IMAGE, OTHER_IMAGE])?;
    kube.apply(&["apply", "-f", "-"], &pod(&json!({}), &json!({})))?;
    kube.ready("web")?;
    let before = kube.pod("web")?;
    let version = before["metadata"]["resourceVersion"].as_str().context("no version")?.to_owned();
    kube.kubectl(&["set", "image", "pod/web", &format!("app={OTHER_IMAGE}")])?;
    let restarts = |pod: &Value| pod["status"]["containerStatuses"][0]["restartCount"].clone();
    let restarted = || kube.pod("web").ok().filter(|pod| restarts(pod) == 1);
    eventually("the new instance runs", SOON, restarted)?;
    let watch = format!(
        "/api/v1/namespaces/default/pods?watch=true&timeoutSeconds=1&resourceVersion={version}"
    );
    let events = kube.kubectl(&["get", "--raw", &watch])?;
    let mut images = Vec::new();
    for line in events.lines() {
        let event: Value = serde_json::from_str(line)?;
        let status = &event["object"]["status"];
        let conditions = status["conditions"].as_array().context("no conditions")?;
        for kind in ["Ready", "ContainersReady"] {
            let is_true = conditions.iter().any(|it| it["type"] == kind && it["status"] == "True");
            ensure!(is_true, "{kind}: {event}");
        }
        ensure!(!status["containerStatuses"][0]["state"]["running"].is_null(), "{event}");
        images.push(event["object"]["spec"]["containers"][0]["image"].clone());
    }
    ensure!(images.iter().any(|image| *image == OTHER_IMAGE), "{images:?}");
    let last = kube.pod("web")?["status"]["containerStatuses"][0]["lastState"].clone();
    ensure!(!last["terminated"].is_null(), "{last}");
    // A definition that cannot start is shown as such.
    kube.kubectl(&["set", "image", "pod/web", "app=127.0.0.1:9/none:1"])?;
    let waits = |pod: &Value| {
        let status = &pod["status"]["containerStatuses"][0];
        status["ready"] == false && !status["state"]["waiting"].is_null()
    };
    eventually("the pull fails", SOON, || kube.pod("web").ok().filter(waits)).map(drop)
}

#[test]
fn a_resize_policy_is_given_back_and_fixed() -> Result<()> {
    let kube = start()?;
    let policy = json!([
        {"resourceName": "cpu", "restartPolicy": "NotRequired"},
        {"resourceName": "memory", "restartPolicy": "RestartContainer"},
    ]);
    let manifest = pod(&json!({}), &json!({"resizePolicy": policy}));
    let applied = kube.try_kubectl(&["apply", "-f", "-"], &manifest)?;
    ensure!(applied.code == Some(0), "{}", applied.stderr);
    let warning = "spec.containers[0].resizePolicy[1].restartPolicy: ignored";
    ensure!(applied.stderr.contains(warning), "{}", applied.stderr);
    ensure!(!applied.stderr.contains("resizePolicy[0]"), "{}", applied.stderr);
    ensure!(kube.pod("web")?["spec"]["containers"][0]["resizePolicy"] == policy);
    ensure!(kube.apply(&["apply", "-f", "-"], &manifest)?.contains("unchanged"));
    let other = json!([{"resourceName": "cpu", "restartPolicy": "RestartContainer"}]);
    let changed = pod(&json!({}), &json!({"resizePolicy": other}));
    let refused = kube.refused(&["apply", "-f", "-"], &changed)?;
    ensure!(refused.contains("pod updates may not change fields other than"), "{refused}");
    let wrong = json!([{"resourceName": "disk", "restartPolicy": "NotRequired"}]);
    let wrong = pod(&json!({"name": "other"}), &json!({"resizePolicy": wrong}));
    let refused = kube.refused(&["apply", "-f", "-"], &wrong)?;
    ensure!(refused.contains("resizePolicy[0].resourceName"), "{refused}");
    Ok(())
}
