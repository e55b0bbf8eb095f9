//! What a containerd that was killed in the middle of something leaves is in nobody's way.

#![allow(clippy::indexing_slicing, reason = "a JSON value answers Null where nothing is")]

use std::fs;

use anyhow::{Result, ensure};
use probelet_integration::{Host, IMAGE, SOON, with_host};
use serde_json::{Value, json};

fn apply(host: &Host, name: &str) -> Result<()> {
    let manifest = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name },
        "spec": { "containers": [{ "name": name, "image": IMAGE, "args": ["sleep"] }] },
    });
    host.apply(&manifest.to_string()).map(drop)
}

fn runs_at_the_first_try(host: &Host, name: &str) -> Result<()> {
    let status = host.wait_status(name, SOON * 2, |status| status["state"]["running"].is_object());
    let status = status?;
    ensure!(status["restartCount"] == 0 && status["lastState"]["terminated"].is_null(), "{status}");
    Ok(())
}

#[test]
fn a_bundle_of_a_creation_that_was_cut_off_costs_no_restart() -> Result<()> {
    with_host(|host| {
        let bundles = host.path("state/io.containerd.runtime.v2.task").join(host.namespace());
        let (bundle, hidden) = (bundles.join("web_0"), bundles.join(".web_0"));
        for folder in [&bundle, &hidden] {
            fs::create_dir_all(folder.join("rootfs"))?;
            fs::write(folder.join("config.json"), Value::Null.to_string())?;
        }
        apply(host, "web")?;
        runs_at_the_first_try(host, "web")?;
        ensure!(!hidden.exists(), "{} stays", hidden.display());
        Ok(())
    })
}
