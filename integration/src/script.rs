//! Pods whose containers run shell scripts that print what they observe.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::image::BUSYBOX_IMAGE;
use crate::{Host, SOON, eventually};

/// A container that runs the script, prints END and sleeps.
pub fn container(name: &str, script: &str, mounts: Value) -> Value {
    json!({
        "name": name, "image": BUSYBOX_IMAGE, "volumeMounts": mounts,
        "command": ["sh", "-c", format!("exec 2>&1\n{script}\necho END\nexec sleep 1000")],
    })
}

/// A pod named `web`.
pub fn pod(containers: Value, volumes: Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "web", "labels": { "a": "b" } },
        "spec": {
            "terminationGracePeriodSeconds": 0, "containers": containers, "volumes": volumes,
        },
    })
}

/// Waits for END in the log of a container of `web` and returns the output before it.
pub fn log(host: &Host, container: &str) -> Result<String> {
    let mut last = String::new();
    let seen = eventually("the container has printed END", SOON, || {
        last = host.probelet(["logs", "web", "-c", container]).unwrap_or_else(|e| e.to_string());
        last.strip_suffix("END\n").map(str::to_owned)
    });
    seen.with_context(|| format!("last: {last}; {:?}", host.status_of("web", container)))
}

/// Runs a script in the only container of a pod and returns its output.
pub fn said(host: &Host, script: &str, mounts: Value, volumes: Value) -> Result<String> {
    host.apply(&pod(json!([container("app", script, mounts)]), volumes).to_string())?;
    let said = log(host, "app")?;
    host.probelet(["delete", "pod", "web"])?;
    Ok(said)
}

/// The message of `CreateContainerConfigError` of a pod with these mounts and volumes.
pub fn refused(host: &Host, mounts: Value, volumes: Value) -> Result<String> {
    host.apply(&pod(json!([container("app", "true", mounts)]), volumes).to_string())?;
    let status = host.wait_status("web", SOON, |status| {
        status["state"]["waiting"]["reason"] == "CreateContainerConfigError"
    })?;
    host.probelet(["delete", "pod", "web"])?;
    Ok(status["state"]["waiting"]["message"].as_str().unwrap_or_default().to_owned())
}
