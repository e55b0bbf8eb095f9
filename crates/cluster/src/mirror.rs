//! The objects of a resource, as lists and watches have built them.
//!
//! A mirror is complete or it is not there: until the last page of the first list it has no objects
//! at all, so that nothing is concluded from half a list. A list that fails, or a watch that breaks,
//! leaves the objects as they were.

use std::collections::BTreeMap;
use std::sync::Arc;

use probelet_kube_wire::feed::Key;
use serde_json::Value;

use crate::fields::{list, text};

/// Most objects of a mirror. A node has 110 pods; a server that sends more than this is broken.
const MOST: usize = 10_000;

/// The objects, by namespace and name.
pub type Objects = BTreeMap<Key, Arc<Value>>;

/// What follows from an event of a watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Watched {
    /// An object was changed.
    Changed,
    /// The event has only a newer version.
    Bookmark,
    /// The version is too old (410): everything is listed again.
    Expired,
    /// The event cannot be used, with the reason: everything is listed again.
    Broken(String),
}

/// A list that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// The answer is no list with a version.
    #[error("the answer is no list")]
    NoList,
    /// An object has no name.
    #[error("an object of the list has no name")]
    NoName,
    /// There are too many objects.
    #[error("the list has more than {MOST} objects")]
    TooMany,
}

/// A copy of the objects that a selection of a resource has.
#[derive(Debug, Default)]
pub struct Mirror {
    objects: Option<Objects>,
    /// The version that the next watch begins after.
    version: String,
    /// The pages of a list that is not complete.
    pages: Objects,
}

impl Mirror {
    /// The objects; `None` before the first complete list.
    pub fn objects(&self) -> Option<&Objects> {
        self.objects.as_ref()
    }

    /// The version that the next watch begins after.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Begins a list. The objects stay until it is complete.
    pub fn begin_list(&mut self) {
        self.pages.clear();
    }

    /// Adds a page of a list. Returns the token of the next page; `None` if this was the last one, whose
    /// objects with those of the earlier pages replace the mirror's.
    ///
    /// # Errors
    ///
    /// What is wrong with the page. The mirror stays as it was.
    pub fn add_page(&mut self, page: &Value) -> Result<Option<String>, ListError> {
        let version = text(page, "/metadata/resourceVersion");
        let items = page.get("items");
        // Go writes a list without objects as null.
        let is_list = matches!(items, Some(Value::Array(_) | Value::Null));
        if version.is_empty() || !is_list {
            return Err(ListError::NoList);
        }
        for item in list(page, "/items") {
            let key = Key::of(item).map_err(|_| ListError::NoName)?;
            self.pages.insert(key, stored(item.clone()));
        }
        if self.pages.len() > MOST {
            return Err(ListError::TooMany);
        }
        let next = text(page, "/metadata/continue");
        if !next.is_empty() {
            return Ok(Some(next.to_owned()));
        }
        self.objects = Some(std::mem::take(&mut self.pages));
        self.version = version.to_owned();
        Ok(None)
    }

    /// Takes over an event of a watch, which is one line of the answer.
    pub fn watched(&mut self, line: &[u8]) -> Watched {
        let Ok(mut event) = serde_json::from_slice::<Value>(line) else {
            return Watched::Broken("the event is no JSON".to_owned());
        };
        let object = event.get_mut("object").map(Value::take).unwrap_or_default();
        let kind = text(&event, "/type");
        if kind == "ERROR" {
            let is_expired = object.get("code").and_then(Value::as_u64) == Some(410);
            let message = text(&object, "/message").to_owned();
            return if is_expired { Watched::Expired } else { Watched::Broken(message) };
        }
        let version = text(&object, "/metadata/resourceVersion").to_owned();
        let Some(objects) = self.objects.as_mut().filter(|_| !version.is_empty()) else {
            return Watched::Broken("the event has no version".to_owned());
        };
        let watched = match (kind, Key::of(&object)) {
            ("BOOKMARK", _) => Watched::Bookmark,
            ("ADDED" | "MODIFIED", Ok(key)) => {
                objects.insert(key, stored(object));
                Watched::Changed
            }
            ("DELETED", Ok(key)) => {
                objects.remove(&key);
                Watched::Changed
            }
            (other, _) => return Watched::Broken(format!("an event of the type {other:?}")),
        };
        if objects.len() > MOST {
            return Watched::Broken(ListError::TooMany.to_string());
        }
        self.version = version;
        watched
    }
}

/// An object without what no reader here needs, and which is often larger than the rest.
fn stored(mut object: Value) -> Arc<Value> {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    Arc::new(object)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn pod(name: &str, version: u64) -> Value {
        json!({"metadata": {"name": name, "namespace": "a", "uid": name,
            "resourceVersion": version.to_string(), "managedFields": [1]}})
    }

    fn page(items: &[Value], version: u64, next: &str) -> Value {
        json!({"metadata": {"resourceVersion": version.to_string(), "continue": next}, "items": items})
    }

    fn event(kind: &str, object: &Value) -> Vec<u8> {
        json!({"type": kind, "object": object}).to_string().into_bytes()
    }

    fn names(mirror: &Mirror) -> Option<Vec<&str>> {
        Some(mirror.objects()?.keys().map(Key::name).collect())
    }

    fn listed(names: &[&str]) -> Mirror {
        let mut mirror = Mirror::default();
        mirror.begin_list();
        let pods: Vec<_> = names.iter().map(|name| pod(name, 1)).collect();
        assert_eq!(mirror.add_page(&page(&pods, 5, "")), Ok(None));
        mirror
    }

    #[test]
    fn half_a_list_is_none() {
        let mut mirror = Mirror::default();
        mirror.begin_list();
        assert_eq!(mirror.add_page(&page(&[pod("a", 1)], 5, "x")), Ok(Some("x".into())));
        assert_eq!(names(&mirror), None);
        // The list fails and begins again: its first page is not part of the second list.
        mirror.begin_list();
        assert_eq!(mirror.add_page(&page(&[pod("b", 1)], 6, "x")), Ok(Some("x".into())));
        assert_eq!(mirror.add_page(&page(&[pod("c", 1)], 6, "")), Ok(None));
        assert_eq!(names(&mirror), Some(vec!["b", "c"]));
        assert_eq!(mirror.version(), "6");
        // A list that fails later leaves the objects.
        mirror.begin_list();
        assert_eq!(mirror.add_page(&json!({"kind": "Status"})), Err(ListError::NoList));
        assert_eq!(mirror.add_page(&page(&[json!({})], 7, "")), Err(ListError::NoName));
        assert_eq!(names(&mirror), Some(vec!["b", "c"]));
        mirror.begin_list();
        let empty = json!({"metadata": {"resourceVersion": "8"}, "items": null});
        assert_eq!(mirror.add_page(&empty), Ok(None));
        assert_eq!(names(&mirror), Some(Vec::new()));
    }

    #[test]
    fn each_event_has_its_effect() {
        let gone = json!({"kind": "Status", "code": 410, "message": "too old"});
        let other = json!({"kind": "Status", "code": 500, "message": "no"});
        let rows: [(&[u8], Watched, &[&str], &str); 9] = [
            (&event("ADDED", &pod("b", 9)), Watched::Changed, &["a", "b"], "9"),
            (&event("MODIFIED", &pod("a", 9)), Watched::Changed, &["a"], "9"),
            (&event("DELETED", &pod("a", 9)), Watched::Changed, &[], "9"),
            (
                &event("BOOKMARK", &json!({"metadata": {"resourceVersion": "9"}})),
                Watched::Bookmark,
                &["a"],
                "9",
            ),
            (&event("ERROR", &gone), Watched::Expired, &["a"], "5"),
            (&event("ERROR", &other), Watched::Broken("no".into()), &["a"], "5"),
            (b"{", Watched::Broken("the event is no JSON".into()), &["a"], "5"),
            (
                &event("ADDED", &json!({"metadata": {"name": "x"}})),
                Watched::Broken("the event has no version".into()),
                &["a"],
                "5",
            ),
            (
                &event("MOVED", &pod("a", 9)),
                Watched::Broken("an event of the type \"MOVED\"".into()),
                &["a"],
                "5",
            ),
        ];
        for (line, expected, left, version) in rows {
            let mut mirror = listed(&["a"]);
            assert_eq!(mirror.watched(line), expected);
            assert_eq!((names(&mirror), mirror.version()), (Some(left.to_vec()), version));
        }
    }

    #[test]
    fn no_object_keeps_its_managed_fields() {
        let mirror = listed(&["a"]);
        let all = mirror.objects().unwrap();
        assert!(all.values().all(|pod| pod.pointer("/metadata/managedFields").is_none()));
    }

    proptest! {
        /// No line makes a mirror panic, or lose what it has without an event that says so.
        #[test]
        fn any_line_is_survived(line in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut mirror = listed(&["a"]);
            mirror.watched(&line);
            prop_assert_eq!(names(&mirror), Some(vec!["a"]));
        }
    }
}
