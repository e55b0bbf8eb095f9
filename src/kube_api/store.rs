//! The objects that the API serves, with their changes. Watches wait here for the next change.

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
}

impl Store {
    /// Returns an empty store. `micros` is the time in microseconds since 1970: versions of an
    /// earlier daemon are older.
    pub fn new(micros: u64) -> Self {
        let (feed, version) = (Mutex::new(Feed::new(micros)), watch::Sender::new(micros));
        Self(Arc::new(Shared { feed, version }))
    }

    /// Reads the feed. `read` must be short, since it holds the lock.
    pub fn read<T>(&self, read: impl FnOnce(&Feed) -> T) -> T {
        read(&self.feed())
    }

    /// Returns a receiver that is notified of each change.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.version.subscribe()
    }

    /// Stores an object. An object that is equal to the stored one changes nothing.
    pub fn publish(&self, stored: Stored, object: Value, micros: u64) -> Result<(), NoKey> {
        let mut feed = self.feed();
        feed.publish(stored, object, micros)?;
        self.notify(&feed);
        Ok(())
    }

    /// Removes an object.
    pub fn remove(&self, stored: Stored, key: &Key, micros: u64) {
        let mut feed = self.feed();
        feed.remove(stored, key, micros);
        self.notify(&feed);
    }

    fn notify(&self, feed: &Feed) {
        let version = feed.version();
        self.0.version.send_if_modified(|newest| std::mem::replace(newest, version) != version);
    }

    fn feed(&self) -> MutexGuard<'_, Feed> {
        self.0.feed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
