//! Pods of the manifest directory: which files count, when a file is read, and what follows from
//! its content. No pod is removed in doubt: neither for a file that cannot be read, nor for one
//! that may only have been renamed, nor for a directory that may be another one.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::Now;
use super::pod_key::PodKey;
use super::spec::{Origin, PodSpec, Validated};

mod manifest_store;
#[cfg(test)]
mod tests;

pub use manifest_store::{ManifestStore, Seen, Text, is_manifest};

/// Time for which no file may name a pod before the pod is deleted. A rename is no removal, nor is
/// an editor that moves a file away and writes it again.
pub const REMOVAL: Duration = Duration::from_secs(3);

/// Content of one file, with its warnings.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// Path of the file.
    pub file: String,
    /// Pods of the file, or why they cannot be used.
    pub content: Content,
    /// Warnings about fields that have no effect here.
    pub warnings: Vec<String>,
}

/// Content of one file of the manifest directory.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// The file cannot be read, so its pods are not known.
    Unreadable(String),
    /// The file names these pods and is invalid.
    Refused {
        /// Keys of the pods.
        pods: Vec<PodKey>,
        /// Errors of the manifest as text, with their positions.
        why: String,
    },
    /// Validated specs of the file's pods; empty if the file has only objects of other kinds.
    Pods(Vec<Validated<PodSpec>>),
}

/// A pod that was created from a file of this directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Key of the pod.
    pub pod: PodKey,
    /// File that the pod was created from, and the directory of that file.
    pub origin: Origin,
}

/// Problem to be reported for a pod or, if the pod is not known, for a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Key of the pod, or one with the path of the file as its name.
    pub about: PodKey,
    /// Error, with the file's path.
    pub why: String,
}

/// What follows from the files of the manifest directory.
#[derive(Debug, Default, PartialEq)]
pub struct Plan {
    /// Specs that the pods are to have.
    pub keep: Vec<Validated<PodSpec>>,
    /// Pods that no file names any more.
    pub remove: Vec<PodKey>,
    /// Errors to report, of pods and of files.
    pub problems: Vec<Problem>,
    /// Files by the pods that they are about.
    pub owners: BTreeMap<PodKey, String>,
    /// Time at which a removal may be due.
    pub wake: Option<Instant>,
}

/// Time since which no file names each of these pods.
#[derive(Debug, Default)]
pub struct Missing(BTreeMap<PodKey, Instant>);

impl Missing {
    /// Forgets the missing pods: without a scan of the directory no pod counts as missing.
    pub fn forget(&mut self) {
        self.0.clear();
    }
}

impl Plan {
    /// Makes the plan from the files' content, in order of name. `unsettled`: there are files whose
    /// content is not known yet.
    pub fn new(
        (directory, readings): (u64, &[&Reading]),
        kept: &[Kept],
        unsettled: bool,
        missing: &mut Missing,
        now: Now,
    ) -> Self {
        let mut plan = Self::default();
        for reading in readings {
            for pod in names(reading, kept) {
                plan.owners.entry(pod).or_insert_with(|| reading.file.clone());
            }
        }
        for reading in readings {
            plan.read(reading, directory, kept);
        }
        let is_sound = |reading: &Reading| matches!(reading.content, Content::Pods(_));
        let doubt =
            readings.iter().find(|reading| !is_sound(reading) && names(reading, kept).is_empty());
        let gone: Vec<_> =
            kept.iter().filter(|kept| !plan.owners.contains_key(&kept.pod)).collect();
        missing.0.retain(|pod, _| gone.iter().any(|kept| kept.pod == *pod));
        for Kept { pod, origin } in gone {
            let since = *missing.0.entry(pod.clone()).or_insert(now.mono);
            let due = since.checked_add(REMOVAL).unwrap_or(since);
            if let Some(doubt) = doubt {
                let why = format!(
                    "{}: is gone, and {} may be what became of it: not deleted until that can be \
                     read",
                    origin.file, doubt.file
                );
                plan.report(pod, why);
            } else if readings.is_empty() && directory != origin.directory {
                let why = format!(
                    "{}: is gone, and its directory is empty and not the one that it was in: not \
                     deleted, because a mount may be missing; `probelet delete pod` does it",
                    origin.file
                );
                plan.report(pod, why);
            } else if unsettled || due > now.mono {
                plan.wake = Some(plan.wake.map_or(due, |wake| wake.min(due)));
            } else {
                missing.0.remove(pod);
                plan.remove.push(pod.clone());
            }
        }
        plan
    }

    fn read(&mut self, reading: &Reading, directory: u64, kept: &[Kept]) {
        let file = &reading.file;
        match &reading.content {
            Content::Pods(specs) => {
                for spec in specs {
                    match self.owners.get(&spec.key()).filter(|owner| *owner != file) {
                        None => {
                            let origin = Origin { file: file.clone(), directory };
                            self.keep.push(spec.clone().kept_by(origin));
                        }
                        Some(owner) => {
                            let why = format!(
                                "{file}: not taken: {owner} has a pod {:?} too, and comes first",
                                spec.key()
                            );
                            self.report(&spec.key(), why);
                        }
                    }
                }
            }
            Content::Unreadable(why) | Content::Refused { why, .. } => {
                let about = names(reading, kept);
                about.iter().for_each(|pod| self.report(pod, why.clone()));
                if about.is_empty() {
                    self.report(&PodKey::in_default(file), why.clone());
                }
            }
        }
    }

    fn report(&mut self, about: &PodKey, why: String) {
        self.problems.push(Problem { about: about.clone(), why });
    }
}

/// Returns the pods that a file is about. While the file is invalid, they include those that were
/// created from it.
fn names(reading: &Reading, kept: &[Kept]) -> Vec<PodKey> {
    let mut names: Vec<PodKey> = match &reading.content {
        Content::Pods(specs) => return specs.iter().map(|spec| spec.key()).collect(),
        Content::Refused { pods, .. } => pods.clone(),
        Content::Unreadable(_) => Vec::new(),
    };
    for Kept { pod, origin } in kept {
        if origin.file == reading.file && !names.contains(pod) {
            names.push(pod.clone());
        }
    }
    names
}
