//! `shareProcessNamespace`, and the holder, the first process of the namespace.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use std::fs;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use probelet_integration::clean::holders as holders_below;
use probelet_integration::image::BUSYBOX_IMAGE;
use probelet_integration::signal;
use probelet_integration::{Host, SOON, eventually, with_host};
use rustix::process::Signal;
use serde_json::{Value, json};

fn pod(name: &str, containers: &[(&str, &str)]) -> Value {
    let container = |(name, script): &(&str, &str)| {
        let command = ["sh", "-c", script];
        json!({ "name": name, "image": BUSYBOX_IMAGE, "command": command })
    };
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name },
        "spec": {
            "shareProcessNamespace": true, "terminationGracePeriodSeconds": 0,
            "containers": containers.iter().map(container).collect::<Vec<_>>(),
        },
    })
}

/// The process ids of the holders of this host's pods.
fn holders(host: &Host) -> Result<Vec<u32>> {
    let pids = holders_below(&host.path("run")).into_iter();
    pids.map(|pid| Ok(pid.as_raw_nonzero().get().try_into()?)).collect()
}

fn the_holder(host: &Host) -> Result<u32> {
    let all = holders(host)?;
    ensure!(all.len() == 1, "{all:?}");
    Ok(all[0])
}

fn wait_running(host: &Host, pod: &str, container: &str, restarts: u32) -> Result<()> {
    eventually("the container runs", SOON, || {
        let status = host.status_of(pod, container).ok()?;
        let is_it = status["restartCount"] == restarts && status["state"]["running"].is_object();
        is_it.then_some(())
    })
}

fn namespace(pid: u32) -> Result<u64> {
    Ok(fs::metadata(format!("/proc/{pid}/ns/pid"))?.ino())
}

fn zombies_of(pid: u32) -> Result<usize> {
    let own = namespace(pid)?;
    let pids = fs::read_dir("/proc")?.flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let is_zombie = |pid: &u32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        status.contains("State:\tZ") && namespace(*pid).is_ok_and(|its| its == own)
    };
    Ok(pids.filter(is_zombie).count())
}

#[test]
fn containers_see_and_signal_each_other_and_the_holder_gives_no_access_to_the_host() -> Result<()> {
    with_host(|host| {
        host.busybox_image(&json!({}))?;
        // Only the holder can reap orphans.
        let main = "(sleep 0.1 &) ; (sleep 0.1 &) ; exec sleep 1000";
        let other = "until pidof sleep; do sleep 0.1; done; cat /proc/1/comm; ls /proc/1/root;\n\
                     ls /proc/1/fd; echo END; exec sleep 2000";
        host.apply(&pod("web", &[("main", main), ("other", other)]).to_string())?;
        let said = eventually("the container has printed END", SOON, || {
            let text = host.probelet(["logs", "web", "-c", "other"]).ok()?;
            text.contains("END\n").then_some(text)
        })?;
        ensure!(said.contains("pod-pause\n"), "{said}");
        let (main, other) = (host.task_pid("web_main_0")?, host.task_pid("web_other_0")?);
        let holder = the_holder(host)?;
        ensure!(namespace(main)? == namespace(other)? && namespace(main)? == namespace(holder)?);
        ensure!(namespace(holder)? != namespace(std::process::id())?);
        eventually("orphans are reaped", SOON, || (zombies_of(holder).ok()? == 0).then_some(()))?;
        // A process that may trace the holder gains no access to the host.
        let root = fs::read_dir(format!("/proc/{holder}/root"))?;
        ensure!(root.count() == 0, "the holder has a root file system");
        for kind in ["net", "mnt", "ipc", "uts"] {
            let of = |pid: u32| fs::read_link(format!("/proc/{pid}/ns/{kind}"));
            ensure!(of(holder)? != of(std::process::id())?, "the holder is in the host's {kind}");
        }
        // The three standard streams and two of its own.
        let open = fs::read_dir(format!("/proc/{holder}/fd"))?.count();
        ensure!(open == 5, "it has {open} descriptors");
        let status = fs::read_to_string(format!("/proc/{holder}/status"))?;
        let environment = fs::read_to_string(format!("/proc/{holder}/environ"))?;
        ensure!(environment.is_empty(), "{environment:?}");
        // Its program cannot be written to, neither now nor after it has ended.
        let exe = fs::File::open(format!("/proc/{holder}/exe"))?;
        let again = format!("/proc/self/fd/{}", exe.as_raw_fd());
        ensure!(fs::read_link(&again)?.to_string_lossy().starts_with("/memfd:"));
        for line in ["CapEff:\t0000000000000000", "CapPrm:\t0000000000000000", "NoNewPrivs:\t1"] {
            ensure!(status.contains(line), "{status}");
        }

        // One container is killed, which restarts only that one.
        signal(main, Signal::KILL)?;
        wait_running(host, "web", "main", 1)?;
        ensure!(the_holder(host)? == holder, "the restart of one container replaced the holder");
        ensure!(namespace(host.task_pid("web_main_1")?)? == namespace(holder)?);

        let uid = host.pod("web")?["metadata"]["uid"].as_str().context("no uid")?.to_owned();
        host.probelet(["delete", "pod", "web"])?;
        ensure!(holders(host)?.is_empty(), "{:?}", holders(host)?);
        let written = fs::OpenOptions::new()
            .write(true)
            .open(&again)
            .and_then(|mut file| file.write_all(b"x"));
        ensure!(written.is_err(), "its program could be written to");
        for root in ["", "unified", "systemd"] {
            let its = Path::new("/sys/fs/cgroup").join(root).join(host.namespace()).join(&uid);
            ensure!(!its.exists(), "{} is left", its.display());
        }
        host.expect_nothing_left()
    })
}

#[test]
fn the_holder_outlives_the_daemon_and_its_end_restarts_all_containers() -> Result<()> {
    with_host(|host| {
        host.busybox_image(&json!({}))?;
        host.apply(&pod("web", &[("a", "exec sleep 1000"), ("b", "exec sleep 1000")]).to_string())?;
        host.apply(&pod("alone", &[("alone", "exec sleep 1000")]).to_string())?;
        for (pod, name) in [("web", "a"), ("web", "b"), ("alone", "alone")] {
            wait_running(host, pod, name, 0)?;
        }
        let of = |host: &Host, pod: &str| -> Result<u32> {
            let id = if pod == "web" { "web_a_0" } else { "alone_0" };
            let own = namespace(host.task_pid(id)?)?;
            let all = holders(host)?;
            all.into_iter().find(|pid| namespace(*pid).is_ok_and(|its| its == own)).context("none")
        };
        let (web, alone) = (of(host, "web")?, of(host, "alone")?);
        host.kill_daemon()?;
        ensure!(holders(host)?.len() == 2, "holders died with the daemon");
        host.start_daemon()?;
        ensure!(host.status_of("web", "a")?["restartCount"] == 0);

        signal(web, Signal::KILL)?;
        for name in ["a", "b"] {
            wait_running(host, "web", name, 1)?;
        }
        let [a, b] = [host.task_pid("web_a_1")?, host.task_pid("web_b_1")?];
        ensure!(namespace(a)? == namespace(b)?, "they do not share the new namespace");
        ensure!(holders(host)?.len() == 2 && !holders(host)?.contains(&web));
        ensure!(host.status("alone")?["restartCount"] == 0 && of(host, "alone")? == alone);

        // A pod's records are deleted while no daemon runs.
        host.kill_daemon()?;
        host.ctr(["tasks", "kill", "-s", "SIGKILL", "alone_0"])?;
        eventually("the task has ended", SOON, || host.ctr(["tasks", "delete", "alone_0"]).ok())?;
        host.ctr(["containers", "delete", "alone_0"])?;
        host.start_daemon()?;
        eventually("its holder ends too", SOON, || {
            holders(host).is_ok_and(|all| !all.contains(&alone)).then_some(())
        })?;
        host.probelet(["delete", "pod", "web"])?;
        host.expect_nothing_left()
    })
}

#[test]
fn a_container_that_imitates_the_holder_is_not_taken_for_it() -> Result<()> {
    with_host(|host| {
        host.busybox_image(&json!({}))?;
        host.apply(&pod("web", &[("main", "exec sleep 1000")]).to_string())?;
        wait_running(host, "web", "main", 0)?;
        let holder = the_holder(host)?;
        let uid = host.pod("web")?["metadata"]["uid"].as_str().context("no uid")?.to_owned();
        let pin = host.path("run/pidns").join(&uid).display().to_string();
        // A container can choose its own name and arguments.
        let script = format!(
            "cd /dev/shm; echo 'printf pod-pause > /proc/self/comm; while true; do sleep 1; done' \
             > pod-pause; exec sh pod-pause hold {pin}"
        );
        let mut forger = pod("forger", &[("app", &script)]);
        forger["spec"]["shareProcessNamespace"] = json!(false);
        forger["spec"]["containers"][0]["securityContext"] =
            json!({ "capabilities": { "add": ["ALL"] }, "runAsUser": 65535, "runAsGroup": 65535 });
        host.apply(&forger.to_string())?;
        let forged = eventually("the imitation runs", SOON, || {
            let pid = host.task_pid("forger_app_0").ok()?;
            holders(host).ok()?.contains(&pid).then_some(pid)
        })?;
        // The imitation is not used if the holder dies, nor if the pin is lost as well.
        for (strike, restarts) in [("holder", 1), ("both", 2)] {
            if strike == "both" {
                rustix::mount::unmount(&pin, rustix::mount::UnmountFlags::DETACH)?;
                fs::remove_file(&pin)?;
            }
            let all = holders(host)?;
            let holder = all.into_iter().find(|pid| *pid != forged).context("no holder")?;
            signal(holder, Signal::KILL)?;
            wait_running(host, "web", "main", restarts)?;
            let main = host.task_pid(&format!("web_main_{restarts}"))?;
            ensure!(namespace(main)? != namespace(forged)?, "in the forger's namespace");
            ensure!(holders(host)?.len() == 2, "{:?}", holders(host)?);
        }
        ensure!(namespace(holder).is_err());
        // If the pin is lost, the pod's namespace is found by its running tasks.
        let second = pod("pair", &[("a", "exec sleep 1000"), ("b", "exec sleep 1000")]);
        host.apply(&second.to_string())?;
        for name in ["a", "b"] {
            wait_running(host, "pair", name, 0)?;
        }
        let uid = host.pod("pair")?["metadata"]["uid"].as_str().context("no uid")?.to_owned();
        let pin = host.path("run/pidns").join(uid);
        rustix::mount::unmount(&pin, rustix::mount::UnmountFlags::DETACH)?;
        fs::remove_file(&pin)?;
        signal(host.task_pid("pair_a_0")?, Signal::KILL)?;
        wait_running(host, "pair", "a", 1)?;
        let [a, b] = [host.task_pid("pair_a_1")?, host.task_pid("pair_b_0")?];
        ensure!(namespace(a)? == namespace(b)?, "they no longer share a namespace");

        for name in ["web", "pair"] {
            host.probelet(["delete", "pod", name])?;
        }
        ensure!(holders(host)? == [forged], "{:?}", holders(host)?);
        ensure!(host.status("forger")?["restartCount"] == 0, "it was ended");
        host.probelet(["delete", "pod", "forger"])?;
        host.expect_nothing_left()
    })
}

#[test]
fn it_is_refused_together_with_host_pid() -> Result<()> {
    with_host(|host| {
        let mut pod = pod("web", &[("a", "true")]);
        pod["spec"]["hostPID"] = json!(true);
        let error = format!("{:#}", host.apply(&pod.to_string()).err().context("taken")?);
        ensure!(
            error
                .contains("spec.shareProcessNamespace: Invalid value: true: ShareProcessNamespace"),
            "{error}"
        );
        Ok(())
    })
}
