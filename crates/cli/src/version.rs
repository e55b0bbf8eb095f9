//! `version`.

use super::connect::{Connection, UNARY, call};
use super::error::Result;
use super::io::Io;
use probelet_api::pb;
use probelet_text::build_line;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print only the client's version; needs no daemon.
    #[arg(long)]
    client: bool,
}

/// Prints the client's version also if the daemon does not answer, as kubectl does.
pub async fn run(connection: &Connection, args: &Args, build: &str, io: &mut Io<'_>) -> Result<()> {
    io.line(&format!("Client Version: {build}"))?;
    if args.client {
        return Ok(());
    }
    let mut meta = connection.connect().await?.meta();
    let answer = call(pb::GetVersionRequest {}, UNARY, |r| meta.get_version(r)).await?;
    let pb::GetVersionResponse { version, commit, build_date, .. } = &answer;
    let server = build_line(version, commit, build_date);
    io.line(&format!("Server Version: {server}"))?;
    let facts = [("containerd", &answer.containerd_version), ("Kernel", &answer.kernel_version)];
    for (name, version) in facts {
        // An older daemon does not send them, and containerd may be away.
        let version = if version.is_empty() { "<unknown>" } else { version };
        io.line(&format!("{name} Version: {version}"))?;
    }
    Ok(())
}
