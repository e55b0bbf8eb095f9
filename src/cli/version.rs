//! `version`.

use super::connect::{Connection, UNARY, call};
use super::error::Result;
use super::io::Io;
use crate::pb;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print only the client's version; needs no daemon.
    #[arg(long)]
    client: bool,
}

/// Prints the client's version also if the daemon does not answer, as kubectl does.
pub async fn run(connection: &Connection, args: &Args, io: &mut Io<'_>) -> Result<()> {
    io.line(&format!("Client Version: {}", env!("CARGO_PKG_VERSION")))?;
    if args.client {
        return Ok(());
    }
    let mut meta = connection.connect().await?.meta();
    let answer = call(pb::GetVersionRequest {}, UNARY, |r| meta.get_version(r)).await?;
    io.line(&format!("Server Version: {}", answer.version))
}
