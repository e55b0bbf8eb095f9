//! Requests for containers from a bundle with busybox.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use std::fs;
use std::os::unix::fs::symlink;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::{Host, bounded, finish, root, succeed};

const BUSYBOX_APPLETS: [&str; 9] =
    ["sh", "awk", "cat", "dd", "echo", "env", "setsid", "sleep", "true"];

impl Host {
    /// A request to create and start a container that runs `script` in busybox's shell, from a root
    /// filesystem of its own.
    pub fn busybox(&self, name: &str, script: &str) -> Result<Value> {
        let rootfs = self.path(&format!("busybox-{name}"));
        for folder in ["bin", "proc", "dev", "tmp"] {
            fs::create_dir_all(rootfs.join(folder))?;
        }
        let program = succeed(finish(bounded("sh").args(["-c", "command -v busybox"]), "")?)?;
        fs::copy(program.trim_end(), rootfs.join("bin/busybox")).context("no busybox")?;
        for applet in BUSYBOX_APPLETS {
            symlink("busybox", rootfs.join("bin").join(applet))?;
        }
        let text = fs::read_to_string(root().join("examples/hand-written-oci.json"))?;
        let mut request: Value = serde_json::from_str(&text)?;
        let process = &mut request["ociSpec"]["process"];
        process["args"] = json!(["sh", "-c", script]);
        process["env"] = json!(["PATH=/bin", "NAME=world"]);
        request["livenessProbe"] = Value::Null;
        request["name"] = json!(name);
        request["rootfs"] = json!(rootfs);
        Ok(request)
    }
}
