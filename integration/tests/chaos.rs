//! The short form of `scripts/chaos`.

use std::process::Command;

use anyhow::{Result, ensure};

#[test]
#[ignore = "containerd killed in Snapshots.Prepare still costs a start of the container's own"]
fn a_dozen_rounds_of_chaos_violate_nothing() -> Result<()> {
    // A fresh seed each time, which the output names.
    let output = Command::new(env!("CARGO_BIN_EXE_chaos")).args(["--rounds", "12"]).output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    ensure!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    Ok(())
}
