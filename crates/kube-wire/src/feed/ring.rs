//! The latest changes: at most 1,024, and at most 2 MiB of objects.

use std::collections::VecDeque;
use std::sync::Arc;

use super::key::{Key, Stored};
use super::object::Object;

/// Most changes that are remembered.
pub(super) const MAX_CHANGES: usize = 1_024;
/// Most bytes of their objects, as JSON.
pub(super) const MAX_BYTES: usize = 2 * 1024 * 1024;

/// One object before and after a change.
#[derive(Debug)]
pub(super) struct Change {
    version: u64,
    stored: Stored,
    key: Key,
    before: Option<Arc<Object>>,
    after: Option<Arc<Object>>,
    bytes: usize,
}

impl Change {
    pub(super) fn new(
        version: u64,
        stored: Stored,
        key: Key,
        before: Option<Arc<Object>>,
        after: Option<Arc<Object>>,
    ) -> Self {
        // The state before is the state after of an earlier change, or it is the last reference.
        let bytes =
            [&before, &after].into_iter().flatten().map(|it| it.text().len()).max().unwrap_or(0);
        Self { version, stored, key, before, after, bytes }
    }

    pub(super) fn version(&self) -> u64 {
        self.version
    }

    pub(super) fn stored(&self) -> Stored {
        self.stored
    }

    pub(super) fn key(&self) -> &Key {
        &self.key
    }

    pub(super) fn before(&self) -> Option<&Arc<Object>> {
        self.before.as_ref()
    }

    pub(super) fn after(&self) -> Option<&Arc<Object>> {
        self.after.as_ref()
    }
}

#[derive(Debug)]
pub(super) struct Ring {
    changes: VecDeque<Change>,
    bytes: usize,
    /// The number of the first change that is here.
    first: u64,
    /// The newest version that is not here any more.
    forgotten: u64,
}

impl Ring {
    /// An empty ring behind the state at `version`.
    pub(super) fn new(version: u64) -> Self {
        Self { changes: VecDeque::new(), bytes: 0, first: 0, forgotten: version }
    }

    pub(super) fn push(&mut self, change: Change) {
        self.bytes += change.bytes;
        self.changes.push_back(change);
        while self.changes.len() > MAX_CHANGES || self.bytes > MAX_BYTES {
            let Some(oldest) = self.changes.pop_front() else { break };
            self.bytes -= oldest.bytes;
            self.first += 1;
            self.forgotten = oldest.version;
        }
    }

    /// The oldest version from which all changes are here.
    pub(super) fn oldest(&self) -> u64 {
        self.forgotten
    }

    /// The number of the next change.
    pub(super) fn end(&self) -> u64 {
        self.first + self.changes.len() as u64
    }

    /// The number of the first change that is newer than a version.
    pub(super) fn position(&self, version: u64) -> u64 {
        let at = self.changes.partition_point(|change| change.version <= version);
        self.first + at as u64
    }

    /// The change of this number; `None` if it is forgotten or not there yet.
    pub(super) fn get(&self, number: u64) -> Option<&Change> {
        let at = number.checked_sub(self.first)?;
        self.changes.get(usize::try_from(at).ok()?)
    }

    /// True if the change of this number is forgotten.
    pub(super) fn is_forgotten(&self, number: u64) -> bool {
        number < self.first
    }

    /// The changes that are newer than a version.
    pub(super) fn since(&self, version: u64) -> impl DoubleEndedIterator<Item = &Change> {
        let at = self.changes.partition_point(|change| change.version <= version);
        self.changes.range(at..)
    }
}
