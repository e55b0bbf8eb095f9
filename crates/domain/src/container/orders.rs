//! Requests of callers and orders of the pod to a container.

use std::sync::Arc;
use std::time::Duration;

use super::definition::Definition;
use super::ending::name_restart_of_all;
use super::life::Life;
use super::mandate::{self, expired_stop};
use super::phase::Phase;
use super::presentation::Presentation;
use super::stop::StopOrder;
use super::{InstanceAction, Next, PodSignal, Turn, Wanted};
use crate::exit::{Cause, Operator};
use crate::notice::Notice;
use crate::restart::{self, Backoff};
use crate::spec::{PodSpec, ProbeKind};
use crate::status::{Expired, WaitingReason};

/// Applies requests and orders to a container while one event is handled.
pub struct Orders<'a> {
    pub life: &'a mut Life,
    pub turn: &'a mut Turn,
}

impl Orders<'_> {
    pub fn want(&mut self, wanted: Wanted, grace: Option<Duration>) {
        let Self { life, turn } = self;
        let mandate = &mut life.mandate;
        let is_removed = mandate.wanted == Wanted::Removed && wanted != Wanted::Removed;
        if is_removed || mandate.expired.is_some() && wanted == Wanted::Running {
            return;
        }
        let changed = std::mem::replace(&mut mandate.wanted, wanted) != wanted;
        mandate.grace = grace;
        match (&mut life.phase, wanted) {
            (Phase::Created, Wanted::Running) if !mandate.held => life.start(turn),
            (Phase::Ended, Wanted::Running)
                if (changed || life.course.given_up) && !mandate.held =>
            {
                if life.course.given_up {
                    life.course.backoff = Backoff::default();
                }
                life.start_anew(turn);
            }
            (Phase::Waiting(_) | Phase::Pulling, Wanted::Stopped | Wanted::Removed) => {
                life.give_up_start(turn);
                life.settle(turn);
            }
            (Phase::Created | Phase::Ended, Wanted::Removed) => life.settle(turn),
            (Phase::Running(_), Wanted::Stopped | Wanted::Removed) => {
                let order = mandate.operators_stop(grace, &life.definition);
                life.stop(order, turn);
            }
            (Phase::Stopping(_, stop), Wanted::Stopped | Wanted::Removed) => {
                stop.hurry(grace, turn.now);
                stop.follow_with(Next::Policy);
            }
            (Phase::Stopping(_, stop), Wanted::Running) if changed => stop.follow_with(Next::Start),
            // A start that is under way is stopped once it has succeeded.
            _ => {}
        }
        if changed {
            turn.persist();
        }
    }

    pub fn restart(&mut self, grace: Option<Duration>) {
        let Self { life, turn } = self;
        let mandate = &mut life.mandate;
        // A container that waits for its order in the pod starts anyway, but not earlier.
        if mandate.wanted == Wanted::Removed || mandate.expired.is_some() || mandate.held {
            return;
        }
        if std::mem::replace(&mut mandate.wanted, Wanted::Running) != Wanted::Running {
            turn.persist();
        }
        // A caller has decided on the restart, so the back-off begins again.
        life.course.backoff = Backoff::default();
        match &mut life.phase {
            Phase::Created => life.start(turn),
            Phase::Waiting(wait) if wait.reason.is_of_image() => life.check_images(turn),
            Phase::Ended => life.start_anew(turn),
            Phase::Waiting(_) => life.next_attempt(turn),
            Phase::Stopping(_, stop) => {
                stop.follow_with(Next::Start);
                turn.persist();
            }
            Phase::Running(_) => {
                let Definition { pod, spec } = &life.definition;
                let order = StopOrder {
                    cause: Cause::Operator(Operator::new("restart", mandate.caller.clone())),
                    message: format!("Container {} will be restarted", spec.name),
                    grace: restart::grace(grace, None, pod.termination_grace),
                    next: Next::Start,
                };
                life.stop(order, turn);
            }
            Phase::CheckingImages | Phase::Pulling | Phase::Starting => {}
        }
    }

    pub fn kill(&mut self, signal: i32) {
        let Self { life, turn } = self;
        if let Some(instance) = life.phase.process_mut() {
            let operator = Operator::new(format!("kill -s {signal}"), life.mandate.caller.clone());
            instance.operator_signal = Some((signal, operator));
            turn.instance(life.course.attempt, InstanceAction::Signal(signal));
        }
    }

    pub fn pause_probes(&mut self, length: Duration) {
        let Self { life, turn } = self;
        if let Some(instance) = life.phase.process_mut() {
            instance.pause();
        }
        life.pause.begin(length, turn);
    }

    pub fn resume_probes(&mut self) {
        let Self { life, turn } = self;
        if life.pause.end(turn)
            && let Some(instance) = life.phase.process_mut()
        {
            instance.probing.not_before(turn.now.mono);
        }
    }

    /// Takes over a changed spec. An unchanged probe keeps its counters, and those of a changed one
    /// begin at zero. The container stays started and ready until a probe has another verdict.
    /// Another definition (image, command…) ends a running instance under every policy, as in the
    /// kubelet.
    pub fn respec(&mut self, pod: Arc<PodSpec>) {
        let Self { life, turn } = self;
        let name = &life.definition.spec.name;
        let Some(spec) = pod.all().find(|container| container.name == *name).cloned() else {
            return;
        };
        let old = std::mem::replace(&mut life.definition, Definition { pod, spec }).spec;
        if let Phase::Waiting(wait) = &mut life.phase
            && wait.reason == WaitingReason::CreateContainerConfigError
        {
            // The change may be what the start waits for.
            wait.until = turn.now.mono;
        }
        let Definition { pod, spec } = &life.definition;
        let is_outdated = old.needs_new_instance(spec);
        life.mandate.set_expiry(pod, turn.now.instant_of(life.course.created_at));
        let changed = |kind: &ProbeKind| old.probes.get(*kind) != spec.probes.get(*kind);
        let changed: Vec<_> = ProbeKind::ALL.into_iter().filter(changed).collect();
        if !changed.is_empty() {
            let names: Vec<_> = changed.iter().map(|kind| kind.lower()).collect();
            let message = format!("Probes changed without a restart: {}", names.join(", "));
            turn.note(Notice::normal("ProbesChanged", message));
            if let Some(instance) = life.phase.process_mut() {
                instance.renew(&spec.probes, &changed, turn.now);
                instance.record_levels(turn);
            }
        }
        if is_outdated {
            life.outdate(turn);
        }
        // The change may have removed the last finalizer, for which a removed container waits.
        life.settle(turn);
        turn.persist();
    }

    pub fn obey(&mut self, signal: PodSignal) {
        match signal {
            PodSignal::Hold { round, grace } => self.hold(round, grace),
            PodSignal::Start => self.start(),
            PodSignal::Finish => self.finish(),
            PodSignal::StopNow => self.stop_now(),
            PodSignal::Restart { owner } => self.restart_with(&owner),
        }
    }

    fn hold(&mut self, round: u32, grace: Option<Duration>) {
        let Self { life, turn } = self;
        // Only a restart by a rule sets a grace.
        if grace.is_some() {
            life.course.ended.as_mut().into_iter().for_each(name_restart_of_all);
        }
        life.mandate.wait_for(round);
        life.mandate.finished = false;
        match &mut life.phase {
            Phase::Waiting(_) | Phase::Pulling | Phase::Ended => {
                life.queue(turn);
            }
            // A start that is under way is stopped once it has succeeded.
            Phase::Created | Phase::CheckingImages | Phase::Starting => {}
            Phase::Running(_) => life.stop(mandate::make_way(grace, &life.definition), turn),
            Phase::Stopping(_, stop) => stop.hurry(grace, turn.now),
        }
        turn.persist();
    }

    fn start(&mut self) {
        let Self { life, turn } = self;
        let before = Presentation::of(life).shown();
        life.mandate.held = false;
        match life.phase {
            Phase::Created | Phase::Ended if life.mandate.wanted == Wanted::Running => {
                life.start_anew(turn);
                life.before = Some(before);
            }
            _ => turn.persist(),
        }
    }

    fn finish(&mut self) {
        let Self { life, turn } = self;
        life.mandate.finished = true;
        if life.give_up_start(turn) {
            life.settle(turn);
        } else {
            life.stop(mandate::end_with_pod(&life.definition), turn);
        }
        turn.persist();
    }

    fn stop_now(&mut self) {
        let Self { life, turn } = self;
        let subject = life.definition.subject(life.course.attempt);
        if let Some(stop) = life.phase.stop_mut() {
            stop.pod_allows(subject, turn);
        }
    }

    fn restart_with(&mut self, owner: &str) {
        let Self { life, turn } = self;
        let mandate = &life.mandate;
        if mandate.held || mandate.finished || mandate.wanted != Wanted::Running {
            return;
        }
        let Definition { pod, spec } = &life.definition;
        let order = StopOrder {
            cause: Cause::Dependency { owner: owner.to_owned() },
            message: format!("Container {} will be restarted with {owner}", spec.name),
            grace: pod.termination_grace,
            next: Next::Start,
        };
        life.stop(order, turn);
    }

    /// Ends the container because its pod is evicted. A container that has not started, has ended
    /// or is to be stopped stays as it is.
    pub fn evict(&mut self, message: String) {
        let life = &mut *self.life;
        let is_over = matches!(life.phase, Phase::Created | Phase::Ended);
        if is_over || life.mandate.expired.is_some() || life.mandate.wanted != Wanted::Running {
            return;
        }
        self.expire(Expired::Evicted { message });
    }

    /// Ends the container because its pod has expired.
    pub fn expire(&mut self, expired: Expired) {
        let Self { life, turn } = self;
        let stop = expired_stop(&expired, &life.definition);
        life.mandate.expired = Some(expired);
        if matches!(life.phase, Phase::Running(_)) {
            life.stop(stop, turn);
            return;
        }
        if life.give_up_start(turn) {
            life.settle(turn);
        }
        // A start that is under way is stopped once it has succeeded; a stop continues.
        turn.persist();
    }
}
