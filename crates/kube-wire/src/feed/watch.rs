//! A watch: a cursor on the changes, behind the state as synthetic events if the client wants it.
//!
//! How it begins, by `resourceVersion` and `sendInitialEvents`:
//!
//! | version | not set | `true` | `false` |
//! |---|---|---|---|
//! | none, `0` | state, then changes | state, bookmark, then changes | changes from now |
//! | N | changes behind N | state, bookmark, then changes | changes behind N |

use std::collections::VecDeque;
use std::sync::Arc;

use super::Feed;
use super::event::WatchEvent;
use super::object::Object;
use super::ring::Change;
use super::selection::Selection;
use crate::options::{ListOptions, VersionRequest};
use crate::status::{Status, protocol};

/// One client's watch.
#[derive(Debug)]
pub struct Watch {
    selection: Selection,
    bookmarks: bool,
    /// Objects that are still to be sent as `ADDED`, and the bookmark behind them.
    initial: VecDeque<WatchEvent>,
    /// The number of the next change.
    next: u64,
    /// The version up to which the client has seen everything.
    version: u64,
}

impl Feed {
    /// Begins a watch; 410 if its version is forgotten or was never given, 504 if the state that it
    /// asks for is still ahead.
    pub fn watch(&self, selection: Selection, options: &ListOptions) -> Result<Watch, Status> {
        let current = self.version();
        let with_state = match (options.version, options.initial_events) {
            (_, Some(wanted)) => wanted,
            (VersionRequest::At(_), None) => false,
            (VersionRequest::Unset | VersionRequest::Any, None) => true,
        };
        let mut watch = Watch {
            selection,
            bookmarks: options.bookmarks,
            initial: VecDeque::new(),
            next: self.ring.end(),
            version: current,
        };
        match options.version {
            VersionRequest::At(version) if with_state && version > current => {
                return Err(protocol::version_too_large(version, current));
            }
            VersionRequest::At(version) if !with_state => {
                if version > current {
                    return Err(protocol::version_unknown(version, current));
                }
                if version < self.ring.oldest() {
                    return Err(protocol::expired(version, self.ring.oldest()));
                }
                watch.next = self.ring.position(version);
                watch.version = version;
            }
            _ => {}
        }
        if with_state {
            watch.initial = self.initial_events(&watch, options);
        }
        Ok(watch)
    }

    fn initial_events(&self, watch: &Watch, options: &ListOptions) -> VecDeque<WatchEvent> {
        let stored = watch.selection.stored();
        let objects = self.objects.get(&stored).into_iter().flatten();
        let selected = objects.filter(|(key, object)| {
            watch.selection.has(stored, key) && watch.selection.selects(object)
        });
        let mut events: VecDeque<_> =
            selected.map(|(_, object)| WatchEvent::added(Arc::clone(object))).collect();
        if options.initial_events == Some(true) && watch.bookmarks {
            events.push_back(WatchEvent::initial_end(watch.selection.served(), watch.version));
        }
        events
    }
}

impl Watch {
    /// The next events, at most `limit`. Empty if there are none yet. 410 if the client was so slow
    /// that changes are forgotten: the server sends it as an `ERROR` event and closes the watch.
    pub fn next(&mut self, feed: &Feed, limit: usize) -> Result<Vec<WatchEvent>, Status> {
        let mut events: Vec<_> = self.initial.drain(..limit.min(self.initial.len())).collect();
        if feed.ring.is_forgotten(self.next) {
            return Err(protocol::expired(self.version, feed.ring.oldest()));
        }
        while events.len() < limit {
            let Some(change) = feed.ring.get(self.next) else { break };
            self.next += 1;
            self.version = change.version();
            events.extend(self.event(change));
        }
        Ok(events)
    }

    /// True if there is an event, or a change that has to be looked at, or an expiry.
    pub fn is_ready(&self, feed: &Feed) -> bool {
        !self.initial.is_empty() || self.next < feed.ring.end()
    }

    /// A bookmark for a client that allows them and has seen all changes. A server sends one each
    /// minute, so that a client of a quiet resource can go on later without a list.
    pub fn bookmark(&mut self, feed: &Feed) -> Option<WatchEvent> {
        if !self.bookmarks || self.is_ready(feed) {
            return None;
        }
        self.version = feed.version();
        Some(WatchEvent::bookmark(self.selection.served(), self.version))
    }

    /// What a change is to this client: an object that leaves the selection is deleted to it, one
    /// that enters is added.
    fn event(&self, change: &Change) -> Option<WatchEvent> {
        if !self.selection.has(change.stored(), change.key()) {
            return None;
        }
        let selected = |object: Option<&Arc<Object>>| {
            object.filter(|object| self.selection.selects(object)).map(Arc::clone)
        };
        match (selected(change.before()), selected(change.after())) {
            (None, None) => None,
            (None, Some(after)) => Some(WatchEvent::added(after)),
            (Some(_), Some(after)) => Some(WatchEvent::modified(after)),
            (Some(before), None) => {
                Some(WatchEvent::deleted(Arc::new(before.at(change.version()))))
            }
        }
    }
}
