//! What the daemon hands to the programs that it starts.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use probelet_integration::image::BUSYBOX_IMAGE;
use probelet_integration::{Host, SOON, eventually};
use serde_json::{Value, json};

/// A variable of the daemon that no other program may get.
const SECRET: &str = "PROXY_PASSWORD=hush-hush";

/// A CNI plugin that writes its environment and its descriptors to files.
fn plugin(host: &Host) -> Result<String> {
    let folder = host.path("plugins");
    fs::create_dir_all(&folder)?;
    fs::create_dir_all(host.path("cni"))?;
    let script = format!(
        "#!/bin/sh\ncat > /dev/null\n[ $CNI_COMMAND = ADD ] || exit 0\nat={}\n\
         tr '\\0' '\\n' < /proc/$$/environ > $at/plugin.env\n\
         for fd in /proc/$$/fd/*; do echo \"${{fd##*/}} $(readlink $fd)\"; done > $at/plugin.fds\n\
         echo '{{\"cniVersion\": \"1.0.0\", \"ips\": [{{\"address\": \"10.9.8.7/24\"}}]}}'\n",
        host.path("").display()
    );
    let plugin = folder.join("look");
    fs::write(&plugin, script)?;
    fs::set_permissions(&plugin, Permissions::from_mode(0o755))?;
    let list = json!({ "cniVersion": "1.0.0", "name": "n", "plugins": [{ "type": "look" }] });
    fs::write(host.path("cni/10-test.conflist"), list.to_string())?;
    Ok(format!("--cni-bin-dir={}", folder.display()))
}

/// The descriptors of a process, as `NUMBER TARGET`.
fn descriptors(pid: u32) -> Result<BTreeSet<String>> {
    let mut all = BTreeSet::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fd"))?.flatten() {
        // A descriptor may be closed meanwhile.
        let Ok(to) = fs::read_link(entry.path()) else { continue };
        all.insert(format!("{} {}", entry.file_name().display(), to.display()));
    }
    Ok(all)
}

/// Processes by a word of their command line, in which NULs are spaces, or by their name.
fn find(is_meant: impl Fn(&str, &str) -> bool) -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let meant = |pid: &u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        is_meant(name.trim(), &String::from_utf8_lossy(&line).replace('\0', " "))
    };
    pids.filter(meant).collect()
}

/// Checks that a program has nothing of the daemon: no secret of its environment, and no open file
/// but the pipes of the three standard streams.
fn has_nothing(what: &str, env: &str, own: &BTreeSet<String>, daemons: &Value) -> Result<()> {
    ensure!(!env.contains("PROXY_PASSWORD"), "{what} has {env}");
    ensure!(!own.is_empty(), "{what} has no descriptors");
    for descriptor in own {
        let (number, to) = descriptor.split_once(' ').context("no target")?;
        let is_stream = number.parse::<u32>()? < 3;
        // All processes share these inodes.
        let is_common = to == "/dev/null" || to.starts_with("anon_inode:");
        let is_shared = daemons.as_array().into_iter().flatten().any(|one| one == to);
        ensure!(
            is_stream || is_common || !is_shared,
            "{what} has the daemon's {descriptor} of {own:?}"
        );
        ensure!(!to.starts_with("anon_inode:") || to.contains("pidfd"), "{what}: {descriptor}");
    }
    Ok(())
}

#[test]
fn no_program_that_the_daemon_starts_has_its_environment_or_descriptors() -> Result<()> {
    let mut host = Host::start()?;
    let flag = plugin(&host)?;
    let mut with_secret = Command::new("env");
    with_secret.arg(SECRET);
    host.start_daemon_by(with_secret, &[&flag])?;
    let test = || {
        host.busybox_image(&json!({}))?;
        let daemon = host.daemon_pid()?;
        let own = fs::read_to_string(format!("/proc/{daemon}/environ"))?;
        ensure!(own.contains(SECRET), "the daemon has no secret");
        let app = json!({
            "name": "app", "image": BUSYBOX_IMAGE, "command": ["sleep", "100000"],
            "readinessProbe": {
                "exec": { "command": ["sleep", "1000"] }, "timeoutSeconds": 1000,
            },
        });
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": "web", "annotations": { "probelet.io/app.readiness.execVia": "direct" },
            },
            "spec": {
                "terminationGracePeriodSeconds": 0, "shareProcessNamespace": true,
                "containers": [app],
            },
        });
        host.apply(&pod.to_string())?;
        host.wait_status("web", SOON * 2, |status| status["state"]["running"].is_object())?;
        let run = host.path("run").display().to_string();
        let log = host.path("log").display().to_string();
        let one = |what: &str, is_meant: &dyn Fn(&str, &str) -> bool| {
            eventually(what, SOON, || find(is_meant).first().copied())
        };
        let holder = one("the namespace's first process", &|_, line| {
            line.contains("pod-pause hold") && line.contains(&run)
        })?;
        let logger = one("the logger", &|name, line| {
            !name.starts_with("containerd") && !line.contains(" serve ") && line.contains(&log)
        })?;
        let helper = one("the helper of a direct command", &|name, _| name == "probelet-exec")?;
        let command = one("the direct command", &|_, line| line == "sleep 1000 ")?;
        let targets = descriptors(daemon)?;
        // The daemon and containerd have what this test was started with.
        let inherited = descriptors(std::process::id())?;
        let inherited: BTreeSet<_> =
            inherited.iter().filter_map(|one| one.split_once(' ')).collect();
        let targets = targets
            .iter()
            .filter_map(|one| one.split_once(' '))
            .filter(|one| !inherited.contains(one))
            .map(|(_, to)| to);
        let daemons = json!(targets.collect::<Vec<_>>());
        for (what, pid) in
            [("holder", holder), ("logger", logger), ("helper", helper), ("command", command)]
        {
            let env = fs::read(format!("/proc/{pid}/environ"))?;
            let env = String::from_utf8_lossy(&env);
            has_nothing(what, &env, &descriptors(pid)?, &daemons)?;
        }
        let file = |name: &str| fs::read_to_string(host.path(name));
        let plugins = file("plugin.fds")?.lines().map(str::to_owned).collect();
        has_nothing("plugin", &file("plugin.env")?, &plugins, &daemons)?;
        for line in file("plugin.env")?.lines() {
            let (name, _) = line.split_once('=').context("no variable")?;
            let is_expected = name == "PATH" || name == "PWD" || name.starts_with("CNI_");
            ensure!(is_expected, "the plugin has {line}");
        }
        Ok(())
    };
    test().inspect_err(|_| host.show_logs())
}
