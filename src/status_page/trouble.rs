//! The containers that the page describes one by one, the worst first.

use std::cmp::Reverse;
use std::time::SystemTime;

use super::causes::recent;
use super::standing::{Standing, is_in_trouble};
use crate::domain::evidence::Evidence;
use crate::domain::pod::PodView;
use crate::domain::status::ContainerStatus;

/// A container that needs attention now, or has ended unexpectedly within the last hour.
#[derive(Debug, Clone)]
pub struct Case {
    pub view: PodView,
    /// `None` for a pod without a container to name, such as one of a manifest with an error.
    pub container: Option<ContainerStatus>,
    /// True if it needs attention now.
    pub is_now: bool,
    /// The evidence of its last kill by a probe.
    pub evidence: Option<Evidence>,
}

impl Case {
    fn of(view: &PodView, container: Option<&ContainerStatus>, is_now: bool) -> Self {
        Self { view: view.clone(), container: container.cloned(), is_now, evidence: None }
    }

    /// The time of its newest unexpected end of the last hour.
    fn newest(&self, now: SystemTime) -> Option<SystemTime> {
        let ends = self.container.iter().flat_map(|status| recent(status, now));
        ends.map(|end| end.finished_at).max()
    }
}

/// All such containers: those that need attention now first, then by their newest end, then by name.
pub fn cases(pods: &[(Standing, PodView)], now: SystemTime) -> Vec<Case> {
    let mut cases: Vec<Case> =
        pods.iter().flat_map(|(standing, view)| of_pod(*standing, view, now)).collect();
    cases
        .sort_by_cached_key(|case| (!case.is_now, Reverse(case.newest(now)), case.view.spec.key()));
    cases
}

fn of_pod(standing: Standing, view: &PodView, now: SystemTime) -> Vec<Case> {
    let is_bad = standing == Standing::Bad;
    let of_containers = view.status.all().filter_map(|status| {
        let is_now = is_bad && is_in_trouble(status);
        (is_now || recent(status, now).next().is_some())
            .then(|| Case::of(view, Some(status), is_now))
    });
    let mut cases: Vec<Case> = of_containers.collect();
    if is_bad && !cases.iter().any(|case| case.is_now) {
        // The pod as a whole: it has failed, is not supervised, or its manifest has an error.
        match cases.first_mut() {
            Some(case) => case.is_now = true,
            None => cases.push(Case::of(view, view.status.containers.first(), true)),
        }
    }
    cases
}
