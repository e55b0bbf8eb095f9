//! Commands of probes that run without containerd: they are equal to containerd's, and no container
//! can abuse the helper that becomes them.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use probelet_integration::image::BUSYBOX_IMAGE;
use probelet_integration::target::{Said, extend};
use probelet_integration::{Host, SOON, eventually, processes_with, with_host};
use serde_json::{Value, json};

const WAYS: [&str; 2] = ["CONTAINERD", "DIRECT"];

/// Runs a command in the only container of a pod.
fn run(host: &Host, name: &str, via: &str, command: &[&str]) -> Result<Said> {
    let exec = json!({ "command": command });
    host.probe_once(name, &json!({ "exec": exec, "execVia": via, "timeout": "20s" }))
}

/// Starts a pod of one container that sleeps.
fn start(host: &Host, name: &str, container: Value, spec: Value) -> Result<()> {
    let mut app = json!({ "name": "app", "image": BUSYBOX_IMAGE, "command": ["sleep", "1000"] });
    extend(&mut app, container);
    let mut all = json!({ "terminationGracePeriodSeconds": 0, "containers": [app] });
    extend(&mut all, spec);
    let pod =
        json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name }, "spec": all });
    host.apply(&pod.to_string())?;
    host.wait_status(name, SOON, |status| status["state"]["running"].is_object()).map(drop)
}

/// Parts of `/proc/PID/status` that differ between two runs of the same program.
const OWN: [&str; 8] = ["Pid", "Tgid", "Ngid", "PPid", "NStgid", "NSpid", "NSpgid", "NSsid"];

/// The output without what is another process' by nature: ids, counters and memory.
fn masked(output: &str) -> Vec<String> {
    let lines = output.split(['\n', '\0']).map(|line| {
        let name = line.split(':').next().unwrap_or_default();
        let is_own = OWN.contains(&name)
            || ["Vm", "Rss", "SigQ", "voluntary", "nonvoluntary"]
                .iter()
                .any(|p| name.starts_with(p));
        if is_own {
            return format!("{name}:");
        }
        // Two signals of the C library, which what starts containerd may ignore.
        if let Some(ignored) = line.strip_prefix("SigIgn:\t") {
            let ignored = u64::from_str_radix(ignored, 16).unwrap_or(u64::MAX);
            return format!("SigIgn:{:x}", ignored & !(3 << 31));
        }
        if line.starts_with("PROBELET_EXEC=") {
            return "PROBELET_EXEC=".to_owned();
        }
        // `ls -l` of descriptors: numbers of pipes and of the process.
        match line.split_once(" -> ") {
            Some((_, to)) if to.starts_with("pipe:[") => "pipe".to_owned(),
            Some((_, to)) if to.starts_with("/proc/") => "own folder".to_owned(),
            Some((_, to)) => to.to_owned(),
            None => line.to_owned(),
        }
    });
    lines.collect()
}

const COMMANDS: [&[&str]; 9] = [
    &["cat", "/proc/self/status"],
    &["cat", "/proc/self/cgroup"],
    &["cat", "/proc/self/limits"],
    &["cat", "/proc/self/environ"],
    &["cat", "/proc/self/mountinfo"],
    &["cat", "/proc/self/attr/current"],
    &["cat", "/proc/self/oom_score_adj", "/proc/self/timerslack_ns", "/proc/self/personality"],
    &["ls", "-l", "/proc/self/ns", "/proc/self/fd"],
    // Terminal, priority, nice value, real-time priority and policy.
    &["sh", "-c", "pwd; umask; id; busybox cut -d' ' -f 7,18,19,40,41 /proc/self/stat"],
];

/// Compares each command in the container, run in both ways.
fn compare(host: &Host, name: &str) -> Result<()> {
    let mut differences = Vec::new();
    for command in COMMANDS {
        let [theirs, ours] = WAYS.map(|way| run(host, name, way, command));
        let (theirs, ours) = (theirs?, ours?);
        ensure!(theirs.outcome == ours.outcome, "{name} {command:?}: {theirs:?} {ours:?}");
        let (theirs, ours) = (masked(&theirs.output), masked(&ours.output));
        ensure!(theirs.len() > 1, "{name} {command:?}: {theirs:?}");
        for (theirs, ours) in theirs.iter().zip(&ours) {
            if theirs != ours {
                differences.push(format!("{command:?}:\n  {theirs}\n  {ours}"));
            }
        }
        ensure!(theirs.len() == ours.len(), "{name} {command:?}: {theirs:#?} {ours:#?}");
    }
    ensure!(differences.is_empty(), "{name}:\n{}", differences.join("\n"));
    Ok(())
}

#[test]
fn a_command_is_line_by_line_that_of_containerd() -> Result<()> {
    with_host(|host| {
        host.busybox_image(&json!({}))?;
        start(host, "plain", json!({}), json!({}))?;
        let security = json!({ "securityContext": { "privileged": true } });
        start(host, "privileged", security, json!({ "hostPID": true, "hostIPC": true }))?;
        let strict = json!({
            "securityContext": {
                "runAsUser": 101, "runAsGroup": 102, "readOnlyRootFilesystem": true,
                "allowPrivilegeEscalation": false,
                "capabilities": { "drop": ["ALL"], "add": ["NET_BIND_SERVICE", "SYS_PTRACE"] },
            },
            "workingDir": "/tmp",
            "env": [{ "name": "TWO", "value": "a b" }, { "name": "ONE", "value": "" }],
            "resources": { "limits": { "memory": "64Mi", "cpu": "500m" } },
        });
        let groups = json!({ "securityContext": { "supplementalGroups": [20, 7], "fsGroup": 9 } });
        start(host, "strict", strict, groups)?;
        start(host, "network", json!({}), json!({ "hostNetwork": true }))?;
        start(host, "shared", json!({}), json!({ "shareProcessNamespace": true }))?;
        for name in ["plain", "privileged", "strict", "network", "shared"] {
            compare(host, name)?;
        }
        // A user sees only keys that the process has, as the session keyring.
        let user = json!({ "securityContext": { "privileged": true, "runAsUser": 101 } });
        start(host, "user", user, json!({}))?;
        compare(host, "user")?;
        let keys = ["busybox", "grep", "-o", "_ses[^:]*", "/proc/keys"];
        for way in WAYS {
            let said = run(host, "user", way, &keys)?;
            ensure!(said.output == "_ses.user_app_0\n", "{way}: {said:?}");
        }
        // Limits and all sets of capabilities, which only a bundle can have.
        let mut bundle = host.busybox("bundle", "sleep 1000")?;
        extend(
            &mut bundle["ociSpec"]["process"],
            json!({
                "rlimits": [
                    { "type": "RLIMIT_NOFILE", "soft": 100, "hard": 200 },
                    { "type": "RLIMIT_CORE", "soft": 0, "hard": 0 },
                ],
                "user": { "uid": 5, "gid": 6, "additionalGids": [8] },
                "cwd": "/tmp", "oomScoreAdj": 77,
                "capabilities": {
                    "bounding": ["CAP_CHOWN", "CAP_KILL"], "effective": ["CAP_KILL"],
                    "permitted": ["CAP_KILL"], "inheritable": ["CAP_KILL"], "ambient": ["CAP_KILL"],
                },
            }),
        );
        for applet in ["id", "ls"] {
            symlink("busybox", host.path("busybox-bundle/bin").join(applet))?;
        }
        host.call("probelet.v1.Containers/CreateContainer", &bundle)?;
        host.wait_status("bundle", SOON, |status| status["state"]["running"].is_object())?;
        compare(host, "bundle")
    })
}

#[test]
fn outcomes_are_those_of_containerd() -> Result<()> {
    with_host(|host| {
        host.busybox_image(&json!({}))?;
        start(host, "web", json!({}), json!({}))?;
        host.ctr([
            "task",
            "exec",
            "--exec-id",
            "x",
            "web_app_0",
            "sh",
            "-c",
            "echo x > /tmp/data",
        ])?;
        let shell = |script: &'static str| ["sh", "-c", script];
        let flood = "dd if=/dev/zero bs=1M count=100 2>/dev/null; echo end >&2";
        let commands: [&[&str]; 9] = [
            &["true"],
            &shell("echo two >&2; echo one; exit 3"),
            &shell("exit 126"),
            &shell("kill -9 $$"),
            &shell(flood),
            &shell("cat; echo end"),
            &["missing"],
            &["/bin/missing"],
            &["/tmp/data"],
        ];
        for command in commands {
            let [theirs, ours] = WAYS.map(|way| run(host, "web", way, command));
            let (theirs, ours) = (theirs?, ours?);
            ensure!(theirs.outcome == ours.outcome, "{command:?}: {theirs:?} {ours:?}");
            let is_same = match ours.outcome.as_str() {
                // runc has its own words around the same reason.
                "error" => theirs.output.contains(&ours.output),
                _ => theirs.output == ours.output,
            };
            ensure!(is_same, "{command:?}: {theirs:?} {ours:?}");
        }
        let late = json!({ "exec": { "command": ["sleep", "1000"] }, "execVia": "DIRECT", "timeout": "1s" });
        let said = host.probe_once("web", &late)?;
        ensure!(said.outcome == "failure", "{said:?}");
        ensure!(said.output == "command timed out: \"sleep 1000\" timed out after 1s", "{said:?}");
        Ok(())
    })
}

/// The helpers and their children that have not executed a command.
fn helpers(host: &Host) -> Result<BTreeSet<u32>> {
    let daemon = host.daemon_pid()?;
    let mut found = BTreeSet::new();
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let Some((name, rest)) = stat.rsplit_once(") ") else { continue };
        let parent = rest.split(' ').nth(1).and_then(|parent| parent.parse::<u32>().ok());
        if name.ends_with("(probelet-exec") && (parent == Some(daemon) || parent == Some(1)) {
            found.insert(pid);
        }
    }
    Ok(found)
}

#[test]
fn a_command_that_is_too_late_or_has_no_daemon_any_more_ends_with_its_children() -> Result<()> {
    with_host(|host| {
        let word = (2_000_000 + std::process::id() * 10).to_string();
        let script = format!(
            "trap '' TERM; sleep {word} & env -i sleep {word} & (setsid sleep {word} &) ; \
             sleep {word}"
        );
        let sleeps =
            || processes_with(&word).iter().filter(|line| line.starts_with("sleep")).count();
        let mut request = host.busybox("app", "sleep 1000")?;
        let exec = json!({ "command": ["sh", "-c", script] });
        let probe =
            json!({ "exec": exec, "period": "1000s", "timeout": "2s", "execVia": "DIRECT" });
        request["readinessProbe"] = probe.clone();
        host.call("probelet.v1.Containers/CreateContainer", &request)?;
        eventually("all four run", SOON, || (sleeps() == 4).then_some(()))?;
        eventually("all have ended", SOON, || (sleeps() == 0).then_some(()))?;
        eventually("no helper is left", SOON, || helpers(host).ok()?.is_empty().then_some(()))?;
        // The same with a daemon that is killed.
        let mut probe = probe;
        extend(&mut probe, json!({ "timeout": "1000s", "initialDelay": "0s" }));
        let update = json!({ "name": "app", "readinessProbe": probe });
        host.call("probelet.v1.Containers/UpdateProbes", &update)?;
        let pid = host.task_pid("app_0")?;
        let restarted = json!({ "name": "app" });
        host.call("probelet.v1.Containers/RestartContainer", &restarted)?;
        eventually("another task runs", SOON, || {
            host.task_pid("app_1").ok().filter(|new| *new != pid)
        })?;
        eventually("all four run again", SOON, || (sleeps() == 4).then_some(()))?;
        host.kill_daemon()?;
        eventually("all have ended with the daemon", SOON, || (sleeps() == 0).then_some(()))
    })
}

#[test]
fn a_command_has_no_descriptor_of_the_daemon_and_no_child_is_killed_that_it_leaves() -> Result<()> {
    with_host(|host| {
        let word = (3_000_000 + std::process::id() * 10).to_string();
        let request = host.busybox("app", "sleep 1000")?;
        host.call("probelet.v1.Containers/CreateContainer", &request)?;
        eventually("it runs", SOON, || host.task_pid("app_0").ok())?;
        let script = format!("sleep {word} & echo hi");
        let said = run(host, "app", "DIRECT", &["sh", "-c", &script])?;
        ensure!((said.outcome.as_str(), said.output.as_str()) == ("success", "hi\n"), "{said:?}");
        let mut sleeping = None;
        for entry in fs::read_dir("/proc")?.flatten() {
            let words = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            if words == format!("sleep\0{word}\0").into_bytes() {
                sleeping = Some(entry.path());
            }
        }
        let sleeping = sleeping.context("the child was killed")?;
        let mut open = BTreeSet::new();
        for descriptor in fs::read_dir(sleeping.join("fd"))? {
            let descriptor = descriptor?;
            let to = fs::read_link(descriptor.path())?.display().to_string();
            let kind = to.split(':').next().unwrap_or_default().to_owned();
            open.insert((descriptor.file_name().display().to_string(), kind));
        }
        let expected = [("0", "/dev/null"), ("1", "pipe"), ("2", "pipe")];
        let expected = expected.map(|(number, kind)| (number.to_owned(), kind.to_owned()));
        ensure!(open == BTreeSet::from(expected), "{open:?}");
        let daemon = host.daemon_pid()?;
        for _ in 0..30 {
            run(host, "app", "DIRECT", &["true"])?;
        }
        let count = fs::read_dir(format!("/proc/{daemon}/fd"))?.count();
        for _ in 0..30 {
            run(host, "app", "DIRECT", &["true"])?;
        }
        eventually("the daemon has no more descriptors than before", SOON, || {
            (fs::read_dir(format!("/proc/{daemon}/fd")).ok()?.count() <= count + 3).then_some(())
        })?;
        eventually("no helper is left", SOON, || helpers(host).ok()?.is_empty().then_some(()))
    })
}

#[test]
fn what_cannot_be_reproduced_is_refused_by_its_name() -> Result<()> {
    with_host(|host| {
        host.busybox_image(&json!({}))?;
        let pod = |annotations: Value| {
            json!({
                "apiVersion": "v1", "kind": "Pod",
                "metadata": { "name": "web", "annotations": annotations },
                "spec": { "terminationGracePeriodSeconds": 0, "containers": [{
                    "name": "app", "image": BUSYBOX_IMAGE, "command": ["sleep", "1000"],
                    "securityContext": { "seccompProfile": { "type": "RuntimeDefault" } },
                    "readinessProbe": { "exec": { "command": ["true"] }, "periodSeconds": 1 },
                }] },
            })
        };
        let direct = json!({ "probelet.io/app.readiness.execVia": "direct" });
        let refused = host.apply(&pod(direct).to_string());
        let text = format!("{:#}", refused.err().context("taken")?);
        let expected = "metadata.annotations[probelet.io/app.readiness.execVia]: Invalid value: \
                        \"direct\": a command under a seccompProfile";
        ensure!(text.contains(expected), "{text}");
        // By configuration it is an error of each attempt, which is no failure.
        host.kill_daemon()?;
        host.start_daemon_with(&["--exec-via", "direct"])?;
        host.apply(&pod(json!({})).to_string())?;
        host.wait_status("web", SOON, |status| status["state"]["running"].is_object())?;
        let said = host.run_probe("web", "readiness")?;
        ensure!(said.outcome == "error", "{said:?}");
        ensure!(said.output.contains("cannot be run directly: linux.seccomp: "), "{said:?}");
        // The annotation goes before the configuration.
        let other = json!({ "probelet.io/app.readiness.execVia": "containerd" });
        host.apply(&pod(other).to_string())?;
        let said = host.run_probe("web", "readiness")?;
        ensure!(said.outcome == "success", "{said:?}");
        Ok(())
    })
}

#[test]
fn a_paused_container_runs_no_command() -> Result<()> {
    with_host(|host| {
        let request = host.busybox("app", "sleep 1000")?;
        host.call("probelet.v1.Containers/CreateContainer", &request)?;
        eventually("it runs", SOON, || host.task_pid("app_0").ok())?;
        ensure!(run(host, "app", "DIRECT", &["true"])?.outcome == "success");
        host.ctr(["task", "pause", "app_0"])?;
        let said = run(host, "app", "DIRECT", &["true"])?;
        ensure!(
            (said.outcome.as_str(), said.output.as_str()) == ("error", "the container is paused"),
            "{said:?}"
        );
        host.ctr(["task", "resume", "app_0"])?;
        ensure!(run(host, "app", "DIRECT", &["true"])?.outcome == "success");
        Ok(())
    })
}

/// Copies the loader and the libraries of the host, so that the daemon's binary can run in the root
/// filesystem.
fn copy_libraries(rootfs: &Path) -> Result<()> {
    let binary = probelet_integration::probelet_bin();
    let listed = std::process::Command::new("ldd").arg(binary).output()?;
    for word in String::from_utf8_lossy(&listed.stdout).split_whitespace() {
        if word.starts_with('/') {
            let to = rootfs.join(word.trim_start_matches('/'));
            fs::create_dir_all(to.parent().context("no folder")?)?;
            fs::copy(word, to)?;
        }
    }
    Ok(())
}

/// The way of CVE-2019-5736: the container makes the helper execute itself, opens that program by
/// `/proc/PID/exe`, and writes to it when it does not run any more.
#[test]
fn a_container_cannot_write_to_the_program_of_the_helper() -> Result<()> {
    with_host(|host| {
        // Each program that is no busybox is opened, and written to until that succeeds or is not
        // permitted.
        let script = "while :; do for exe in /proc/[0-9]*/exe; do\n\
                      case $(readlink $exe) in ''|*busybox) continue;; esac\n\
                      exec 9<$exe || continue\n\
                      echo seen >> /tmp/seen\n\
                      for try in 1 2 3 4 5 6 7 8 9; do\n\
                      (echo x > /proc/self/fd/9) 2>> /tmp/seen && echo WRITTEN >> /tmp/seen\n\
                      sleep 0.02\n\
                      done; exec 9<&-; done; done";
        let request = host.busybox("app", script)?;
        let rootfs = host.path("busybox-app");
        symlink("busybox", rootfs.join("bin/readlink"))?;
        copy_libraries(&rootfs)?;
        let evil = rootfs.join("evil");
        fs::write(&evil, "#!/proc/self/exe\n")?;
        fs::set_permissions(&evil, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        host.call("probelet.v1.Containers/CreateContainer", &request)?;
        eventually("it runs", SOON, || host.task_pid("app_0").ok())?;
        let before = fs::read(probelet_integration::probelet_bin())?;
        let mut last = None;
        let seen = eventually("the container has opened the program", 4 * SOON, || {
            last = Some(run(host, "app", "DIRECT", &["/evil"]));
            fs::read_to_string(rootfs.join("tmp/seen")).ok().filter(|seen| seen.lines().count() > 5)
        });
        let seen = seen.with_context(|| format!("{last:?}"))?;
        ensure!(!seen.contains("WRITTEN"), "{seen}");
        ensure!(seen.contains("Operation not permitted"), "{seen}");
        ensure!(fs::read(probelet_integration::probelet_bin())? == before, "the daemon's binary");
        ensure!(run(host, "app", "DIRECT", &["true"])?.outcome == "success");
        Ok(())
    })
}

/// The way of CVE-2024-21626: a working directory that is a descriptor of the helper.
#[test]
fn a_working_directory_leads_to_nothing_of_the_host() -> Result<()> {
    with_host(|host| {
        host.busybox_image(&json!({}))?;
        let folder = json!({ "workingDir": "/tmp/w" });
        start(host, "web", folder, json!({}))?;
        let root = format!("/proc/{}/root/tmp/w", host.task_pid("web_app_0")?);
        ensure!(run(host, "web", "DIRECT", &["pwd"]).is_ok());
        fs::remove_dir(&root)?;
        for number in 3..20 {
            symlink(format!("/proc/self/fd/{number}"), &root)?;
            let said = run(host, "web", "DIRECT", &["ls", "-la"])?;
            ensure!(said.outcome == "error", "{number}: {said:?}");
            ensure!(said.output.contains("chdir to cwd"), "{number}: {said:?}");
            fs::remove_file(&root)?;
        }
        // A link within the container is followed as by runc, and `..` does not lead out.
        for (to, at) in [("/etc", "/etc"), ("../../../../etc", "/etc"), ("/proc/1/root", "/")] {
            symlink(to, &root)?;
            let said = run(host, "web", "DIRECT", &["sh", "-c", "pwd -P"])?;
            ensure!(said.output.trim() == at, "{to}: {said:?}");
            fs::remove_file(&root)?;
        }
        Ok(())
    })
}

#[test]
fn a_replaced_proc_is_not_trusted() -> Result<()> {
    with_host(|host| {
        host.busybox_image(&json!({}))?;
        let script =
            "mount -t tmpfs none /proc && mkdir -p /proc/self/attr /proc/self/fd && sleep 1000";
        let container = json!({
            "command": ["sh", "-c", script], "securityContext": { "privileged": true },
        });
        start(host, "web", container, json!({}))?;
        let mounted = || run(host, "web", "DIRECT", &["ls", "/proc"]).ok();
        eventually("it is mounted", SOON, || mounted().filter(|said| said.output == "self\n"))?;
        let said = run(host, "web", "DIRECT", &["id"])?;
        ensure!(said.output.contains("uid=0"), "{said:?}");
        Ok(())
    })
}

#[test]
fn a_container_that_ends_meanwhile_is_no_failure_and_leaves_no_process() -> Result<()> {
    with_host(|host| {
        let mut request = host.busybox("app", "sleep 0.7")?;
        request["readinessProbe"] = json!({
            "exec": { "command": ["sleep", "0.05"] }, "period": "0.1s", "execVia": "DIRECT",
        });
        request["backoff"] = json!({ "base": "0.1s", "cap": "0.1s" });
        host.call("probelet.v1.Containers/CreateContainer", &request)?;
        let restarts = || host.status("app").ok()?["restartCount"].as_u64();
        eventually("twelve containers have ended", 6 * SOON, || restarts().filter(|n| *n >= 12))?;
        let events = host.events()?;
        // An attempt that the end has interrupted is an error, which does not count.
        if let Some(event) = events.iter().find(|event| event.contains("probe failed")) {
            bail!("{event}");
        }
        host.call("probelet.v1.Containers/RemoveContainer", &json!({ "name": "app" }))?;
        eventually("no helper is left", SOON, || helpers(host).ok()?.is_empty().then_some(()))?;
        host.expect_nothing_left()
    })
}
