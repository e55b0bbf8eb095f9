//! `logs`.

use super::args::LogsArgs;
use super::connect::Client;
use super::error::Result;
use super::io::Io;
use super::names;
use crate::pb;

pub(super) async fn logs(client: &Client, args: &LogsArgs, io: &mut Io<'_>) -> Result<()> {
    let request = pb::GetLogsRequest {
        name: names::pod(&args.pod)?,
        container: args.container.clone().unwrap_or_default(),
        previous: args.previous,
        follow: args.follow,
        // -1 is kubectl's word for all.
        tail: args.tail.and_then(|n| u32::try_from(n).ok()),
    };
    let mut containers = client.containers();
    let mut chunks = containers.get_logs(request).await?.into_inner();
    while let Some(chunk) = chunks.message().await? {
        io.out.write_all(&chunk.data)?;
        io.out.flush()?;
    }
    Ok(())
}
