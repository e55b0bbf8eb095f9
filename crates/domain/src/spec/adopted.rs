//! Source of an adopted container: one that exists in containerd already, and that probelet
//! supervises.

use std::collections::{BTreeMap, BTreeSet};

use super::{ContainerSpec, PodSpec, Source};

/// The source of an adopted container.
#[derive(Debug, Clone, PartialEq)]
pub struct Adopted {
    /// Image of the container, as its containerd record names it.
    pub image: String,
    /// Labels that asked for the supervision when it began. They are not compared with newer labels
    /// if `named` is true.
    pub labels: BTreeMap<String, String>,
    /// Labels of the container that its image defines; `None` if they are unknown, as in records of
    /// versions that did not read the image.
    pub image_labels: Option<OwnLabels>,
    /// Whether a caller adopted the container by name, which takes precedence over its labels.
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

/// Name and value of labels that an image defines: those of probelet, and those that name a log
/// destination.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
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

    /// Returns whether the set has a label with this name and this value.
    pub fn has(&self, name: &str, value: &str) -> bool {
        self.0.contains(&(name.to_owned(), value.to_owned()))
    }

    /// Returns the labels of the set that `labels` contains with the same value.
    pub fn on(&self, labels: &BTreeMap<String, String>) -> Self {
        let is_on = |(name, value): &&(String, String)| labels.get(name) == Some(value);
        Self(self.0.iter().filter(is_on).cloned().collect())
    }
}

impl IntoIterator for OwnLabels {
    type Item = (String, String);
    type IntoIter = std::collections::btree_set::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl FromIterator<(String, String)> for OwnLabels {
    fn from_iter<T: IntoIterator<Item = (String, String)>>(labels: T) -> Self {
        Self(labels.into_iter().collect())
    }
}
