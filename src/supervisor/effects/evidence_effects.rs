//! Evidence about condemned containers, captured on the machine's request.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::{EffectResult, Effects};
use crate::domain::Incarnation;
use crate::domain::container::{InstanceEvent, Machine};
use crate::domain::evidence::{CAPTURE, CAPTURE_WITH_COMMAND, ProbeRecord};
use crate::evidence::{EvidenceCollector, EvidenceSource, Sample};
use crate::node::{Node, Task};
use crate::supervisor::clock::now;

/// The time that a capture may take beyond the stop, so that its reading is still reported.
const LATE: Duration = Duration::from_secs(10);

pub struct EvidenceEffects {
    runtime: Arc<dyn Node>,
    evidence_collector: Arc<dyn EvidenceCollector>,
}

impl EvidenceEffects {
    pub fn new(runtime: Arc<dyn Node>, evidence_collector: Arc<dyn EvidenceCollector>) -> Self {
        Self { runtime, evidence_collector }
    }

    pub fn sample(
        &self,
        effects: &mut Effects,
        index: usize,
        incarnation: Incarnation,
        task: Arc<dyn Task>,
    ) {
        let log = self.runtime.log_path(&effects.id(index, incarnation));
        let collector = self.evidence_collector.clone();
        effects.spawn("sample", index, Some(incarnation), async move {
            match timeout(CAPTURE, collector.sample(&log, task)).await {
                Ok(Some(sample)) => EffectResult::Sampled(index, incarnation, sample),
                // A capture without an earlier sample takes one itself.
                Ok(None) | Err(_) => EffectResult::Nothing,
            }
        });
    }

    pub fn capture(
        &self,
        effects: &mut Effects,
        index: usize,
        incarnation: Incarnation,
        machine: &Machine,
        (task, sample): (Arc<dyn Task>, Option<Sample>),
    ) {
        let lifecycle = &machine.container().lifecycle;
        let command = lifecycle.evidence_exec.clone();
        let id = effects.id(index, incarnation);
        let source = EvidenceSource {
            uid: effects.spec().uid.clone(),
            at: now().wall,
            cause: machine.condemned_for().map(ToString::to_string).unwrap_or_default(),
            probes: machine.status().probes.iter().map(ProbeRecord::from).collect(),
            signaled: lifecycle.evidence_signal.is_some(),
            bound: if command.is_some() { CAPTURE_WITH_COMMAND } else { CAPTURE },
            command,
            log: self.runtime.log_path(&id),
            id,
            sample,
        };
        let collector = self.evidence_collector.clone();
        let (stop, may_stop) = oneshot::channel();
        effects.spawn("capture processes", index, Some(incarnation), async move {
            // An error means that the capture has ended.
            let _ = may_stop.await;
            EffectResult::Event(index, InstanceEvent::ProcessesCaptured.of(incarnation))
        });
        effects.spawn("capture", index, Some(incarnation), async move {
            let bound = source.bound.saturating_add(LATE);
            let reading = match timeout(bound, collector.capture(source, task, stop)).await {
                Ok(Ok(readings)) => readings.join("; "),
                Ok(Err(why)) => format!("none: {why}"),
                Err(_) => format!("none: not captured within {} s", bound.as_secs_f64()),
            };
            EffectResult::Event(index, InstanceEvent::Captured { reading }.of(incarnation))
        });
    }
}
