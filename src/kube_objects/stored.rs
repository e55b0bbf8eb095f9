//! Objects that clients store. A write is checked, written to its file, and only then shown to reads.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use probelet_kube_wire::discovery::Served;
use probelet_kube_wire::feed::{Key, Stored};
use probelet_kube_wire::patch::Applied;
use probelet_objects::{Folder, ObjectName, ObjectsError, Opened};
use serde_json::Value;
use tokio::sync::{Mutex as AsyncMutex, watch};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use super::ceiling::{self, micros};
use super::error::StoreError;
use super::file;
use super::limits::Sizes;
use super::store::Store;

/// The folder below the data folder.
const NAME: &str = "objects";
/// The time after which a caller of a write is answered. The write itself goes on.
const WRITE: Duration = Duration::from_secs(30);

/// A change of an object.
#[derive(Debug)]
pub enum Edit {
    /// A new object.
    Create { object: Value, applied: Applied },
    /// Another state of an object, which must have this version still.
    Update { version: String, object: Value, applied: Applied },
    /// The end of an object, which must have this version still.
    Remove { version: String, key: Key },
}

/// Whether the stored objects are complete and can be written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoreHealth {
    /// Files that could not be read, at this start or at an earlier one. They are counted until an
    /// administrator removes them.
    pub unreadable: usize,
    /// The error of the newest write, if it failed.
    pub failed_write: Option<String>,
}

impl StoreHealth {
    pub fn is_good(&self) -> bool {
        self.unreadable == 0 && self.failed_write.is_none()
    }
}

/// The stored objects. Clones share them.
#[derive(Clone)]
pub struct StoredObjects(Arc<Shared>);

struct Shared {
    store: Store,
    applied: Mutex<BTreeMap<(Stored, Key), Applied>>,
    /// Writes follow each other.
    writer: AsyncMutex<Writer>,
    health: watch::Sender<StoreHealth>,
    /// Counts the changes of stored objects.
    changes: watch::Sender<u64>,
    tasks: TaskTracker,
    clock: fn() -> SystemTime,
}

struct Writer {
    folder: Arc<Folder>,
    sizes: Sizes,
}

impl StoredObjects {
    /// Opens the folder below the data folder and loads the objects of `served` resources. Those of
    /// other resources, which a newer daemon may have stored, stay in their files.
    ///
    /// # Errors
    ///
    /// If the folder cannot be opened. An unreadable file is reported in the log and by
    /// [`Self::health`].
    pub fn open(
        data_dir: &Path,
        served: &'static [Served],
        clock: fn() -> SystemTime,
    ) -> Result<Self, StoreError> {
        let parent = |why| StoreError::Parent { path: data_dir.to_owned(), why };
        std::fs::create_dir_all(data_dir).map_err(parent)?;
        let root = data_dir.join(NAME);
        let Opened { folder, objects, set_aside, unreadable, ceiling } = Folder::open(&root)?;
        for file in &set_aside {
            let kept = file.now.as_ref().map(|path| path.display().to_string());
            tracing::warn!(
                path = %root.join(&file.path).display(),
                why = file.why,
                kept = kept.unwrap_or_default(),
                "an object cannot be read and is missing"
            );
        }
        let now = micros(clock());
        let first = ceiling::first(ceiling, now);
        let store = Store::new(first);
        let (mut sizes, mut applied) = (Sizes::default(), BTreeMap::new());
        for loaded in objects {
            let resource = loaded.name.resource();
            let of = |row: &&Served| Stored::of(row).to_string() == resource;
            let Some(stored) = served.iter().find(of).map(Stored::of) else {
                tracing::warn!(object = %loaded.name, "an object of this resource is not served");
                continue;
            };
            let (object, by) = file::split(loaded.object);
            sizes.set(loaded.name, file::bytes(&object, &by).len());
            let key = Key::of(&object).map_err(|_| StoreError::NoName)?;
            if by != Applied::default() {
                applied.insert((stored, key), by);
            }
            store.load(stored, object).map_err(|_| StoreError::NoName)?;
        }
        if let Some(ceiling) = ceiling::moved(first, first, now) {
            folder.store_ceiling(ceiling)?;
            store.set_ceiling(ceiling);
        }
        Ok(Self(Arc::new(Shared {
            store,
            applied: Mutex::new(applied),
            writer: AsyncMutex::new(Writer { folder: Arc::new(folder), sizes }),
            health: watch::Sender::new(StoreHealth { unreadable, failed_write: None }),
            changes: watch::Sender::new(0),
            tasks: TaskTracker::new(),
            clock,
        })))
    }

    /// The store of all objects that are served.
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// Returns an object as it is served, if there is one.
    pub fn get(&self, stored: Stored, key: &Key) -> Option<Arc<Value>> {
        self.0.store.read(|feed| feed.get(stored, key))
    }

    /// Returns all objects of a resource, in one namespace if one is given.
    pub fn list(&self, stored: Stored, namespace: Option<&str>) -> Vec<Arc<Value>> {
        let objects = self.0.store.read(|feed| feed.objects(stored, namespace));
        objects.iter().map(|object| Arc::new(object.value())).collect()
    }

    /// Returns `kind`, `apiVersion` and `metadata` of all objects of a resource.
    pub fn heads(&self, stored: Stored) -> Vec<Value> {
        let objects = self.0.store.read(|feed| feed.objects(stored, None));
        objects.iter().map(|object| object.head()).collect()
    }

    /// Returns what the managers of an object have applied.
    pub fn applied(&self, stored: Stored, key: &Key) -> Applied {
        self.0.applied().get(&(stored, key.clone())).cloned().unwrap_or_default()
    }

    /// Returns a counter that changes with each change of a stored object.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    pub fn health(&self) -> watch::Receiver<StoreHealth> {
        self.0.health.subscribe()
    }

    /// Carries an edit out. When it returns, the object is in its file and reads have it; a removed
    /// object is returned in its last state.
    ///
    /// # Errors
    ///
    /// Nothing has changed, unless the error is [`StoreError::Late`]: then the write goes on.
    pub async fn edit(&self, stored: Stored, edit: Edit) -> Result<Arc<Value>, StoreError> {
        let shared = self.0.clone();
        // A client that goes away must not leave a file that reads do not have.
        let edited = self.0.tasks.spawn(async move { shared.edit(stored, edit).await });
        let edited = timeout(WRITE, edited).await.map_err(|_| StoreError::Late)?;
        edited.map_err(|error| StoreError::Panicked(error.to_string()))?
    }

    /// Keeps the ceiling above the versions, until it is dropped.
    pub async fn run(&self) {
        let mut changes = self.0.store.changes();
        loop {
            let version = *changes.borrow_and_update();
            self.0.move_ceiling(version).await;
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// Waits for the writes that are under way.
    pub async fn closed(&self) {
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }
}

impl Shared {
    async fn edit(&self, stored: Stored, edit: Edit) -> Result<Arc<Value>, StoreError> {
        let mut writer = self.writer.lock().await;
        let edited = match edit {
            Edit::Create { object, applied } => {
                let key = Key::of(&object).map_err(|_| StoreError::NoName)?;
                if self.store.read(|feed| feed.get(stored, &key)).is_some() {
                    return Err(StoreError::AlreadyExists);
                }
                self.write(&mut writer, stored, object, applied).await
            }
            Edit::Update { version, object, applied } => {
                let key = Key::of(&object).map_err(|_| StoreError::NoName)?;
                self.check(stored, &key, &version)?;
                self.write(&mut writer, stored, object, applied).await
            }
            Edit::Remove { version, key } => {
                let live = self.check(stored, &key, &version)?;
                self.remove(&mut writer, stored, &key, &live).await
            }
        };
        let failed = match &edited {
            Err(error @ (StoreError::Folder(_) | StoreError::Panicked(_)))
                if !matches!(error, StoreError::Folder(ObjectsError::TooLarge(_))) =>
            {
                Some(error.to_string())
            }
            _ => None,
        };
        self.health.send_if_modified(|health| {
            let changed = health.failed_write != failed && (failed.is_some() || edited.is_ok());
            if changed {
                health.failed_write = failed;
            }
            changed
        });
        if edited.is_ok() {
            self.changes.send_modify(|count| *count = count.wrapping_add(1));
        }
        edited
    }

    fn check(&self, stored: Stored, key: &Key, version: &str) -> Result<Arc<Value>, StoreError> {
        let live = self.store.read(|feed| feed.get(stored, key)).ok_or(StoreError::NotFound)?;
        let live_version = live.pointer("/metadata/resourceVersion").and_then(Value::as_str);
        if live_version == Some(version) { Ok(live) } else { Err(StoreError::Modified) }
    }

    async fn write(
        &self,
        writer: &mut Writer,
        stored: Stored,
        object: Value,
        applied: Applied,
    ) -> Result<Arc<Value>, StoreError> {
        let name = file::name_of(stored, &object)?;
        let bytes = file::bytes(&object, &applied);
        let size = bytes.len();
        writer.sizes.check(&name, size)?;
        let of_file = name.clone();
        writer.aside(move |folder| folder.write(&of_file, &bytes)).await?;
        writer.sizes.set(name, size);
        let key = Key::of(&object).map_err(|_| StoreError::NoName)?;
        match applied == Applied::default() {
            true => self.applied().remove(&(stored, key)),
            false => self.applied().insert((stored, key), applied),
        };
        self.store.publish(stored, object, self.now()).map_err(|_| StoreError::NoName)
    }

    async fn remove(
        &self,
        writer: &mut Writer,
        stored: Stored,
        key: &Key,
        live: &Value,
    ) -> Result<Arc<Value>, StoreError> {
        let name = file::name_of(stored, live)?;
        let of_file: ObjectName = name.clone();
        writer.aside(move |folder| folder.remove(&of_file)).await?;
        writer.sizes.remove(&name);
        self.applied().remove(&(stored, key.clone()));
        self.store.remove(stored, key, self.now()).ok_or(StoreError::NotFound)
    }

    async fn move_ceiling(&self, version: u64) {
        let Some(ceiling) = ceiling::moved(self.store.ceiling(), version, self.now()) else {
            return;
        };
        let writer = self.writer.lock().await;
        match writer.aside(move |folder| folder.store_ceiling(ceiling)).await {
            Ok(()) => self.store.set_ceiling(ceiling),
            // Versions grow in steps of one below the old ceiling.
            Err(error) => tracing::warn!(%error, "the ceiling of versions cannot be moved"),
        }
    }

    fn now(&self) -> u64 {
        micros((self.clock)())
    }

    fn applied(&self) -> MutexGuard<'_, BTreeMap<(Stored, Key), Applied>> {
        self.applied.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writer {
    /// Does the work of a file on a thread that may block.
    async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Folder) -> Result<T, ObjectsError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let folder = self.folder.clone();
        let done = tokio::task::spawn_blocking(move || work(&folder)).await;
        Ok(done.map_err(|error| StoreError::Panicked(error.to_string()))??)
    }
}
