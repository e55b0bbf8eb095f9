//! Manifests in the shapes that people publish run unchanged. Busybox stands in for their images.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use std::fs;

use anyhow::{Context, Result, ensure};
use probelet_integration::image::BUSYBOX_IMAGE;
use probelet_integration::{Host, SOON, eventually, root, with_host};
use serde_json::{Value, json};

/// The name of an image in containerd's store.
fn full_name(image: &str) -> String {
    let (folder, name) = image.rsplit_once('/').unwrap_or(("docker.io/library", image));
    let tag = if name.contains(':') { "" } else { ":latest" };
    format!("{folder}/{name}{tag}")
}

fn stand_in(host: &Host, text: &str) -> Result<()> {
    let images =
        text.lines().filter_map(|line| line.trim_start_matches([' ', '-']).split_once(": "));
    let images = images.filter(|(key, _)| *key == "image").map(|(_, image)| full_name(image));
    for image in images {
        host.ctr(["images", "tag", "--force", BUSYBOX_IMAGE, &image])?;
    }
    Ok(())
}

fn pods(host: &Host) -> Result<Vec<Value>> {
    let list: Value = serde_json::from_str(&host.probelet(["get", "pods", "-o", "json"])?)?;
    Ok(list["items"].as_array().context("no list")?.clone())
}

fn runs(pod: &Value) -> bool {
    let statuses = pod["status"]["containerStatuses"].as_array();
    let is_ready = |status: &Value| status["ready"] == true && status["restartCount"] == 0;
    pod["status"]["phase"] == "Running"
        && statuses.is_some_and(|all| !all.is_empty() && all.iter().all(is_ready))
}

#[test]
fn published_shapes_of_manifests_run_unchanged() -> Result<()> {
    with_host(|host| {
        host.busybox_image(&json!({ "Cmd": ["sleep", "1000"] }))?;
        for (file, count) in [
            ("probe-exec", 1),
            ("security-of-both", 1),
            ("plain-sleep", 1),
            ("two-pods", 2),
            ("two-containers", 1),
            ("deployment-non-root", 1),
            ("env-downward", 1),
            ("list-of-two", 1),
        ] {
            let path = root().join(format!("crates/manifest/src/tests/shapes/{file}.yaml"));
            let text = fs::read_to_string(path)?;
            stand_in(host, &text)?;
            host.apply(&text).context(file)?;
            let mut last = Vec::new();
            let running = eventually("all of it runs", SOON, || {
                last = pods(host).ok()?;
                (last.len() == count && last.iter().all(runs)).then_some(())
            });
            running.with_context(|| format!("{file}: {last:#?}"))?;
            for pod in &last {
                let name = pod["metadata"]["name"].as_str().context("no name")?;
                host.probelet(["delete", "pod", name, "--grace-period", "0"])?;
            }
            ensure!(pods(host)?.is_empty(), "{file}");
        }
        host.expect_nothing_left()
    })
}
