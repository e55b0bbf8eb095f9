//! Names of pods and containers that are valid in Kubernetes and too long or invalid as containerd
//! ids.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use anyhow::{Result, ensure};
use probelet_integration::image::BUSYBOX_IMAGE;
use probelet_integration::{Host, SOON, with_host};
use serde_json::{Value, json};

fn apply(host: &Host, pod: &str, container: &str) -> Result<()> {
    let manifest = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": pod },
        "spec": { "terminationGracePeriodSeconds": 0, "containers": [{
            "name": container, "image": BUSYBOX_IMAGE,
            "command": ["sh", "-c", "echo I am $(hostname); exec sleep 1000"],
            "readinessProbe": { "periodSeconds": 1, "exec": { "command": ["true"] } },
        }] },
    });
    let applied = host.apply(&manifest.to_string())?;
    ensure!(applied == format!("pod/{pod} created\n"), "{applied}");
    Ok(())
}

fn runs(restarts: u32) -> impl Fn(&Value) -> bool {
    move |status| status["ready"] == true && status["restartCount"] == restarts
}

#[test]
fn every_name_that_kubernetes_allows_can_be_used() -> Result<()> {
    with_host(|host| {
        host.busybox_image(&json!({}))?;
        let (long, label) = (format!("{}a", "long.".repeat(50)), "c".repeat(63));
        let names = [("www.example.org", "a--b"), (&long, &label), (&label, &label)];
        for (pod, container) in names {
            apply(host, pod, container)?;
            host.wait_status(pod, SOON, runs(0))?;
            let cut: String = pod.chars().take(63).collect();
            let hostname = cut.trim_end_matches('.');
            assert_eq!(host.probelet(["logs", pod])?, format!("I am {hostname}\n"));
            let heard = host.probelet(["exec", &format!("pod/{pod}"), "--", "hostname"])?;
            assert_eq!(heard.trim_end(), hostname);
        }
        // A different pod whose name has the same beginning.
        apply(host, &format!("{long}b"), &label)?;
        host.wait_status(&format!("{long}b"), SOON, runs(0))?;
        host.kill_daemon()?;
        host.start_daemon()?;
        for (pod, _) in names {
            host.wait_status(pod, SOON, runs(0))?;
            host.probelet(["restart", pod])?;
            host.wait_status(pod, SOON, runs(1))?;
            host.probelet(["delete", "pod", pod])?;
        }
        host.probelet(["delete", "pod", &format!("{long}b")])?;
        host.expect_nothing_left()
    })
}
