//! The ConfigMaps and Secrets of one apply, or those that the Kubernetes API stores. The values that a
//! pod uses become part of its spec.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1 as k8s;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

use crate::bounds::Budget;
use crate::lists::is_named_list;
use crate::manifest_error::ManifestError;
use crate::optional_fields::filled;
use crate::{field_walk, strict};
use probelet_domain::spec::{MissingReference, ReferenceUser, SpecError, StoredReferences};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    ConfigMap,
    Secret,
}

impl Kind {
    /// As errors name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::ConfigMap => "configmap",
            Self::Secret => "secret",
        }
    }
}

const DEFAULT_NAMESPACE: &str = "default";

/// Kind, namespace and name.
pub type Key = (Kind, String, String);
/// The values of an object by their keys.
pub type Data = BTreeMap<String, Vec<u8>>;

/// The ConfigMaps and Secrets of one apply, and which of them pods use.
#[derive(Debug, Default)]
pub struct Objects {
    all: BTreeMap<Key, Data>,
    /// Objects that have errors.
    wrong: BTreeSet<Key>,
    /// True if an object with an error has no name, or a list could not be read: any reference may be
    /// to it.
    any_wrong: bool,
    used: RefCell<BTreeSet<Key>>,
    budget: RefCell<Budget>,
    /// For objects that the Kubernetes API stores: the references to missing ones, each with its
    /// field and the kubelet's text. They are no errors.
    missing: Option<RefCell<Vec<(String, String)>>>,
}

/// The object that a reference names.
pub enum Found<'a> {
    Data(&'a Data),
    /// It has an error, which is reported already.
    Wrong,
    Missing,
}

impl Objects {
    /// Objects that the Kubernetes API stores. A pod may refer to one that does not exist yet.
    pub fn stored() -> Self {
        Self { missing: Some(RefCell::default()), ..Self::default() }
    }

    /// True if the objects are stored.
    pub fn are_stored(&self) -> bool {
        self.missing.is_some()
    }

    /// Notes a reference to a missing object or key, in the field `at`. Without stored objects it is
    /// the error.
    pub fn note(&self, at: &str, text: String, error: SpecError) -> Result<(), SpecError> {
        let Some(missing) = &self.missing else { return Err(error) };
        missing.borrow_mut().push((at.to_owned(), text));
        Ok(())
    }

    /// The references of a pod to missing objects; `None` if the objects are not stored. `user` finds
    /// the part of the pod that has a field.
    pub fn references(
        &self,
        user: impl Fn(&str) -> Option<ReferenceUser>,
    ) -> Option<StoredReferences> {
        let noted = self.missing.as_ref()?.borrow();
        let missing = noted.iter().filter_map(|(at, message)| {
            Some(MissingReference { user: user(at)?, message: message.clone() })
        });
        Some(StoredReferences { missing: missing.collect() })
    }

    pub fn get(&self, kind: Kind, namespace: &str, name: &str) -> Found<'_> {
        let key = (kind, namespace.to_owned(), name.to_owned());
        match self.all.get(&key) {
            Some(data) => {
                self.used.borrow_mut().insert(key);
                Found::Data(data)
            }
            None if self.any_wrong || self.wrong.contains(&key) => Found::Wrong,
            None => Found::Missing,
        }
    }

    /// Copies a value into a pod's spec. Each copy counts towards the bound; `at` is the field of the
    /// error.
    pub fn copy(&self, at: &str, bytes: &[u8]) -> Result<Vec<u8>, SpecError> {
        let copied = self.budget.borrow_mut().copied(bytes.len());
        copied.map_err(|error| SpecError { field: at.to_owned(), ..error })?;
        Ok(bytes.to_vec())
    }

    pub fn is_used(&self, key: &Key) -> bool {
        self.used.borrow().contains(key)
    }

    /// Adds a ConfigMap or Secret; `None` for any other object.
    pub fn take(&mut self, value: &Value) -> Option<Result<Key, ManifestError>> {
        let (kind, read) = match value.get("kind").and_then(Value::as_str) {
            Some("ConfigMap") => {
                let read = strict::typed::<k8s::ConfigMap>(value, "v1").map(config_map);
                (Kind::ConfigMap, read)
            }
            Some("Secret") => {
                let read = strict::typed::<k8s::Secret>(value, "v1").map(secret);
                (Kind::Secret, read.map_err(discreet))
            }
            _ => {
                self.any_wrong |= is_named_list(value);
                return None;
            }
        };
        let taken = read.and_then(|(meta, data)| self.insert(value, kind, meta, data));
        if taken.is_err() {
            let text = |field: &str| value.pointer(field).and_then(Value::as_str);
            let namespace = text("/metadata/namespace").filter(|text| !text.is_empty());
            match text("/metadata/name").filter(|name| !name.is_empty()) {
                Some(name) => {
                    let namespace = namespace.unwrap_or(DEFAULT_NAMESPACE).to_owned();
                    self.wrong.insert((kind, namespace, name.to_owned()));
                }
                None => self.any_wrong = true,
            }
        }
        Some(taken)
    }

    fn insert(
        &mut self,
        value: &Value,
        kind: Kind,
        meta: ObjectMeta,
        data: Data,
    ) -> Result<Key, ManifestError> {
        let mut errors = field_walk::walk(value).refused;
        let name = meta.name.unwrap_or_default();
        if name.is_empty() {
            errors.push(SpecError::required("metadata.name", "name is required"));
        }
        let bad = |key: &&String| {
            let inner = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            key.is_empty() || key.len() > 253 || !key.chars().all(inner)
        };
        errors.extend(data.keys().filter(bad).map(|key| {
            let why = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'";
            SpecError::invalid(format!("data[{key}]"), format!("{key:?}"), why)
        }));
        let key = (kind, filled(meta.namespace).unwrap_or_else(|| DEFAULT_NAMESPACE.into()), name);
        if self.all.contains_key(&key) {
            errors.push(SpecError::duplicate("metadata.name", &key.2));
        }
        if !errors.is_empty() {
            return Err(ManifestError(errors));
        }
        self.all.insert(key.clone(), data);
        Ok(key)
    }
}

fn config_map(map: k8s::ConfigMap) -> (ObjectMeta, Data) {
    let text = map.data.unwrap_or_default().into_iter();
    let mut data: Data = text.map(|(key, text)| (key, text.into_bytes())).collect();
    data.extend(map.binary_data.unwrap_or_default().into_iter().map(|(key, bytes)| (key, bytes.0)));
    (map.metadata, data)
}

fn secret(secret: k8s::Secret) -> (ObjectMeta, Data) {
    let data = secret.data.unwrap_or_default().into_iter();
    let mut data: Data = data.map(|(key, bytes)| (key, bytes.0)).collect();
    let text = secret.string_data.unwrap_or_default().into_iter();
    data.extend(text.map(|(key, text)| (key, text.into_bytes())));
    (secret.metadata, data)
}

/// Errors without the values that they are about, which may be secret.
fn discreet(errors: ManifestError) -> ManifestError {
    let is_secret = |field: &str| field.starts_with("data") || field.starts_with("stringData");
    let discreet = |error: SpecError| match is_secret(&error.field) {
        true => SpecError::new(error.field, "must be a string; below `data`, in base64"),
        false => error,
    };
    ManifestError(errors.0.into_iter().map(discreet).collect())
}
