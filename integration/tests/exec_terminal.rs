//! Verbs on a real pseudo-terminal: `exec -it`, and what a verb waits for.

use anyhow::{Result, ensure};
use probelet_integration::screen::Screen;
use probelet_integration::script::{container, log, pod};
use probelet_integration::with_host;
use serde_json::json;

#[test]
fn a_shell_in_a_terminal_gets_keys_size_and_signals() -> Result<()> {
    with_host(|host| {
        host.busybox_image(&json!({}))?;
        host.apply(&pod(json!([container("app", "", json!([]))]), json!([])).to_string())?;
        log(host, "app")?;
        let mut screen = Screen::open(host, &["exec", "-it", "web", "--", "sh"])?;
        // Input before the prompt would be lost.
        screen.shows("# ")?;
        screen.type_in("tty && echo size $(stty size)\n")?;
        screen.shows("/dev/pts/")?;
        screen.shows("size 24 80")?;
        // The local terminal does not echo: the shell echoes the keys itself.
        ensure!(!screen.echoes()?, "the terminal is not raw");
        screen.resize(40, 100)?;
        screen
            .type_in("until [ \"$(stty size)\" = '40 100' ]; do sleep 0.1; done; echo now $?\n")?;
        screen.shows("now 0")?;
        // Ctrl-C ends the command in the container, and neither the shell nor the client.
        screen.type_in("echo go; sleep 1000\n")?;
        screen.shows("\ngo")?;
        screen.type_in("\u{3}")?;
        screen.type_in("echo still $((40 + 2))\n")?;
        screen.shows("still 42")?;
        screen.type_in("exit 7\n")?;
        let code = screen.ended()?;
        ensure!(code == Some(7), "{code:?}");
        ensure!(screen.echoes()?, "the terminal was left raw");
        Ok(())
    })
}

#[test]
fn a_verb_that_waits_says_for_what_on_a_terminal_only() -> Result<()> {
    with_host(|host| {
        host.busybox_image(&json!({}))?;
        host.apply(&pod(json!([container("app", "true", json!([]))]), json!([])).to_string())?;
        log(host, "app")?;
        let waiting = ["wait", "web", "--for", "restarts=1", "--timeout", "1m"];
        let mut screen = Screen::open(host, &waiting)?;
        screen.shows("waiting for pod/web to reach restarts=1")?;
        host.probelet(["restart", "web"])?;
        screen.shows("pod/web condition met")?;
        ensure!(screen.verb.wait()?.success());
        let silent =
            host.try_probelet(["wait", "web", "--for", "restarts=9", "--timeout", "2"], "")?;
        ensure!(
            !silent.stderr.contains("waiting for pod/") && silent.code == Some(1),
            "{silent:?}"
        );
        host.probelet(["delete", "pod", "web"])?;
        Ok(())
    })
}
