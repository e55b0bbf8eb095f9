//! A shell in a terminal of tmux, with real keys and a screen that can be read.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::Pid;

use crate::{Host, SOON, bounded, eventually, finish, probelet_bin, succeed};

/// A server of tmux of its own, with one window. It ends when this is dropped.
pub struct Tmux {
    socket: PathBuf,
}

impl Tmux {
    /// Starts a shell in which `probelet` speaks with the host's daemon.
    pub fn start(host: &Host, columns: u16, rows: u16) -> Result<Self> {
        let tmux = Self { socket: host.path("tmux.sock") };
        let (columns, rows) = (columns.to_string(), rows.to_string());
        let bin = probelet_bin().canonicalize()?;
        let folder = bin.parent().context("the binary is in no folder")?.display().to_string();
        let socket = host.socket().display().to_string();
        tmux.run(["new-session", "-d", "-x", &columns, "-y", &rows, "sh"])?;
        let path = format!("PATH={folder}:$PATH PROBELET_SOCKET={socket}");
        // Only the prompt has the word without the quotes.
        let prompt = "unset NO_COLOR; PS1='she''ll> '";
        tmux.line(&format!("{path}; export PATH PROBELET_SOCKET; {prompt}; clear"))?;
        tmux.wait("the prompt", SOON, |screen| screen.starts_with("shell>"))?;
        Ok(tmux)
    }

    fn run<'a>(&self, words: impl IntoIterator<Item = &'a str>) -> Result<String> {
        let mut command = bounded("tmux");
        command.arg("-u").arg("-S").arg(&self.socket).args(["-f", "/dev/null"]).args(words);
        succeed(finish(&mut command, "")?)
    }

    /// Types a line, with Enter.
    pub fn line(&self, text: &str) -> Result<()> {
        self.keys(&[text, "Enter"])
    }

    /// Presses keys by their names in tmux; other words are typed.
    pub fn keys(&self, keys: &[&str]) -> Result<()> {
        self.run(["send-keys"].into_iter().chain(keys.iter().copied())).map(drop)
    }

    pub fn resize(&self, columns: u16, rows: u16) -> Result<()> {
        let (columns, rows) = (columns.to_string(), rows.to_string());
        self.run(["resize-window", "-x", &columns, "-y", &rows]).map(drop)
    }

    /// The process that the shell runs.
    pub fn child(&self) -> Option<Pid> {
        let shell = self.run(["display-message", "-p", "#{pane_pid}"]).ok()?;
        let shell = shell.trim();
        let children = format!("/proc/{shell}/task/{shell}/children");
        let children = std::fs::read_to_string(children).ok()?;
        Pid::from_raw(children.split_whitespace().next()?.parse().ok()?)
    }

    /// What is on the screen now.
    pub fn screen(&self) -> Result<String> {
        self.run(["capture-pane", "-p"])
    }

    /// The same with the sequences that set colours.
    pub fn coloured_screen(&self) -> Result<String> {
        self.run(["capture-pane", "-p", "-e"])
    }

    /// Waits until the text is on the screen, and returns the screen.
    pub fn shows(&self, text: &str) -> Result<String> {
        self.wait(text, SOON, |screen| screen.contains(text))
    }

    /// Waits for a screen. The error has the last one.
    pub fn wait(
        &self,
        what: &str,
        bound: Duration,
        is_it: impl Fn(&str) -> bool,
    ) -> Result<String> {
        let mut last = String::new();
        let seen = eventually(what, bound, || {
            last = self.screen().unwrap_or_else(|error| format!("{error:#}"));
            is_it(&last).then(|| last.clone())
        });
        seen.with_context(|| format!("the screen is\n{last}"))
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        let _ = self.run(["kill-server"]);
    }
}
