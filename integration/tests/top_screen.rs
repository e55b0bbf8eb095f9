//! `top` at a terminal, in tmux, with real keys.

use std::time::Duration;

use anyhow::{Result, ensure};
use probelet_integration::tmux::Tmux;
use probelet_integration::{Host, SOON, eventually, with_host};
use rustix::process::{Signal, kill_process};

/// A server that fails after five requests, as in the README.
const KUBIA: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: kubia-liveness}
spec:
  terminationGracePeriodSeconds: 2
  containers:
  - name: kubia
    image: docker.io/luksa/kubia-unhealthy:latest
    imagePullPolicy: Never
    livenessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1}
";

/// The same, probed so rarely that it does not fail in a test.
const CALM: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: calm, namespace: other}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: app
    image: docker.io/luksa/kubia-unhealthy:latest
    imagePullPolicy: Never
    livenessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1000}
";

/// A bound for the story's first restart.
const STORY: Duration = Duration::from_secs(40);

/// The shell has its terminal again: its prompt, its echo, and what was there before.
fn expect_shell(tmux: &Tmux) -> Result<()> {
    let is_back = |screen: &str| screen.contains("before") && !screen.contains("q quit");
    tmux.wait("the shell is back", SOON, is_back)?;
    tmux.line("stty -a | grep -q ' echo ' && echo again-$((1 + 1))")?;
    tmux.shows("again-2").map(drop)
}

fn shell(host: &Host, columns: u16, rows: u16) -> Result<Tmux> {
    let tmux = Tmux::start(host, columns, rows)?;
    tmux.line("echo before")?;
    tmux.shows("\nbefore")?;
    Ok(tmux)
}

#[test]
fn the_story_is_followed_and_each_key_does_what_it_says() -> Result<()> {
    with_host(|host| {
        host.apply(KUBIA)?;
        let tmux = shell(host, 80, 24)?;
        tmux.line("probelet top")?;
        tmux.wait("a probe has failed", STORY, |screen| screen.contains('×'))?;
        let screen = tmux.wait("a restart", STORY, |screen| screen.contains("attempt 0, "))?;
        ensure!(screen.contains("liveness probe failed: HTTP"), "{screen}");
        ensure!(screen.contains("default/kubia-liveness [kubia]"), "{screen}");
        tmux.wait("CPU and memory", SOON, |screen| screen.contains("Mi "))?;
        // It is drawn anew for another size.
        tmux.resize(160, 50)?;
        tmux.shows("LAST FAILURE")?;
        tmux.resize(80, 24)?;
        // tmux cuts what it has at once, and tells the new size a little later.
        let is_narrow =
            |screen: &str| screen.lines().next().is_some_and(|line| line.ends_with("by name"));
        tmux.wait("the narrow layout", SOON, is_narrow)?;
        // Texts.
        for (key, text) in
            [("d", "Service Account:"), ("Enter", "Service Account:"), ("?", "Choose a container")]
        {
            tmux.keys(&[key])?;
            let lines = tmux.wait("a text", SOON, |screen| screen.contains("q back"))?;
            ensure!(lines.contains(text) || key != "?", "{lines}");
            if key != "?" {
                ensure!(lines.starts_with("Pod default/kubia-liveness\nName:"), "{lines}");
            }
            tmux.keys(&["q"])?;
            tmux.shows("q quit")?;
        }
        tmux.keys(&["e"])?;
        tmux.shows("Attempt 0 of kubia")?;
        tmux.keys(&["Escape"])?;
        tmux.shows("q quit")?;
        tmux.keys(&["l"])?;
        tmux.shows("Kubia server starting")?;
        tmux.keys(&["q"])?;
        tmux.shows("q quit")?;
        // Changes.
        tmux.keys(&["p"])?;
        tmux.shows("pause for 10 minutes the probes of default/kubia-liveness [kubia]? y/n")?;
        tmux.keys(&["n"])?;
        tmux.shows("q quit")?;
        ensure!(host.column("kubia-liveness")? != "Running,ProbesPaused");
        tmux.keys(&["p"])?;
        tmux.shows("y/n")?;
        tmux.keys(&["y"])?;
        tmux.shows("probes paused until")?;
        ensure!(host.column("kubia-liveness")?.ends_with(",ProbesPaused"));
        tmux.shows(",Prob")?;
        let restarts =
            || -> Option<u64> { host.status("kubia-liveness").ok()?["restartCount"].as_u64() };
        let before = restarts();
        tmux.keys(&["r"])?;
        tmux.shows("restart default/kubia-liveness [kubia]? y/n")?;
        tmux.keys(&["y"])?;
        tmux.shows("kubia-liveness [kubia] restarted")?;
        ensure!(restarts() > before, "{before:?}");
        tmux.keys(&["p", "y"])?;
        tmux.shows("probes resumed")?;
        tmux.keys(&["q"])?;
        expect_shell(&tmux)?;
        host.probelet(["delete", "pod", "--all", "--now"])?;
        host.expect_nothing_left()
    })
}

#[test]
fn namespaces_and_the_filter_choose_what_is_shown() -> Result<()> {
    with_host(|host| {
        host.apply(CALM)?;
        let tmux = shell(host, 100, 24)?;
        tmux.line("probelet top")?;
        tmux.shows("No containers in namespace default. Press A for all namespaces.")?;
        tmux.keys(&["A"])?;
        tmux.wait("the pod", SOON, |screen| screen.contains("other     calm"))?;
        tmux.keys(&["/"])?;
        tmux.shows("filter: ")?;
        tmux.keys(&["nothing", "Enter"])?;
        tmux.shows("No container has \"nothing\" in its names or its state.")?;
        tmux.keys(&["Escape"])?;
        tmux.shows("calm")?;
        tmux.keys(&["A", "n"])?;
        tmux.shows("namespace: ")?;
        tmux.keys(&["other", "Enter"])?;
        tmux.wait("the namespace", SOON, |screen| {
            screen.contains("namespace other") && screen.contains("calm")
        })?;
        tmux.keys(&["s", "s"])?;
        tmux.shows("by restarts")?;
        // An Escape alone quits.
        tmux.keys(&["Escape"])?;
        expect_shell(&tmux)?;
        host.probelet(["delete", "pod", "--all", "-n", "other"])?;
        host.expect_nothing_left()
    })
}

#[test]
fn a_daemon_that_goes_and_comes_back_is_waited_for() -> Result<()> {
    with_host(|host| {
        host.apply(&CALM.replace(", namespace: other", ""))?;
        let tmux = shell(host, 80, 24)?;
        tmux.line("probelet top")?;
        tmux.wait("the pod", SOON, |screen| screen.contains("Running"))?;
        host.kill_daemon()?;
        let screen = tmux.shows("The daemon does not answer, trying again")?;
        ensure!(screen.contains("calm"), "{screen}");
        // Calls of keys fail in the last line.
        tmux.keys(&["d"])?;
        tmux.wait("an error", SOON, |screen| {
            screen.lines().last().is_some_and(|line| !line.contains("describe"))
        })?;
        host.start_daemon()?;
        tmux.wait("the daemon is back", SOON, |screen| {
            !screen.contains("does not answer") && screen.contains("1 container: 1 Running")
        })?;
        tmux.keys(&["C-c"])?;
        expect_shell(&tmux)?;
        host.probelet(["delete", "pod", "--all"])?;
        host.expect_nothing_left()
    })
}

#[test]
fn the_terminal_is_as_before_after_a_signal() -> Result<()> {
    with_host(|host| {
        let tmux = shell(host, 80, 24)?;
        for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
            tmux.line("probelet top")?;
            tmux.shows("q quit")?;
            let pid = eventually("the verb runs", SOON, || tmux.child())?;
            kill_process(pid, signal)?;
            expect_shell(&tmux)?;
            tmux.line("clear; echo before")?;
            tmux.wait("a clear screen", SOON, |screen| screen.starts_with("before"))?;
        }
        Ok(())
    })
}

#[test]
fn without_colours_and_without_a_terminal() -> Result<()> {
    with_host(|host| {
        host.apply(&CALM.replace(", namespace: other", ""))?;
        let tmux = shell(host, 80, 24)?;
        tmux.line("NO_COLOR=1 probelet top")?;
        tmux.shows("1 Running")?;
        let colours = |screen: &str| screen.contains("38;5;2m") || screen.contains("[32m");
        ensure!(!colours(&tmux.coloured_screen()?));
        tmux.keys(&["q"])?;
        expect_shell(&tmux)?;
        tmux.line("clear; echo before; probelet top")?;
        tmux.shows("1 Running")?;
        ensure!(colours(&tmux.coloured_screen()?));
        tmux.keys(&["q"])?;
        expect_shell(&tmux)?;
        // Each of these prints a table, and ends.
        for line in ["probelet top --once", "TERM=dumb probelet top", "probelet top | cat"] {
            tmux.line(&format!("clear; {line}; echo end-$((1 + 1))"))?;
            let screen = tmux.shows("end-2")?;
            ensure!(screen.contains("CPU(cores)"), "{line}: {screen}");
        }
        host.probelet(["delete", "pod", "--all"])?;
        host.expect_nothing_left()
    })
}
