//! The sources of the daemon's settings, and that invalid ones end the daemon before it serves.

use std::fs;
use std::net::TcpListener;

use anyhow::{Result, ensure};
use probelet_integration::{Done, Host};

/// Starts the daemon with these flags, which must be refused.
fn refused(host: &Host, flags: &[&str], wanted: &str) -> Result<()> {
    let done: Done = host.try_probelet([&["serve"], flags].concat(), "")?;
    ensure!(done.code == Some(2) && done.stderr.contains(wanted), "{wanted:?}: {done:?}");
    ensure!(!host.socket().exists(), "the socket was created");
    Ok(())
}

#[test]
fn invalid_settings_end_with_2_before_the_socket_exists() -> Result<()> {
    let host = Host::start()?;
    let file = host.path("config.toml");
    let path = file.display().to_string();
    for (text, wanted) in [
        ("log-dir = \"/tmp\"\nlog-dri = 1\n", "config.toml:2: unknown key \"log-dri\""),
        ("kill-burst = 0\n", "config.toml:1: kill-burst: "),
        ("kill-burst = \n", "config.toml:1: "),
    ] {
        fs::write(&file, text)?;
        refused(&host, &["--config", &path], wanted)?;
    }
    refused(&host, &["--config", "/nonexistent/file"], "/nonexistent/file: ")?;
    refused(&host, &["--metrics-address", "nowhere"], "--metrics-address")?;
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let address = taken.local_addr()?.to_string();
    let wanted = format!("--metrics-address {address}: Address already in use");
    refused(&host, &["--metrics-address", &address], &wanted)
}

#[test]
fn the_configuration_file_is_used_except_where_a_flag_is_given() -> Result<()> {
    let mut host = Host::start()?;
    let file = host.path("config.toml");
    let unused = host.path("unused.sock");
    fs::write(&file, format!("socket = {unused:?}\nkill-burst = 7\nlog-format = \"json\"\n"))?;
    host.start_daemon_with(&["--config", &file.display().to_string()])?;
    ensure!(!unused.exists(), "the file took precedence over the flag");
    let log = fs::read_to_string(host.path("probelet.log"))?;
    let serving = log.lines().find(|line| line.contains("serving")).unwrap_or_default();
    ensure!(serving.starts_with('{') && serving.contains("7 kills at once"), "{log}");
    Ok(())
}

#[test]
fn the_log_is_logfmt_if_stderr_is_no_terminal() -> Result<()> {
    let mut host = Host::start()?;
    host.start_daemon()?;
    let log = fs::read_to_string(host.path("probelet.log"))?;
    ensure!(
        log.lines().any(|line| line.contains("level=info") && line.contains("serving")),
        "{log}"
    );
    Ok(())
}
