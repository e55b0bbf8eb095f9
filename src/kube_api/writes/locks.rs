//! Locks by key: writes of one object wait for each other, those of others do not.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use probelet_kube_wire::feed::{Key, Stored};
use probelet_kube_wire::status::Status;
use tokio::sync::OwnedMutexGuard;
use tokio::time::timeout;

/// The time for which a write waits for another one of the same object.
const WAIT: Duration = Duration::from_secs(30);

type Name = (Stored, Key);
type One = Arc<tokio::sync::Mutex<()>>;

#[derive(Clone, Default)]
pub struct Locks(Arc<Mutex<BTreeMap<Name, One>>>);

/// Keeps other writes of an object away until it is dropped.
pub struct Locked {
    locks: Locks,
    name: Name,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Locks {
    /// 504 if an earlier write of the object does not end in time.
    pub async fn lock(&self, stored: Stored, key: &Key) -> Result<Locked, Status> {
        let name = (stored, key.clone());
        let one = self.all().entry(name.clone()).or_default().clone();
        let mut locked = Locked { locks: self.clone(), name, guard: None };
        let guard = timeout(WAIT, one.lock_owned()).await;
        locked.guard =
            Some(guard.map_err(|_| Status::timeout("another write of the object goes on", 1))?);
        Ok(locked)
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<Name, One>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        let mut all = self.locks.all();
        self.guard = None;
        // A writer that waits has a clone. Clones are made under the lock of the map.
        if all.get(&self.name).is_some_and(|one| Arc::strong_count(one) == 1) {
            all.remove(&self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use probelet_kube_wire::discovery::Catalog;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn writes_of_one_object_wait_for_each_other() {
        let locks = Locks::default();
        let pods = Stored::of(Catalog::default().find("", "v1", "pods").unwrap());
        let first = locks.lock(pods, &Key::new("a", "x")).await.unwrap();
        let other = locks.lock(pods, &Key::new("b", "x")).await.unwrap();
        assert_eq!(locks.lock(pods, &Key::new("a", "x")).await.err().unwrap().code(), 504);
        drop((first, other));
        assert!(locks.lock(pods, &Key::new("a", "x")).await.is_ok());
        assert!(locks.all().is_empty());
    }
}
