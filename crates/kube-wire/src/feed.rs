//! The watch cache: the newest state of each object, and the changes of the last minutes.
//!
//! - One growing number orders the changes of all kinds, so `resourceVersion` is comparable across
//!   kinds, and every watch can go on from the version of any answer.
//! - A watch is a cursor on the ring of changes. A client that is too slow, or that asks for a version
//!   older than the ring, gets 410 `Expired` and lists again.
//! - A list is of one version; its pages are too, since changes are undone for a later page.
//! - A change without an effect gets no version: informers see no `MODIFIED`, edits no conflict.
//!
//! Nothing waits here: a server wakes its watchers after each [`Feed::publish`].

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

mod event;
mod key;
mod list;
mod object;
mod ring;
mod selection;
mod version;
mod watch;

pub use event::{EventKind, EventWriter, WatchEvent};
pub use key::{Key, NoKey, Stored};
pub use list::Page;
pub use object::Object;
pub use selection::Selection;
pub use version::ResourceVersions;
pub use watch::Watch;

use ring::{Change, Ring};

#[cfg(test)]
mod tests;

type Objects = BTreeMap<Key, Arc<Object>>;

/// The newest state and the latest changes of all kinds.
#[derive(Debug)]
pub struct Feed {
    versions: ResourceVersions,
    objects: BTreeMap<Stored, Objects>,
    ring: Ring,
}

impl Feed {
    /// A feed whose first state has this version, which must be newer than any version that an
    /// earlier process has given. Watches from an older version are expired.
    pub fn new(version: u64) -> Self {
        let versions = ResourceVersions::new(version);
        Self { versions, objects: BTreeMap::new(), ring: Ring::new(version) }
    }

    /// The version of the newest change.
    pub fn version(&self) -> u64 {
        self.versions.last()
    }

    /// Stores an object that exists since before this process. It gets the feed's first version and
    /// no watch gets an event, so all such objects are loaded before the first watch.
    pub fn load(&mut self, stored: Stored, mut object: Value) -> Result<(), NoKey> {
        let key = Key::of(&object)?;
        let object = Object::new(&mut object, self.version());
        self.objects.entry(stored).or_default().insert(key, Arc::new(object));
        Ok(())
    }

    /// Stores an object, with its `resourceVersion`, and returns it as it is stored. `micros` is the
    /// time in microseconds since 1970. An object that is equal to the stored one changes nothing.
    pub fn publish(
        &mut self,
        stored: Stored,
        mut object: Value,
        micros: u64,
    ) -> Result<Arc<Value>, NoKey> {
        let key = Key::of(&object)?;
        let objects = self.objects.entry(stored).or_default();
        let before = objects.get(&key).cloned();
        if let Some(before) = &before
            && **before == Object::new(&mut object, before.version())
        {
            return Ok(Arc::new(object));
        }
        let version = self.versions.next(micros);
        let after = Arc::new(Object::new(&mut object, version));
        objects.insert(key.clone(), Arc::clone(&after));
        self.ring.push(Change::new(version, stored, key, before, Some(after)));
        Ok(Arc::new(object))
    }

    /// Removes an object. Returns its last state, with the version of the removal.
    pub fn remove(&mut self, stored: Stored, key: &Key, micros: u64) -> Option<Arc<Value>> {
        let before = self.objects.get_mut(&stored)?.remove(key)?;
        let version = self.versions.next(micros);
        let last = Arc::new(before.at(version).value());
        self.ring.push(Change::new(version, stored, key.clone(), Some(before), None));
        Some(last)
    }

    /// The newest state of an object.
    pub fn get(&self, stored: Stored, key: &Key) -> Option<Arc<Value>> {
        Some(Arc::new(self.objects.get(&stored)?.get(key)?.value()))
    }

    /// The newest state of all objects of a resource, in one namespace if one is given.
    pub fn objects(&self, stored: Stored, namespace: Option<&str>) -> Vec<Arc<Object>> {
        let all = self.objects.get(&stored).into_iter().flatten();
        let is_in = |key: &Key| namespace.is_none_or(|wanted| key.namespace() == wanted);
        all.filter(|(key, _)| is_in(key)).map(|(_, object)| Arc::clone(object)).collect()
    }

    /// The state of all objects of a resource at a version, by undoing the changes since.
    fn state_at(&self, stored: Stored, version: u64) -> Objects {
        let mut objects = self.objects.get(&stored).cloned().unwrap_or_default();
        for change in self.ring.since(version).rev().filter(|change| change.stored() == stored) {
            match change.before() {
                Some(before) => objects.insert(change.key().clone(), Arc::clone(before)),
                None => objects.remove(change.key()),
            };
        }
        objects
    }
}
