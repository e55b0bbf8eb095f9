//! A short run of `scripts/chaos`.

use std::process::Command;

use anyhow::{Result, ensure};

/// The seed is fixed, so that a failure can be repeated.
const SEED: &str = "11";

fn run(words: &[&str]) -> Result<()> {
    println!("seed {SEED}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_chaos"));
    let output = command.args(["--seed", SEED]).args(words).output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    ensure!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    Ok(())
}

#[test]
fn eight_rounds_of_chaos_pass() -> Result<()> {
    run(&["--rounds", "8"])
}

/// Calls without an answer take their deadline, which a longer run of `scripts/chaos` has time for.
#[test]
fn eight_rounds_of_harmed_calls_pass() -> Result<()> {
    let faults = "calls-delayed,calls-refused,connection-cut,calls-reordered,answers-garbled,\
                  answers-truncated,containerd-hangs,shim-hangs,init,restart";
    run(&["--rounds", "8", "--proxy", "yes", "--faults", faults])
}
