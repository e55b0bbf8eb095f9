//! Resolver of host names with the container's `/etc/hosts` and `/etc/resolv.conf`, and name
//! servers that are asked from its network namespace. Order and texts are those of Go's resolver.

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
/// Maximum size in bytes of the two files. Larger hosts files are lists of blocked names, in which
/// no probe's host is found.
const FILE_LIMIT: usize = 1024 * 1024;

/// Maximum number of addresses of one name, which are dialled one after the other.
const MOST_ADDRESSES: usize = 64;

#[derive(Debug)]
pub enum LookupError {
    /// No socket could be opened, so that nothing is known about the container.
    Socket(io::Error),
    /// The file exists, but cannot be read.
    File { name: String, file: &'static str, error: io::Error },
    /// Go's text of the failure, from `lookup` on.
    Failed(String),
}

/// Returns the addresses of a name, at least one, IPv4 first.
pub async fn lookup(task: &Arc<dyn Target>, name: &str) -> Result<Vec<IpAddr>, LookupError> {
    let files = Arc::clone(task);
    // The root filesystem may be slow, for example on a network.
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

/// Reads a file; a missing file is empty, as in libc.
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
    let mut failure = None;
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
                // An error of a server takes precedence over the absence of another candidate.
                Err(error @ QueryError::Server(..)) => failure = Some(error),
                Err(error @ QueryError::NoSuchHost(_)) => drop(failure.get_or_insert(error)),
            }
        }
        if !ips.is_empty() {
            return Ok(ips);
        }
    }
    Err(LookupError::Failed(match failure {
        Some(QueryError::Server(server, text)) => format!("lookup {name} on {server}: {text}"),
        Some(QueryError::NoSuchHost(server)) => format!("lookup {name} on {server}: no such host"),
        Some(QueryError::Socket(_)) | None => format!("lookup {name}: no such host"),
    }))
}

#[cfg(test)]
mod tests;
