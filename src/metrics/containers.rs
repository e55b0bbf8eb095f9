//! The metrics of pods, containers and their probes.

use std::collections::BTreeMap;
use std::fmt::Result;

use super::page::{Labels, Page, seconds};
use crate::domain::exit::Terminated;
use crate::domain::pod_key::ADOPTED_NAMESPACE;
use crate::domain::spec::ProbeKind;
use crate::domain::status::{ContainerState, ContainerStatus, Phase};
use crate::supervisor::{ContainerCounts, Counts, DurationHistogram, PodView};

const PHASES: [Phase; 5] =
    [Phase::Pending, Phase::Running, Phase::Succeeded, Phase::Failed, Phase::Unknown];
const STATES: [&str; 3] = ["waiting", "running", "terminated"];

struct Row<'a> {
    pod: &'a PodView,
    status: &'a ContainerStatus,
}

/// The values of all pods.
pub struct ContainerMetrics<'a> {
    pods: &'a [PodView],
    counts: &'a Counts,
}

impl<'a> ContainerMetrics<'a> {
    pub fn new(pods: &'a [PodView], counts: &'a Counts) -> Self {
        Self { pods, counts }
    }

    fn rows(&self) -> impl Iterator<Item = Row<'a>> {
        self.pods.iter().flat_map(|pod| pod.status.all().map(move |status| Row { pod, status }))
    }

    pub fn write(&self, page: &mut Page) -> Result {
        let count = |phase| self.pods.iter().filter(|pod| pod.status.phase == phase).count();
        let phases = PHASES.map(|phase| (vec![("phase", phase.as_str())], count(phase) as f64));
        page.gauges("probelet_pods", "Pods by phase", phases)?;
        let count = |state| self.rows().filter(|row| row.state().0 == state).count();
        let states = STATES.map(|state| (vec![("state", state)], count(state) as f64));
        page.gauges("probelet_containers", "Containers by state", states)?;
        self.levels(page)?;
        self.ends(page)?;
        self.probes(page)
    }

    fn levels(&self, page: &mut Page) -> Result {
        let states = self.rows().map(|row| {
            let (state, reason) = row.state();
            (row.with([("state", state), ("reason", reason)]), 1.0)
        });
        page.gauges(
            "probelet_container_state",
            "1 for the current state of the container",
            states,
        )?;
        let mut flags = |name: &str, help: &str, flag: fn(&ContainerStatus) -> bool| {
            let rows = self.rows().map(|row| (row.with([]), f64::from(u8::from(flag(row.status)))));
            page.gauges(name, help, rows)
        };
        flags("probelet_container_ready", "Whether the container is ready", |status| status.ready)?;
        flags(
            "probelet_container_started",
            "Whether the startup probe has passed, or there is none",
            |status| status.started,
        )?;
        let help = "Whether the container waits for its next start";
        flags("probelet_container_backing_off", help, |status| status.next_try.is_some())?;
        let help = "Whether the container has used up its restarts in a row";
        flags("probelet_container_given_up", help, |status| status.given_up)?;
        let help = "Whether the probes of the container are paused";
        flags("probelet_container_probes_paused", help, |status| status.paused_until.is_some())?;
        let help = "Whether the brake holds a kill by a probe";
        flags("probelet_container_kill_held", help, |status| status.kill_held.is_some())?;
        let restarts = self.rows().map(|row| (row.with([]), f64::from(row.status.restart_count)));
        page.counters("probelet_container_restarts", "Starts after the first", restarts)?;
        let started = self.rows().filter_map(|row| match row.status.state {
            ContainerState::Running { started_at } => Some((row.with([]), seconds(started_at))),
            _ => None,
        });
        page.gauges(
            "probelet_container_start_time_seconds",
            "Start of the running instance",
            started,
        )
    }

    fn ends(&self, page: &mut Page) -> Result {
        let ends = || self.rows().filter_map(|row| Some((row.last_end()?, row)));
        let codes = ends().map(|(end, row)| (row.with([]), f64::from(end.exit_code)));
        page.gauges(
            "probelet_container_last_exit_code",
            "Exit code of the most recent termination",
            codes,
        )?;
        let ends = ends().map(|(end, row)| {
            (row.with([("reason", end.reason.as_str()), ("cause", end.cause.label())]), 1.0)
        });
        page.gauges(
            "probelet_container_last_end",
            "1 for the cause of the most recent termination",
            ends,
        )?;
        let counts = self.counted().flat_map(|(row, counts)| {
            let cause = |(cause, count): (&&'static str, &u64)| {
                (row.with([("cause", *cause)]), *count as f64)
            };
            counts.ends.iter().map(cause).collect::<Vec<_>>()
        });
        page.counters("probelet_container_ends", "Exits by cause", counts)
    }

    fn probes(&self, page: &mut Page) -> Result {
        let counts = self.counted().flat_map(|(row, counts)| {
            let outcome = |((kind, outcome), count): (&(ProbeKind, &'static str), &u64)| {
                (row.with([("probe", kind.lower()), ("outcome", *outcome)]), *count as f64)
            };
            counts.probes.iter().map(outcome).collect::<Vec<_>>()
        });
        page.counters("probelet_probes", "Attempts by outcome", counts)?;
        let name = "probelet_probe_duration_seconds";
        page.histograms(name, "How long attempts took", by_kind(&self.counts.durations))?;
        let name = "probelet_probe_lateness_seconds";
        page.histograms(
            name,
            "How long after their time they began",
            by_kind(&self.counts.lateness),
        )
    }

    /// The counts of containers that exist.
    fn counted(&self) -> impl Iterator<Item = (Row<'a>, &'a ContainerCounts)> {
        self.rows()
            .filter_map(|row| {
                let pod = self.counts.containers.get(&row.pod.spec.key())?;
                Some((pod.get(&row.status.name)?, row))
            })
            .map(|(counts, row)| (row, counts))
    }
}

fn by_kind(
    histograms: &BTreeMap<ProbeKind, DurationHistogram>,
) -> impl Iterator<Item = (Labels<'_>, &DurationHistogram)> {
    histograms.iter().map(|(kind, histogram)| (vec![("probe", kind.lower())], histogram))
}

impl<'a> Row<'a> {
    fn with<const N: usize>(&self, more: [(&'static str, &'a str); N]) -> Labels<'a> {
        let spec = &self.pod.spec;
        let namespace = if spec.is_adopted() { ADOPTED_NAMESPACE } else { &spec.namespace };
        let mut labels = vec![
            ("namespace", namespace),
            ("pod", spec.name.as_str()),
            ("container", self.status.name.as_str()),
        ];
        labels.extend(more);
        labels
    }

    /// The state, with Kubernetes' reason; a running container has none.
    fn state(&self) -> (&'static str, &'a str) {
        match &self.status.state {
            ContainerState::Waiting { reason, .. } => ("waiting", reason.as_str()),
            ContainerState::Running { .. } => ("running", ""),
            ContainerState::Terminated(end) => ("terminated", &end.reason),
        }
    }

    fn last_end(&self) -> Option<&'a Terminated> {
        match &self.status.state {
            ContainerState::Terminated(end) => Some(end),
            _ => self.status.last_state.as_ref(),
        }
    }
}
