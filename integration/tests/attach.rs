//! Containers with an input or a terminal: `run -it`, `attach`, and what happens to a session when the
//! daemon, the client or the container ends.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use probelet_integration::image::BUSYBOX_IMAGE;
use probelet_integration::screen::Screen;
use probelet_integration::{
    Host, SOON, eventually, probelet_bin, processes_with, signal, with_host,
};
use rustix::process::Signal;
use serde_json::{Value, json};

/// A pod `shell` whose only container has these streams.
fn manifest(command: &[&str], streams: Value) -> String {
    let mut container = json!({ "name": "main", "image": BUSYBOX_IMAGE, "command": command });
    for field in ["stdin", "stdinOnce", "tty"] {
        container[field] = streams[field].clone();
    }
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "shell" },
        "spec": { "terminationGracePeriodSeconds": 0, "containers": [container] },
    })
    .to_string()
}

fn apply(host: &Host, command: &[&str], streams: Value) -> Result<()> {
    host.busybox_image(&json!({}))?;
    host.apply(&manifest(command, streams))?;
    host.wait_status("shell", SOON, |status| status["state"]["running"].is_object()).map(drop)
}

fn run_it<'a>(flags: &[&'a str], command: &[&'a str]) -> Vec<&'a str> {
    let mut words = vec!["run", "shell", "--image", BUSYBOX_IMAGE, "--grace", "1s"];
    words.extend(flags);
    words.extend(["--command", "--"]);
    words.extend(command);
    words
}

/// The files of the containers' streams.
fn streams(host: &Host) -> Vec<String> {
    let entries = fs::read_dir(host.path("run/loggers")).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.contains('.')).collect()
}

#[test]
fn a_shell_of_run_it_has_keys_size_signals_and_an_exit_code() -> Result<()> {
    with_host(|host| {
        host.busybox_image(&json!({}))?;
        let mut screen = Screen::open(host, &run_it(&["--rm", "-it"], &["sh"]))?;
        // The prompt was written before the client was attached.
        screen.shows("# ")?;
        screen.type_in("tty && echo size $(stty size) $TERM\n")?;
        screen.shows("/dev/pts/0")?;
        screen.shows("size 24 80 xterm")?;
        ensure!(!screen.echoes()?, "the terminal is not raw");
        screen.resize(40, 100)?;
        screen
            .type_in("until [ \"$(stty size)\" = '40 100' ]; do sleep 0.1; done; echo now $?\n")?;
        screen.shows("now 0")?;
        screen.type_in("echo go; sleep 1000\n")?;
        screen.shows("\ngo")?;
        screen.type_in("\u{3}")?;
        screen.shows("^C")?;
        screen.type_in("echo still $((40 + 2))\n")?;
        screen.shows("still 42")?;
        ensure!(host.probelet(["logs", "shell"])?.contains("still 42"), "the log lacks it");
        screen.type_in("exit 7\n")?;
        let code = screen.ended()?;
        ensure!(code == Some(7), "{code:?}");
        ensure!(screen.echoes()?, "the terminal was left raw");
        ensure!(host.status("shell").is_err(), "the pod is still there");
        ensure!(streams(host).is_empty(), "{:?}", streams(host));
        host.expect_nothing_left()
    })
}

#[test]
fn ctrl_d_ends_a_shell_and_its_restart_has_a_new_terminal() -> Result<()> {
    with_host(|host| {
        apply(host, &["sh"], json!({ "stdin": true, "tty": true }))?;
        let mut screen = Screen::open(host, &["attach", "-it", "shell"])?;
        screen.is_raw()?;
        screen.type_in("echo first $((1 + 1))\n")?;
        screen.shows("first 2")?;
        screen.type_in("\u{4}")?;
        let code = screen.ended()?;
        ensure!(code == Some(0), "{code:?}");
        host.wait_status("shell", SOON, |status| {
            status["restartCount"] == 1 && status["state"]["running"].is_object()
        })?;
        let mut screen = Screen::open(host, &["attach", "-it", "shell"])?;
        screen.is_raw()?;
        screen.type_in("echo second $((1 + 2))\n")?;
        screen.shows("second 3")?;
        // The keys of docker leave it, and it runs on.
        screen.type_in("\u{10}\u{11}")?;
        let code = screen.ended()?;
        ensure!(code == Some(0) && screen.echoes()?, "{code:?}");
        ensure!(host.status("shell")?["restartCount"] == 1);
        Ok(())
    })
}

#[test]
fn a_container_and_its_terminal_outlive_the_daemon() -> Result<()> {
    with_host(|host| {
        apply(host, &["sh"], json!({ "stdin": true, "stdinOnce": true, "tty": true }))?;
        let mut screen = Screen::open(host, &["attach", "-it", "shell"])?;
        screen.is_raw()?;
        screen.shows("# ")?;
        screen.type_in("kept=$((6 * 7))\n")?;
        screen.type_in("echo set $kept\n")?;
        screen.shows("set 42")?;
        let pid = host.status("shell")?["containerID"].clone();
        host.kill_daemon()?;
        ensure!(screen.ended()? != Some(0), "the client did not notice");
        ensure!(screen.echoes()?, "the terminal was left raw");
        host.start_daemon()?;
        let mut screen = Screen::open(host, &["attach", "-it", "shell"])?;
        screen.is_raw()?;
        screen.type_in("echo still $kept\n")?;
        screen.shows("still 42")?;
        let status = host.status("shell")?;
        ensure!(status["containerID"] == pid && status["restartCount"] == 0, "{status}");
        screen.type_in("exit 3\n")?;
        ensure!(screen.ended()? == Some(3));
        Ok(())
    })
}

#[test]
fn a_client_that_is_ended_restores_its_terminal_and_deletes_its_pod() -> Result<()> {
    with_host(|host| {
        host.busybox_image(&json!({}))?;
        let mut screen = Screen::open(host, &run_it(&["--rm", "-it"], &["sh"]))?;
        screen.shows("# ")?;
        screen.is_raw()?;
        let pid = screen.verb.id();
        signal(pid, Signal::TERM)?;
        let code = screen.ended()?;
        ensure!(matches!(code, Some(130 | 143)), "{code:?}");
        ensure!(screen.echoes()?, "the terminal was left raw");
        host.expect_nothing_left()
    })
}

#[test]
fn input_of_a_pipe_ends_with_the_first_client() -> Result<()> {
    with_host(|host| {
        host.busybox_image(&json!({}))?;
        let words = run_it(&["--rm", "-i"], &["sh", "-c", "wc -c; echo err >&2; exit 5"]);
        let input = "x".repeat(300_000);
        let done = host.try_probelet(&words, &input)?;
        ensure!(done.code == Some(5), "{done:?}");
        ensure!(done.stdout == "300000\n" && done.stderr.contains("err\n"), "{done:?}");
        host.expect_nothing_left()?;
        // Without stdinOnce the input stays open.
        apply(host, &["cat"], json!({ "stdin": true }))?;
        for word in ["one", "two"] {
            let mut client = client(host, &["attach", "-i", "shell"])?;
            let mut stdin = client.stdin.take().context("no stdin")?;
            writeln!(stdin, "{word}")?;
            let mut read = vec![0; word.len()];
            client.stdout.as_mut().context("no stdout")?.read_exact(&mut read)?;
            ensure!(read == word.as_bytes(), "{read:?}");
            drop(stdin);
            client.kill()?;
            client.wait()?;
        }
        ensure!(host.status("shell")?["restartCount"] == 0, "the input was closed");
        Ok(())
    })
}

fn client(host: &Host, words: &[&str]) -> Result<std::process::Child> {
    let mut command = Command::new(probelet_bin());
    command.arg("--socket").arg(host.socket()).args(words);
    Ok(command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?)
}

#[test]
fn a_client_that_does_not_read_delays_nothing() -> Result<()> {
    with_host(|host| {
        // 64 MiB are more than all buffers of the way.
        let script =
            "read go; dd if=/dev/zero bs=1M count=64 2>/dev/null | tr '\\0' 'x'; echo; echo END";
        apply(host, &["sh", "-c", script], json!({ "stdin": true }))?;
        let mut stuck = client(host, &["attach", "shell"])?;
        let mut other = client(host, &["attach", "-i", "shell"])?;
        other.stdin.as_mut().context("no stdin")?.write_all(b"go\n")?;
        let mut output = Vec::new();
        other.stdout.take().context("no stdout")?.read_to_end(&mut output)?;
        ensure!(output.ends_with(b"\nEND\n"), "{} bytes", output.len());
        other.wait()?;
        // The stuck client gets the beginning and the end of what was kept for it.
        ensure!(stuck.try_wait()?.is_none(), "the client has ended");
        stuck.kill()?;
        stuck.wait()?;
        Ok(())
    })
}

#[test]
fn streams_are_root_s_alone_and_end_with_a_failed_start() -> Result<()> {
    with_host(|host| {
        apply(host, &["sh"], json!({ "stdin": true, "tty": false }))?;
        let folder = fs::metadata(host.path("run/loggers"))?;
        ensure!(folder.permissions().mode() & 0o777 == 0o700 && folder.uid() == 0);
        let found = streams(host);
        ensure!(found.len() == 4, "{found:?}");
        for name in found {
            let file = fs::symlink_metadata(host.path("run/loggers").join(&name))?;
            let kind = file.file_type();
            ensure!(kind.is_fifo() || kind.is_socket(), "{name}");
            ensure!(!kind.is_fifo() || file.permissions().mode() & 0o777 == 0o600, "{name}");
        }
        // Inside there is no path to it.
        let inside =
            host.probelet(["exec", "shell", "--", "sh", "-c", "find /dev /tmp -type s"])?;
        ensure!(inside.is_empty(), "{inside}");
        let refused = host.try_probelet(["attach", "-i", "absent"], "")?;
        ensure!(refused.code == Some(1), "{refused:?}");
        host.probelet(["delete", "pod", "shell"])?;
        host.apply(&manifest(&["/no/such/program"], json!({ "stdin": true, "tty": true })))?;
        host.wait_status("shell", SOON, |status| {
            status["lastState"]["terminated"].is_object()
                || status["state"]["terminated"].is_object()
                || status["state"]["waiting"]["message"].is_string()
        })?;
        host.probelet(["delete", "pod", "shell"])?;
        let loggers = || {
            let run = host.path("run").display().to_string();
            let all = processes_with("container-log");
            all.into_iter().filter(|line| line.contains(&run)).count()
        };
        eventually("the loggers have ended", SOON, || (loggers() == 0).then_some(()))?;
        ensure!(streams(host).is_empty(), "{:?}", streams(host));
        Ok(())
    })
}

#[test]
fn a_container_without_an_input_refuses_one() -> Result<()> {
    with_host(|host| {
        apply(host, &["sleep", "1000"], json!({}))?;
        let refused = host.try_probelet(["attach", "-i", "shell"], "")?;
        ensure!(refused.code == Some(1) && refused.stderr.contains("runs without an input"));
        Ok(())
    })
}
