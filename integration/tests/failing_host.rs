//! The host fails the daemon: its folders are full, descriptors or memory run out. No container is
//! killed for it, and all goes on when the host recovers.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use std::ffi::CString;
use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use probelet_integration::{Host, IMAGE, SOON, eventually, with_host};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::{Value, json};

fn is_running(status: &Value) -> bool {
    status["state"]["running"].is_object()
}

/// A container whose liveness probe may fail once only.
fn create_probed(host: &Host) -> Result<u32> {
    let probe = json!({ "httpGet": { "port": 8080 }, "period": "0.1s", "failureThreshold": 1 });
    let request = json!({
        "name": "probed", "image": IMAGE, "args": ["serve", "--fail-after", "100000000"],
        "start": true, "livenessProbe": probe, "readinessProbe": probe,
    });
    host.call("probelet.v1.Containers/CreateContainer", &request)?;
    host.wait_status("probed", SOON, |status| status["ready"] == true)?;
    host.task_pid("probed_0")
}

fn is_unharmed(host: &Host, pid: u32) -> Result<()> {
    let status = host.wait_status("probed", SOON, |status| status["ready"] == true)?;
    ensure!(status["restartCount"] == 0, "{status}");
    ensure!(host.task_pid("probed_0")? == pid, "another process runs");
    Ok(())
}

fn pod(name: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: {name}}}, spec: {{ \
         terminationGracePeriodSeconds: 0, volumes: [{{name: v, emptyDir: {{}}}}], \
         containers: [{{name: app, image: {IMAGE}, args: [sleep], \
         volumeMounts: [{{name: v, mountPath: /v}}]}}]}}}}"
    )
}

/// Fills the file system of a folder up to the last block and inode.
fn fill(folder: &Path) -> Result<()> {
    let mut file = fs::File::create(folder.join("filler"))?;
    let block = [0; 4096];
    // The last write fails.
    while file.write_all(&block).is_ok() {}
    let more = (0..10_000).map(|number| fs::File::create(folder.join(format!("filler{number}"))));
    let made = more.take_while(Result::is_ok).count();
    ensure!(made < 10_000, "the file system takes any number of files");
    Ok(())
}

fn empty(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("filler") {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[test]
fn full_run_and_data_folders_harm_no_container_and_are_used_again() -> Result<()> {
    let mut host = Host::start()?;
    let folders = ["run", "data"].map(|name| host.path(name));
    for folder in &folders {
        fs::create_dir_all(folder)?;
        let size = CString::new("size=2m,nr_inodes=400,mode=0755")?;
        mount("tmpfs", folder, "tmpfs", MountFlags::empty(), size.as_c_str())?;
        mount_change(folder, MountPropagationFlags::SHARED)?;
    }
    host.start_daemon()?;
    let test = || {
        create_probed(&host)?;
        host.apply(&pod("before"))?;
        host.wait_status("before", SOON, is_running)?;
        folders.iter().try_for_each(|folder| fill(folder))?;
        // What needs no space goes on; what needs it says so.
        host.probelet(["restart", "probed"]).context("a restart needs no space")?;
        let pid = host.wait_status("probed", SOON, |status| {
            status["restartCount"] == 1 && status["ready"] == true
        });
        let pid = pid.and_then(|_| host.task_pid("probed_1"))?;
        let refused = host.try_probelet(["apply", "-f", "-"], &pod("new"))?;
        let reason = eventually("the lack of space is reported", SOON, || {
            let text = format!("{refused:?} {:?} {:?}", host.status("new"), host.events());
            text.contains("No space left on device").then_some(())
        });
        reason.with_context(|| format!("{refused:?}"))?;
        host.probelet(["delete", "pod", "before"])?;
        folders.iter().try_for_each(|folder| empty(folder))?;
        // The creation failed, or it is retried by itself.
        if host.status("new").is_err() {
            host.apply(&pod("new"))?;
        }
        host.wait_status("new", SOON * 3, is_running)?;
        ensure!(host.task_pid("probed_1")? == pid, "another process runs");
        host.probelet(["delete", "pod", "new"])?;
        host.probelet(["delete", "pod", "probed", "--grace-period", "0"])?;
        // The two folders are mounts of this test.
        eventually("nothing is left", SOON, || {
            let left = host.leftovers().ok()?;
            left.is_empty().then_some(())
        })
    };
    test().inspect_err(|_| host.show_logs())
}

fn daemon(host: &Host) -> Result<Option<Pid>> {
    Ok(i32::try_from(host.daemon_pid()?).ok().and_then(Pid::from_raw))
}

/// The hard limit of the daemon's descriptors.
fn hard_limit(host: &Host) -> Result<Option<u64>> {
    let limits = fs::read_to_string(format!("/proc/{}/limits", host.daemon_pid()?))?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    Ok(Some(line.and_then(|line| line.split_whitespace().nth(1)).context("no limit")?.parse()?))
}

#[test]
fn a_daemon_without_free_descriptors_kills_nothing_and_goes_on() -> Result<()> {
    with_host(|host| {
        let pid = create_probed(host)?;
        let daemon = daemon(host)?;
        let open = fs::read_dir(format!("/proc/{}/fd", host.daemon_pid()?))?.count();
        // No number below half of the open ones is free, so nothing can be opened.
        let none = Rlimit { current: Some(open as u64 / 2), maximum: hard_limit(host)? };
        let before = prlimit(daemon, Resource::Nofile, none)?;
        eventually("the daemon says that descriptors run out", SOON, || {
            let log = fs::read_to_string(host.path("probelet.log")).ok()?;
            log.contains("file descriptors are running out").then_some(())
        })?;
        prlimit(daemon, Resource::Nofile, before)?;
        is_unharmed(host, pid)?;
        host.apply(&pod("new"))?;
        host.wait_status("new", SOON, is_running)?;
        host.probelet(["delete", "pod", "new"])?;
        eventually("the daemon says that they are enough", SOON, || {
            let log = fs::read_to_string(host.path("probelet.log")).ok()?;
            log.contains("file descriptors are enough").then_some(())
        })?;
        is_unharmed(host, pid)
    })
}

#[test]
fn a_daemon_that_gets_no_memory_leaves_the_containers_to_the_next_one() -> Result<()> {
    with_host(|host| {
        let pid = create_probed(host)?;
        let few = Rlimit { current: Some(1 << 20), maximum: Some(1 << 20) };
        prlimit(daemon(host)?, Resource::As, few)?;
        // A list of many events needs memory. Whether the daemon survives is the allocator's choice.
        for _ in 0..20 {
            let _ = host.try_probelet(["apply", "-f", "-"], &pod("new"))?;
            let _ = host.try_probelet(["get", "events", "-o", "json"], "")?;
        }
        // It may have ended by itself.
        let _ = host.kill_daemon();
        ensure!(host.task_pid("probed_0")? == pid, "another process runs");
        host.start_daemon()?;
        is_unharmed(host, pid)?;
        if host.status("new").is_err() {
            host.apply(&pod("new"))?;
        }
        host.wait_status("new", SOON * 2, is_running)?;
        host.probelet(["delete", "pod", "new"])?;
        is_unharmed(host, pid)
    })
}
