//! `cp`: files and folders in and out of a container, with the image's own `tar`.

use std::fs;
use std::os::unix::fs::symlink;

use anyhow::{Result, ensure};
use probelet_integration::script::{container, log, pod};
use probelet_integration::{Host, with_host};
use serde_json::json;

/// Runs a script in the pod `web`.
fn inside(host: &Host, script: &str) -> Result<String> {
    host.probelet(["exec", "web", "--", "sh", "-c", script])
}

fn start(host: &Host, script: &str) -> Result<()> {
    host.busybox_image(&json!({}))?;
    host.apply(&pod(json!([container("app", script, json!([]))]), json!([])).to_string())?;
    log(host, "app").map(drop)
}

#[test]
fn files_and_folders_are_copied_both_ways() -> Result<()> {
    with_host(|host| {
        start(host, "mkdir -p /tmp/there")?;
        let at = |name: &str| host.path(name).display().to_string();
        fs::create_dir_all(host.path("tree/sub"))?;
        let large: Vec<u8> = (0..5_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        fs::write(host.path("tree/large"), &large)?;
        fs::write(host.path("tree/sub/small"), "small")?;
        symlink("sub/small", host.path("tree/link"))?;
        // Under a new name, and into a folder that exists.
        host.probelet(["cp", &at("tree"), "web:/tmp/new"])?;
        host.probelet(["cp", &at("tree"), "web:/tmp/there", "-c", "app"])?;
        host.probelet(["cp", &at("tree/sub/small"), "pod/web:/tmp/one"])?;
        let sizes = inside(host, "cd /tmp; wc -c < new/large; cat there/tree/link one")?;
        ensure!(sizes == "5000000\nsmallsmall", "{sizes}");
        // And back.
        let done = host.try_probelet(["cp", "web:/tmp/new", &at("back")], "")?;
        ensure!(done.code == Some(0), "{done:?}");
        ensure!(done.stderr.contains("back/link is left out: it is a symbolic link"), "{done:?}");
        ensure!(fs::read(host.path("back/large"))? == large);
        ensure!(fs::read_to_string(host.path("back/sub/small"))? == "small");
        fs::create_dir(host.path("into"))?;
        host.probelet(["cp", "web:/tmp/one", &at("into")])?;
        host.probelet(["cp", "web:tmp/one", &at("renamed")])?;
        for name in ["into/one", "renamed"] {
            ensure!(fs::read_to_string(host.path(name))? == "small", "{name}");
        }
        host.probelet(["delete", "pod", "web"])?;
        host.expect_nothing_left()
    })
}

#[test]
fn what_cannot_be_copied_is_an_error_that_says_why() -> Result<()> {
    with_host(|host| {
        start(host, "mkdir -p /tmp/d; ln -s /etc /tmp/l; : > /tmp/file")?;
        let here = host.path("here").display().to_string();
        for (line, text) in [
            (["cp", "web:/nothing", &here], "nothing"),
            (["cp", "web:/tmp/file", "/nowhere/x"], "/nowhere: No such file or directory"),
            (["cp", "/nowhere", "web:/tmp"], "/nowhere: No such file or directory"),
            (["cp", "wen:/tmp", &here], "did you mean \"web\"?"),
            (["cp", "/etc/hostname", "web:/nothing/x"], "nothing"),
        ] {
            let done = host.try_probelet(line, "")?;
            ensure!(done.code == Some(1) && done.stderr.contains(text), "{line:?}: {done:?}");
            ensure!(!done.stderr.contains("os error"), "{done:?}");
        }
        // A container whose `tar` writes what it likes.
        inside(host, "rm /bin/tar; printf '#!/bin/sh\\nyes' > /bin/tar; chmod +x /bin/tar")?;
        let done = host.try_probelet(["cp", "web:/tmp/file", &here], "")?;
        ensure!(done.code == Some(1) && !done.stderr.is_empty(), "{done:?}");
        inside(host, "rm /bin/tar")?;
        let done = host.try_probelet(["cp", "web:/tmp/file", &here], "")?;
        ensure!(done.code == Some(1), "{done:?}");
        ensure!(done.stderr.contains("and `tar` in its image"), "{done:?}");
        ensure!(!host.path("here").exists());
        host.probelet(["delete", "pod", "web"])?;
        host.expect_nothing_left()
    })
}
