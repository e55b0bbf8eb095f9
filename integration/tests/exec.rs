//! Command probes: their results, and that their processes are cleaned up.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};
use probelet_integration::{Host, SOON, eventually, processes_with, with_host};
use serde_json::{Value, json};

/// A number of seconds that is unique to a test, by which its `sleep` processes are found.
fn seconds(number: u32) -> String {
    (1_000_000 + std::process::id() * 10 + number).to_string()
}

/// Creates a container that only sleeps, with a readiness probe that runs once.
fn probe_once(host: &Host, name: &str, command: &[&str], timeout: &str) -> Result<()> {
    let mut request = host.busybox(name, "sleep 1000")?;
    let exec = json!({ "command": command });
    request["readinessProbe"] = json!({ "exec": exec, "period": "1000s", "timeout": timeout });
    host.call("probelet.v1.Containers/CreateContainer", &request).map(drop)
}

fn probe_status(host: &Host, name: &str) -> Option<Value> {
    let seen = host.call("probelet.v1.Containers/GetContainer", &json!({ "name": name })).ok()?;
    seen["probes"].as_array()?.first().cloned()
}

/// The outcome and the output of the first run of the probe.
fn said(host: &Host, name: &str) -> Result<(String, String)> {
    let probe = eventually("the probe has run", SOON, || {
        probe_status(host, name).filter(|probe| probe["lastAt"].is_string())
    })?;
    let text = |key: &str| probe[key].as_str().unwrap_or_default().to_owned();
    Ok((text("lastOutcome"), text("lastOutput")))
}

fn fifos(host: &Host) -> usize {
    fs::read_dir(host.path("run/exec")).map_or(0, Iterator::count)
}

#[test]
fn the_exit_status_of_a_command_is_the_outcome() -> Result<()> {
    with_host(|host| {
        let shell = |script: &'static str| ["sh", "-c", script];
        let flood = "dd if=/dev/zero bs=1M count=100 2>/dev/null; echo end >&2";
        let cases: [(&str, &[&str], &str); 6] = [
            ("good", &["true"], "success"),
            ("bad", &shell("echo two >&2; echo one; exit 3"), "failure"),
            ("env", &["echo", "$(NAME) $$(NAME) $(NONE)"], "success"),
            ("missing", &["/bin/missing"], "error"),
            ("flood", &shell(flood), "success"),
            ("late", &["sleep", "1000"], "failure"),
        ];
        for (name, command, _) in cases {
            probe_once(host, name, command, if name == "late" { "1s" } else { "30s" })?;
        }
        for (name, _, outcome) in cases {
            let (said, output) = said(host, name)?;
            ensure!(said == outcome, "{name}: {said} {output}");
            match name {
                "bad" => assert_eq!(output, "one\ntwo\n"),
                "env" => assert_eq!(output, "world $(NAME) $(NONE)\n"),
                "missing" => assert!(output.contains("no such file or directory"), "{output}"),
                "flood" => assert!(output.len() <= 10 * 1024, "{}", output.len()),
                "late" => {
                    assert_eq!(output, "command timed out: \"sleep 1000\" timed out after 1s");
                }
                _ => assert_eq!(output, ""),
            }
        }
        assert_eq!(fifos(host), 0);
        Ok(())
    })
}

#[test]
fn the_exit_code_of_a_failing_command_is_reported() -> Result<()> {
    with_host(|host| {
        for (name, script) in [("silent", "exit 3"), ("loud", "echo no; exit 4")] {
            probe_once(host, name, &["sh", "-c", script], "30s")?;
        }
        for (name, code, said_of_it) in
            [("silent", 3, "command exited with code 3"), ("loud", 4, "no")]
        {
            let (outcome, output) = said(host, name)?;
            assert_eq!((outcome.as_str(), output.trim_end()), ("failure", said_of_it));
            assert_eq!(probe_status(host, name).unwrap_or_default()["lastExitCode"], code);
            let expected = format!("Warning Unhealthy Readiness probe failed: {said_of_it}");
            let events = host.events()?;
            assert!(events.iter().any(|event| event.trim_end() == expected), "{events:#?}");
            let shown = host.probelet(["describe", "pod", name])?;
            assert!(shown.contains(&format!(", exit code {code}, ")), "{shown}");
            let done = host.try_probelet(["probe", name], "")?;
            assert!(done.stdout.contains(&format!(", exit code {code}\n")), "{done:?}");
        }
        Ok(())
    })
}

#[test]
fn a_failing_command_restarts_its_container() -> Result<()> {
    with_host(|host| {
        let script = "echo > /tmp/healthy; sleep 1; rm /tmp/healthy; sleep 1000";
        let mut request = host.busybox("app", script)?;
        request["livenessProbe"] = json!({ "url": "exec:cat /tmp/healthy", "period": "0.3s" });
        request["terminationGracePeriod"] = json!("0s");
        host.call("probelet.v1.Containers/CreateContainer", &request)?;
        let restarted = json!({ "name": "app", "restarts": 1, "timeout": "30s" });
        host.call("probelet.v1.Containers/WaitContainer", &restarted)?;
        let events = host.events()?;
        let failed = "Warning Unhealthy Liveness probe failed: cat: can't open '/tmp/healthy'";
        assert!(events.iter().any(|event| event.starts_with(failed)), "{events:#?}");
        Ok(())
    })
}

#[test]
fn a_timed_out_command_leaves_no_child() -> Result<()> {
    with_host(|host| {
        let word = seconds(0);
        // A plain child, one that has cleared its environment, and one in a session of its own.
        let script = format!(
            "trap '' TERM; sleep {word} & env -i sleep {word} & (setsid sleep {word} &) ; \
             sleep {word}"
        );
        probe_once(host, "app", &["sh", "-c", &script], "1.5s")?;
        eventually("all four run", SOON, || {
            (processes_with(&word).iter().filter(|line| line.starts_with("sleep")).count() == 4)
                .then_some(())
        })?;
        assert_eq!(said(host, "app")?.0, "failure");
        eventually("all have ended", SOON, || processes_with(&word).is_empty().then_some(()))?;
        host.task_pid("app_0").map(drop)
    })
}

#[test]
fn a_child_in_the_background_does_not_delay_the_probe_and_is_not_killed() -> Result<()> {
    with_host(|host| {
        let word = seconds(1);
        let script = format!("sleep {word} & echo hi");
        probe_once(host, "app", &["sh", "-c", &script], "5s")?;
        assert_eq!(said(host, "app")?, ("success".to_owned(), "hi\n".to_owned()));
        assert_eq!(fifos(host), 0);
        ensure!(!processes_with(&word).is_empty(), "the child was killed");
        // The next daemon does not kill it either. Its first probe leaves a second child.
        host.kill_daemon()?;
        host.start_daemon()?;
        assert_eq!(said(host, "app")?.0, "success");
        let sleeps = processes_with(&word);
        let sleeps = sleeps.iter().filter(|line| line.starts_with("sleep")).count();
        assert_eq!(sleeps, 2, "{sleeps}");
        Ok(())
    })
}

#[test]
fn the_next_daemon_ends_a_command_that_runs_when_the_daemon_is_killed() -> Result<()> {
    with_host(|host| {
        let word = seconds(2);
        // The probe of the next daemon runs the command again, which then ends at once.
        let script = format!(
            "[ -e /tmp/ran ] && exit 0; echo > /tmp/ran; (setsid sleep {word} &) ; \
             env -i sleep {word}"
        );
        probe_once(host, "app", &["sh", "-c", &script], "1000s")?;
        let asleep = || {
            let lines = processes_with(&word);
            lines.iter().filter(|line| line.starts_with("sleep")).count()
        };
        eventually("both run", SOON, || (asleep() == 2).then_some(()))?;
        let pid = host.task_pid("app_0")?;
        host.kill_daemon()?;
        assert_eq!(asleep(), 2, "a crash of the daemon ends nothing by itself");
        host.start_daemon()?;
        eventually("all have ended", SOON, || processes_with(&word).is_empty().then_some(()))?;
        assert_eq!(said(host, "app")?.0, "success");
        assert_eq!(fifos(host), 0);
        assert_eq!(host.task_pid("app_0")?, pid);
        Ok(())
    })
}

#[test]
fn a_command_that_ends_while_containerd_is_down_does_not_count_as_a_failure() -> Result<()> {
    with_host(|host| {
        // About two seconds, in digits that are unique to the test.
        let word = format!("2.{}", seconds(3));
        let mut request = host.busybox("app", "sleep 1000")?;
        let command = format!("[ -e /tmp/ran ] && exit 0; echo > /tmp/ran; sleep {word}; exit 0");
        request["livenessProbe"] = json!({
            "exec": { "command": ["sh", "-c", command] },
            "period": "0.2s", "timeout": "30s", "failureThreshold": 1,
        });
        host.call("probelet.v1.Containers/CreateContainer", &request)?;
        let runs = || processes_with(&word).iter().any(|line| line.starts_with("sleep"));
        eventually("the command runs", SOON, || runs().then_some(()))?;
        let pid = host.task_pid("app_0")?;
        host.kill_containerd()?;
        eventually("the command has ended", SOON, || (!runs()).then_some(()))?;
        host.start_containerd()?;
        let probe = eventually("a success", Duration::from_secs(60), || {
            probe_status(host, "app").filter(|probe| probe["lastOutcome"] == "success")
        })?;
        assert!(probe["failures"].is_null(), "{probe}");
        assert_eq!(host.task_pid("app_0")?, pid);
        Ok(())
    })
}

/// A runc for containerd that starts no command while the file `hang` exists. It goes on afterwards
/// even if its shim has killed it, like a runc whose process is in the container already.
struct SlowRunc {
    hang: PathBuf,
    waits: PathBuf,
    goes_on: PathBuf,
}

impl SlowRunc {
    fn install(host: &Host) -> Result<Self> {
        let [hang, waits, goes_on, copy, runc] =
            ["hang", "waits", "goes-on", "process.json", "bin/runc"].map(|name| host.path(name));
        let script = format!(
            "#!/bin/sh\n\
             PATH=${{PATH#*:}}\n\
             case \" $* \" in *' exec '*) ;; *) exec runc \"$@\";; esac\n\
             [ -e {hang} ] || exec runc \"$@\"\n\
             for word in \"$@\"; do\n\
             [ \"$last\" = --process ] && cp \"$word\" {copy} && word={copy}\n\
             shift; set -- \"$@\" \"$word\"; last=$word\n\
             done\n\
             (echo > {waits}; while [ -e {hang} ]; do sleep 0.05; done\n\
             echo > {goes_on}; exec runc \"$@\") &\n\
             wait $!\n",
            hang = hang.display(),
            waits = waits.display(),
            goes_on = goes_on.display(),
            copy = copy.display(),
        );
        fs::create_dir_all(host.path("bin"))?;
        fs::write(&runc, script)?;
        fs::set_permissions(&runc, fs::Permissions::from_mode(0o755))?;
        fs::write(&hang, "")?;
        Ok(Self { hang, waits, goes_on })
    }

    fn wait(&self) -> Result<()> {
        eventually("runc waits", SOON, || self.waits.exists().then_some(()))
    }

    fn go_on(&self) -> Result<()> {
        fs::remove_file(&self.hang)?;
        eventually("runc goes on", SOON, || self.goes_on.exists().then_some(()))
    }
}

/// A command that sleeps in its first run and ends at once in the next ones.
fn long_at_first(word: &str) -> String {
    format!("[ -e /tmp/ran ] && exit 0; echo > /tmp/ran; exec sleep {word}")
}

/// Waits until the command of [`long_at_first`] has begun.
fn has_run(host: &Host) -> Result<()> {
    let ran = host.path("busybox-app/tmp/ran");
    eventually("the command has begun", SOON, || ran.exists().then_some(()))
}

fn sleeps(word: &str) -> bool {
    processes_with(word).iter().any(|line| line.starts_with("sleep"))
}

#[test]
fn a_command_is_ended_if_containerd_dies_during_its_start() -> Result<()> {
    with_host(|host| {
        let word = seconds(5);
        let runc = SlowRunc::install(host)?;
        probe_once(host, "app", &["sh", "-c", &long_at_first(&word)], "1000s")?;
        runc.wait()?;
        host.kill_containerd()?;
        assert_eq!(said(host, "app")?.0, "error");
        runc.go_on()?;
        has_run(host)?;
        eventually("it has ended", SOON, || (!sleeps(&word)).then_some(()))?;
        host.start_containerd()?;
        eventually("its FIFOs are removed", SOON, || (fifos(host) == 0).then_some(()))
    })
}

#[test]
fn the_next_daemon_ends_a_command_whose_start_was_interrupted() -> Result<()> {
    with_host(|host| {
        let word = seconds(6);
        let runc = SlowRunc::install(host)?;
        probe_once(host, "app", &["sh", "-c", &long_at_first(&word)], "1000s")?;
        runc.wait()?;
        host.kill_daemon()?;
        host.kill_containerd()?;
        runc.go_on()?;
        eventually("it runs", SOON, || sleeps(&word).then_some(()))?;
        host.start_containerd()?;
        host.start_daemon()?;
        eventually("it has ended", SOON, || (!sleeps(&word)).then_some(()))?;
        assert_eq!(said(host, "app")?.0, "success");
        Ok(())
    })
}

#[test]
fn a_command_that_starts_during_the_start_of_the_next_daemon_is_ended() -> Result<()> {
    with_host(|host| {
        let word = seconds(7);
        let runc = SlowRunc::install(host)?;
        probe_once(host, "app", &["sh", "-c", &long_at_first(&word)], "1000s")?;
        runc.wait()?;
        host.kill_daemon()?;
        host.start_daemon()?;
        runc.go_on()?;
        has_run(host)?;
        eventually("it has ended", SOON, || (!sleeps(&word)).then_some(()))?;
        assert_eq!(said(host, "app")?.0, "success");
        Ok(())
    })
}

#[test]
fn a_hundred_commands_leave_nothing_behind() -> Result<()> {
    with_host(|host| {
        let mut request = host.busybox("app", "sleep 1000")?;
        request["readinessProbe"] = json!({ "url": "exec:true", "period": "0.1s" });
        host.call("probelet.v1.Containers/CreateContainer", &request)?;
        let successes = |least: u64| {
            eventually("enough commands", 4 * SOON, || {
                let successes = probe_status(host, "app")?["successes"].as_str()?.parse().ok();
                successes.filter(|count: &u64| *count >= least)
            })
        };
        let folder = format!("/proc/{}/fd", host.daemon_pid()?);
        let descriptors = || fs::read_dir(&folder).map_or(0, Iterator::count);
        successes(10)?;
        let before = descriptors();
        successes(110)?;
        // A running command may have two FIFOs and a pidfd.
        eventually("the daemon has no more descriptors than before", SOON, || {
            (descriptors() <= before + 3).then_some(())
        })?;
        host.call("probelet.v1.Containers/RemoveContainer", &json!({ "name": "app" }))?;
        eventually("no FIFO is left", SOON, || (fifos(host) == 0).then_some(()))?;
        host.expect_nothing_left()
    })
}

#[test]
fn a_command_with_the_id_of_a_probe_is_ended_and_another_id_is_used() -> Result<()> {
    with_host(|host| {
        let word = seconds(4);
        let mut request = host.busybox("app", "sleep 1000")?;
        request["readinessProbe"] = json!({ "url": "exec:true", "initialDelay": "3s" });
        host.call("probelet.v1.Containers/CreateContainer", &request)?;
        eventually("it runs", SOON, || host.task_pid("app_0").ok())?;
        // A command of an earlier daemon has such an id too.
        let exec = ["task", "exec", "--detach", "--exec-id", "probelet-0", "app_0"];
        host.ctr(exec.iter().copied().chain(["sleep", &word]))?;
        ensure!(!processes_with(&word).is_empty(), "the first id is taken");
        assert_eq!(said(host, "app")?.0, "success");
        eventually("it has ended", SOON, || processes_with(&word).is_empty().then_some(()))
    })
}
