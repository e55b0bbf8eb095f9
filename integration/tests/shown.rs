//! A pod in `get -o json`: it has the fields that an API server fills in and a kubelet reports, and
//! is unchanged when it is applied again.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use std::fs;

use anyhow::{Context, Result, ensure};
use probelet_integration::image::BUSYBOX_IMAGE;
use probelet_integration::{Host, SOON, eventually, with_host};
use serde_json::{Value, json};

const LATEST: &str = "registry.example/again";

/// A pod with a container whose user comes from its image, and one whose user the manifest sets.
fn manifest() -> Value {
    let (cpu, memory) = ("100m", "32Mi");
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": "web" },
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "containers": [
                {
                    "name": "app",
                    "image": BUSYBOX_IMAGE,
                    "resources": { "limits": { "cpu": cpu, "memory": memory } },
                    "volumeMounts": [
                        { "name": "data", "mountPath": "/data" },
                        { "name": "data", "mountPath": "/seen", "readOnly": true },
                    ],
                },
                {
                    "name": "other",
                    "image": LATEST,
                    "securityContext": { "runAsUser": 1001, "runAsGroup": 1002 },
                },
            ],
            "securityContext": { "supplementalGroups": [1003] },
            "volumes": [{ "name": "data", "emptyDir": {} }],
        },
    })
}

fn ready(host: &Host) -> Result<Value> {
    eventually("the pod is ready", SOON, || {
        let pod = host.pod("web").ok()?;
        let statuses = pod["status"]["containerStatuses"].as_array()?;
        statuses.iter().all(|status| status["ready"] == true).then_some(pod)
    })
}

/// Uid, gid and groups of a process in the container, in the form of the status.
fn ids(host: &Host, container: &str) -> Result<Value> {
    let id = |flag| -> Result<Vec<u64>> {
        let text = host.probelet(["exec", "web", "-c", container, "--", "id", flag])?;
        Ok(text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?)
    };
    let (uid, gid, groups) = (id("-u")?, id("-g")?, id("-G")?);
    Ok(json!({ "uid": uid[0], "gid": gid[0], "supplementalGroups": groups }))
}

#[test]
fn a_pod_has_the_fields_of_a_cluster_and_is_unchanged_when_applied_again() -> Result<()> {
    with_host(|host| {
        host.busybox_image(&json!({ "Cmd": ["sleep", "1000"], "User": "7:8" }))?;
        host.ctr(["images", "tag", BUSYBOX_IMAGE, &format!("{LATEST}:latest")])?;
        host.apply(&manifest().to_string())?;
        let pod = ready(host)?;
        let (spec, status) = (&pod["spec"], &pod["status"]);
        let hostname = fs::read_to_string("/proc/sys/kernel/hostname")?;
        let hostname = hostname.trim();
        ensure!(spec["nodeName"] == hostname, "{spec}");
        ensure!(
            spec["dnsPolicy"] == "ClusterFirst" && spec["enableServiceLinks"] == true,
            "{spec}"
        );
        ensure!(spec["schedulerName"] == "default-scheduler", "{spec}");
        ensure!(spec["containers"][0]["resources"]["requests"]["cpu"] == "100m", "{spec}");
        ensure!(spec["containers"][1]["resources"] == json!({}), "{spec}");
        ensure!(spec["containers"][1]["imagePullPolicy"] == "Always", "{spec}");
        let first = &status["conditions"][0];
        ensure!(first["type"] == "PodReadyToStartContainers" && first["status"] == "True", "{pod}");
        let app = &status["containerStatuses"][0];
        ensure!(app["allocatedResources"] == json!({ "cpu": "100m", "memory": "32Mi" }), "{app}");
        ensure!(app["resources"]["limits"] == app["allocatedResources"], "{app}");
        let mounts = json!([
            { "name": "data", "mountPath": "/data" },
            {
                "name": "data", "mountPath": "/seen", "readOnly": true,
                "recursiveReadOnly": "Disabled",
            },
        ]);
        ensure!(app["volumeMounts"] == mounts, "{app}");
        for (index, name) in ["app", "other"].into_iter().enumerate() {
            let user = &status["containerStatuses"][index]["user"]["linux"];
            ensure!(*user == ids(host, name)?, "{name}: {user}");
        }
        let described = host.probelet(["describe", "pod", "web"])?;
        let node = described.lines().find(|line| line.starts_with("Node:"));
        ensure!(node.is_some_and(|node| node.contains(&format!("{hostname}/"))), "{described}");

        let kept = |pod: &Value| {
            let ids = pod["status"]["containerStatuses"].as_array().into_iter().flatten();
            let ids: Vec<_> = ids.map(|status| status["containerID"].clone()).collect();
            (pod["metadata"]["uid"].clone(), ids)
        };
        for format in ["json", "yaml"] {
            let text = host.probelet(["get", "pod", "web", "-o", format])?;
            let applied = host.apply(&text)?;
            ensure!(applied.contains("pod/web unchanged"), "{format}: {applied}");
            let exported = host.probelet(["export", "web"])?;
            ensure!(!exported.contains("schedulerName") && !exported.contains("imagePullPolicy"));
            let applied = host.apply(&exported)?;
            ensure!(applied.contains("pod/web unchanged"), "{format}: {applied}");
        }
        // The next daemon shows the same.
        host.kill_daemon()?;
        host.start_daemon()?;
        let again = ready(host)?;
        ensure!(kept(&again) == kept(&pod), "{again}");
        for index in 0..2 {
            for field in ["user", "resources", "volumeMounts"] {
                let of = |pod: &Value| pod["status"]["containerStatuses"][index][field].clone();
                ensure!(of(&again) == of(&pod), "{field}: {again}");
            }
        }
        host.probelet(["delete", "pod", "web"])?;
        host.expect_nothing_left()
    })
}

#[test]
fn a_pod_that_cannot_be_connected_is_not_ready_to_start_containers() -> Result<()> {
    with_host(|host| {
        host.busybox_image(&json!({ "Cmd": ["sleep", "1000"] }))?;
        let ports = json!([{ "containerPort": 80, "hostPort": 18080 }]);
        let container = json!({ "name": "app", "image": BUSYBOX_IMAGE, "ports": ports });
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "web" },
            "spec": { "containers": [container] },
        });
        host.apply(&pod.to_string())?;
        // There is no CNI configuration, so no plugin maps the port.
        let event = eventually("the event FailedCreatePodSandBox", SOON, || {
            let events = host.probelet(["get", "events", "-o", "json"]).ok()?;
            let events: Value = serde_json::from_str(&events).ok()?;
            let failed = |event: &&Value| event["reason"] == "FailedCreatePodSandBox";
            events["items"].as_array()?.iter().find(failed).cloned()
        })?;
        ensure!(event["involvedObject"]["fieldPath"] == Value::Null, "{event}");
        let status = host.pod("web")?["status"].clone();
        let first = status["conditions"].get(0).context("no condition")?;
        ensure!(first["type"] == "PodReadyToStartContainers", "{status}");
        ensure!(first["status"] == "False", "{status}");
        host.probelet(["delete", "pod", "web"])?;
        host.expect_nothing_left()
    })
}
