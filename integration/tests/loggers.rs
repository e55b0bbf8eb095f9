//! The loggers: which program they run, their environment, and the hand-over of the log's end.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use probelet_integration::image::BUSYBOX_IMAGE;
use probelet_integration::{Host, SOON, eventually, probelet_bin, with_host};
use serde_json::{Value, json};

const LOOP: &str = "while true; do echo line; sleep 0.1; done";

/// The pid of the logger that writes this file.
fn logger(log: &Path) -> Option<u32> {
    let log = log.to_str()?;
    let processes = fs::read_dir("/proc").ok()?.flatten();
    processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).find(|pid: &u32| {
        let comm = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        let arguments = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        comm == "container-log\n" && arguments.trim_end_matches('\0').ends_with(log)
    })
}

fn adopted_log(host: &Host, attempt: u32) -> PathBuf {
    host.path("log/_adopted").join(host.namespace()).join("web").join(format!("{attempt}.log"))
}

fn wait_restarted(host: &Host, restarts: u64) -> Result<()> {
    let name = format!("{}/web", host.namespace());
    let healed = |status: &Value| {
        status["restartCount"].as_u64() >= Some(restarts) && status["state"]["running"].is_object()
    };
    host.wait_status(&name, SOON * 2, healed).map(drop)
}

fn wait_written(log: &Path) -> Result<()> {
    eventually("the log is written", SOON, || {
        fs::read_to_string(log).ok()?.contains("line\n").then_some(())
    })
}

/// Starts a daemon from a copy of the binary, which the test can replace as an upgrade does.
fn start_copy(host: &mut Host, name: &str) -> Result<PathBuf> {
    let binary = host.path(name);
    fs::copy(probelet_bin(), &binary)?;
    host.spawn_daemon_of(&binary, &[])?;
    host.wait_daemon()?;
    Ok(binary)
}

#[test]
fn an_adopted_container_restarts_whichever_daemon_started_its_logger() -> Result<()> {
    let mut host = Host::start()?;
    host.busybox_image(&json!({}))?;
    let first = start_copy(&mut host, "first")?;
    // Earlier daemons used the path of their own process, which may be another process later.
    let pid = host.daemon_pid()?;
    let order = format!("1000000%3A3%3A{}", adopted_log(&host, 0).display());
    let uri = format!("binary:///proc/{pid}/exe?container-log={order}");
    fs::create_dir_all(adopted_log(&host, 0).parent().context("no folder")?)?;
    let mut args = vec!["run", "-d", "--label", "probelet/restart=always", "--log-uri", &uri];
    args.extend([BUSYBOX_IMAGE, "web", "sh", "-c", LOOP]);
    host.ctr(args)?;
    wait_restarted(&host, 0)?;
    wait_written(&adopted_log(&host, 0))?;
    host.kill_daemon()?;
    fs::remove_file(first)?;

    // The daemon's file is replaced while it runs, as by an upgrade, and then removed.
    let second = start_copy(&mut host, "second")?;
    host.probelet(["kill", "web"])?;
    wait_restarted(&host, 1)?;
    wait_written(&adopted_log(&host, 1))?;
    fs::remove_file(&second)?;
    fs::write(&second, "#!/bin/sh\nexit 1\n")?;
    host.probelet(["kill", "web"])?;
    wait_restarted(&host, 2)?;
    wait_written(&adopted_log(&host, 2))?;
    host.kill_daemon()?;
    fs::remove_file(&second)?;

    host.start_daemon()?;
    host.probelet(["kill", "web"])?;
    wait_restarted(&host, 3)?;
    wait_written(&adopted_log(&host, 3))
}

#[test]
fn a_logger_has_no_environment() -> Result<()> {
    with_host(|host| {
        let mut request = host.busybox("app", LOOP)?;
        request["start"] = json!(true);
        let made = host.call("probelet.v1.Containers/CreateContainer", &request)?;
        let log = PathBuf::from(made["logPath"].as_str().context("no log path")?);
        let logger = eventually("a logger", SOON, || logger(&log))?;
        let environment = fs::read_to_string(format!("/proc/{logger}/environ"))?;
        ensure!(environment.is_empty(), "{environment:?}");
        host.probelet(["delete", "pod", "app", "--grace-period", "0"])?;
        let sockets =
            || fs::read_dir(host.path("run/loggers")).ok()?.next().is_none().then_some(());
        eventually("its socket is removed", SOON, sockets)
    })
}

#[test]
fn a_last_line_without_a_newline_is_part_of_the_termination_message() -> Result<()> {
    with_host(|host| {
        host.busybox_image(&json!({}))?;
        let lines = "i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done";
        let cases = [
            ("whole", format!("{lines}; echo the end; exit 1"), "line 1999\nthe end\n"),
            ("cut", format!("{lines}; printf 'no end'; exit 1"), "line 1999\nno end"),
            ("both", "printf out; printf err >&2; exit 1".to_owned(), "err"),
            ("silent", "exit 1".to_owned(), ""),
        ];
        for (name, script, _) in &cases {
            let pod = json!({
                "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name },
                "spec": { "restartPolicy": "Never", "containers": [{
                    "name": "app", "image": BUSYBOX_IMAGE, "command": ["sh", "-c", script],
                    "terminationMessagePolicy": "FallbackToLogsOnError",
                }] },
            });
            host.apply(&pod.to_string())?;
        }
        for (name, _, end) in &cases {
            let ended = |status: &Value| status["state"]["terminated"].is_object();
            let status = host.wait_status(name, SOON, ended)?;
            let message = status["state"]["terminated"]["message"].as_str().unwrap_or_default();
            ensure!(message.ends_with(end), "{name}: {message:?}");
            ensure!(!end.is_empty() || message.is_empty(), "{name}: {message:?}");
        }
        // The hand-over does not change the log: no line is doubled, and no newline is added.
        ensure!(host.probelet(["logs", "cut", "--tail", "2"])? == "line 1999\nno end");
        let both = host.probelet(["logs", "both"])?;
        ensure!(both.len() == 6 && both.contains("out") && both.contains("err"), "{both:?}");
        Ok(())
    })
}
