//! The newest attempt of a container, from its start to what follows its end.

use std::collections::BTreeMap;
use std::time::Duration;

use super::attempts::Attempts;
use super::condemnation::Condemnation;
use super::course::Course;
use super::definition::Definition;
use super::ending;
use super::images::{Images, Step};
use super::instance::Instance;
use super::mandate::{self, Mandate};
use super::oom::OomWatch;
use super::pause::ProbePause;
use super::phase::{Phase, Wait};
use super::presentation::{Presentation, Shown};
use super::probing::Levels;
use super::stop::{Stop, StopOrder};
use super::{Action, Fault, ImageFacts, InstanceAction, Memory, Next, Turn, Wanted};
use crate::exit::{Cause, Ending, ExitEvidence, Terminated};
use crate::image::VolumeSeen;
use crate::link::retry_after;
use crate::notice::Notice;
use crate::restart::Backoff;
use crate::spec::{OnFailure, RestartAction, Role};
use crate::status::{ContainerState, WaitingReason};
use crate::time::Later;
use crate::{Incarnation, Now, restart};

/// Interval at which a start is retried that the container's configuration forbids.
const CONFIG_RETRY: Duration = Duration::from_secs(10);

/// A container with all parts of its machine. Its methods are the transitions of [`Phase`].
#[derive(Debug)]
pub struct Life {
    pub definition: Definition,
    pub mandate: Mandate,
    pub course: Course,
    pub phase: Phase,
    pub attempts: Attempts,
    pub pause: ProbePause,
    pub images: Images,
    pub oom: OomWatch,
    /// Evidence that the ending instance has left.
    pub exit_evidence: ExitEvidence,
    /// Number of failures of the runtime in a row.
    pub troubles: u32,
    /// State that was published before the start that is under way.
    pub before: Option<Shown>,
    /// Levels of an instance that was stopped because its definition changed. They stay published,
    /// with its state, until the next instance has begun or its start has failed.
    pub replaced: Option<Levels>,
    /// True if the definition needs another instance than the newest one, and perhaps another image.
    pub is_outdated: bool,
}

impl Life {
    /// A container without a process; the caller sets its phase if it has one.
    pub fn new(definition: Definition, memory: &Memory, now: Now) -> Self {
        let mut mandate = Mandate::of(memory);
        mandate.set_expiry(&definition.pod, now.instant_of(memory.created_at));
        Self {
            definition,
            mandate,
            course: Course::of(memory),
            phase: Phase::Created,
            attempts: Attempts::new(memory.attempt),
            pause: ProbePause::of(memory, now),
            images: Images::default(),
            oom: OomWatch::new(memory.oom),
            exit_evidence: ExitEvidence::default(),
            troubles: 0,
            before: None,
            replaced: None,
            is_outdated: false,
        }
    }

    /// Starts the newest attempt, once its images are on the machine.
    pub fn start(&mut self, turn: &mut Turn) {
        if std::mem::take(&mut self.is_outdated) {
            self.course.image = ImageFacts::default();
        }
        if Images::must_look(&self.definition, &self.course.image) {
            self.check_images(turn);
        } else {
            self.proceed(Step::Launch, turn);
        }
    }

    /// Checks for the images: they may have been removed or imported since.
    pub fn check_images(&mut self, turn: &mut Turn) {
        self.phase = Phase::CheckingImages;
        self.attempts.add(self.course.attempt);
        self.images.checking();
        turn.instance(self.course.attempt, InstanceAction::CheckImages);
    }

    /// Starts the next attempt. Old attempts are cleaned up at the same time.
    pub fn next_attempt(&mut self, turn: &mut Turn) {
        self.before = Some(Presentation::of(self).shown_while_it_starts());
        self.course.next_attempt();
        self.oom.next_attempt();
        self.start(turn);
        // While it waited for its order in the pod, the two attempts before it were kept.
        self.settle(turn);
    }

    /// Starts the newest attempt if it has not run yet, else the next one.
    pub fn start_anew(&mut self, turn: &mut Turn) {
        if self.course.ended.is_some() { self.next_attempt(turn) } else { self.start(turn) }
    }

    /// Stops the instance that runs. Without one, nothing happens.
    pub fn stop(&mut self, order: StopOrder, turn: &mut Turn) {
        let mandate = &self.mandate;
        let ends_with_pod = mandate.is_over() || mandate.wanted != Wanted::Running;
        let waits_for_pod = ends_with_pod && self.definition.role() == Role::Sidecar;
        let subject = self.definition.subject(self.course.attempt);
        let image_signal = self.course.image.stop_signal;
        self.phase = match std::mem::replace(&mut self.phase, Phase::Ended) {
            Phase::Running(mut instance) => {
                instance.stop();
                let stop = Stop::begin(order, waits_for_pod, image_signal, subject, turn);
                Phase::Stopping(instance, stop)
            }
            other => other,
        };
    }

    /// Queues the container for its order in the pod.
    pub fn queue(&mut self, turn: &mut Turn) {
        self.give_up_start(turn);
        self.images = Images::default();
        self.phase = Phase::Created;
    }

    /// Ends a wait for a start, and the pull that it may wait for. Returns false if there is none.
    pub fn give_up_start(&mut self, turn: &mut Turn) -> bool {
        match self.phase {
            Phase::Pulling => turn.instance(self.course.attempt, InstanceAction::GiveUpPull),
            Phase::Waiting(_) => {}
            _ => return false,
        }
        self.images = Images::default();
        self.phase = Phase::Ended;
        true
    }

    /// Cleans up what is no longer needed: everything of a removed container, else all attempts but
    /// the newest and the one before it.
    pub fn settle(&mut self, turn: &mut Turn) {
        let is_removed = self.mandate.wanted == Wanted::Removed
            && !self.phase.is_alive()
            && self.definition.pod.finalizers().is_empty();
        let attempt = self.course.attempt;
        // While a restart waits, the newest attempt has ended, and users inspect it. An attempt
        // that waits for its start may have no record yet; then the record before it has
        // everything.
        let oldest = match self.phase {
            Phase::Waiting(_) | Phase::Ended if self.course.ended.is_some() => attempt,
            _ => Incarnation(attempt.0.saturating_sub(1)),
        };
        self.attempts.settle(oldest, is_removed, turn);
    }

    /// Handles the end of the process.
    pub fn ended(&mut self, ending: Ending, turn: &mut Turn) {
        let evidence = std::mem::take(&mut self.exit_evidence);
        if let Some(kills) = evidence.oom_kills {
            self.count_oom_kills(kills, turn);
        }
        let (instance, asked) = match std::mem::replace(&mut self.phase, Phase::Ended) {
            Phase::Running(instance) => (instance, None),
            Phase::Stopping(instance, stop) => (instance, Some(stop.into_record())),
            other => {
                self.phase = other;
                return;
            }
        };
        let levels = instance.has_begun().then(|| instance.published_levels());
        // An earlier daemon died before it could stop what its probe had condemned.
        let condemned = match &instance.condemnation {
            Some(Condemnation::Inherited(cause)) if asked.is_none() => Some(cause.clone()),
            _ => None,
        };
        if let Some(cause) = &condemned {
            self.apply_verdict(cause);
        }
        let next = asked.as_ref().map_or(Next::Policy, |stopping| stopping.next);
        let known = ending::known(
            ending,
            (asked, condemned),
            instance.operator_signal,
            &self.oom,
            &evidence,
            turn.now,
        );
        let (oom_kills, verdict) = (known.oom_kills, known.verdict());
        let by_probe = matches!(verdict.cause, Cause::Probe { .. });
        let mut ended = Terminated {
            attempt: self.course.attempt,
            container_id: self.course.container_id.clone(),
            ending,
            reason: verdict.reason.into(),
            cause: verdict.cause,
            exit_code: ending.exit_code(),
            signal: ending.signal(),
            message: evidence.message(&self.definition.spec.termination_message, ending),
            started_at: Some(instance.started_at),
            finished_at: turn.now.wall,
            sigkill: verdict.sigkill,
            oom_kills,
        };
        if ended.cause == Cause::AllRestart {
            ending::name_restart_of_all(&mut ended);
        }
        let ran = turn.now.mono.saturating_duration_since(instance.since);
        let replaced = levels.filter(|_| ended.cause == Cause::Changed).map(|levels| {
            let state = ContainerState::Running { started_at: instance.started_at };
            ((state, self.course.last_state.clone()), levels)
        });
        self.over(ended, ran, by_probe, next, turn);
        // As with the kubelet, which ends the old instance and starts the new one in one step.
        if let Some((shown, levels)) = replaced
            && matches!(self.phase, Phase::CheckingImages | Phase::Starting)
        {
            self.before = Some(shown);
            self.replaced = Some(levels);
        }
    }

    /// True if the exit of the newest attempt asks for a restart of all containers.
    pub fn calls_for_all(&self) -> bool {
        let Some(ended) = &self.course.ended else { return false };
        let Definition { pod, spec } = &self.definition;
        let action = restart::deciding_rule(pod, spec, ended);
        pod.is_several() && action == Some(RestartAction::RestartAllContainers)
    }

    /// Takes the next step of a start.
    pub fn proceed(&mut self, step: Step, turn: &mut Turn) {
        self.phase = match step {
            Step::Launch => {
                self.images.launched();
                self.attempts.add(self.course.attempt);
                turn.instance(self.course.attempt, InstanceAction::Start);
                Phase::Starting
            }
            Step::Pull => Phase::Pulling,
            Step::Wait(wait) => {
                self.replaced = None;
                Phase::Waiting(wait)
            }
        };
    }

    /// A wait with `reason` is over.
    pub fn waited(&mut self, reason: WaitingReason, turn: &mut Turn) {
        self.before = Some(Presentation::of(self).shown());
        // A start that failed because of the runtime is retried as the same attempt.
        if self.course.ended.is_some() {
            self.restart(turn);
        } else {
            match self.images.waited(reason, turn) {
                Some(step) => self.proceed(step, turn),
                None => self.start(turn),
            }
        }
    }

    pub fn images_checked(
        &mut self,
        found: Option<ImageFacts>,
        volumes: &BTreeMap<String, VolumeSeen>,
        turn: &mut Turn,
    ) {
        if !matches!(self.phase, Phase::CheckingImages) {
            return;
        }
        self.course.image = found.unwrap_or_default();
        if !self.mandate.lets_start() {
            self.rest_without_image(turn);
            return;
        }
        if self.is_outdated {
            self.start(turn);
            return;
        }
        let subject = self.definition.subject(self.course.attempt);
        self.images.checked(&self.definition, &self.course.image, volumes, turn);
        let step = self.images.next(subject, turn);
        self.proceed(step, turn);
    }

    /// A request that came during the wait forbids the start.
    fn rest_without_image(&mut self, turn: &mut Turn) {
        let is_queued = self.mandate.held && self.mandate.wanted == Wanted::Running;
        self.phase = if is_queued { Phase::Created } else { Phase::Ended };
        self.settle(turn);
        turn.persist();
    }

    pub fn started(&mut self, pid: u32, container_id: String, turn: &mut Turn) {
        if !matches!(self.phase, Phase::Starting) {
            return;
        }
        self.troubles = 0;
        self.course.pid = Some(pid);
        self.course.container_id = container_id;
        self.course.started_at = Some(turn.now.wall);
        let Definition { pod, spec } = &self.definition;
        if !pod.is_adopted() {
            self.images.note_presence(&self.definition, turn);
            turn.note(Notice::normal("Created", "Container created"));
            if let Some(warning) = spec.warning() {
                turn.note(Notice::warning("HostNamespaces", warning));
            }
        }
        turn.note(Notice::normal("Started", "Container started"));
        turn.persist();
        let subject = self.definition.subject(self.course.attempt);
        let mut instance = Instance::new(&self.definition, turn.now);
        instance.run_post_start(subject, turn);
        self.phase = Phase::Running(instance);
        if let Some(order) = self.mandate.stop_order(&self.definition) {
            self.stop(order, turn);
        } else if self.is_outdated {
            self.stop(mandate::make_way_for_changed(&self.definition), turn);
        }
    }

    /// Takes over that the definition needs a new instance. Failures of the old one are no reason
    /// for it to wait, as with the kubelet.
    pub fn outdate(&mut self, turn: &mut Turn) {
        self.is_outdated = true;
        self.course.backoff = Backoff::default();
        match &mut self.phase {
            Phase::Pulling => {
                turn.instance(self.course.attempt, InstanceAction::GiveUpPull);
                self.start(turn);
            }
            Phase::Waiting(wait) if wait.reason.is_of_image() => self.start(turn),
            Phase::Waiting(wait) => wait.until = turn.now.mono,
            Phase::Running(_) => {
                self.stop(mandate::make_way_for_changed(&self.definition), turn);
            }
            // A start that is under way is stopped once it has succeeded.
            Phase::CheckingImages | Phase::Starting => {}
            Phase::Created | Phase::Stopping(..) | Phase::Ended => {}
        }
    }

    pub fn failed(&mut self, fault: Fault, message: String, turn: &mut Turn) {
        if !matches!(self.phase, Phase::Starting | Phase::CheckingImages) {
            return;
        }
        if fault == Fault::Image {
            // The image that was on the machine is gone.
            self.course.image = ImageFacts::default();
            match self.mandate.lets_start() {
                true => self.check_images(turn),
                false => self.rest_without_image(turn),
            }
            return;
        }
        let goes_on = self.mandate.wanted == Wanted::Running && !self.mandate.held;
        let is_network = fault == Fault::Network;
        let retries = (fault == Fault::Runtime || is_network) && goes_on;
        // While the runtime is unavailable, every try fails alike.
        let is_first = self.troubles == 0;
        if is_network {
            let message = format!("Failed to create pod sandbox: {message}");
            turn.note(Notice::warning("FailedCreatePodSandBox", message).of_pod());
        } else if !retries || is_first {
            turn.note(Notice::warning("Failed", format!("Error: {message}")));
        }
        let again = retry_after(self.troubles.saturating_add(1));
        let retry = match fault {
            Fault::Container | Fault::Image => None,
            Fault::Runtime => Some((WaitingReason::CreateContainerError, again)),
            // As in Kubernetes, only the event has more details.
            Fault::Network => Some((WaitingReason::ContainerCreating, again)),
            Fault::Config => Some((WaitingReason::CreateContainerConfigError, CONFIG_RETRY)),
        };
        if let Some((reason, wait)) = retry.filter(|_| goes_on) {
            self.troubles = self.troubles.saturating_add(u32::from(retries));
            let until = turn.now.mono.later(wait);
            self.replaced = None;
            self.phase = Phase::Waiting(Wait::retry(reason, message, until));
            // The end of the attempt before may be recorded nowhere else.
            if !retries || is_first {
                turn.persist();
            }
            return;
        }
        let Course { attempt, container_id, .. } = &self.course;
        let ended = ending::failed_start(*attempt, container_id.clone(), message, turn.now);
        self.over(ended, Duration::ZERO, false, Next::Policy, turn);
    }

    pub fn count_oom_kills(&mut self, kills: u64, turn: &mut Turn) {
        match self.phase {
            Phase::Starting => self.oom.starts_with(kills),
            Phase::Running(_) | Phase::Stopping(..) => {
                self.oom.counted(kills, &self.definition.spec.name, turn);
            }
            _ => {}
        }
    }

    pub fn stop_captured(&mut self, turn: &mut Turn) {
        if let Phase::Running(instance) = &mut self.phase
            && let Some(order) = Condemnation::captured(&mut instance.condemnation)
        {
            self.stop_for_probe(order, turn);
        }
    }

    pub fn stop_for_probe(&mut self, order: StopOrder, turn: &mut Turn) {
        self.apply_verdict(&order.cause);
        self.stop(order, turn);
    }

    /// The process ended before it was stopped, but its probe had condemned it: that is the cause.
    pub fn end_condemned(&mut self, turn: &mut Turn) {
        let mut stop = Turn::new(turn.now);
        self.stop_captured(&mut stop);
        // Only the events make sense for a process that is gone.
        let notes = stop.actions.into_iter().filter(|action| matches!(action, Action::Note(_)));
        turn.actions.extend(notes);
    }

    /// Applies the probe's `onFailure`, which may forbid an instance after the one that it ends.
    fn apply_verdict(&mut self, cause: &Cause) {
        if let Cause::Probe { kind, .. } = cause
            && self.definition.on_failure(*kind) == OnFailure::Stop
        {
            self.mandate.wanted = Wanted::Stopped;
        }
    }

    /// Decides what follows an attempt that is over.
    fn over(
        &mut self,
        ended: Terminated,
        ran: Duration,
        by_probe: bool,
        next: Next,
        turn: &mut Turn,
    ) {
        self.before = None;
        self.replaced = None;
        let old = self.course.attempt;
        let Definition { pod, spec } = &self.definition;
        let follows = restart::follows(pod, spec, &ended);
        self.course.over(ended);
        self.phase = Phase::Ended;
        if self.mandate.wanted != Wanted::Running || self.mandate.is_over() {
            turn.persist();
        } else if self.mandate.held {
            self.phase = Phase::Created;
            turn.persist();
        } else if next == Next::Start {
            self.next_attempt(turn);
        } else if follows {
            match self.course.backoff.step(&spec.backoff, ran, by_probe) {
                None => {
                    self.course.given_up = true;
                    ending::note_give_up(spec, turn);
                }
                Some(Duration::ZERO) => self.restart(turn),
                Some(wait) => {
                    let wait = ending::back_off(&self.definition, wait, turn);
                    self.phase = Phase::Waiting(wait);
                }
            }
        } else {
            turn.persist();
        }
        turn.push(Action::DeleteTask(old));
        self.settle(turn);
    }

    /// Starts the next attempt, or queues it if a rule asks for a restart of all containers.
    fn restart(&mut self, turn: &mut Turn) {
        if !self.calls_for_all() {
            self.next_attempt(turn);
            return;
        }
        self.course.ended.as_mut().into_iter().for_each(ending::name_restart_of_all);
        self.mandate.wait_for(self.mandate.round.saturating_add(1));
        self.phase = Phase::Created;
        turn.persist();
    }
}
