//! The short form of `scripts/chaos`.

use std::process::Command;

use anyhow::{Result, ensure};

/// What goes wrong in a release must go wrong again: it is always the same.
const SEED: &str = "11";

#[test]
fn some_rounds_of_chaos_violate_nothing() -> Result<()> {
    println!("seed {SEED}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_chaos"));
    let output = command.args(["--rounds", "8", "--seed", SEED]).output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    ensure!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    Ok(())
}
