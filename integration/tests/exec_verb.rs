//! `exec`: commands with streams, a terminal and an exit status.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use probelet_integration::{
    Host, SOON, eventually, probelet_bin, processes_with, signal, with_host,
};
use rustix::process::Signal;
use serde_json::json;

/// A number of seconds that is unique to a test, by which its `sleep` processes are found.
fn seconds(number: u32) -> String {
    (2_000_000 + std::process::id() * 10 + number).to_string()
}

fn run_app(host: &Host) -> Result<()> {
    let mut request = host.busybox("app", "sleep 1000")?;
    request["start"] = true.into();
    host.call("probelet.v1.Containers/CreateContainer", &request).map(drop)
}

fn nothing_is_left(host: &Host, word: &str) -> Result<()> {
    eventually("nothing of the command is left", SOON, || {
        let fifos = fs::read_dir(host.path("run/exec")).map_or(0, Iterator::count);
        (processes_with(word).is_empty() && fifos == 0).then_some(())
    })
}

#[test]
fn streams_and_exit_status_are_those_of_the_command() -> Result<()> {
    with_host(|host| {
        run_app(host)?;
        let exec = |script: &str, stdin: &str| {
            host.try_probelet(["exec", "-i", "app", "--", "sh", "-c", script], stdin)
        };
        let done = exec("echo out; echo err >&2; exit 3", "")?;
        assert_eq!((done.code, done.stdout.as_str()), (Some(3), "out\n"));
        assert_eq!(done.stderr, "err\ncommand terminated with exit code 3\n");
        let done = exec("kill -9 $$", "")?;
        assert_eq!(done.code, Some(137), "{done:?}");
        // The text is larger than all pipes and queues in both directions.
        let text = "0123456789abcdef\n".repeat(100_000);
        let done = exec("cat", &text)?;
        ensure!(done.code == Some(0) && done.stdout == text, "{} bytes", done.stdout.len());
        // A child that keeps the stream open is not waited for and not killed, because the command
        // ended by itself.
        let done = exec("sleep 1 & echo there", "")?;
        assert_eq!((done.code, done.stdout.as_str()), (Some(0), "there\n"));
        let done = host.try_probelet(["exec", "app", "--", "cat"], "unread")?;
        assert_eq!((done.code, done.stdout.as_str()), (Some(0), ""));
        let done = host.try_probelet(["exec", "app", "--", "/missing"], "")?;
        ensure!(done.code == Some(1) && done.stderr.contains("no such file"), "{done:?}");
        let done = host.try_probelet(["exec", "none", "--", "true"], "")?;
        assert_eq!(done.stderr, "error: pods \"none\" not found\n");
        host.probelet(["stop", "app"])?;
        let done = host.try_probelet(["exec", "app", "--", "true"], "")?;
        ensure!(done.stderr.contains("is not running"), "{done:?}");
        nothing_is_left(host, "no such word")
    })
}

#[test]
fn a_terminal_has_a_size_and_a_single_stream() -> Result<()> {
    with_host(|host| {
        let mut request = host.busybox("app", "sleep 1000")?;
        let mounts = &mut request["ociSpec"]["mounts"];
        let devices = json!([
            { "destination": "/dev", "type": "tmpfs", "source": "tmpfs" },
            { "destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["newinstance", "ptmxmode=0666"] },
        ]);
        mounts
            .as_array_mut()
            .context("mounts")?
            .extend(devices.as_array().into_iter().flatten().cloned());
        host.call("probelet.v1.Containers/CreateContainer", &request)?;
        let script = "[ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo $TERM >&2 || exit 1
            until [ \"$(busybox stty size 2>/dev/null)\" = '33 91' ]; do sleep 0.1; done
            busybox stty size";
        let start = json!({ "name": "app", "terminal": true, "stdin": true, "command": ["sh", "-c", script] });
        let resize = json!({ "resize": { "width": 91, "height": 33 } });
        let requests = format!("{}{resize}", json!({ "start": start }));
        let text = host.grpcurl_stream("probelet.v1.Containers/Exec", &requests)?;
        let answers: Vec<serde_json::Value> =
            serde_json::Deserializer::from_str(&text).into_iter().collect::<Result<_, _>>()?;
        ensure!(answers.iter().all(|answer| answer["stderr"].is_null()), "{text}");
        assert_eq!(answers.last(), Some(&json!({ "exitCode": 0 })), "{text}");
        let shown: Vec<&str> = answers.iter().filter_map(|a| a["stdout"].as_str()).collect();
        // `xterm` and `33 91` in base64, each with the terminal's line end.
        assert_eq!(shown, ["eHRlcm0NCg==", "MzMgOTENCg=="], "{text}");
        Ok(())
    })
}

#[test]
fn a_client_that_disconnects_ends_the_command_and_its_children() -> Result<()> {
    with_host(|host| {
        run_app(host)?;
        let word = seconds(1);
        let script = format!("sleep {word} & exec sleep {word}");
        let mut client = Command::new(probelet_bin())
            .arg("--socket")
            .arg(host.socket())
            .args(["exec", "app", "--", "sh", "-c", &script])
            .stdin(Stdio::null())
            .spawn()?;
        let both = || (processes_with(&word).len() >= 3).then_some(());
        eventually("the client, the command and its child run", SOON, both)?;
        signal(client.id(), Signal::KILL)?;
        client.wait()?;
        nothing_is_left(host, &word)?;
        let request = json!({ "name": "app", "command": ["sleep", word], "timeout": "0.5s" });
        let late = host.call("probelet.v1.Containers/ExecSync", &request);
        ensure!(format!("{late:?}").contains("DeadlineExceeded"), "{late:?}");
        nothing_is_left(host, &word)?;
        let request =
            json!({ "name": "app", "command": ["sh", "-c", "echo a; echo b >&2; exit 4"] });
        let answer = host.call("probelet.v1.Containers/ExecSync", &request)?;
        assert_eq!(answer, json!({ "stdout": "YQo=", "stderr": "Ygo=", "exitCode": 4 }));
        Ok(())
    })
}
