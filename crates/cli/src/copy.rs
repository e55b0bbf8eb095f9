//! `cp`: files and folders between this host and a container, by `tar` in the container, as kubectl does
//! it.

mod archive;
mod from_pod;
mod place;
mod to_pod;
mod transfer;

use std::path::PathBuf;

use super::connect::Client;
use super::error::{Error, Result};
use super::io::Io;
use super::names;
use super::namespace::Namespace;
use transfer::Container;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// What is copied: `POD:PATH`, or a path on this host.
    #[arg(value_name = "FROM")]
    from: String,
    /// The new name, or a folder to copy into: `POD:PATH`, or a path on this host.
    #[arg(value_name = "TO")]
    to: String,
    /// The container; optional if the pod has only one, init containers aside.
    #[arg(short, long, value_name = "NAME")]
    container: Option<String>,
    #[command(flatten)]
    namespace: Namespace,
}

/// One side of a copy.
#[derive(Debug, PartialEq, Eq)]
enum Side {
    Here(PathBuf),
    Pod { pod: String, path: String },
}

impl Args {
    /// Reports wrong usage, which needs no daemon.
    pub fn check(&self) -> Result<()> {
        self.sides().map(drop)
    }

    fn sides(&self) -> Result<(Side, Side)> {
        let (from, to) = (side(&self.from)?, side(&self.to)?);
        match (&from, &to) {
            (Side::Pod { .. }, Side::Here(_)) | (Side::Here(_), Side::Pod { .. }) => Ok((from, to)),
            (Side::Here(_), Side::Here(_)) => {
                Err(Error::Usage("one of the two must be in a pod: POD:PATH".to_owned()))
            }
            _ => Err(Error::Usage("one of the two must be on this host".to_owned())),
        }
    }

    fn container(&self, pod: String) -> Container {
        Container {
            namespace: self.namespace.name(),
            pod,
            container: self.container.clone().unwrap_or_default(),
        }
    }
}

/// A text with a colon is in a pod, except after `/` or `.` at its beginning.
fn side(text: &str) -> Result<Side> {
    let is_path = text.starts_with(['/', '.']);
    match text.split_once(':').filter(|_| !is_path) {
        Some((_, "")) => Err(Error::Usage(format!("{text:?} has no path after the colon"))),
        Some(("", _)) => Err(Error::Usage(format!("{text:?} has no pod before the colon"))),
        Some((pod, path)) => Ok(Side::Pod { pod: names::pod(pod)?, path: path.to_owned() }),
        None if text.is_empty() => Err(Error::Usage("a path is empty".to_owned())),
        None => Ok(Side::Here(text.into())),
    }
}

pub async fn run(client: &Client, args: &Args, io: &mut Io<'_>) -> Result<()> {
    match args.sides()? {
        (Side::Pod { pod, path }, Side::Here(to)) => {
            from_pod::copy(client, &args.container(pod), &path, &to, io).await
        }
        (Side::Here(from), Side::Pod { pod, path }) => {
            to_pod::copy(client, &args.container(pod), &from, &path, io).await
        }
        // `sides` has refused it.
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_colon_is_in_a_pod() {
        let pod = |pod: &str, path: &str| Side::Pod { pod: pod.to_owned(), path: path.to_owned() };
        let here = |path: &str| Side::Here(path.into());
        for (text, expected) in [
            ("web:/etc/hosts", pod("web", "/etc/hosts")),
            ("pod/web:a:b", pod("web", "a:b")),
            ("./a:b", here("./a:b")),
            ("/tmp/a:b", here("/tmp/a:b")),
            ("a", here("a")),
        ] {
            assert_eq!(side(text).unwrap(), expected, "{text}");
        }
        for text in ["web:", ":/etc", ""] {
            assert_eq!(side(text).unwrap_err().exit_code(), 2, "{text}");
        }
    }
}
