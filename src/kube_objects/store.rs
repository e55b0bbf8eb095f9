//! The objects that the API serves, with their changes. Watches wait here for the next change.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use probelet_kube_wire::feed::{Feed, Key, NoKey, Stored};
use serde_json::Value;
use tokio::sync::watch;

/// The feed of all objects, shared by the task that fills it and by the requests that read it.
#[derive(Clone)]
pub struct Store(Arc<Shared>);

struct Shared {
    feed: Mutex<Feed>,
    /// The version of the newest change.
    version: watch::Sender<u64>,
    /// No version is given above it: see `ceiling.rs`.
    ceiling: AtomicU64,
}

impl Store {
    /// Returns an empty store. `micros` is the time in microseconds since 1970: versions of an
    /// earlier daemon are older.
    pub fn new(micros: u64) -> Self {
        let (feed, version) = (Mutex::new(Feed::new(micros)), watch::Sender::new(micros));
        Self(Arc::new(Shared { feed, version, ceiling: AtomicU64::new(u64::MAX) }))
    }

    /// Loads an object that is older than this daemon. All are loaded before the first watch.
    pub fn load(&self, stored: Stored, object: Value) -> Result<(), NoKey> {
        self.feed().load(stored, object)
    }

    /// Sets the ceiling of versions. While time is above it, versions grow in steps of one.
    pub fn set_ceiling(&self, ceiling: u64) {
        self.0.ceiling.store(ceiling, Ordering::Relaxed);
    }

    pub fn ceiling(&self) -> u64 {
        self.0.ceiling.load(Ordering::Relaxed)
    }

    /// Reads the feed. `read` must be short, since it holds the lock.
    pub fn read<T>(&self, read: impl FnOnce(&Feed) -> T) -> T {
        read(&self.feed())
    }

    /// Returns a receiver that is notified of each change.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.version.subscribe()
    }

    /// Stores an object, and returns it with its version. An object that is equal to the stored one
    /// changes nothing.
    pub fn publish(&self, stored: Stored, object: Value, micros: u64) -> Result<Arc<Value>, NoKey> {
        let mut feed = self.feed();
        let object = feed.publish(stored, object, micros.min(self.ceiling()))?;
        self.notify(&feed);
        Ok(object)
    }

    /// Works as [`Self::publish`] for an object that has a part which clients write: `keep` gives it
    /// that part of the stored object. No write comes between.
    pub fn publish_keeping(
        &self,
        stored: Stored,
        mut object: Value,
        micros: u64,
        keep: impl FnOnce(&Value, &mut Value),
    ) -> Result<Arc<Value>, NoKey> {
        let mut feed = self.feed();
        if let Some(before) = feed.get(stored, &Key::of(&object)?) {
            keep(&before, &mut object);
        }
        let object = feed.publish(stored, object, micros.min(self.ceiling()))?;
        self.notify(&feed);
        Ok(object)
    }

    /// Publishes what a client wrote into an object that the daemon decides, then the daemon's object
    /// again, in one step: no other change comes between them. Returns the object as it was written;
    /// `None` if there is no such object any more.
    pub fn publish_once(
        &self,
        stored: Stored,
        written: Value,
        micros: u64,
    ) -> Result<Option<Arc<Value>>, NoKey> {
        let mut feed = self.feed();
        let Some(before) = feed.get(stored, &Key::of(&written)?) else { return Ok(None) };
        if before.pointer("/metadata/uid") != written.pointer("/metadata/uid") {
            return Ok(None);
        }
        let micros = micros.min(self.ceiling());
        let written = feed.publish(stored, written, micros)?;
        feed.publish(stored, Value::clone(&before), micros)?;
        self.notify(&feed);
        Ok(Some(written))
    }

    /// Removes an object. Returns its last state, with the version of the removal.
    pub fn remove(&self, stored: Stored, key: &Key, micros: u64) -> Option<Arc<Value>> {
        let mut feed = self.feed();
        let last = feed.remove(stored, key, micros.min(self.ceiling()));
        self.notify(&feed);
        last
    }

    fn notify(&self, feed: &Feed) {
        let version = feed.version();
        self.0.version.send_if_modified(|newest| std::mem::replace(newest, version) != version);
    }

    fn feed(&self) -> MutexGuard<'_, Feed> {
        self.0.feed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
