//! Files and links of containers cannot end the daemon or fill the host, and files that others can
//! write are not used for what runs as root.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use probelet_integration::image::BUSYBOX_IMAGE;
use probelet_integration::script::{container, log, pod};
use probelet_integration::{
    Host, SOON, bounded, eventually, finish, probelet_bin, signal, with_host,
};
use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};
use serde_json::json;

/// The daemon's limit of address space in bytes: more than it needs, less than the large files.
const SPACE: u64 = 8 << 30;

fn limit_daemon(host: &Host) -> Result<()> {
    let pid = i32::try_from(host.daemon_pid()?).ok().and_then(Pid::from_raw);
    let limit = Rlimit { current: Some(SPACE), maximum: Some(SPACE) };
    prlimit(pid, Resource::As, limit)?;
    Ok(())
}

/// All files and folders below a folder. Links are not followed.
fn all_below(folder: &Path) -> Result<Vec<(PathBuf, fs::Metadata)>> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            let about = fs::symlink_metadata(&path)?;
            if about.is_dir() {
                folders.push(path.clone());
            }
            found.push((path, about));
        }
    }
    Ok(found)
}

#[test]
fn huge_files_of_a_container_neither_end_the_daemon_nor_fill_the_disk() -> Result<()> {
    with_host(|host| {
        host.busybox_image(&json!({}))?;
        limit_daemon(host)?;
        let daemon = host.daemon_pid()?;
        let script = "for f in /etc/hosts /etc/resolv.conf /dev/termination-log; do\n\
                      dd if=/dev/zero of=$f bs=64k count=400 && echo FILLED\n\
                      dd if=/dev/zero of=$f bs=1M count=0 seek=2048 2>/dev/null; done\n\
                      chmod 0 /etc/hosts\n[ -e /seen/3 ] || { echo x >> /seen/all; exit 1; }";
        let mut app = container("app", script, json!([{ "name": "seen", "mountPath": "/seen" }]));
        app["readinessProbe"] = json!({ "tcpSocket": { "port": 9, "host": "web" } });
        host.apply(&pod(json!([app]), json!([{ "name": "seen", "emptyDir": {} }])).to_string())?;
        let status =
            host.wait_status("web", SOON * 2, |it| it["restartCount"].as_u64() >= Some(2))?;
        // Each file has a size of 2 GiB with a hole.
        let about = fs::read_to_string(format!("/proc/{daemon}/status"))?;
        let peak = about.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak
            .and_then(|peak| peak.trim().strip_suffix(" kB"))
            .context("the daemon has ended")?;
        ensure!(peak.parse::<u64>()? < 512 << 10, "the daemon has used {peak} kB");
        ensure!(status["lastState"]["terminated"]["exitCode"] == 1, "{status}");
        let said = host.probelet(["logs", "web", "-p"])?;
        ensure!(said.matches("No space left on device").count() == 3, "{said}");
        ensure!(!said.contains("FILLED"), "{said}");
        // The content is not on the host's own file systems.
        let device = fs::metadata(host.path("run"))?.dev();
        for folder in ["run", "log", "data"] {
            let all = all_below(&host.path(folder))?;
            let own = all.iter().filter(|(_, about)| about.is_file() && about.dev() == device);
            let bytes: u64 = own.map(|(_, about)| about.blocks() * 512).sum();
            ensure!(bytes < 1 << 20, "{folder} holds {bytes} bytes");
        }
        host.probelet(["delete", "pod", "web"])?;
        host.expect_nothing_left()
    })
}

#[test]
fn files_of_containers_are_readable_by_root_only_whatever_the_umask_is() -> Result<()> {
    let mut host = Host::start()?;
    let daemon = host.path("careless");
    let text = format!("#!/bin/sh\numask 0\nexec {} \"$@\"\n", probelet_bin().display());
    fs::write(&daemon, text)?;
    fs::set_permissions(&daemon, Permissions::from_mode(0o755))?;
    host.spawn_daemon_of(&daemon, &[])?;
    host.wait_daemon()?;
    let test = || {
        host.busybox_image(&json!({}))?;
        let script = "printf why > /dev/termination-log; cat /etc/hosts; id -u";
        let mut app = container("app", &format!("{script}; echo END; exit 3"), json!([]));
        app["securityContext"] = json!({ "runAsUser": 101 });
        // A pod of several containers has a shared memory file system.
        let other = container("other", "", json!([]));
        let mut all = pod(json!([app, other]), json!([]));
        all["spec"]["restartPolicy"] = json!("Never");
        host.apply(&all.to_string())?;
        let said = log(&host, "app")?;
        ensure!(said.contains("# Managed by probelet") && said.ends_with("101\n"), "{said}");
        let status = host.wait_status("web", SOON, |it| it["state"]["terminated"].is_object())?;
        ensure!(status["state"]["terminated"]["message"] == "why", "{status}");
        ensure!(fs::metadata(host.path("log"))?.mode() & 0o777 == 0o750);
        for folder in ["log", "run", "data"] {
            for (path, about) in all_below(&host.path(folder))? {
                let mode = about.mode() & 0o7777;
                let is_log = folder == "log" && !about.is_symlink();
                ensure!(!is_log || mode & 0o027 == 0, "{mode:o} {}", path.display());
                // A file that everyone can write to is in a folder that only root can enter.
                let behind = path.parent().context("no parent")?;
                let is_open = fs::metadata(behind)?.mode() & 0o001 != 0;
                let writable = mode & 0o002 != 0 && !about.is_symlink();
                ensure!(!(writable && is_open), "{mode:o} {}", path.display());
            }
        }
        host.probelet(["delete", "pod", "web"])?;
        host.expect_nothing_left()
    };
    test().inspect_err(|_| host.show_logs())
}

#[test]
fn a_link_into_proc_does_not_block_the_daemon() -> Result<()> {
    with_host(|host| {
        let mut request = host.busybox("linked", "exec sleep 1000")?;
        let rootfs = host.path("busybox-linked");
        fs::create_dir_all(rootfs.join("etc"))?;
        symlink("/proc/kmsg", rootfs.join("etc/hosts"))?;
        let probe = json!({ "tcpSocket": { "host": "other.test", "port": 1 }, "period": "0.1s" });
        request["readinessProbe"] = probe;
        host.call("probelet.v1.Containers/CreateContainer", &request)?;
        let event = eventually("the probe's error", SOON, || {
            host.events().ok()?.into_iter().find(|event| event.contains("a mount of proc"))
        })?;
        ensure!(event.contains("other.test"), "{event}");
        let daemon = host.daemon_pid()?;
        signal(daemon, Signal::TERM)?;
        let has_ended = || {
            let stat = fs::read_to_string(format!("/proc/{daemon}/stat")).ok();
            stat.is_none_or(|stat| stat.contains(") Z ")).then_some(())
        };
        eventually("the daemon has ended", SOON, has_ended)?;
        ensure!(host.task_pid("linked_0").is_ok(), "the container has ended");
        Ok(())
    })
}

/// Runs `serve` with a further flag, which must end with exit code 2. Returns its stderr.
fn refusal(host: &Host, flag: &str, path: &Path) -> Result<String> {
    let mut command = bounded(probelet_bin());
    command.arg("serve").arg("--containerd-address").arg(host.containerd_socket());
    for (own, folder) in [
        ("--socket", "other.sock"),
        ("--run-dir", "run2"),
        ("--log-dir", "log2"),
        ("--data-dir", "data2"),
    ] {
        if own != flag {
            command.arg(own).arg(host.path(folder));
        }
    }
    let done = finish(command.arg(flag).arg(path), "")?;
    ensure!(done.code == Some(2), "{flag}: {done:?}");
    Ok(done.stderr)
}

#[test]
fn files_and_folders_that_others_can_write_are_refused_by_name() -> Result<()> {
    with_host(|host| {
        let base = host.path("base");
        fs::create_dir_all(base.join("dir"))?;
        fs::write(base.join("file"), "")?;
        let modes = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode));
        for (flag, name) in [
            ("--config", "file"),
            ("--socket", "file"),
            ("--registry-config", "file"),
            ("--registry-hosts-dir", "dir"),
            ("--manifest-dir", "dir"),
            ("--seccomp-dir", "dir"),
            ("--cni-conf-dir", "dir"),
            ("--cni-bin-dir", "dir"),
            ("--run-dir", "dir"),
            ("--data-dir", "dir"),
            ("--log-dir", "dir"),
        ] {
            let path = base.join(name);
            modes(&path, 0o777)?;
            let text = refusal(host, flag, &path)?;
            ensure!(
                text.contains(&format!("{}: is writable by everyone", path.display())),
                "{text}"
            );
            modes(&path, 0o755)?;
            chown(&path, Some(4711), None)?;
            let text = refusal(host, flag, &path)?;
            ensure!(text.contains("belongs to user 4711, not to root"), "{text}");
            chown(&path, Some(0), None)?;
            // A writable parent folder is refused too, because the file could be replaced.
            modes(&base, 0o777)?;
            let text = refusal(host, flag, &path)?;
            ensure!(text.contains(&format!("{}: is writable", base.display())), "{text}");
            modes(&base, 0o755)?;
        }
        Ok(())
    })
}

#[test]
fn a_manifest_that_others_can_write_or_a_link_out_of_the_folder_is_not_applied() -> Result<()> {
    let mut host = Host::start()?;
    let (folder, outside) = (host.path("manifests"), host.path("outside.yaml"));
    fs::create_dir_all(folder.join("..data"))?;
    let manifest = |name: &str| {
        let app = json!({ "name": "app", "image": BUSYBOX_IMAGE, "command": ["sleep", "1000"] });
        let mut one = pod(json!([app]), json!([]));
        one["metadata"]["name"] = json!(name);
        one.to_string()
    };
    fs::write(&outside, manifest("outside"))?;
    symlink(&outside, folder.join("outside.yaml"))?;
    symlink("../outside.yaml", folder.join("relative.yaml"))?;
    fs::write(folder.join("..data/inside.yaml"), manifest("inside"))?;
    symlink("..data/inside.yaml", folder.join("inside.yaml"))?;
    fs::write(folder.join("open.yaml"), manifest("open"))?;
    fs::set_permissions(folder.join("open.yaml"), Permissions::from_mode(0o666))?;
    host.start_daemon_with(&["--manifest-dir", &folder.display().to_string()])?;
    let test = || {
        host.busybox_image(&json!({}))?;
        host.wait_status("inside", SOON * 2, |status| status["state"]["running"].is_object())?;
        let error = |file: &str| {
            let path = folder.join(file).display().to_string();
            let described = || host.probelet(["describe", "pod", &path]).ok();
            eventually("the file's error", SOON, described)
        };
        for file in ["outside.yaml", "relative.yaml"] {
            let shown = error(file)?;
            ensure!(shown.contains("is a link that leads out of the folder"), "{shown}");
        }
        let shown = error("open.yaml")?;
        ensure!(shown.contains("is writable by everyone"), "{shown}");
        let names = host.probelet(["get", "pods", "-o", "name"])?;
        ensure!(!names.contains("pod/outside\n") && !names.contains("pod/open\n"), "{names}");
        Ok(())
    };
    test().inspect_err(|_| host.show_logs())
}
