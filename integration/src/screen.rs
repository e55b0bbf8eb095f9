//! A program on a real pseudo-terminal.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::{Context, Result};
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use crate::{Host, SOON, clean, eventually, probelet_bin};

/// The controlling side of a terminal, its output so far, and the client that runs on it.
pub struct Screen {
    keys: File,
    seen: Arc<Mutex<String>>,
    /// The program, or `setsid`, which has become it.
    pub verb: Child,
}

impl Screen {
    /// Runs a verb of the host's `probelet`.
    pub fn open(host: &Host, words: &[&str]) -> Result<Self> {
        let mut command = Command::new(probelet_bin());
        command.arg("--socket").arg(host.socket()).args(words);
        Self::of(&command)
    }

    /// Runs a command with its arguments and environment, on 24 rows of 80 columns.
    pub fn of(program: &Command) -> Result<Self> {
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
        command.arg("--ctty").arg(program.get_program()).args(program.get_args());
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let verb = command.stdin(side()?).stdout(side()?).stderr(side()?).spawn()?;
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

    /// Types keys.
    pub fn type_in(&mut self, text: &str) -> Result<()> {
        Ok(self.keys.write_all(text.as_bytes())?)
    }

    /// Waits until the output has the text.
    pub fn shows(&self, text: &str) -> Result<()> {
        let seen = || self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        eventually(text, SOON, || seen().contains(text).then_some(()))
            .with_context(|| format!("the screen has {:?}", seen()))
    }

    /// Whether the terminal echoes keys, which it does not in raw mode.
    pub fn echoes(&self) -> Result<bool> {
        Ok(tcgetattr(&self.keys)?.local_modes.contains(LocalModes::ECHO))
    }

    /// Waits until the terminal is in raw mode. What is typed before that is lost.
    pub fn is_raw(&self) -> Result<()> {
        let raw = || self.echoes().is_ok_and(|echoes| !echoes).then_some(());
        eventually("the terminal is raw", SOON, raw)
    }

    /// Changes the size of the terminal.
    pub fn resize(&self, rows: u16, columns: u16) -> Result<()> {
        Ok(tcsetwinsize(&self.keys, size(rows, columns))?)
    }

    /// Waits for the end of the program and returns its exit code.
    pub fn ended(&mut self) -> Result<Option<i32>> {
        let status = eventually("the client ends", SOON, || self.verb.try_wait().ok()?);
        let seen = || self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(status.with_context(|| format!("the screen has {:?}", seen()))?.code())
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
