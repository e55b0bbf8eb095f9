//! Pods whose containers are shell scripts: what they say is what they see.

#![allow(clippy::indexing_slicing, reason = "a JSON value answers Null where nothing is")]

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::image::BUSYBOX_IMAGE;
use crate::{Host, SOON, eventually};

/// Runs the script, says END and sleeps.
pub fn container(name: &str, script: &str, mounts: Value) -> Value {
    json!({
        "name": name, "image": BUSYBOX_IMAGE, "volumeMounts": mounts,
        "command": ["sh", "-c", format!("exec 2>&1\n{script}\necho END\nexec sleep 1000")],
    })
}

/// Named `web`.
pub fn pod(containers: Value, volumes: Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "web", "labels": { "a": "b" } },
        "spec": {
            "terminationGracePeriodSeconds": 0, "containers": containers, "volumes": volumes,
        },
    })
}

/// All that a container said before its END.
pub fn log(host: &Host, container: &str) -> Result<String> {
    let mut last = String::new();
    let seen = eventually("the container has said all", SOON, || {
        last = host.probelet(["logs", "web", "-c", container]).unwrap_or_else(|e| e.to_string());
        last.strip_suffix("END\n").map(str::to_owned)
    });
    seen.with_context(|| format!("last: {last}; {:?}", host.status_of("web", container)))
}

/// What the script of the only container says.
pub fn said(host: &Host, script: &str, mounts: Value, volumes: Value) -> Result<String> {
    host.apply(&pod(json!([container("app", script, mounts)]), volumes).to_string())?;
    let said = log(host, "app")?;
    host.probelet(["delete", "pod", "web"])?;
    Ok(said)
}

/// Why the only container does not start.
pub fn refused(host: &Host, mounts: Value, volumes: Value) -> Result<String> {
    host.apply(&pod(json!([container("app", "true", mounts)]), volumes).to_string())?;
    let status = host.wait_status("web", SOON, |status| {
        status["state"]["waiting"]["reason"] == "CreateContainerConfigError"
    })?;
    host.probelet(["delete", "pod", "web"])?;
    Ok(status["state"]["waiting"]["message"].as_str().unwrap_or_default().to_owned())
}
