//! Stored objects on a real folder.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use probelet_kube_wire::discovery::{Catalog, Served};
use probelet_kube_wire::feed::{Key, Stored};
use probelet_kube_wire::patch::Applied;
use serde_json::{Value, json};

use super::*;

static SERVED: &[Served] = &[Served {
    group: "apps",
    version: "v1",
    name: "things",
    singular: "thing",
    kind: "Thing",
    short_names: &[],
    categories: &[],
    namespaced: true,
    verbs: &[],
    subresources: &[],
}];

fn stored() -> Stored {
    Stored::of(Catalog::new(SERVED).find("apps", "v1", "things").unwrap())
}

fn in_2026() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000)
}

fn in_1999() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(920_000_000)
}

fn open(dir: &Path) -> StoredObjects {
    StoredObjects::open(dir, SERVED, in_2026).unwrap()
}

fn thing(name: &str, number: u64) -> Value {
    json!({"kind": "Thing", "metadata": {"name": name, "namespace": "default"}, "n": number})
}

fn version(object: &Value) -> String {
    object["metadata"]["resourceVersion"].as_str().unwrap().to_owned()
}

async fn create(objects: &StoredObjects, name: &str, number: u64) -> Arc<Value> {
    let edit = Edit::Create { object: thing(name, number), applied: Applied::default() };
    objects.edit(stored(), edit).await.unwrap()
}

fn update(version: &str, name: &str, number: u64) -> Edit {
    let (version, applied) = (version.to_owned(), Applied::default());
    Edit::Update { version, object: thing(name, number), applied }
}

#[tokio::test]
async fn a_later_daemon_has_what_was_answered() {
    let dir = tempfile::tempdir().unwrap();
    let objects = open(dir.path());
    let first = create(&objects, "a", 1).await;
    let second = objects.edit(stored(), update(&version(&first), "a", 2)).await.unwrap();
    assert!(version(&second) > version(&first));
    let b = create(&objects, "b", 1).await;
    let removed = Edit::Remove { version: version(&b), key: Key::new("default", "b") };
    objects.edit(stored(), removed).await.unwrap();
    drop(objects);
    let objects = open(dir.path());
    let found = objects.list(stored(), None);
    assert_eq!(found.len(), 1);
    assert_eq!((&found[0]["n"], found[0]["metadata"]["name"].as_str()), (&json!(2), Some("a")));
    // A client that has read the object before the restart reads it again before it writes.
    assert!(version(&found[0]) > version(&second));
    let stale = objects.edit(stored(), update(&version(&second), "a", 3)).await;
    assert!(matches!(stale, Err(StoreError::Modified)));
}

#[tokio::test]
async fn of_two_writers_of_one_version_one_wins() {
    let dir = tempfile::tempdir().unwrap();
    let objects = open(dir.path());
    let first = version(&*create(&objects, "a", 1).await);
    let (one, other) = tokio::join!(
        objects.edit(stored(), update(&first, "a", 2)),
        objects.edit(stored(), update(&first, "a", 3)),
    );
    assert_eq!(one.is_ok() as u8 + other.is_ok() as u8, 1);
    let again = Edit::Create { object: thing("a", 9), applied: Applied::default() };
    let again = objects.edit(stored(), again).await;
    assert!(matches!(again, Err(StoreError::AlreadyExists)));
    let missing = objects.edit(stored(), update(&first, "z", 2)).await;
    assert!(matches!(missing, Err(StoreError::NotFound)));
}

#[tokio::test]
async fn versions_grow_although_the_clock_was_set_back() {
    let dir = tempfile::tempdir().unwrap();
    let objects = open(dir.path());
    let last = version(&*create(&objects, "a", 1).await);
    drop(objects);
    let objects = StoredObjects::open(dir.path(), SERVED, in_1999).unwrap();
    let loaded = version(&objects.list(stored(), None)[0]);
    let next = version(&*create(&objects, "b", 1).await);
    assert!(last < loaded && loaded < next, "{last} {loaded} {next}");
}

#[tokio::test]
async fn what_managers_applied_is_kept_and_not_shown() {
    let dir = tempfile::tempdir().unwrap();
    let objects = open(dir.path());
    let applied: Applied = serde_json::from_value(json!({"ann": {"n": 1}})).unwrap();
    let edit = Edit::Create { object: thing("a", 1), applied: applied.clone() };
    let shown = objects.edit(stored(), edit).await.unwrap();
    drop(objects);
    let objects = open(dir.path());
    assert_eq!(objects.applied(stored(), &Key::new("default", "a")), applied);
    let loaded = objects.list(stored(), None);
    assert_eq!(loaded[0].as_object().unwrap().len(), shown.as_object().unwrap().len());
}

#[tokio::test]
async fn a_failed_write_changes_nothing_and_is_reported_until_one_succeeds() {
    let dir = tempfile::tempdir().unwrap();
    let objects = open(dir.path());
    let first = create(&objects, "a", 1).await;
    let health = objects.health();
    assert!(health.borrow().is_good());
    // A file where the folder of the namespace belongs.
    let folder = dir.path().join("objects/things.apps/default");
    std::fs::rename(&folder, dir.path().join("away")).unwrap();
    std::fs::write(&folder, "").unwrap();
    let failed = objects.edit(stored(), update(&version(&first), "a", 2)).await.unwrap_err();
    assert!(matches!(failed, StoreError::Folder(_)), "{failed}");
    assert_eq!(objects.list(stored(), None)[0]["n"], 1);
    assert!(!health.borrow().is_good());
    std::fs::remove_file(&folder).unwrap();
    let second = objects.edit(stored(), update(&version(&first), "a", 3)).await.unwrap();
    assert_eq!(second["n"], 3);
    assert!(health.borrow().is_good());
    let huge = Value::String("x".repeat(2 << 20));
    let object = json!({"metadata": {"name": "b", "namespace": "default"}, "n": huge});
    let edit = Edit::Create { object, applied: Applied::default() };
    assert!(objects.edit(stored(), edit).await.is_err());
    // The fault is the client's.
    assert!(health.borrow().is_good());
}

#[tokio::test]
async fn an_unreadable_file_makes_the_store_incomplete() {
    let dir = tempfile::tempdir().unwrap();
    let objects = open(dir.path());
    create(&objects, "a", 1).await;
    create(&objects, "b", 1).await;
    drop(objects);
    std::fs::write(dir.path().join("objects/things.apps/default/a.json"), "{\"kind").unwrap();
    let objects = open(dir.path());
    assert_eq!(objects.list(stored(), None).len(), 1);
    assert_eq!(objects.health().borrow().unreadable, 1);
    // The name can be used again.
    create(&objects, "a", 2).await;
}
