//! Logs: each line is stored once and in order, whatever dies and also after a full disk.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use probelet_integration::{Host, IMAGE, SOON, eventually, signal, with_host};
use rustix::process::Signal;
use serde_json::{Value, json};

const CREATE: &str = "probelet.v1.Containers/CreateContainer";

/// Starts a shell script in a container that is not restarted.
fn start(host: &Host, name: &str, script: &str) -> Result<()> {
    let mut request = host.busybox(name, script)?;
    request["start"] = json!(true);
    request["restartPolicy"] = json!("NEVER");
    host.call(CREATE, &request).map(drop)
}

fn ended(status: &Value) -> bool {
    status["state"]["terminated"].is_object()
}

/// The process id of the logger of this log file, if it runs.
fn logger(log: &str) -> Option<u32> {
    let processes = fs::read_dir("/proc").ok()?.flatten();
    processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).find(|pid: &u32| {
        let comm = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        let arguments = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        comm == "container-log\n" && arguments.trim_end_matches('\0').ends_with(log)
    })
}

fn log_path(host: &Host, name: &str) -> Result<String> {
    let seen = host.call("probelet.v1.Containers/GetContainer", &json!({ "name": name }))?;
    Ok(seen["logPath"].as_str().context("no log path")?.to_owned())
}

/// The megabytes that the container writes: `PROBELET_LOG_MEGABYTES`, else 100.
fn megabytes() -> usize {
    std::env::var("PROBELET_LOG_MEGABYTES").ok().and_then(|text| text.parse().ok()).unwrap_or(100)
}

#[test]
fn each_line_is_stored_once_and_in_order_while_the_daemon_is_killed_three_times() -> Result<()> {
    let mut host = Host::start()?;
    let flags = ["--log-max-size", "10Mi", "--log-max-files", "1000"];
    host.start_daemon_with(&flags)?;
    let lines = megabytes() * 1000;
    // Each line has a thousand bytes. The pauses make sure that the kills happen meanwhile.
    let padding = "x".repeat(990);
    let script = format!(
        "awk 'BEGIN {{ for (i = 0; i < {lines}; i++) {{ printf \"%09d{padding}\\n\", i; \
         if (i % 1000 == 0) {{ fflush(); system(\"sleep 0.05\") }} }} }}'"
    );
    start(&host, "writer", &script)?;
    let log = log_path(&host, "writer")?;
    let logger = eventually("a logger", SOON, || logger(&log))?;
    for _ in 0..3 {
        let before = files(&log)?;
        eventually("another rotation", SOON * 4, || (files(&log).ok()? > before).then_some(()))?;
        host.kill_daemon()?;
        host.start_daemon_with(&flags)?;
    }
    ensure!(!ended(&host.status("writer")?), "the container ended before the daemon was killed");
    let memory = fs::read_to_string(format!("/proc/{logger}/smaps_rollup"))?;
    let private = memory.lines().filter(|line| line.starts_with("Private_"));
    let kilobytes: u64 =
        private.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).sum();
    ensure!((1..1024).contains(&kilobytes), "the logger's private memory is {kilobytes} kB");

    // A follower that begins here gets all lines too.
    let follower = {
        let mut command = Command::new(probelet_integration::probelet_bin());
        command.arg("--socket").arg(host.socket()).args(["logs", "writer", "-f"]);
        command.stdout(Stdio::piped()).spawn()?
    };
    let followed = follower.wait_with_output()?;
    ensure!(followed.status.success(), "{:?}", followed.status);
    check(&followed.stdout, lines, "followed")?;
    host.wait_status("writer", SOON, ended)?;
    let out = Command::new(probelet_integration::probelet_bin())
        .arg("--socket")
        .arg(host.socket())
        .args(["logs", "writer"])
        .output()?;
    check(&out.stdout, lines, "read")?;
    for (path, size) in sizes(&log)? {
        ensure!(size <= 10 << 20, "{path}: {size}");
    }
    host.probelet(["delete", "pod", "writer"])?;
    ensure!(sizes(&log)?.is_empty(), "rotated files are left");
    Ok(())
}

fn check(log: &[u8], lines: usize, how: &str) -> Result<()> {
    let mut next = 0;
    for line in log.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let number = line.get(..9).and_then(|number| std::str::from_utf8(number).ok());
        ensure!(number.and_then(|n| n.parse().ok()) == Some(next), "{how}: {number:?} for {next}");
        ensure!(line.len() == 999, "{how}: line {next} has {} bytes", line.len());
        next += 1;
    }
    ensure!(next == lines, "{how}: {next} lines of {lines}");
    Ok(())
}

fn sizes(log: &str) -> Result<Vec<(String, u64)>> {
    let path = Path::new(log);
    let (folder, name) = (path.parent().context("no folder")?, path.file_name());
    let name = name.context("no name")?.to_string_lossy().into_owned();
    let Ok(entries) = fs::read_dir(folder) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with(&name) {
            found.push((entry.path().display().to_string(), entry.metadata()?.len()));
        }
    }
    Ok(found)
}

fn files(log: &str) -> Result<usize> {
    Ok(sizes(log)?.len())
}

#[test]
fn a_full_disk_stops_no_container_and_the_lost_lines_are_counted() -> Result<()> {
    let mut host = Host::start()?;
    let folder = host.path("log");
    fs::create_dir(&folder)?;
    let mut mount = Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", "size=256k,mode=0750", "tmpfs"]).arg(&folder);
    ensure!(mount.status()?.success(), "no tmpfs");
    host.start_daemon()?;
    let script = "i=0; while [ $i -lt 5000 ]; do \
                  echo line $i of many that fill a disk of a quarter of a megabyte; i=$((i+1)); done; \
                  echo all are written >/tmp/done; while [ ! -e /tmp/go ]; do sleep 0.1; done; \
                  echo the last one; sleep 1000";
    start(&host, "app", script)?;
    let rootfs = host.path("busybox-app");
    let done = rootfs.join("tmp/done");
    eventually("the container goes on", SOON, || done.exists().then_some(()))?;
    let status = host.status("app")?;
    ensure!(status["state"]["running"].is_object(), "{status}");
    let resize = Command::new("mount").args(["-o", "remount,size=4m"]).arg(&folder).status()?;
    ensure!(resize.success(), "no room made");
    fs::write(rootfs.join("tmp/go"), "")?;
    let log = eventually("the last line", SOON, || {
        let log = host.probelet(["logs", "app"]).ok()?;
        log.ends_with("the last one\n").then_some(log)
    })?;
    let kept = log.lines().filter(|line| line.starts_with("line ")).count();
    ensure!((1000..5000).contains(&kept), "{kept}");
    let expected = format!("[probelet: {} lines, ", 5000 - kept);
    let notes: Vec<_> = log.lines().filter(|line| line.starts_with("[probelet: ")).collect();
    ensure!(notes.len() == 1 && notes[0].starts_with(&expected), "{notes:?}, expected {expected}");
    host.probelet(["delete", "pod", "app", "--force"])?;
    Ok(())
}

#[test]
fn logs_has_the_flags_of_kubectl() -> Result<()> {
    with_host(|host| {
        let script = "echo one; echo two >&2; printf three; sleep 0.5; echo ' and four'; exit 3";
        start(host, "app", script)?;
        host.wait_status("app", SOON, ended)?;
        let logs = |flags: &[&str]| host.probelet([&["logs", "app"][..], flags].concat());
        let whole = logs(&[])?;
        let mut lines: Vec<_> = whole.lines().collect();
        // The order of lines of two streams is not defined.
        lines.sort_unstable();
        assert_eq!(lines, ["one", "three and four", "two"]);
        assert_eq!(logs(&["--tail", "1"])?, "three and four\n");
        assert_eq!(logs(&["--tail=1", "--prefix"])?, "[pod/app/app] three and four\n");
        assert_eq!(logs(&["--tail=1", "--all-containers"])?, "[pod/app/app] three and four\n");
        assert_eq!(logs(&["--tail=1", "--limit-bytes=5"])?, "three");
        assert_eq!(logs(&["--since-time=2999-01-01T00:00:00Z"])?, "");
        assert_eq!(logs(&["--since=1h", "-f"])?.len(), whole.len());
        let stamped = logs(&["--tail=1", "--timestamps"])?;
        let (time, line) = stamped.split_once(' ').context("no time")?;
        assert_eq!(line, "three and four\n");
        let since = logs(&["--since-time", time])?;
        assert!(since.ends_with("three and four\n"), "{since}");
        let wrong = host.try_probelet(["logs", "app", "--since=1h", "--since-time", time], "")?;
        assert_eq!(wrong.code, Some(2), "{wrong:?}");
        let previous = host.try_probelet(["logs", "app", "--previous"], "")?;
        assert!(previous.stderr.contains("previous terminated container"), "{previous:?}");
        Ok(())
    })
}

#[test]
fn lines_of_all_containers_have_a_prefix() -> Result<()> {
    with_host(|host| {
        let container = |name: &str, args: &str| {
            format!("  - {{name: {name}, image: {IMAGE:?}, args: [{args}]}}\n")
        };
        let manifest = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: two}}\nspec:\n  restartPolicy: Never\n  \
             containers:\n{}{}",
            container("left", "crash-after, '10'"),
            container("right", "crash-after, '20'")
        );
        host.apply(&manifest)?;
        eventually("both have ended", SOON, || {
            let both = ["left", "right"].map(|name| host.status_of("two", name).ok());
            both.iter().all(|status| status.as_ref().is_some_and(ended)).then_some(())
        })?;
        let expected = "[pod/two/left] crashing now\n[pod/two/right] crashing now\n";
        assert_eq!(host.probelet(["logs", "two", "--all-containers"])?, expected);
        let bare = host.probelet(["logs", "two", "--all-containers", "--prefix=false"])?;
        assert_eq!(bare, "crashing now\ncrashing now\n");
        let followed = host.probelet(["logs", "two", "--all-containers", "-f"])?;
        assert_eq!(followed.lines().count(), 2, "{followed}");
        Ok(())
    })
}

#[test]
fn the_last_output_before_a_crash_is_in_the_log_and_the_logger_ends_with_the_container()
-> Result<()> {
    with_host(|host| {
        start(host, "app", "echo first; sleep 1; printf 'no newline at the end'; kill -9 $$")?;
        let log = log_path(host, "app")?;
        let pid = eventually("a logger", SOON, || logger(&log))?;
        // A service manager or an operator may send these signals; the logger must ignore them.
        for stray in [Signal::TERM, Signal::HUP, Signal::INT] {
            signal(pid, stray)?;
        }
        let followed = host.probelet(["logs", "app", "-f"])?;
        assert_eq!(followed, "first\nno newline at the end");
        host.wait_status("app", SOON, ended)?;
        eventually("the logger ends", SOON, || logger(&log).is_none().then_some(()))?;
        let raw = fs::read_to_string(&log)?;
        assert!(raw.lines().all(|line| line.split(' ').nth(1) == Some("stdout")), "{raw}");
        Ok(())
    })
}

#[test]
fn a_daemon_whose_binary_was_removed_still_starts_containers_with_logs() -> Result<()> {
    let mut host = Host::start()?;
    let copy = host.path("probelet-copy");
    fs::copy(probelet_integration::probelet_bin(), &copy)?;
    host.spawn_daemon_of(&copy, &[])?;
    host.wait_daemon()?;
    fs::remove_file(&copy)?;
    start(&host, "app", "while true; do echo here; sleep 0.1; done")?;
    let is_logged = || host.probelet(["logs", "app"]).ok()?.starts_with("here\n").then_some(());
    eventually("its lines", SOON, is_logged)?;
    // The logger creates the folder again if it is removed.
    let log = log_path(&host, "app")?;
    fs::remove_dir_all(host.path("log"))?;
    eventually("its lines again", SOON, || Path::new(&log).exists().then(is_logged)?)?;
    host.probelet(["delete", "pod", "app", "--force"])?;
    ensure!(!host.path("log/app").exists(), "the log is left");
    Ok(())
}

#[test]
fn a_pod_can_have_its_own_log_limits() -> Result<()> {
    with_host(|host| {
        let apply = |limits: Value| {
            let container = json!({ "name": "app", "image": IMAGE, "args": ["sleep"] });
            let metadata = json!({ "name": "web", "annotations": limits });
            let spec = json!({ "terminationGracePeriodSeconds": 0, "containers": [container] });
            let pod =
                json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec });
            host.try_probelet(["apply", "-f", "-"], &pod.to_string())
        };
        let refused = apply(json!({ "probelet.io/app.logMaxSize": "1Ki" }))?;
        let why = "metadata.annotations[probelet.io/app.logMaxSize]: Invalid value: \"1Ki\": must be a \
                   size like 10Mi, from 64Ki to 1Ti";
        ensure!(refused.code == Some(1) && refused.stderr.contains(why), "{refused:?}");

        let has_logger_with = |limits: &str| {
            eventually(&format!("a logger with {limits}"), SOON, || {
                let logger = logger(&log_path(host, "web").ok()?)?;
                let arguments = fs::read_to_string(format!("/proc/{logger}/cmdline")).ok()?;
                arguments.contains(&format!("\0{limits}:/")).then_some(())
            })
        };
        apply(json!({ "probelet.io/logMaxSize": "64Ki", "probelet.io/app.logMaxFiles": "2" }))?;
        has_logger_with("65536:2")?;
        host.wait_status("web", SOON, |status| status["state"]["running"].is_object())?;
        // Changed limits take effect at the next start.
        let live = apply(json!({ "probelet.io/logMaxFiles": "3" }))?;
        ensure!(live.stdout == "pod/web configured\n", "{live:?}");
        has_logger_with("65536:2")?;
        host.probelet(["restart", "web"])?;
        has_logger_with(&format!("{}:3", 10 << 20))
    })
}
