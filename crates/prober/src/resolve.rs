//! Host names as the container knows them: its `/etc/hosts`, its `/etc/resolv.conf`, and name
//! servers asked from its network namespace. In the order and the words of Go's resolver.

use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use hickory_proto::rr::{Name, RecordType};

use self::config::{ResolvConf, hosts};
use self::query::{QueryError, ask};
use crate::Target;

mod config;
mod query;

const HOSTS: &str = "/etc/hosts";
const RESOLV_CONF: &str = "/etc/resolv.conf";
/// Lists of blocked hosts grow to some MiB, and are not what a probe's host is found in.
const FILE_LIMIT: usize = 1024 * 1024;

/// Of one name: each is dialled in turn.
const MOST_ADDRESSES: usize = 64;

#[derive(Debug)]
pub(super) enum LookupError {
    /// No socket could be had: nothing is known about the container.
    Socket(io::Error),
    /// There is such a file, but it can't be read.
    File { name: String, file: &'static str, error: io::Error },
    /// From `lookup` on, as Go words it.
    Failed(String),
}

/// At least one address, IPv4 first.
pub(super) async fn lookup(task: &Arc<dyn Target>, name: &str) -> Result<Vec<IpAddr>, LookupError> {
    let files = Arc::clone(task);
    // A root filesystem may be slow, or over a network.
    let read = tokio::task::spawn_blocking(move || [HOSTS, RESOLV_CONF].map(|f| read(&*files, f)));
    let failed = |file| move |error| LookupError::File { name: name.to_owned(), file, error };
    let [known, conf] = read.await.map_err(|error| failed(HOSTS)(error.into()))?;
    let mut ips = hosts(&known.map_err(failed(HOSTS))?, name);
    if ips.is_empty() {
        let conf = ResolvConf::parse(&conf.map_err(failed(RESOLV_CONF))?);
        ips = by_dns(task.as_ref(), &conf, name).await?;
    }
    ips.truncate(MOST_ADDRESSES);
    Ok(ips)
}

/// A file that is missing says nothing, as to libc.
fn read(task: &dyn Target, file: &str) -> io::Result<String> {
    match task.read_file(Path::new(file), FILE_LIMIT) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(error),
    }
}

async fn by_dns(
    task: &dyn Target,
    conf: &ResolvConf,
    name: &str,
) -> Result<Vec<IpAddr>, LookupError> {
    let mut told = None;
    for candidate in conf.candidates(name) {
        let Ok(candidate) = Name::from_ascii(&candidate) else { continue };
        let (v4, v6) = tokio::join!(
            ask(task, conf, &candidate, RecordType::A),
            ask(task, conf, &candidate, RecordType::AAAA)
        );
        let mut ips = Vec::new();
        for answer in [v4, v6] {
            match answer {
                Ok(found) => ips.extend(found),
                Err(QueryError::Socket(error)) => return Err(LookupError::Socket(error)),
                // That a server did not answer weighs more than that another name does not exist.
                Err(error @ QueryError::Server(..)) => told = Some(error),
                Err(error @ QueryError::NoSuchHost(_)) => drop(told.get_or_insert(error)),
            }
        }
        if !ips.is_empty() {
            return Ok(ips);
        }
    }
    Err(LookupError::Failed(match told {
        Some(QueryError::Server(server, text)) => format!("lookup {name} on {server}: {text}"),
        Some(QueryError::NoSuchHost(server)) => format!("lookup {name} on {server}: no such host"),
        Some(QueryError::Socket(_)) | None => format!("lookup {name}: no such host"),
    }))
}

#[cfg(test)]
mod tests;
