//! Evidence about condemned containers: captured on the machine's request, and read by callers.

use std::time::Duration;

use tokio::time::timeout;

use super::actor::Actor;
use super::clock::now;
use super::effects::Done;
use super::{Supervisor, SupervisorError};
use crate::domain::Incarnation;
use crate::domain::container::InstanceEvent;
use crate::domain::evidence::{CAPTURE, CAPTURE_WITH_COMMAND, Evidence, ProbeWord};
use crate::domain::spec::PodSpec;
use crate::evidence::EvidenceSource;
use crate::runtime::AttemptId;

/// The time that a capture may take beyond the stop, so that its reading is still reported.
const LATE: Duration = Duration::from_secs(10);

impl Actor {
    pub(super) fn capture(&mut self, index: usize, incarnation: Incarnation) {
        let Some(machine) = self.pod.machine(index) else { return };
        // Without a process the exit is about to be reported.
        let Some(task) = self.task(index) else { return };
        let lifecycle = &machine.container().lifecycle;
        let command = lifecycle.evidence_exec.clone();
        let id = self.effects.id(index, incarnation);
        let evidence_source = EvidenceSource {
            uid: self.spec.uid.clone(),
            at: now().wall,
            cause: machine.condemned_for().map(ToString::to_string).unwrap_or_default(),
            probes: machine.status().probes.iter().map(ProbeWord::from).collect(),
            signaled: lifecycle.evidence_signal.is_some(),
            bound: if command.is_some() { CAPTURE_WITH_COMMAND } else { CAPTURE },
            command,
            log: self.effects.log_path(&id),
            id,
        };
        let evidence_collector = self.effects.evidence_collector.clone();
        self.effects.spawn("capture", index, Some(incarnation), async move {
            let bound = evidence_source.bound.saturating_add(LATE);
            let reading =
                match timeout(bound, evidence_collector.capture(evidence_source, task)).await {
                    Ok(Ok(said)) => said.join("; "),
                    Ok(Err(why)) => format!("none: {why}"),
                    Err(_) => format!("none: not there within {} s", bound.as_secs_f64()),
                };
            Done::Event(index, InstanceEvent::Captured { reading }.of(incarnation))
        });
    }
}

impl Supervisor {
    /// Deletes the evidence of an adopted container, which is left as if it had never been probed.
    pub(super) async fn forget_evidence(&self, spec: &PodSpec) {
        let Some(container) = spec.containers.first() else { return };
        let (pod, container) = (spec.name.clone(), container.name.clone());
        let id = AttemptId { pod, container, attempt: Incarnation::default() };
        if let Some(folder) = self.log_path(&id).parent() {
            self.evidence_collector.forget(folder).await;
        }
    }

    /// Returns the evidence of a container's last kills by a probe, newest first. An empty name
    /// means the first container.
    pub async fn evidence(
        &self,
        name: &str,
        container: &str,
    ) -> Result<Vec<Evidence>, SupervisorError> {
        let (uid, id) = self.with(name, |handle| {
            let index = handle.index(name, container)?;
            let view = handle.view.borrow();
            let container = view.spec.at(index).map(|c| c.name.clone());
            let id = AttemptId {
                // The full name is needed: a request may give only the ID of an adopted container.
                pod: view.spec.name.clone(),
                container: container.unwrap_or_default(),
                attempt: Incarnation::default(),
            };
            Ok::<_, SupervisorError>((view.spec.uid.clone(), id))
        })??;
        match self.log_path(&id).parent() {
            Some(folder) => Ok(self.evidence_collector.kept(folder, &uid).await),
            None => Ok(Vec::new()),
        }
    }
}
