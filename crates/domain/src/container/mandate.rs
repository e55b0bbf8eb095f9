//! What callers and the pod want of a container.

use std::time::{Duration, Instant};

use super::definition::Definition;
use super::phase::Phase;
use super::stop::StopOrder;
use super::{Memory, Next, Wanted};
use crate::exit::{Caller, Cause, Operator, STOP};
use crate::restart;
use crate::spec::PodSpec;
use crate::status::Expired;

/// Grace of an evicted pod, as in the kubelet.
const EVICTION_GRACE: Duration = Duration::from_secs(1);

/// The level that callers want, and the decisions of the pod about the container.
#[derive(Debug)]
pub struct Mandate {
    pub wanted: Wanted,
    /// Grace that came with the wanted level, for a start that is still under way.
    pub grace: Option<Duration>,
    /// Caller of the newest request.
    pub caller: Option<Caller>,
    /// Startup round of the pod that the container is in.
    pub round: u32,
    /// The container waits for its order in the round.
    pub held: bool,
    /// True if the pod is over and the container, which only accompanied it, is not started again.
    pub finished: bool,
    /// Reason why the pod has failed: its active deadline, or an eviction. No start follows.
    pub expired: Option<Expired>,
    /// Time of the end of the pod's active deadline.
    expires: Option<Instant>,
}

impl Mandate {
    pub fn of(memory: &Memory) -> Self {
        Self {
            wanted: memory.wanted,
            grace: None,
            caller: None,
            round: memory.round,
            held: memory.held,
            finished: memory.finished,
            expired: memory.expired.clone(),
            expires: None,
        }
    }

    /// Sets the end of the active deadline of a pod that was created at `created`.
    pub fn set_expiry(&mut self, pod: &PodSpec, created: Instant) {
        self.expires = pod.active_deadline.and_then(|length| created.checked_add(length));
    }

    /// When the active deadline ends the container, unless it has ended or is to end anyway.
    pub fn expiry(&self, phase: &Phase) -> Option<Instant> {
        let is_over = self.expired.is_some() || matches!(phase, Phase::Created | Phase::Ended);
        self.expires.filter(|_| !is_over && self.wanted == Wanted::Running)
    }

    pub fn lets_start(&self) -> bool {
        self.wanted == Wanted::Running && !(self.held || self.is_over())
    }

    /// True if the pod has ended for good.
    pub fn is_over(&self) -> bool {
        self.finished || self.expired.is_some()
    }

    /// Begins a round, in which the container waits for its order.
    pub fn wait_for(&mut self, round: u32) {
        self.round = round;
        self.held = true;
    }

    /// Returns the stop of an instance that must not run, whatever the reason.
    pub fn stop_order(&self, definition: &Definition) -> Option<StopOrder> {
        if self.wanted != Wanted::Running {
            Some(self.operators_stop(self.grace, definition))
        } else if let Some(expired) = &self.expired {
            Some(expired_stop(expired, definition))
        } else if self.held {
            Some(make_way(None, definition))
        } else if self.finished {
            Some(end_with_pod(definition))
        } else {
            None
        }
    }

    /// The stop that the wanted level asks for.
    pub fn operators_stop(&self, grace: Option<Duration>, definition: &Definition) -> StopOrder {
        let verb = if self.wanted == Wanted::Removed { "delete" } else { STOP };
        let operator = Operator::new(verb, self.caller.clone());
        // The kubelet's text, with the user of the API if there is one.
        let mut message = format!("Stopping container {}", definition.spec.name);
        if operator.user.is_some() {
            message.push_str(&format!(": {operator}"));
        }
        StopOrder {
            cause: Cause::Operator(operator),
            message,
            grace: restart::grace(grace, None, definition.pod.termination_grace),
            next: Next::Policy,
        }
    }
}

/// The stop of a container whose pod has expired.
pub fn expired_stop(expired: &Expired, definition: &Definition) -> StopOrder {
    let (cause, grace) = match expired {
        Expired::Evicted { message } => (Cause::Evicted { why: message.clone() }, EVICTION_GRACE),
        Expired::Deadline => (Cause::Deadline, definition.pod.termination_grace),
    };
    let message = format!("Stopping container {}", definition.spec.name);
    StopOrder { cause, message, grace, next: Next::Policy }
}

/// The stop of an instance of the round before.
pub fn make_way(grace: Option<Duration>, definition: &Definition) -> StopOrder {
    StopOrder {
        cause: Cause::AllRestart,
        message: format!("Container {} makes way for a restart of all", definition.spec.name),
        grace: grace.unwrap_or(definition.pod.termination_grace),
        next: Next::Policy,
    }
}

/// The stop of an instance whose definition has changed.
pub fn make_way_for_changed(definition: &Definition) -> StopOrder {
    StopOrder {
        cause: Cause::Changed,
        message: format!(
            "Container {} definition changed, will be restarted",
            definition.spec.name
        ),
        grace: definition.pod.termination_grace,
        next: Next::Start,
    }
}

/// The stop of a container that only accompanied its pod.
pub fn end_with_pod(definition: &Definition) -> StopOrder {
    StopOrder {
        cause: Cause::PodOver,
        message: format!("Stopping container {}", definition.spec.name),
        grace: definition.pod.termination_grace,
        next: Next::Policy,
    }
}
