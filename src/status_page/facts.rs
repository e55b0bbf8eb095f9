//! What one page shows, already chosen and bounded.

use std::collections::BTreeMap;
use std::time::SystemTime;

use super::standing::Standing;
use super::trouble::Case;
use crate::domain::brake::Gauge;
use crate::domain::pod::PodView;
use crate::domain::spec::ProbeKind;
use crate::supervisor::DurationHistogram;

/// The number of containers that are described one by one.
pub const CASES: usize = 20;
/// The number of pods in the table.
pub const ROWS: usize = 100;

/// Everything that one page shows.
#[derive(Debug, Clone)]
pub struct Facts {
    pub now: SystemTime,
    pub host: Host,
    /// The number of pods of each standing, in the order of [`Standing::ALL`].
    pub counts: [usize; 4],
    /// The containers that need attention or have ended unexpectedly, the worst first.
    pub cases: Vec<Case>,
    /// The number of further such containers, which the page leaves out.
    pub cases_left: usize,
    /// The pods, the worst first, then by name.
    pub rows: Vec<Row>,
    /// The pods that the table leaves out, by standing.
    pub rows_left: [usize; 4],
    /// How long attempts of probes took since the daemon's start.
    pub durations: BTreeMap<ProbeKind, DurationHistogram>,
    /// Whether texts that containers wrote are shown.
    pub texts: bool,
}

/// The daemon and what it depends on.
#[derive(Debug, Clone)]
pub struct Host {
    pub name: String,
    pub version: String,
    /// The version of containerd; empty if it does not answer.
    pub containerd: String,
    /// The time since when containerd does not answer.
    pub away_since: Option<SystemTime>,
    pub started: SystemTime,
    /// `None` if the brake is disabled.
    pub brake: Option<Gauge>,
}

/// A pod of the table, with the cells of `get pods`.
#[derive(Debug, Clone)]
pub struct Row {
    pub standing: Standing,
    pub view: PodView,
    pub ready: String,
    pub status: String,
    pub restarts: String,
    pub age: String,
}

impl Facts {
    /// The number of all pods.
    pub fn total(&self) -> usize {
        self.counts.iter().sum()
    }

    pub fn count(&self, standing: Standing) -> usize {
        number(&self.counts, standing)
    }
}

/// The number of a standing in an array of the order of [`Standing::ALL`].
pub fn number(counts: &[usize; 4], standing: Standing) -> usize {
    let at = Standing::ALL.iter().position(|one| *one == standing);
    at.and_then(|at| counts.get(at)).copied().unwrap_or_default()
}

/// The numbers of pods of each standing.
pub fn counted(standings: impl Iterator<Item = Standing> + Clone) -> [usize; 4] {
    Standing::ALL.map(|standing| standings.clone().filter(|one| *one == standing).count())
}
