//! The machine of one container: it passes each event to the part that it concerns.

use std::sync::Arc;
use std::time::Instant;

use super::attempts::Attempts;
use super::condemnation::Condemnation;
use super::definition::Definition;
use super::life::Life;
use super::member::Member;
use super::orders::Orders;
use super::phase::Phase;
use super::presentation::Presentation;
use super::reconcile::{self, Reconciliation};
use super::{Action, Event, ImageFacts, InstanceEvent, Memory, Turn, Wanted, clock, volumes};
use crate::exit::Cause;
use crate::notice::Notice;
use crate::spec::{ContainerSpec, HookKind, PodSpec};
use crate::status::{ContainerStatus, Expired};
use crate::{Incarnation, Now};

/// Decides the actions for one container. It has no clock and performs nothing itself: it takes
/// events and returns actions.
#[derive(Debug)]
pub struct Machine {
    pub(super) life: Life,
    reconciliation: Reconciliation,
}

impl Machine {
    /// A container that does not exist yet; the first `Wanted` starts it.
    pub fn new(pod: Arc<PodSpec>, spec: ContainerSpec, image: ImageFacts, now: Now) -> Self {
        let memory = Memory {
            image_id: image.id,
            image_from_registry: image.from_registry,
            stop_signal: image.stop_signal,
            held: pod.is_several(),
            booted_at: Some(now.booted_at),
            ..Memory::new(Wanted::Stopped, now.wall)
        };
        Self::of(Life::new(Definition { pod, spec }, &memory, now))
    }

    pub(super) fn of(life: Life) -> Self {
        Self { life, reconciliation: Reconciliation::default() }
    }

    /// Returns the same container with `attempt` as its first attempt. Lower numbers belong to a
    /// pod that had the name before.
    #[must_use]
    pub fn counting_from(mut self, attempt: Incarnation) -> Self {
        self.life.course.attempt = attempt;
        self.life.attempts = Attempts::new(attempt);
        self
    }

    /// Spec of the container.
    pub fn container(&self) -> &ContainerSpec {
        &self.life.definition.spec
    }

    /// The newest attempt.
    pub fn attempt(&self) -> Incarnation {
        self.life.course.attempt
    }

    /// Returns the memory to be recorded. The caller adds the events and the id of the boot.
    pub fn memory(&self) -> Memory {
        Memory::of(&self.life)
    }

    /// Returns the facts that the pod needs of the container.
    pub fn member(&self) -> Member<'_> {
        Member::of(&self.life)
    }

    /// Status of the container, as published.
    pub fn status(&self) -> ContainerStatus {
        Presentation::of(&self.life).status()
    }

    /// True if a process runs, or is about to.
    pub fn is_alive(&self) -> bool {
        self.life.phase.is_alive()
    }

    /// True once no process runs and everything of a removed container is deleted.
    pub fn is_gone(&self) -> bool {
        let Life { mandate, attempts, .. } = &self.life;
        mandate.wanted == Wanted::Removed && !self.is_alive() && attempts.len() == 0
    }

    /// True if a probe may end the instance. The brake allows a share of these to be killed.
    pub fn may_be_ended_by_probe(&self) -> bool {
        let Life { definition, pause, .. } = &self.life;
        self.is_alive() && !pause.is_on() && definition.may_end_by_probe()
    }

    /// Cause of the stop that waits for the evidence.
    pub fn condemned_for(&self) -> Option<&Cause> {
        match &self.life.phase {
            Phase::Running(instance) => instance.condemnation.as_ref()?.captures_for(),
            _ => None,
        }
    }

    /// Spreads the probes over their next period, so that a daemon that recovers many containers
    /// does not run all of their probes at the same moment.
    pub fn spread_probes(&mut self, now: Now) {
        let Life { definition, phase, .. } = &mut self.life;
        let seed = (&definition.pod.uid, &definition.spec.name);
        if let Some(instance) = phase.process_mut() {
            instance.probing.stagger(&seed, now.mono);
        }
    }

    /// When the next `Tick` is due.
    pub fn deadline(&self) -> Option<Instant> {
        let Life { definition, mandate, phase, attempts, pause, .. } = &self.life;
        let is_stopping = phase.stop().is_some();
        let instance = phase
            .process()
            .and_then(|instance| instance.deadline(definition, is_stopping, pause.is_on()));
        let all = [
            phase.deadline(),
            instance,
            attempts.deadline(),
            pause.deadline(),
            mandate.expiry(phase),
        ];
        all.into_iter().flatten().min()
    }

    /// Handles an event, and returns the actions for it, in this order.
    pub fn handle(&mut self, event: Event, now: Now) -> Vec<Action> {
        let mut turn = Turn::new(now);
        clock::follow(&mut self.life, now);
        let before = Reconciliation::progress(&self.life);
        self.dispatch(event, &mut turn);
        self.reconciliation.turn_over(&self.life, before, now);
        turn.actions
    }

    fn dispatch(&mut self, event: Event, turn: &mut Turn) {
        let Self { life, reconciliation } = self;
        let mut orders = Orders { life, turn };
        match event {
            Event::Wanted { wanted, grace } => orders.want(wanted, grace),
            Event::Restart { grace } => orders.restart(grace),
            Event::Kill { signal } => orders.kill(signal),
            Event::Pause { length } => orders.pause_probes(length),
            Event::Resume => orders.resume_probes(),
            Event::Respec(pod) => orders.respec(pod),
            Event::Pod(signal) => orders.obey(signal),
            Event::Asker(caller) => life.mandate.caller = caller,
            Event::Evicted { message } => orders.evict(message),
            Event::Instance(incarnation, event) if incarnation == life.course.attempt => {
                self.dispatch_of_instance(event, turn);
            }
            // The reading is published however late it comes.
            Event::Instance(_, InstanceEvent::Captured { reading }) => note_reading(reading, turn),
            Event::Instance(..) => {}
            Event::AttemptDeleted { incarnation } => {
                life.attempts.forgotten(incarnation);
                life.troubles = 0;
                if life.mandate.wanted == Wanted::Removed {
                    life.settle(turn);
                }
            }
            Event::Leftovers { incarnation } => {
                life.troubles = life.troubles.saturating_add(1);
                life.attempts.remains(incarnation, life.troubles, turn.now.mono);
            }
            Event::Found(observation) => reconciliation.observed(life, &observation, turn),
            Event::RecordMissing { incarnation } => {
                reconcile::record_missing(life, incarnation, turn);
            }
            Event::NoLog { incarnation, why } => reconcile::note_no_log(incarnation, &why, turn),
            Event::RuntimeBack => reconcile::runtime_back(life, turn.now),
            Event::PendingRecord { error } => reconciliation.pending_record(&error, turn),
            Event::Written => reconciliation.written(turn),
            Event::Tick => self.tick(turn),
        }
    }

    fn dispatch_of_instance(&mut self, event: InstanceEvent, turn: &mut Turn) {
        let life = &mut self.life;
        let subject = life.definition.subject(life.course.attempt);
        match event {
            InstanceEvent::User { user } => life.course.user = Some(user),
            InstanceEvent::Started { pid, container_id } => life.started(pid, container_id, turn),
            InstanceEvent::Failed { fault, message } => life.failed(fault, message, turn),
            InstanceEvent::ImagesChecked { image, volumes } => {
                life.images_checked(image, &volumes, turn)
            }
            InstanceEvent::Pulled { image, pulled } => {
                if matches!(life.phase, Phase::Pulling)
                    && let Some(is_own) = life.images.pulled(pulled, turn)
                {
                    if is_own {
                        life.course.image = image;
                    }
                    let step = life.images.next(subject, turn);
                    life.proceed(step, turn);
                }
            }
            InstanceEvent::PullFailed { fault, message } => {
                if matches!(life.phase, Phase::Pulling)
                    && let Some(step) = life.images.failed(fault, message, subject, turn)
                {
                    life.proceed(step, turn);
                }
            }
            InstanceEvent::Probed { kind, launch, outcome, latency } => {
                if let Some(instance) = life.phase.process_mut() {
                    instance.probed((kind, launch), &outcome, latency, subject, turn);
                }
            }
            InstanceEvent::Ended { ending } => {
                life.end_condemned(turn);
                life.ended(ending, turn);
            }
            InstanceEvent::Hooked { kind: HookKind::PostStart, result } => {
                let definition = &life.definition;
                let instance = life.phase.running_mut();
                let order = instance.and_then(|it| it.post_started(result, definition, turn));
                if let Some(order) = order {
                    life.stop(order, turn);
                }
            }
            InstanceEvent::Hooked { kind: HookKind::PreStop, result } => {
                if let Some(stop) = life.phase.stop_mut() {
                    stop.hooked(result.is_err(), subject, turn);
                }
            }
            InstanceEvent::ShimMeasured { bytes } => {
                if let Some(instance) = life.phase.running_mut() {
                    instance.shim.measured(bytes, turn);
                }
            }
            InstanceEvent::VolumesMeasured { used } => {
                if let Some(instance) = life.phase.running_mut() {
                    instance.volumes.measured(turn.now);
                }
                if let Some(message) = volumes::excess(&life.definition.pod, &used) {
                    Orders { life, turn }.evict(message);
                }
            }
            InstanceEvent::ProcessesCaptured => life.stop_captured(turn),
            InstanceEvent::Captured { reading } => {
                note_reading(reading, turn);
                life.stop_captured(turn);
            }
            InstanceEvent::Granted => {
                if let Some(instance) = life.phase.running_mut() {
                    let condemnation = instance.condemnation.take();
                    instance.condemnation = condemnation.map(|it| it.granted(subject, turn));
                }
            }
            InstanceEvent::Held { why, again } => {
                if let Some(instance) = life.phase.running_mut()
                    && let Some(condemnation) = &mut instance.condemnation
                    && let Some(kind) = condemnation.held(why, again, &life.definition, turn)
                {
                    instance.probing.go_on(kind);
                }
            }
            InstanceEvent::OomKills { kills } => life.count_oom_kills(kills, turn),
            InstanceEvent::ExitEvidence { evidence } => life.exit_evidence = evidence,
        }
    }

    fn tick(&mut self, turn: &mut Turn) {
        let life = &mut self.life;
        if life.mandate.expiry(&life.phase).is_some_and(|at| at <= turn.now.mono) {
            Orders { life, turn }.expire(Expired::Deadline);
        }
        if life.attempts.is_due(turn.now.mono) {
            life.settle(turn);
        }
        let subject = life.definition.subject(life.course.attempt);
        match &mut life.phase {
            Phase::Waiting(wait) if wait.until <= turn.now.mono => {
                let reason = wait.reason;
                life.waited(reason, turn);
            }
            Phase::Stopping(_, stop) => stop.tick(subject, turn),
            _ => {}
        }
        if let Phase::Running(instance) = &mut life.phase
            && let Some(order) = Condemnation::capture_over(&mut instance.condemnation, turn.now)
        {
            life.stop_for_probe(order, turn);
        }
        let pause_is_over = life.pause.tick(turn);
        let (is_paused, is_stopping) = (life.pause.is_on(), life.phase.stop().is_some());
        let subject = life.definition.subject(life.course.attempt);
        if let Some(instance) = life.phase.process_mut() {
            if pause_is_over {
                instance.probing.not_before(turn.now.mono);
            }
            instance.tick(is_stopping, is_paused, subject, turn);
        }
    }
}

fn note_reading(reading: String, turn: &mut Turn) {
    if !reading.is_empty() {
        turn.note(Notice::normal("Evidence", reading));
    }
}
