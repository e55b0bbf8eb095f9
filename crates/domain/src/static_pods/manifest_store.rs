//! Texts of the files in the manifest directory. A text is used once its file has not changed for a
//! second.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::super::Now;

/// Endings of the files that kubectl reads from a folder.
const SUFFIXES: [&str; 3] = [".yaml", ".yml", ".json"];

/// Time for which a file must not have changed before its text is used. A program that writes a
/// file in pieces pauses for less than this between two of them.
const SETTLE: Duration = Duration::from_secs(1);

/// Text of a file, or the reason why it could not be read.
pub type Text = Result<Arc<str>, String>;

/// Returns whether a file is a manifest, by its name. Hidden files and the temporary files of
/// editors (`.web.yaml.swp`, `web.yaml~`, `#web.yaml#`, `4913`) are not.
pub fn is_manifest(name: &str) -> bool {
    let is_plain = !name.starts_with(['.', '#']);
    is_plain && SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
}

/// A file as one scan of the directory found it.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// Complete path of the file.
    pub file: String,
    /// Modification time of the file.
    pub modified: SystemTime,
    /// Text of the file, or why it could not be read.
    pub text: Text,
}

/// All files of the directory, each with the text that it had when it was last at rest.
#[derive(Debug, Default)]
pub struct ManifestStore(BTreeMap<String, Entry>);

#[derive(Debug)]
struct Entry {
    /// File as the newest scan found it.
    seen: Seen,
    /// Time of the first scan that found it like this.
    since: Instant,
    /// Text that the file had when it was last at rest.
    settled: Option<Text>,
}

impl ManifestStore {
    /// Records a scan of the directory, `all` of its manifests. A file that is not among them is
    /// removed from the store.
    pub fn record_scan(&mut self, all: Vec<Seen>, now: Now) {
        let mut before = std::mem::take(&mut self.0);
        for seen in all {
            let (since, settled) = match before.remove(&seen.file) {
                Some(entry) if entry.seen == seen => (entry.since, entry.settled),
                Some(entry) => (now.mono, entry.settled),
                None => (now.mono, None),
            };
            let mut entry = Entry { seen, since, settled };
            if entry.is_at_rest(now) {
                entry.settled = Some(entry.seen.text.clone());
            }
            self.0.insert(entry.seen.file.clone(), entry);
        }
    }

    /// Returns the paths of the files and their texts, in order of path. A file that is being
    /// changed has its previous text; a new one is left out until it is at rest.
    pub fn settled(&self) -> impl Iterator<Item = (&str, &Text)> {
        self.0.iter().filter_map(|(file, entry)| Some((file.as_str(), entry.settled.as_ref()?)))
    }

    /// Returns whether a file has not been at rest yet, so that its text is not known.
    pub fn has_unknown(&self) -> bool {
        self.0.values().any(|entry| entry.settled.is_none())
    }

    /// Time at which the next file may be at rest; `None` if all are.
    pub fn wake(&self) -> Option<Instant> {
        let is_moving = |entry: &&Entry| entry.settled.as_ref() != Some(&entry.seen.text);
        let moving = self.0.values().filter(is_moving);
        moving.filter_map(|entry| entry.since.checked_add(SETTLE)).min()
    }
}

impl Entry {
    /// True if the file has not changed for a second, by its modification time or by the scans. A
    /// file that was moved into the directory is complete at once.
    fn is_at_rest(&self, now: Now) -> bool {
        let age = now.wall.duration_since(self.seen.modified).unwrap_or_default();
        age >= SETTLE || now.mono.saturating_duration_since(self.since) >= SETTLE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> Now {
        #[expect(clippy::disallowed_methods, reason = "a test has to start somewhere")]
        let mono = Instant::now();
        let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        Now { mono, wall, booted_at: SystemTime::UNIX_EPOCH }
    }

    fn later(now: Now, time: Duration) -> Now {
        Now { mono: now.mono + time, wall: now.wall + time, ..now }
    }

    fn seen(text: &str, modified: SystemTime) -> Vec<Seen> {
        vec![Seen { file: "/m/a.yaml".into(), modified, text: Ok(text.into()) }]
    }

    fn text_of(manifest_store: &ManifestStore) -> Option<String> {
        manifest_store.settled().next().map(|(_, text)| text.clone().unwrap().to_string())
    }

    #[test]
    fn temporary_files_of_editors_are_no_manifests() {
        for name in ["web.yaml", "web.yml", "web.json", "a.b.yaml"] {
            assert!(is_manifest(name), "{name}");
        }
        for name in [
            ".web.yaml",
            ".web.yaml.swp",
            ".#web.yaml",
            "#web.yaml#",
            "#web.yaml",
            "web.yaml~",
            "4913",
            "web",
            "web.yaml.bak",
            "README.md",
            "web.YAML",
        ] {
            assert!(!is_manifest(name), "{name}");
        }
    }

    #[test]
    fn a_file_that_is_being_written_keeps_its_previous_text() {
        let (mut manifest_store, now) = (ManifestStore::default(), start());
        manifest_store.record_scan(seen("old", SystemTime::UNIX_EPOCH), now);
        assert_eq!(text_of(&manifest_store).as_deref(), Some("old"), "long at rest");
        manifest_store.record_scan(seen("ha", now.wall), now);
        assert_eq!(text_of(&manifest_store).as_deref(), Some("old"));
        let now = later(now, SETTLE / 2);
        manifest_store.record_scan(seen("half", now.wall), now);
        assert_eq!(manifest_store.wake(), Some(now.mono + SETTLE));
        let whole = later(now, SETTLE / 2);
        manifest_store.record_scan(seen("half", now.wall), whole);
        assert_eq!(text_of(&manifest_store).as_deref(), Some("old"));
        manifest_store.record_scan(seen("half", now.wall), later(now, SETTLE));
        assert_eq!(text_of(&manifest_store).as_deref(), Some("half"));
        assert_eq!(manifest_store.wake(), None);
    }

    #[test]
    fn a_new_file_has_no_text_until_it_is_at_rest() {
        let (mut manifest_store, now) = (ManifestStore::default(), start());
        manifest_store.record_scan(seen("a", now.wall), now);
        assert!(manifest_store.has_unknown() && text_of(&manifest_store).is_none());
        manifest_store.record_scan(vec![], now);
        assert!(!manifest_store.has_unknown(), "it is gone");
    }

    #[test]
    fn a_file_with_a_future_modification_time_is_read() {
        let (mut manifest_store, now) = (ManifestStore::default(), start());
        let tomorrow = now.wall + Duration::from_secs(86_400);
        manifest_store.record_scan(seen("a", tomorrow), now);
        assert!(text_of(&manifest_store).is_none());
        manifest_store.record_scan(seen("a", tomorrow), later(now, SETTLE));
        assert_eq!(text_of(&manifest_store).as_deref(), Some("a"));
    }
}
