//! Two pods of one name in different namespaces, beside one in `default`.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use std::fs;

use anyhow::{Context, Result, ensure};
use probelet_integration::image::BUSYBOX_IMAGE;
use probelet_integration::{Host, SOON, eventually, with_host};
use serde_json::{Value, json};

fn pod(namespace: Option<&str>, text: &str) -> String {
    let metadata = match namespace {
        Some(namespace) => json!({ "name": "web", "namespace": namespace }),
        None => json!({ "name": "web" }),
    };
    let manifest = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": metadata,
        "spec": { "terminationGracePeriodSeconds": 0, "containers": [{
            "name": "app", "image": BUSYBOX_IMAGE,
            "command": ["sh", "-c", format!("echo I am {text} in $NS; exec sleep 1000")],
            "env": [{ "name": "NS", "valueFrom": {
                "fieldRef": { "fieldPath": "metadata.namespace" } } }],
            "readinessProbe": { "periodSeconds": 1, "exec": { "command": ["true"] } },
        }] },
    });
    manifest.to_string()
}

fn get(host: &Host, namespace: &str) -> Result<Value> {
    let text = host.probelet(["get", "pod", "web", "-n", namespace, "-o", "json"])?;
    Ok(serde_json::from_str(&text)?)
}

fn is_ready(host: &Host, namespace: &str) -> Result<Value> {
    eventually(&format!("{namespace}/web is ready"), SOON, || {
        let pod = get(host, namespace).ok()?;
        (pod["status"]["containerStatuses"][0]["ready"] == true).then_some(pod)
    })
}

fn uid(pod: &Value) -> String {
    pod["metadata"]["uid"].as_str().unwrap_or_default().to_owned()
}

/// Namespace, name and status of each row of `get pods -A`.
fn all(host: &Host) -> Result<Vec<String>> {
    let table = host.probelet(["get", "pods", "-A"])?;
    let mut lines = table.lines();
    let header = lines.next().context("no header")?;
    ensure!(header.starts_with("NAMESPACE   NAME   READY"), "{table}");
    let row = |line: &str| {
        let cells: Vec<_> = line.split_whitespace().collect();
        format!("{} {} {}", cells[0], cells[1], cells[3])
    };
    Ok(lines.map(row).collect())
}

#[test]
fn pods_of_one_name_live_side_by_side() -> Result<()> {
    with_host(|host| {
        host.busybox_image(&json!({}))?;
        ensure!(host.apply(&pod(None, "old"))? == "pod/web created\n");
        let old = is_ready(host, "default")?;
        let (a, b) = (host.path("a.yaml"), host.path("b.yaml"));
        fs::write(&a, pod(Some("a"), "first"))?;
        fs::write(&b, pod(None, "second"))?;
        let (a, b) = (a.display().to_string(), b.display().to_string());
        host.probelet(["apply", "-f", &a])?;
        host.probelet(["apply", "-n", "b", "-f", &b])?;
        let refused = host.try_probelet(["apply", "-n", "b", "-f", &a], "")?;
        let text = "error: the namespace from the provided object \"a\" does not match the \
                    namespace \"b\". You must pass '--namespace=a' to perform this operation.";
        ensure!(refused.stderr.trim() == text, "{}", refused.stderr);
        let (first, second) = (is_ready(host, "a")?, is_ready(host, "b")?);
        assert_eq!(first["metadata"]["namespace"], "a");
        let expected = ["a web Running", "b web Running", "default web Running"];
        assert_eq!(all(host)?, expected);
        let lines = |args: &[&str]| -> Result<usize> { Ok(host.probelet(args)?.lines().count()) };
        assert_eq!(lines(&["get", "pods"])?, 2);
        assert_eq!(lines(&["get", "pods", "-n", "a"])?, 2);
        let both = host.try_probelet(["get", "pod", "web", "-A"], "")?;
        ensure!(both.stderr.contains("cannot be retrieved by name across all"), "{}", both.stderr);

        let ids = host.ctr(["containers", "ls", "-q"])?;
        ensure!(ids.lines().filter(|id| *id == "web_app_0").count() == 1, "{ids}");
        ensure!(ids.lines().filter(|id| id.starts_with("web_app_")).count() == 3, "{ids}");

        for daemon in 0..2 {
            for (namespace, text) in [("default", "old"), ("a", "first"), ("b", "second")] {
                let log = host.probelet(["logs", "web", "-n", namespace])?;
                assert_eq!(log, format!("I am {text} in {namespace}\n"), "daemon {daemon}");
                let command = ["exec", "web", "-n", namespace, "--", "sh", "-c", "echo $NS"];
                assert_eq!(host.probelet(command)?, format!("{namespace}\n"), "daemon {daemon}");
                let text = host.probelet(["describe", "pod", "web", "-n", namespace])?;
                ensure!(text.contains(&format!("Namespace:    {namespace}\n")), "{text}");
            }
            let events = host.probelet(["get", "events", "-n", "a", "-o", "json"])?;
            let events: Value = serde_json::from_str(&events)?;
            let items = events["items"].as_array().context("no list")?;
            ensure!(!items.is_empty(), "no events");
            let is_of_a =
                |event: &Value| event["involvedObject"]["uid"] == first["metadata"]["uid"];
            ensure!(items.iter().all(is_of_a), "{events}");
            if daemon == 0 {
                host.kill_daemon()?;
                host.start_daemon()?;
            }
        }
        for (namespace, before) in [("default", &old), ("a", &first), ("b", &second)] {
            let now = is_ready(host, namespace)?;
            assert_eq!(uid(&now), uid(before), "{namespace}");
            assert_eq!(now["status"]["containerStatuses"][0]["restartCount"], 0, "{namespace}");
        }

        let deleted = host.probelet(["delete", "-f", &a])?;
        assert_eq!(deleted, "pod \"web\" deleted from a namespace\n");
        assert_eq!(all(host)?, &expected[1..]);
        assert_eq!(uid(&get(host, "default")?), uid(&old));
        host.probelet(["restart", "web", "-n", "b"])?;
        host.probelet(["delete", "pod", "web", "-n", "b"])?;
        ensure!(host.task_pid("web_app_0").is_ok());
        host.probelet(["delete", "pod", "web"])?;
        let logs = host.path("log").join("_namespaces");
        ensure!(!logs.exists(), "{} is left", logs.display());
        host.expect_nothing_left()
    })
}

/// The containers of all pods, with the label of their namespace.
fn labelled_namespaces(host: &Host) -> Result<Vec<String>> {
    let ids = host.ctr(["containers", "ls", "-q"])?;
    let label = |id: &str| -> Result<String> {
        let info: Value = serde_json::from_str(&host.ctr(["containers", "info", id])?)?;
        Ok(info["Labels"]["probelet/namespace"].as_str().unwrap_or("none").to_owned())
    };
    let mut all = ids.lines().map(label).collect::<Result<Vec<_>>>()?;
    all.sort();
    Ok(all)
}

#[test]
fn a_request_without_a_namespace_means_the_only_pod_of_that_name() -> Result<()> {
    with_host(|host| {
        host.busybox_image(&json!({}))?;
        host.apply(&pod(Some("a"), "first"))?;
        let named = json!({ "name": "web" });
        let found = host.call("probelet.v1.Pods/GetPod", &named)?;
        assert_eq!(found["namespace"], "a", "{found}");
        // The CLI works in `default`, as kubectl does.
        let missing = host.try_probelet(["get", "pod", "web"], "")?;
        ensure!(missing.stderr.contains("not found"), "{}", missing.stderr);
        let missing = host.try_probelet(["delete", "pod", "web"], "")?;
        ensure!(missing.stderr.contains("not found"), "{}", missing.stderr);

        host.apply(&pod(None, "old"))?;
        assert_eq!(labelled_namespaces(host)?, ["a", "default"]);
        for method in [
            "probelet.v1.Pods/GetPod",
            "probelet.v1.Pods/RemovePod",
            "probelet.v1.Containers/StopContainer",
        ] {
            let refused = host.call(method, &named).err().context("both have the name")?;
            let refused = format!("{refused:#}");
            ensure!(refused.contains("InvalidArgument"), "{method}: {refused}");
            ensure!(refused.contains("are in the namespaces a, default"), "{method}: {refused}");
        }
        assert_eq!(all(host)?.len(), 2);
        let in_default = json!({ "name": "web", "namespace": "default" });
        host.call("probelet.v1.Pods/RemovePod", &in_default)?;
        // The removed pod does not count any more.
        host.call("probelet.v1.Pods/RemovePod", &named)?;
        host.expect_nothing_left()
    })
}
