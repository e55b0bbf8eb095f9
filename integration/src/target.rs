//! Containers of prober-target, whose servers misbehave as their command line says, and single runs
//! of probes.

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::{Host, SOON, eventually, root};

pub const TARGET_IMAGE: &str = "docker.io/library/prober-target:latest";

/// Adds `more`'s fields to the object `to`.
pub fn extend(to: &mut Value, more: Value) {
    if let (Some(to), Value::Object(more)) = (to.as_object_mut(), more) {
        to.extend(more);
    }
}

/// Whether `text` matches `pattern`, in which `*` stands for any text.
pub fn matches(pattern: &str, text: &str) -> bool {
    let Some((prefix, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(prefix) else { return false };
    let (middle, suffix) = rest.rsplit_once('*').unwrap_or(("", rest));
    for part in middle.split('*') {
        let Some((_, after)) = text.split_once(part) else { return false };
        text = after;
    }
    text.ends_with(suffix)
}

/// The result of one run of a probe.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    pub outcome: String,
    pub output: String,
    pub seconds: f64,
}

impl Host {
    /// Imports an image that `scripts/build-image` built.
    pub fn import(&self, image: &str) -> Result<()> {
        let archive = root().join(format!("target/images/{image}.tar"));
        ensure!(archive.exists(), "no {}: run scripts/build-image", archive.display());
        self.ctr([OsStr::new("image"), OsStr::new("import"), archive.as_os_str()])?;
        Ok(())
    }

    /// Starts a container from the image. `servers` is prober-target's command line.
    pub fn target(&self, name: &str, servers: &str, more: Value) -> Result<Value> {
        self.import("prober-target")?;
        let args: Vec<&str> = servers.split_whitespace().collect();
        let mut request = json!({
            "name": name, "image": TARGET_IMAGE, "args": args, "start": true,
            "terminationGracePeriod": "0s",
        });
        extend(&mut request, more);
        self.create_running(&request)
    }

    /// Starts a container from a bundle whose OCI spec `edit` changes. Returns it and its root
    /// filesystem.
    pub fn target_bundle(
        &self,
        name: &str,
        servers: &str,
        edit: impl FnOnce(&mut Value),
    ) -> Result<(Value, PathBuf)> {
        let text = fs::read_to_string(root().join("examples/hand-written-oci.json"))?;
        let mut request: Value = serde_json::from_str(&text)?;
        let rootfs = self.path(&format!("{name}.rootfs"));
        fs::create_dir(&rootfs)?;
        let binary = root().join("target/images/rootfs/prober-target");
        fs::copy(binary, rootfs.join("prober-target"))?;
        let args: Vec<&str> = ["/prober-target"].into_iter().chain(servers.split(' ')).collect();
        let spec = request.get_mut("ociSpec").context("no ociSpec in the example")?;
        extend(spec.get_mut("process").context("no process")?, json!({ "args": args }));
        edit(spec);
        extend(
            &mut request,
            json!({ "name": name, "rootfs": rootfs, "terminationGracePeriod": "0s", "livenessProbe": null }),
        );
        Ok((self.create_running(&request)?, rootfs))
    }

    fn create_running(&self, request: &Value) -> Result<Value> {
        let made = self.call("probelet.v1.Containers/CreateContainer", request)?;
        let name = made.get("name").cloned().unwrap_or_default();
        let running = json!({ "name": name, "running": true });
        self.call("probelet.v1.Containers/WaitContainer", &running)
    }

    pub fn container(&self, name: &str) -> Result<Value> {
        self.call("probelet.v1.Containers/GetContainer", &json!({ "name": name }))
    }

    /// Makes `probe` the readiness probe and runs it once.
    pub fn probe_once(&self, name: &str, probe: &Value) -> Result<Said> {
        let mut probe = probe.clone();
        // Without the delay the daemon would also run it by itself.
        extend(&mut probe, json!({ "initialDelay": "3600s" }));
        let update = json!({ "name": name, "readinessProbe": probe });
        self.call("probelet.v1.Containers/UpdateProbes", &update)?;
        self.run_probe(name, "readiness")
    }

    pub fn run_probe(&self, name: &str, kind: &str) -> Result<Said> {
        let request = json!({ "name": name, "kind": kind });
        let said = self.call("probelet.v1.Containers/RunProbe", &request)?;
        let word = |key: &str| said.get(key).and_then(Value::as_str).unwrap_or_default();
        let seconds = word("latency").trim_end_matches('s').parse().unwrap_or_default();
        Ok(Said { outcome: word("outcome").into(), output: word("output").into(), seconds })
    }

    /// Runs `probe` until it succeeds, because a server takes a moment to listen.
    pub fn probe_until_success(&self, name: &str, probe: &Value) -> Result<()> {
        let mut last = None;
        let good = eventually("the probe succeeds", SOON, || {
            let said = self.probe_once(name, probe);
            let good = said.as_ref().is_ok_and(|said| said.outcome == "success");
            last = Some(said);
            good.then_some(())
        });
        good.with_context(|| format!("{name}, {probe}: {last:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_matches_any_text() {
        for (pattern, text, is) in [
            ("ab", "ab", true),
            ("ab", "abc", false),
            ("a*", "abc", true),
            ("*c", "abc", true),
            ("a*c*e", "a-c-e", true),
            ("a*c*e", "a-e", false),
            ("*b*", "abc", true),
        ] {
            assert_eq!(matches(pattern, text), is, "{pattern} {text}");
        }
    }
}
