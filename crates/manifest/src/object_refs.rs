//! References of pods to the ConfigMaps and Secrets that are applied with them.

use crate::objects::{Kind, Objects};
use probelet_domain::spec::SpecError;

/// The objects of an apply, and the namespace of the pod that refers to them.
pub type ObjectScope<'a> = (&'a Objects, &'a str);

/// The kubelet's text for an object that does not exist.
pub fn not_found(kind: Kind, name: &str) -> String {
    format!("{} {name:?} not found", kind.name())
}

pub fn no_key(at: &str, kind: Kind, name: &str, key: &str) -> SpecError {
    let what = kind.name();
    let why = format!("Not found: {key:?}: no such key in the {what} {name:?}");
    SpecError::new(format!("{at}.key"), why)
}

pub fn missing(at: String, kind: Kind, name: &str) -> SpecError {
    let what = kind.name();
    SpecError::new(at, format!("Not found: {name:?}: no such {what} is applied with the pod"))
}
