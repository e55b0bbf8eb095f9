//! Dependents, which are objects with an owner, and what the deletion of the owner means for them.

use serde_json::{Value, json};

use crate::read::{below, flag, list, text, time};

const ORPHAN: &str = "orphan";
const FOREGROUND: &str = "foregroundDeletion";

/// An item of `metadata.ownerReferences`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnerReference {
    /// The group and version of the owner's kind, such as `apps/v1`.
    pub api_version: String,
    /// The kind of the owner.
    pub kind: String,
    /// The UID.
    pub uid: String,
    /// True if a deletion of the owner in the foreground waits for the end of this object.
    pub blocks: bool,
}

impl OwnerReference {
    /// The owners of an object.
    pub fn all(object: &Value) -> Vec<Self> {
        let of = |item: &Value| Self {
            api_version: text(item, "/apiVersion").to_owned(),
            kind: text(item, "/kind").to_owned(),
            uid: text(item, "/uid").to_owned(),
            blocks: flag(item, "/blockOwnerDeletion"),
        };
        list(object, "/metadata/ownerReferences").iter().map(of).collect()
    }
}

/// True if the object has owners and none of them exists any more. `exists` also holds for an owner
/// whose kind is not served.
pub fn is_garbage(owners: &[OwnerReference], exists: impl Fn(&OwnerReference) -> bool) -> bool {
    !owners.is_empty() && !owners.iter().any(exists)
}

/// What happens to the dependents of a deleted object before the object is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletion {
    /// Its references are removed from them.
    Orphan,
    /// They are deleted.
    Foreground,
}

impl Deletion {
    fn finalizer(self) -> &'static str {
        match self {
            Self::Orphan => ORPHAN,
            Self::Foreground => FOREGROUND,
        }
    }

    /// The deletion that an object is in; none if it is not being deleted, or waits for others only.
    pub fn of(object: &Value) -> Option<Self> {
        time(object, "/metadata/deletionTimestamp")?;
        let finalizers = list(object, "/metadata/finalizers");
        let has = |it: &Self| finalizers.iter().any(|name| name.as_str() == Some(it.finalizer()));
        [Self::Orphan, Self::Foreground].into_iter().find(has)
    }

    /// The object with the finalizer that keeps it until its dependents are handled.
    pub fn begun(self, object: &Value) -> Value {
        let mut finalizers = list(object, "/metadata/finalizers").to_vec();
        finalizers.retain(|name| name.as_str() != Some(self.finalizer()));
        finalizers.push(json!(self.finalizer()));
        with(object, "finalizers", finalizers)
    }

    /// The object without the finalizer.
    pub fn finished(self, object: &Value) -> Value {
        let mut finalizers = list(object, "/metadata/finalizers").to_vec();
        finalizers.retain(|name| name.as_str() != Some(self.finalizer()));
        with(object, "finalizers", finalizers)
    }
}

/// The dependent without its references to this owner.
pub fn released(dependent: &Value, owner_uid: &str) -> Value {
    let mut owners = list(dependent, "/metadata/ownerReferences").to_vec();
    owners.retain(|owner| text(owner, "/uid") != owner_uid);
    with(dependent, "ownerReferences", owners)
}

fn with(object: &Value, field: &str, items: Vec<Value>) -> Value {
    let mut object = object.clone();
    below(&mut object, &["metadata"], |metadata| {
        if items.is_empty() {
            metadata.remove(field);
        } else {
            metadata.insert(field.to_owned(), Value::Array(items));
        }
    });
    object
}
