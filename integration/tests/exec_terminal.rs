//! Verbs on a real pseudo-terminal: `exec -it`, and what a verb waits for.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::{Context, Result, ensure};
use probelet_integration::script::{container, log, pod};
use probelet_integration::{Host, SOON, clean, eventually, probelet_bin, with_host};
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use serde_json::json;

/// The controlling side of a terminal, its output so far, and the client that runs on it.
struct Screen {
    keys: File,
    seen: Arc<Mutex<String>>,
    verb: Child,
}

impl Screen {
    fn open(host: &Host, words: &[&str]) -> Result<Self> {
        let keys = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
        grantpt(&keys)?;
        unlockpt(&keys)?;
        let name = ptsname(&keys, Vec::new())?;
        let side = || -> Result<OwnedFd> {
            Ok(rustix::fs::open(name.as_c_str(), OFlags::RDWR | OFlags::NOCTTY, Mode::empty())?)
        };
        tcsetwinsize(&keys, size(24, 80))?;
        // The kernel sends SIGWINCH to the session whose terminal it is, so the client gets its
        // own.
        let mut command = Command::new("setsid");
        command.arg("--ctty").arg(probelet_bin()).arg("--socket").arg(host.socket());
        let verb = command.args(words).stdin(side()?).stdout(side()?).stderr(side()?).spawn()?;
        let keys = File::from(keys);
        let seen = Arc::new(Mutex::new(String::new()));
        let (mut screen, text_so_far) = (keys.try_clone()?, seen.clone());
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            // The read fails once the other side is closed.
            while let Ok(count @ 1..) = screen.read(&mut bytes) {
                let text = String::from_utf8_lossy(bytes.get(..count).unwrap_or_default());
                text_so_far.lock().unwrap_or_else(PoisonError::into_inner).push_str(&text);
            }
        });
        Ok(Self { keys, seen, verb })
    }

    fn type_in(&mut self, text: &str) -> Result<()> {
        Ok(self.keys.write_all(text.as_bytes())?)
    }

    fn shows(&self, text: &str) -> Result<()> {
        let seen = || self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        eventually(text, SOON, || seen().contains(text).then_some(()))
            .with_context(|| format!("the screen has {:?}", seen()))
    }

    fn echoes(&self) -> Result<bool> {
        Ok(tcgetattr(&self.keys)?.local_modes.contains(LocalModes::ECHO))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        clean::end(&mut self.verb);
    }
}

fn size(rows: u16, columns: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

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
        tcsetwinsize(&screen.keys, size(40, 100))?;
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
        let status = eventually("the client ends", SOON, || screen.verb.try_wait().ok()?)?;
        ensure!(status.code() == Some(7), "{status}");
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
