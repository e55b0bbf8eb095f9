//! The files of the manifest directory as they were last seen whole.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::super::Now;

/// kubectl takes these out of a folder.
const SUFFIXES: [&str; 3] = [".yaml", ".yml", ".json"];

/// For how long a file must not have changed before it is read: whoever writes one in pieces
/// takes less between two of them.
const SETTLE: Duration = Duration::from_secs(1);

/// What is in a file, or why that is not known.
pub type Text = Result<Arc<str>, String>;

/// Whether a file's name is a manifest's. Hidden files, and what editors leave beside the file that
/// they change (`.web.yaml.swp`, `web.yaml~`, `#web.yaml#`, `4913`), are not.
pub fn is_manifest(name: &str) -> bool {
    let is_plain = !name.starts_with(['.', '#']);
    is_plain && SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
}

/// A file as one look found it.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// Its whole path.
    pub file: String,
    /// Modification time of the file.
    pub modified: SystemTime,
    /// Text of the file, or why it could not be read.
    pub text: Text,
}

/// All files, each with what it said when it last was at rest.
#[derive(Debug, Default)]
pub struct ManifestStore(BTreeMap<String, Held>);

#[derive(Debug)]
struct Held {
    seen: Seen,
    since: Instant,
    settled: Option<Text>,
}

impl ManifestStore {
    /// Records a scan of the directory, `all` of its manifests. A file that is not among them is
    /// removed from the store.
    pub fn look(&mut self, all: Vec<Seen>, now: Now) {
        let mut before = std::mem::take(&mut self.0);
        for seen in all {
            let (since, settled) = match before.remove(&seen.file) {
                Some(held) if held.seen == seen => (held.since, held.settled),
                Some(held) => (now.mono, held.settled),
                None => (now.mono, None),
            };
            let mut held = Held { seen, since, settled };
            if held.is_at_rest(now) {
                held.settled = Some(held.seen.text.clone());
            }
            self.0.insert(held.seen.file.clone(), held);
        }
    }

    /// In order of name. One that is being changed says what it said before.
    pub fn settled(&self) -> impl Iterator<Item = (&str, &Text)> {
        self.0.iter().filter_map(|(file, held)| Some((file.as_str(), held.settled.as_ref()?)))
    }

    /// There are files of which nothing is known yet.
    pub fn has_unknown(&self) -> bool {
        self.0.values().any(|held| held.settled.is_none())
    }

    /// When the next file may be at rest.
    pub fn wake(&self) -> Option<Instant> {
        let moving = self.0.values().filter(|held| held.settled.as_ref() != Some(&held.seen.text));
        moving.filter_map(|held| held.since.checked_add(SETTLE)).min()
    }
}

impl Held {
    /// By its own time where that is past: a file that was moved here is whole at once.
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

    fn says(manifest_store: &ManifestStore) -> Option<String> {
        manifest_store.settled().next().map(|(_, text)| text.clone().unwrap().to_string())
    }

    #[test]
    fn what_editors_leave_is_no_manifest() {
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
    fn a_file_that_is_being_written_says_what_it_said_before() {
        let (mut manifest_store, now) = (ManifestStore::default(), start());
        manifest_store.look(seen("old", SystemTime::UNIX_EPOCH), now);
        assert_eq!(says(&manifest_store).as_deref(), Some("old"), "long at rest");
        manifest_store.look(seen("ha", now.wall), now);
        assert_eq!(says(&manifest_store).as_deref(), Some("old"));
        let now = later(now, SETTLE / 2);
        manifest_store.look(seen("half", now.wall), now);
        assert_eq!(manifest_store.wake(), Some(now.mono + SETTLE));
        let whole = later(now, SETTLE / 2);
        manifest_store.look(seen("half", now.wall), whole);
        assert_eq!(says(&manifest_store).as_deref(), Some("old"));
        manifest_store.look(seen("half", now.wall), later(now, SETTLE));
        assert_eq!((says(&manifest_store).as_deref(), manifest_store.wake()), (Some("half"), None));
    }

    #[test]
    fn of_a_new_file_nothing_is_known_until_it_rests() {
        let (mut manifest_store, now) = (ManifestStore::default(), start());
        manifest_store.look(seen("a", now.wall), now);
        assert!(manifest_store.has_unknown() && says(&manifest_store).is_none());
        manifest_store.look(vec![], now);
        assert!(!manifest_store.has_unknown(), "it is gone");
    }

    #[test]
    fn a_file_from_the_future_is_read_all_the_same() {
        let (mut manifest_store, now) = (ManifestStore::default(), start());
        let tomorrow = now.wall + Duration::from_secs(86_400);
        manifest_store.look(seen("a", tomorrow), now);
        assert!(says(&manifest_store).is_none());
        manifest_store.look(seen("a", tomorrow), later(now, SETTLE));
        assert_eq!(says(&manifest_store).as_deref(), Some("a"));
    }
}
