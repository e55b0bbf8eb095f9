//! SIGHUP and the log level of a running daemon.

use std::fs;

use anyhow::{Result, ensure};
use probelet_integration::{Host, SOON, eventually, signal};
use rustix::process::Signal;

#[test]
fn sighup_takes_over_what_needs_no_restart_and_never_ends_the_daemon() -> Result<()> {
    let mut host = Host::start()?;
    let file = host.path("config.toml");
    let write = |text: &str| fs::write(&file, text);
    write("log-level = \"warn\"\nkill-burst = 7\n")?;
    host.start_daemon_with(&["--config", &file.display().to_string()])?;
    let log = || fs::read_to_string(host.path("probelet.log")).unwrap_or_default();
    ensure!(!log().contains("level=info"), "{}", log());
    let pid = host.daemon_pid()?;
    let logged = |text: &str, times: usize| {
        let reached = || (log().matches(text).count() == times).then_some(());
        eventually(text, SOON, reached)
    };

    // A file with an error changes nothing.
    write("log-level = \"debug\"\nkill-brust = 7\n")?;
    signal(pid, Signal::HUP)?;
    logged("the configuration stays as it was", 1)?;
    ensure!(log().contains("config.toml:2: unknown key"), "{}", log());
    ensure!(!log().contains("level=info"), "{}", log());

    write("log-level = \"info\"\nkill-burst = 9\nwatch-namespaces = \"other\"\n")?;
    signal(pid, Signal::HUP)?;
    logged("these changes take effect at the next start", 1)?;
    let lines = log();
    ensure!(lines.contains("changed=\"kill-burst, log-level\""), "{lines}");
    ensure!(lines.contains("flags=watch-namespaces"), "{lines}");

    // It is reported until the restart; the rest is in effect already.
    signal(pid, Signal::HUP)?;
    logged("these changes take effect at the next start", 2)?;
    ensure!(log().contains("changed=nothing"), "{}", log());
    host.probelet(["get", "pods"])?;
    ensure!(host.daemon_pid()? == pid);
    Ok(())
}
