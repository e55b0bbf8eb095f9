//! `version`.

use super::args::{Cli, VersionArgs};
use super::connect::{UNARY, call, connect};
use super::error::Result;
use super::io::Io;
use crate::pb;

/// As kubectl has it: one's own version is told whether or not the daemon answers.
pub(super) async fn version(cli: &Cli, args: &VersionArgs, io: &mut Io<'_>) -> Result<()> {
    io.line(&format!("Client Version: {}", env!("CARGO_PKG_VERSION")))?;
    if args.client {
        return Ok(());
    }
    let mut meta = connect(cli).await?.meta();
    let answer = call(pb::GetVersionRequest {}, UNARY, |r| meta.get_version(r)).await?;
    io.line(&format!("Server Version: {}", answer.version))
}
