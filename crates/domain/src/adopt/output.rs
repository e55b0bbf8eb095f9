//! Destination of the output of an adopted container's next task.

use std::collections::BTreeMap;

use super::{ImageLabels, LOG_URIS};
use crate::log;
use crate::spec::OwnLabels;

/// Destination of a task's output.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stdio {
    /// Path of a pipe with the input; empty if there is none. The next task of an adopted container
    /// gets none, since the other end was its owner's.
    pub stdin: String,
    /// URI of the standard output, or the path of a pipe; empty if it is discarded.
    pub stdout: String,
    /// URI of the standard error output, or the path of a pipe; empty if it is discarded.
    pub stderr: String,
    /// True if the task has a terminal.
    pub terminal: bool,
}

impl std::fmt::Display for Stdio {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.stdout.as_str() {
            "" => f.write_str("nowhere, as its owner started it"),
            uri if uri.contains("://") => write!(f, "to {uri}"),
            pipe => write!(f, "to the pipe {pipe}, for whoever started it to read"),
        }
    }
}

/// Origin of the next task's destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// The destination of the previous task, which the owner has set.
    Kept,
    /// The file that a label of the owner names.
    Labelled,
    /// A log that probelet writes.
    Ours,
}

/// Log destinations in a container's labels.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogLabels {
    /// Name and URI of the first such label that the owner has set; `None` if there is none.
    pub owners: Option<(&'static str, String)>,
    /// URIs of labels that the image defines, or may define.
    pub doubted: Vec<String>,
}

impl LogLabels {
    /// Reads the labels of containerd's restart monitor and of nerdctl that name a log URI. `image`
    /// has the labels that the container's image defines; `remembered`, those recorded earlier.
    pub fn read(
        labels: &BTreeMap<String, String>,
        image: &ImageLabels,
        remembered: Option<&OwnLabels>,
    ) -> Self {
        let own = image.or_remembered(remembered);
        let mut read = Self::default();
        for label in LOG_URIS {
            let Some(uri) = labels.get(label).filter(|uri| uri.contains("://")) else { continue };
            match &own {
                Ok(own) if !own.has(label, uri) => {
                    read.owners.get_or_insert_with(|| (label, uri.clone()));
                }
                _ => read.doubted.push(uri.clone()),
            }
        }
        read
    }
}

/// Returns the path of a label's URI.
///
/// # Errors
///
/// The URI is not of a file, or its path is not absolute, has a character that a shim would decode,
/// or is not in its shortest form.
pub fn log_file(uri: &str) -> Result<&str, &'static str> {
    let path = uri.strip_prefix("file://").ok_or("only file:// is taken from a label")?;
    let parts = path.strip_prefix('/').ok_or("its path is not absolute")?;
    // The shim decodes the URI, so an escaped path would be another one than the checked one.
    if path.contains(['%', '?', '#', '\\']) || path.chars().any(char::is_control) {
        return Err("its path has a character that a URI has to escape");
    }
    if parts.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err("its path is not in its shortest form");
    }
    Ok(path)
}

impl Stdio {
    /// Returns whether probelet's logger writes the output.
    pub fn is_ours(&self) -> bool {
        is_logger(&self.stdout)
    }

    /// Returns the destination of the next task: `file`, the URI of a checked label, if there is
    /// one, else that of the `old` task, else probelet's logger `own`. An old destination is not
    /// used if it is a pipe, whose reader is gone, or one of the `doubted` URIs.
    pub fn next(
        old: Option<&Self>,
        file: Option<&str>,
        doubted: &[String],
        own: &str,
    ) -> (Self, Output) {
        let to = |stdout: &str, stderr: &str, terminal| Self {
            stdin: String::new(),
            stdout: stdout.to_owned(),
            stderr: stderr.to_owned(),
            terminal,
        };
        let both = |uri: &str, terminal| to(uri, uri, terminal);
        let terminal = old.is_some_and(|old| old.terminal);
        let is_kept = |uri: &str| {
            uri.contains("://") && !doubted.iter().any(|other| other == uri) && !is_fleeting(uri)
        };
        match (file, old) {
            (Some(uri), _) => (both(uri, terminal), Output::Labelled),
            (None, Some(old)) if is_kept(&old.stdout) => {
                let stderr = if is_kept(&old.stderr) { &old.stderr } else { &old.stdout };
                (to(&old.stdout, stderr, terminal), Output::Kept)
            }
            (None, Some(old)) if old.stdout.is_empty() && old.stderr.is_empty() && !terminal => {
                (Self::default(), Output::Kept)
            }
            _ => (both(own, terminal), Output::Ours),
        }
    }
}

/// True for the URI of probelet's logger, of this daemon or of another one.
fn is_logger(uri: &str) -> bool {
    let Some((_, query)) = uri.strip_prefix("binary://").and_then(|it| it.split_once('?')) else {
        return false;
    };
    let mut names = query.split('&').filter_map(|pair| pair.split_once('='));
    names.any(|(name, _)| name == log::LOGGER)
}

/// True for a URI that the next task must not use: an old logger of probelet, or a program by its
/// process id, which another process may have by then.
fn is_fleeting(uri: &str) -> bool {
    let Some(program) = uri.strip_prefix("binary://") else { return false };
    let path = program.split('?').next().unwrap_or_default();
    // An escaped or indirect path may lead to `/proc`, too.
    let is_plain =
        !path.contains('%') && !path.split('/').skip(1).any(|part| matches!(part, "" | "." | ".."));
    is_logger(uri) || !is_plain || path.starts_with("/proc/")
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "binary:///run/probelet/bin/probelet?container-log=1";

    fn of(out: &str, err: &str) -> Stdio {
        Stdio { stdout: out.into(), stderr: err.into(), ..Stdio::default() }
    }

    fn ours() -> (Stdio, Output) {
        (of(OWN, OWN), Output::Ours)
    }

    #[test]
    fn the_owners_destination_is_used_again() {
        let next = |old: Option<&Stdio>, file: Option<&str>| Stdio::next(old, file, &[], OWN);
        let pipe = of("/run/fifo/1", "/run/fifo/2");
        assert_eq!(next(Some(&pipe), None), ours());
        let file = of("file:///b", "file:///b");
        assert_eq!(next(Some(&pipe), Some("file:///b")), (file, Output::Labelled));
        let once = of("file:///a", "");
        assert_eq!(next(Some(&once), None), (of("file:///a", "file:///a"), Output::Kept));
        let owners = of("binary:///usr/bin/nerdctl?log=x", "binary:///usr/bin/nerdctl?log=x");
        assert_eq!(next(Some(&owners), None), (owners.clone(), Output::Kept));
        assert_eq!(next(Some(&of("", "")), None), (of("", ""), Output::Kept));
        assert_eq!(next(None, None), ours());
    }

    #[test]
    fn a_program_by_process_id_and_an_old_logger_are_not_used_again() {
        for uri in [
            "binary:///proc/4711/exe?container-log=1%3A2%3A%2Fl",
            "binary:///proc/4711/exe",
            "binary:///proc/self/exe?x=y",
            "binary:////proc/4711/exe",
            "binary:///usr/../proc/4711/exe",
            "binary:///%70roc/4711/exe",
            "binary:///run/old/probelet?container-log=1%3A2%3A%2Fl",
        ] {
            assert_eq!(Stdio::next(Some(&of(uri, uri)), None, &[], OWN), ours(), "{uri}");
        }
    }

    #[test]
    fn a_destination_that_the_image_may_have_set_is_not_used_again() {
        let uri = "binary:///bin/sh?-c=id";
        let doubted = [uri.to_owned()];
        assert_eq!(Stdio::next(Some(&of(uri, uri)), None, &doubted, OWN), ours());
    }

    #[test]
    fn only_labels_of_the_owner_have_an_effect() {
        let labels: BTreeMap<_, _> = [
            (LOG_URIS[0].to_owned(), "file:///image".to_owned()),
            (LOG_URIS[1].to_owned(), "file:///owner".to_owned()),
        ]
        .into();
        let own: OwnLabels =
            [(LOG_URIS[0].to_owned(), "file:///image".to_owned())].into_iter().collect();
        let known = LogLabels::read(&labels, &ImageLabels::Known(own.clone()), None);
        assert_eq!(known.owners, Some((LOG_URIS[1], "file:///owner".to_owned())));
        assert_eq!(known.doubted, ["file:///image"]);
        let unknown = ImageLabels::Unknown("gone".into());
        assert_eq!(LogLabels::read(&labels, &unknown, Some(&own)), known);
        let none = LogLabels::read(&labels, &unknown, None);
        assert_eq!((none.owners, none.doubted.len()), (None, 2));
    }

    #[test]
    fn a_label_can_name_only_a_file() {
        assert_eq!(log_file("file:///var/log/a b.log"), Ok("/var/log/a b.log"));
        for uri in [
            "binary:///bin/sh?-c=id",
            "fifo:///a",
            "FILE:///a",
            "file://host/a",
            "file://a",
            "file:///",
            "file:///var/log/../../etc/passwd",
            "file:///var/log/%2e%2e/passwd",
            "file:///var/log//a",
            "file:///var/log/a?b",
            "file:///var/log/a#b",
            "file:///var/log/a\nb",
        ] {
            assert!(log_file(uri).is_err(), "{uri}");
        }
    }
}
