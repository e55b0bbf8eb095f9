//! A short run of `scripts/chaos`.

use std::process::Command;

use anyhow::{Result, ensure};

/// The seed is fixed, so that a failure can be repeated.
const SEED: &str = "11";

#[test]
fn eight_rounds_of_chaos_pass() -> Result<()> {
    println!("seed {SEED}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_chaos"));
    let output = command.args(["--rounds", "8", "--seed", SEED]).output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    ensure!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    Ok(())
}
