//! Ends of real processes, and how each is reported.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use std::fs;
use std::os::unix::fs::PermissionsExt;

use anyhow::{Context, Result, ensure};
use probelet_integration::{Host, IMAGE, SOON, eventually, with_host};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

const CREATE: &str = "probelet.v1.Containers/CreateContainer";
const GET: &str = "probelet.v1.Containers/GetContainer";

/// The memory limit in bytes: enough for runc and a shell, too little for `GREEDY`.
const LIMIT: u64 = 32 << 20;
const GREEDY: &str = "dd if=/dev/zero of=/dev/null bs=200M count=1 2>/dev/null";

/// The expected report of an end: exit code, signal, reason, and the beginning of the cause.
struct Told(i64, u64, &'static str, &'static str);

/// Runs a busybox bundle once; `edit` changes its OCI spec.
fn run(host: &Host, name: &str, script: &str, edit: impl FnOnce(&mut Value)) -> Result<Value> {
    let mut request = host.busybox(name, script)?;
    request["restartPolicy"] = json!("NEVER");
    edit(&mut request["ociSpec"]);
    host.call(CREATE, &request)
}

fn plain(_: &mut Value) {}

/// Removes the pid namespace: an init of a pid namespace would ignore signals that it sends itself.
fn without_pid_namespace(spec: &mut Value) {
    if let Some(namespaces) = spec["linux"]["namespaces"].as_array_mut() {
        namespaces.retain(|namespace| namespace["type"] != "pid");
    }
}

fn limited(spec: &mut Value) {
    spec["linux"]["resources"] = json!({ "memory": { "limit": LIMIT } });
}

/// Runs a container whose program exists and cannot be executed.
fn unfit(host: &Host, name: &str, mode: u32, content: &str) -> Result<()> {
    let mut request = host.busybox(name, "")?;
    let file = host.path(&format!("busybox-{name}/bin/unfit"));
    fs::write(&file, content)?;
    fs::set_permissions(&file, fs::Permissions::from_mode(mode))?;
    request["restartPolicy"] = json!("NEVER");
    request["ociSpec"]["process"]["args"] = json!(["/bin/unfit"]);
    host.call(CREATE, &request).map(drop)
}

fn wait_end(host: &Host, name: &str) -> Result<Value> {
    let ended = |status: &Value| status["state"]["terminated"].is_object();
    host.wait_status(name, SOON, ended)
}

/// Checks that pod status, API, history and `describe` report the same end.
fn told(host: &Host, name: &str, told: &Told) -> Result<()> {
    let Told(code, signal, reason, cause) = *told;
    let status = wait_end(host, name)?;
    let end = &status["state"]["terminated"];
    let live = host.call(GET, &json!({ "name": name }))?;
    let same = end["exitCode"] == code
        && end["signal"].as_u64().unwrap_or(0) == signal
        && end["reason"] == reason
        && live["state"]["terminated"]["cause"].as_str().is_some_and(|c| c.starts_with(cause));
    ensure!(same, "{name}: {code} {signal} {reason} {cause:?} expected: {status} {live}");
    ensure!(live["history"][0] == live["state"]["terminated"], "{live}");
    let described = host.probelet(["describe", "pod", name])?;
    let line = described.lines().find(|line| line.trim_start().starts_with("#0 "));
    let line = line.with_context(|| format!("no history in {described}"))?;
    ensure!(line.contains(reason) && line.contains(cause), "{line}");
    ensure!(described.contains(&format!("Cause:        {cause}")), "{described}");
    Ok(())
}

fn event_of(host: &Host, name: &str, text: &str) -> Result<()> {
    eventually(text, SOON, || {
        let events = host.probelet(["get", "events", name]).ok()?;
        events.contains(text).then_some(())
    })
}

fn kill(pid: u32, signal: Signal) -> Result<()> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).context("no pid")?;
    Ok(kill_process(pid, signal)?)
}

fn parent(pid: u32) -> Result<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
    Ok(parent.context("no parent")?.trim().parse()?)
}

#[test]
fn exits_crashes_and_failed_starts_are_reported() -> Result<()> {
    with_host(|host| {
        for code in [0, 1, 42, 255] {
            run(host, &format!("exit-{code}"), &format!("exit {code}"), plain)?;
        }
        for signal in ["segv", "abrt"] {
            let script = format!("kill -{} $$; sleep 1000", signal.to_uppercase());
            run(host, signal, &script, without_pid_namespace)?;
        }
        run(host, "read-only", "echo > /file", |spec| spec["root"]["readonly"] = json!(true))?;
        run(host, "missing", "", |spec| spec["process"]["args"] = json!(["/bin/missing"]))?;
        run(host, "bad-user", "", |spec| spec["process"]["user"]["uid"] = json!(u32::MAX))?;
        unfit(host, "not-executable", 0o644, "#!/bin/sh\n")?;
        unfit(host, "bad-format", 0o755, "\x7fELF, but not really")?;
        for (name, expected) in [
            ("exit-0", Told(0, 0, "Completed", "exited by itself")),
            ("exit-1", Told(1, 0, "Error", "exited by itself")),
            ("exit-42", Told(42, 0, "Error", "exited by itself")),
            ("exit-255", Told(255, 0, "Error", "exited by itself")),
            ("segv", Told(139, 11, "Error", "crashed with SIGSEGV")),
            ("abrt", Told(134, 6, "Error", "crashed with SIGABRT")),
            ("read-only", Told(1, 0, "Error", "exited by itself")),
            ("missing", Told(128, 0, "StartError", "could not be started")),
            ("bad-user", Told(128, 0, "StartError", "could not be started")),
            ("not-executable", Told(128, 0, "StartError", "could not be started")),
        ] {
            told(host, name, &expected)?;
        }
        // runc detects this only after the start, so the reason is in the log, as in Kubernetes.
        let end = wait_end(host, "bad-format")?["state"]["terminated"].clone();
        ensure!(end["reason"] == "Error" && end["exitCode"] != 0, "{end}");
        eventually("the log has the reason", SOON, || {
            host.probelet(["logs", "bad-format"]).ok()?.contains("exec format error").then_some(())
        })?;
        event_of(host, "missing", "no such file or directory")?;
        let message = wait_end(host, "missing")?["state"]["terminated"]["message"].to_string();
        ensure!(message.contains("no such file or directory"), "{message}");
        ensure!(message.starts_with("\"failed to create containerd task: "), "{message}");
        Ok(())
    })
}

#[test]
fn an_oom_kill_of_init_and_of_a_child_is_reported() -> Result<()> {
    with_host(|host| {
        run(host, "init", &format!("exec {GREEDY}"), limited)?;
        let script = format!(
            "{GREEDY}; echo dead > /tmp/dead; while [ ! -e /tmp/go ]; do sleep 0.1; done; exit 3"
        );
        run(host, "child", &script, limited)?;
        told(host, "init", &Told(137, 9, "OOMKilled", "out of memory: the OOM killer took init"))?;
        event_of(host, "init", "the OOM killer took 1 process of container init")?;

        // The OOM kill is reported while init runs on, and again at its end, by another daemon too.
        event_of(host, "child", "the OOM killer took 1 process of container child")?;
        ensure!(host.status("child")?["state"]["running"].is_object());
        host.kill_daemon()?;
        fs::write(host.path("busybox-child/tmp/go"), "")?;
        eventually("the shell has ended", SOON, || host.task_pid("child_0").err())?;
        host.start_daemon()?;
        let cause = "exited by itself; the OOM killer took 1 child process";
        told(host, "child", &Told(3, 0, "OOMKilled", cause))
    })
}

#[test]
fn stops_kills_and_signals_from_outside_are_reported() -> Result<()> {
    with_host(|host| {
        let obeys = "trap 'exit 7' TERM; echo up > /tmp/up; while true; do sleep 0.1; done";
        run(host, "obeys", obeys, plain)?;
        for name in ["ignores", "at-once", "outside", "killed", "shim", "in-grace"] {
            run(host, name, "sleep 1000", plain)?;
        }
        let up = host.path("busybox-obeys/tmp/up");
        eventually("the trap is set", SOON, || up.exists().then_some(()))?;
        host.probelet(["stop", "obeys"])?;
        told(host, "obeys", &Told(7, 0, "Stopped", "operator: stop by uid 0 (pid "))?;
        ensure!(
            host.column("obeys")? == "Stopped" && host.pod("obeys")?["status"]["phase"] == "Failed"
        );

        host.probelet(["stop", "ignores", "--grace-period", "1"])?;
        let stopped = Told(137, 9, "Stopped", "operator: stop by uid 0 (pid ");
        told(host, "ignores", &stopped)?;
        host.probelet(["stop", "at-once", "--grace-period", "0"])?;
        told(host, "at-once", &stopped)?;
        let describe = |name| host.probelet(["describe", "pod", name]);
        ensure!(describe("ignores")?.contains("); SIGKILL after 1s\n"));
        ensure!(describe("at-once")?.contains("); SIGKILL at once\n"));

        let mut request = host.busybox("crashes", "exit 3")?;
        request["restartPolicy"] = json!("ALWAYS");
        host.call(CREATE, &request)?;
        host.wait_status("crashes", SOON, |status| {
            status["state"]["waiting"]["reason"] == "CrashLoopBackOff"
        })?;
        host.probelet(["stop", "crashes"])?;
        let status = host.pod("crashes")?["status"].clone();
        let container = &status["containerStatuses"][0];
        ensure!(
            host.column("crashes")? == "Stopped"
                && status["phase"] == "Failed"
                && container["state"]["waiting"]["reason"] == "Stopped"
                && container["lastState"]["terminated"]["exitCode"] == 3,
            "{status}"
        );

        kill(host.task_pid("outside_0")?, Signal::KILL)?;
        told(host, "outside", &Told(137, 9, "Error", "SIGKILL from outside"))?;
        host.probelet(["kill", "killed"])?;
        told(host, "killed", &Told(137, 9, "Error", "operator: kill -s 9 by uid 0 (pid "))?;
        kill(parent(host.task_pid("shim_0")?)?, Signal::KILL)?;
        // The exit status of the orphaned process depends on the process that reaps it.
        let seen = wait_end(host, "shim")?["state"]["terminated"]["signal"] == 9;
        let lost = Told(137, 0, "ContainerStatusUnknown", "unknown");
        let killed = Told(137, 9, "Error", "SIGKILL from outside");
        told(host, "shim", if seen { &killed } else { &lost })?;

        let stop = json!({ "name": "in-grace", "gracePeriod": "60s" });
        let (mut call, _) = host.spawn_call("probelet.v1.Containers/StopContainer", &stop)?;
        let killing = event_of(host, "in-grace", "Stopping container");
        let killed = killing.and_then(|()| kill(host.task_pid("in-grace_0")?, Signal::KILL));
        call.kill()?;
        call.wait()?;
        killed?;
        told(host, "in-grace", &stopped)?;
        ensure!(describe("in-grace")?.contains("); SIGKILL from outside within the grace\n"));
        Ok(())
    })
}

#[test]
fn an_active_deadline_ends_the_pod_for_good() -> Result<()> {
    with_host(|host| {
        let manifest = pod("short", "sleep", "")
            .replace("restartPolicy: Never", "restartPolicy: Always, activeDeadlineSeconds: 2");
        host.apply(&manifest)?;
        told(host, "short", &Told(137, 9, "Error", "active deadline exceeded; SIGKILL after 1s"))?;
        event_of(host, "short", "DeadlineExceeded")?;
        // The event is the pod's own and occurs once.
        let events = host.probelet(["get", "events", "short", "-o", "json"])?;
        let events: Value = serde_json::from_str(&events)?;
        let events = events["items"].as_array().into_iter().flatten();
        let own: Vec<_> = events.filter(|event| event["reason"] == "DeadlineExceeded").collect();
        ensure!(own.len() == 1 && own[0]["count"] == 1, "{own:?}");
        ensure!(own[0]["involvedObject"]["fieldPath"] == Value::Null, "{own:?}");
        let status = host.pod("short")?["status"].clone();
        ensure!(status["phase"] == "Failed" && status["reason"] == "DeadlineExceeded", "{status}");
        for verb in ["start", "restart"] {
            let refused = host.try_probelet([verb, "short"], "")?;
            ensure!(
                refused.stderr.contains("has failed for good (DeadlineExceeded)"),
                "{refused:?}"
            );
        }
        // The next daemon does not start the pod either, and has the event.
        host.kill_daemon()?;
        host.start_daemon()?;
        let events = host.probelet(["get", "events", "short"])?;
        ensure!(events.contains("DeadlineExceeded"), "{events}");
        let status = host.pod("short")?["status"].clone();
        ensure!(status["phase"] == "Failed" && status["reason"] == "DeadlineExceeded", "{status}");
        host.probelet(["delete", "pod", "short"])?;
        host.expect_nothing_left()
    })
}

/// A pod of the image that runs once, with more fields of its container.
fn pod(name: &str, args: &str, more: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: {name}}}, spec: {{restartPolicy: Never, \
         terminationGracePeriodSeconds: 1, containers: [{{name: {name}, image: \"{IMAGE}\", \
         args: [{args}], {more}}}]}}}}"
    )
}

#[test]
fn failed_hooks_and_termination_messages_are_reported() -> Result<()> {
    with_host(|host| {
        let hook =
            |command: &str| format!("lifecycle: {{postStart: {{exec: {{command: [{command}]}}}}}}");
        host.apply(&pod("hangs", "sleep", &hook("/kubia-unhealthy, sleep")))?;
        host.apply(&pod("no-hook", "sleep", &hook("/bin/missing")))?;
        let fallback = "terminationMessagePolicy: FallbackToLogsOnError";
        host.apply(&pod("says", "sleep", &format!("terminationMessagePath: /last, {fallback}")))?;
        host.apply(&pod("logs", "crash-after, \"300\"", fallback))?;
        host.apply(&pod("silent", "crash-after, \"300\"", "terminationMessagePath: /last"))?;

        let running = |status: &Value| status["state"]["running"].is_object();
        host.wait_status("says", SOON, running)?;
        let pid = host.task_pid("says_0")?;
        let message = format!("{}the last words\n", "x".repeat(5000));
        fs::write(format!("/proc/{pid}/root/last"), message)?;
        kill(pid, Signal::KILL)?;
        for (name, expected) in
            [("says", "the last words\n"), ("logs", "crashing now\n"), ("silent", "")]
        {
            let status = wait_end(host, name)?;
            let message = status["state"]["terminated"]["message"].as_str().unwrap_or_default();
            ensure!(message.ends_with(expected) && message.len() <= 4096, "{name}: {status}");
            ensure!(expected.is_empty() == message.is_empty(), "{name}: {status}");
        }

        let failed = |signal| Told(128 + signal as i64, signal, "Error", "postStart hook failed");
        for name in ["hangs", "no-hook"] {
            event_of(host, name, "PostStartHook failed")?;
            told(host, name, &failed(9))?;
        }
        // A line of the log names its pod, container and attempt.
        let log = fs::read_to_string(host.path("probelet.log"))?;
        let line = log.lines().find(|line| {
            line.contains("a lifecycle hook failed") && line.contains(" pod=no-hook ")
        });
        let line = line.with_context(|| log.clone())?;
        let words = ["effect=run_hook", "namespace=default", "container=no-hook", "attempt=0"];
        ensure!(words.iter().all(|word| line.contains(word)), "{line}");
        for name in ["hangs", "no-hook", "says", "logs", "silent"] {
            host.probelet(["delete", "pod", name])?;
        }
        let left: Vec<_> = fs::read_dir(host.path("log"))?.collect();
        ensure!(left.is_empty(), "{left:?}");
        host.expect_nothing_left()
    })
}
