//! The open descriptors of a process, counted by kind.

use std::collections::BTreeMap;
use std::fs;

use super::text::{Budget, read};
use crate::domain::evidence::{Count, Descriptors};

/// The most descriptors whose kind is read.
const LOOKED_AT: usize = 2048;

pub fn of(pid: u32, budget: Budget, missing: &mut Vec<String>) -> Descriptors {
    let folder = format!("/proc/{pid}/fd");
    let mut kinds: BTreeMap<String, u64> = BTreeMap::new();
    let mut seen = 0;
    match fs::read_dir(&folder) {
        Err(error) => missing.push(format!("descriptors of {pid}: {error}")),
        Ok(entries) => {
            for entry in entries.flatten().take(LOOKED_AT) {
                if budget.is_spent() {
                    break;
                }
                if let Ok(target) = fs::read_link(entry.path()) {
                    *kinds.entry(kind(&target.to_string_lossy())).or_default() += 1;
                    seen += 1;
                }
            }
        }
    }
    // Since Linux 6.2 the folder's size is the number of descriptors.
    let listed = fs::metadata(&folder).map_or(0, |folder| folder.len());
    let open = listed.max(seen);
    if seen < open {
        missing.push(format!("descriptors of {pid}: {seen} of {open} were read"));
    }
    let limits = read(format!("/proc/{pid}/limits"), 4096).unwrap_or_default();
    let kinds = kinds.into_iter().map(|(what, count)| Count { what, count }).collect();
    Descriptors { open, limit: limit(&limits), kinds }
}

/// The kind of a descriptor by its link target: `socket` for `socket:[1234]`, `eventpoll` for
/// `anon_inode:[eventpoll]`. A target of no other kind is a file.
fn kind(target: &str) -> String {
    match target.split_once(':') {
        Some(("anon_inode", what)) => what.trim_matches(['[', ']']).to_owned(),
        Some((what @ ("socket" | "pipe"), _)) => what.to_owned(),
        _ if target.starts_with("/memfd:") => "memfd".to_owned(),
        _ if target.starts_with("/dev/") => "device".to_owned(),
        _ if target.ends_with(" (deleted)") => "deleted file".to_owned(),
        _ => "file".to_owned(),
    }
}

/// The soft limit of open files; `None` if it is unlimited.
fn limit(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_and_limits_are_read() {
        for (target, expected) in [
            ("socket:[12]", "socket"),
            ("pipe:[12]", "pipe"),
            ("anon_inode:[eventpoll]", "eventpoll"),
            ("anon_inode:inotify", "inotify"),
            ("/dev/null", "device"),
            ("/tmp/x (deleted)", "deleted file"),
            ("/memfd:x (deleted)", "memfd"),
            ("/etc/a:b", "file"),
        ] {
            assert_eq!(kind(target), expected);
        }
        let limits = "Limit  Soft  Hard  Units\nMax open files            1024  4096  files\n";
        assert_eq!(limit(limits), Some(1024));
        assert_eq!(limit("Max open files  unlimited  unlimited  files"), None);
    }
}
