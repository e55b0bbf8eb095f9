//! A container that others made, as the source of one of probelet's.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{ContainerSpec, PodSpec, Source};

/// The source of an adopted container.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Adopted {
    /// Image of the container, as its containerd record names it.
    pub image: String,
    /// The labels that ask for the care, as they were read; not looked at where it is `named`.
    pub labels: BTreeMap<String, String>,
    /// Those of its labels that are its image's own; none where that is not known, as in the
    /// records of versions that did not ask.
    #[serde(default)]
    pub image_labels: Option<OwnLabels>,
    /// Asked for by name, which beats the labels.
    pub named: bool,
}

impl PodSpec {
    /// Returns the source of the pod's only container, if that container was adopted.
    pub fn adopted(&self) -> Option<&Adopted> {
        match self.containers.as_slice() {
            [ContainerSpec { source: Source::Adopted(adopted), .. }] => Some(adopted),
            _ => None,
        }
    }

    /// Returns whether the pod is an adopted container.
    pub fn is_adopted(&self) -> bool {
        self.adopted().is_some()
    }
}

/// Name and value of the labels that decide something.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OwnLabels(BTreeSet<(String, String)>);

impl OwnLabels {
    /// Adds a label.
    pub fn insert(&mut self, name: String, value: String) {
        self.0.insert((name, value));
    }

    /// Adds all labels of `others`.
    pub fn add(&mut self, others: &Self) {
        self.0.extend(others.0.iter().cloned());
    }

    /// Returns whether a label with this name and this value is among them.
    pub fn has(&self, name: &str, value: &str) -> bool {
        self.0.contains(&(name.to_owned(), value.to_owned()))
    }

    /// Those of them that a container carries as they are.
    pub fn on(&self, labels: &BTreeMap<String, String>) -> Self {
        let is_on = |(name, value): &&(String, String)| labels.get(name) == Some(value);
        Self(self.0.iter().filter(is_on).cloned().collect())
    }
}

impl FromIterator<(String, String)> for OwnLabels {
    fn from_iter<T: IntoIterator<Item = (String, String)>>(labels: T) -> Self {
        Self(labels.into_iter().collect())
    }
}
