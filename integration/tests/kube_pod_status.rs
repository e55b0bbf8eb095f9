//! Clients that write the status of a pod, as Kubernetes' own tests and controllers do.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use anyhow::{Context, Result, ensure};
use probelet_integration::image::BUSYBOX_IMAGE;
use probelet_integration::kube::Kube;
use probelet_integration::{SOON, eventually};
use serde_json::{Value, json};

const STATUS: &str = "/api/v1/namespaces/default/pods/web/status";

fn with_web() -> Result<Kube> {
    let kube = Kube::start()?;
    kube.host.busybox_image(&json!({}))?;
    kube.apply(&["apply", "-f", "-"], &web())?;
    kube.kubectl(&["wait", "--for=condition=Ready", "pod/web", "--timeout=30s"])?;
    Ok(kube)
}

fn web() -> String {
    let container = json!({
        "name": "app", "image": BUSYBOX_IMAGE,
        "command": ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done"],
        "resources": {"requests": {"cpu": "0.5", "memory": "1024Ki"}},
    });
    let spec = json!({"terminationGracePeriodSeconds": 1, "containers": [container]});
    let metadata = json!({"name": "web", "labels": {"app": "web"}});
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}).to_string()
}

fn read(text: &str) -> Result<Value> {
    serde_json::from_str(text).with_context(|| text.to_owned())
}

/// The status of a condition.
fn condition<'a>(pod: &'a Value, kind: &str) -> Option<&'a Value> {
    let mut all = pod["status"]["conditions"].as_array()?.iter();
    all.find(|it| it["type"] == kind)
}

fn is(pod: &Value, kind: &str, status: &str) -> bool {
    condition(pod, kind).is_some_and(|it| it["status"] == status)
}

#[test]
fn an_update_replaces_the_status_and_the_daemon_corrects_what_it_decides() -> Result<()> {
    let kube = with_web()?;
    let mut pod = kube.json(&["get", "pod", "web"])?;
    let before = pod["metadata"]["resourceVersion"].as_str().context("no version")?.to_owned();
    for (index, _) in
        pod["status"]["conditions"].clone().as_array().into_iter().flatten().enumerate()
    {
        let condition = &mut pod["status"]["conditions"][index];
        if condition["type"] == "Ready" || condition["type"] == "ContainersReady" {
            condition["status"] = json!("False");
        }
    }
    pod["status"]["phase"] = json!("Failed");
    pod["spec"]["nodeName"] = json!("elsewhere");
    let conditions = pod["status"]["conditions"].as_array_mut().context("no conditions")?;
    conditions.push(json!({"type": "example.com/mine", "status": "True", "reason": "Set"}));
    let replace = ["replace", "--raw", STATUS, "-f", "-"];
    let answer = read(&kube.apply(&replace, &pod.to_string())?)?;
    ensure!(is(&answer, "Ready", "False") && is(&answer, "ContainersReady", "False"), "{answer}");
    ensure!(is(&answer, "example.com/mine", "True"), "{answer}");
    ensure!(answer["status"]["phase"] == "Failed", "{answer}");
    ensure!(answer["spec"]["nodeName"] != "elsewhere", "{answer}");
    // The daemon's status follows, and watches see both.
    let now = kube.json(&["get", "pod", "web"])?;
    ensure!(is(&now, "Ready", "True") && is(&now, "example.com/mine", "True"), "{now}");
    ensure!(now["status"]["phase"] == "Running", "{now}");
    let watch = format!(
        "/api/v1/namespaces/default/pods?watch=true&timeoutSeconds=1&resourceVersion={before}"
    );
    let events = kube.kubectl(&["get", "--raw", &watch])?;
    let events = events.lines().map(read).collect::<Result<Vec<_>>>()?;
    let written = answer["metadata"]["resourceVersion"].as_str();
    let at = events
        .iter()
        .position(|it| it["object"]["metadata"]["resourceVersion"].as_str() == written);
    let last = events.last().context("no events")?;
    ensure!(at.is_some_and(|at| at + 1 < events.len()), "{events:?}");
    ensure!(is(&last["object"], "Ready", "True") && last["type"] == "MODIFIED", "{last}");
    // A replaced status has no condition that it does not name. The version of the answer is old.
    let stale = kube.try_kubectl(&replace, &answer.to_string())?;
    ensure!(stale.stderr.contains("the object has been modified"), "{}", stale.stderr);
    let mut now = kube.json(&["get", "pod", "web"])?;
    let conditions = now["status"]["conditions"].as_array_mut().context("no conditions")?;
    conditions.retain(|it| it["type"] != "example.com/mine");
    kube.apply(&replace, &now.to_string())?;
    let now = kube.json(&["get", "pod", "web"])?;
    ensure!(condition(&now, "example.com/mine").is_none() && is(&now, "Ready", "True"), "{now}");
    Ok(())
}

#[test]
fn a_patch_of_the_status_has_a_reason_and_may_annotate() -> Result<()> {
    let kube = with_web()?;
    let patch = json!({
        "metadata": {"annotations": {"patched": "true"}},
        "status": {"reason": "Test", "message": "patched by a test"},
    });
    let patch = patch.to_string();
    let args = ["patch", "pod", "web", "--subresource=status", "--type=merge", "-p", &patch];
    let dry = read(&kube.kubectl(&[&args[..], &["--dry-run=server", "-o", "json"]].concat())?)?;
    ensure!(dry["status"]["reason"] == "Test", "{dry}");
    ensure!(kube.json(&["get", "pod", "web"])?["metadata"]["annotations"]["patched"].is_null());
    let done = kube.try_kubectl(&[&args[..], &["-o", "json"]].concat(), "")?;
    let pod = read(&done.stdout)?;
    ensure!(pod["status"]["message"] == "patched by a test", "{pod}");
    ensure!(pod["status"]["reason"] == "Test", "{pod}");
    ensure!(pod["metadata"]["annotations"]["patched"] == "true", "{pod}");
    ensure!(done.stderr.contains("Warning: status.reason: the daemon sets"), "{}", done.stderr);
    let now = kube.json(&["get", "pod", "web"])?;
    ensure!(now["metadata"]["annotations"]["patched"] == "true", "{now}");
    ensure!(now["status"]["reason"].is_null(), "{now}");
    let wrong = r#"{"status":{"conditions":[{"type":"a b","status":"True"}]}}"#;
    let refused =
        kube.refused(&["patch", "pod", "web", "--subresource=status", "-p", wrong], "")?;
    ensure!(refused.contains("status.conditions[0].type: Invalid value"), "{refused}");
    Ok(())
}

/// Each new object of this kind has the number of its spec, in the status and in each condition, and
/// quantities as Kubernetes writes them.
#[test]
fn a_status_says_which_spec_it_is_of() -> Result<()> {
    let kube = with_web()?;
    let numbers = |pod: &Value| {
        let ready = condition(pod, "Ready").map(|it| it["observedGeneration"].clone());
        (
            pod["metadata"]["generation"].clone(),
            pod["status"]["observedGeneration"].clone(),
            ready.unwrap_or_default(),
        )
    };
    let pod = kube.json(&["get", "pod", "web"])?;
    ensure!(numbers(&pod) == (json!(1), json!(1), json!(1)), "{pod}");
    let requests = &pod["spec"]["containers"][0]["resources"]["requests"];
    ensure!(*requests == json!({"cpu": "500m", "memory": "1Mi"}), "{requests}");
    ensure!(kube.try_kubectl(&["diff", "-f", "-"], &web())?.code == Some(0));
    let patch = r#"{"spec":{"activeDeadlineSeconds":1000}}"#;
    kube.kubectl(&["patch", "pod", "web", "-p", patch])?;
    let pod = kube.json(&["get", "pod", "web"])?;
    ensure!(numbers(&pod) == (json!(2), json!(2), json!(2)), "{pod}");
    kube.kubectl(&["label", "pod", "web", "a=b"])?;
    let pod = kube.json(&["get", "pod", "web"])?;
    ensure!(numbers(&pod) == (json!(2), json!(2), json!(2)), "{pod}");
    Ok(())
}

#[test]
fn an_object_that_is_not_valid_is_refused_for_that_whether_its_name_is_used_or_not() -> Result<()> {
    let kube = with_web()?;
    for name in ["web", "free"] {
        let pod = web().replace(r#""name":"web""#, &format!(r#""name":"{name}""#));
        let invalid = pod.replace(r#""name":"app""#, r#""name":"App""#);
        let refused = kube.refused(&["create", "-f", "-"], &invalid)?;
        ensure!(refused.contains(&format!("The Pod {name:?} is invalid")), "{refused}");
    }
    let used = kube.refused(&["create", "-f", "-"], &web())?;
    ensure!(used.contains("(AlreadyExists)"), "{used}");
    let map = |key: &str| {
        let data = json!({key: "1"});
        let metadata = json!({"name": "map"});
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})
            .to_string()
    };
    kube.apply(&["create", "-f", "-"], &map("a"))?;
    let refused = kube.refused(&["create", "-f", "-"], &map("a b"))?;
    ensure!(refused.contains("The ConfigMap \"map\" is invalid"), "{refused}");
    Ok(())
}

/// The bodies of Kubernetes' test of the life of a pod: another image by a patch, then at once a
/// written status of a pod that is still ready.
#[test]
fn a_pod_whose_image_changes_is_ready_until_its_container_ends() -> Result<()> {
    let kube = with_web()?;
    let other = format!("{BUSYBOX_IMAGE}-2");
    kube.host.ctr(["images", "tag", BUSYBOX_IMAGE, &other])?;
    let patch = json!({
        "metadata": {"labels": {"patched": "true"}, "creationTimestamp": null},
        "spec": {"containers": [{"name": "app", "image": other, "resources": {}}]},
        "status": {},
    });
    kube.kubectl(&["patch", "pod", "web", "-p", &patch.to_string()])?;
    let pod = eventually("the new instance", SOON, || {
        let pod = kube.json(&["get", "pod", "web"]).ok()?;
        let restarts = pod["status"]["containerStatuses"][0]["restartCount"].as_u64()?;
        (restarts == 1 && is(&pod, "Ready", "True")).then_some(pod)
    })?;
    ensure!(pod["spec"]["containers"][0]["image"] == other, "{pod}");
    ensure!(pod["metadata"]["labels"] == json!({"app": "web", "patched": "true"}), "{pod}");
    Ok(())
}

/// Kubernetes' rule: an exported object that is applied has a node, which no later manifest can
/// remove.
#[test]
fn an_exported_object_is_applied_and_then_the_short_manifest_is_refused() -> Result<()> {
    let kube = with_web()?;
    let exported = kube.kubectl(&["get", "pod", "web", "-o", "yaml"])?;
    kube.apply(&["apply", "-f", "-"], &exported)?;
    let refused = kube.refused(&["apply", "-f", "-"], &web())?;
    ensure!(refused.contains("pod updates may not change fields other than"), "{refused}");
    ensure!(refused.contains("spec.nodeName"), "{refused}");
    Ok(())
}

/// kubectl sends the copy of a pod as protobuf.
#[test]
fn a_pod_is_copied_for_debugging() -> Result<()> {
    let kube = with_web()?;
    let container = ["--container=app", "--copy-to=copy", "--", "sleep", "1000"];
    kube.kubectl(&[&["debug", "web"][..], &container].concat())?;
    kube.kubectl(&["wait", "--for=condition=Ready", "pod/copy", "--timeout=30s"])?;
    let copy = kube.json(&["get", "pod", "copy"])?;
    ensure!(copy["spec"]["containers"][0]["command"] == json!(["sleep", "1000"]), "{copy}");
    ensure!(copy["metadata"]["labels"].is_null(), "{copy}");
    Ok(())
}
