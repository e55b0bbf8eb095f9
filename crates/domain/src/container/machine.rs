//! The only place where a container changes state.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::image::Waits;
use super::shim::Shim;
use super::shown::Shown;
use super::state::{PostStart, Running, State};
use super::{Action, Event, ImageFacts, InstanceEvent, Memory, Turn, Wanted};
use crate::exit::{Caller, LastWords};
use crate::link::retry_after;
use crate::notice::Notice;
use crate::probe::Tracker;
use crate::spec::{ContainerSpec, PodSpec, ProbeKind};
use crate::time::Later;
use crate::{Incarnation, Now};

#[derive(Debug)]
pub struct Machine {
    pub(super) pod: Arc<PodSpec>,
    /// A copy: a spec is small, and a machine without a container cannot be built.
    pub(super) spec: ContainerSpec,
    pub(super) memory: Memory,
    pub(super) state: State,
    pub(super) container_id: String,
    pub(super) pid: Option<u32>,
    /// Attempts that may have something left in the runtime.
    pub(super) kept: BTreeSet<Incarnation>,
    /// Those of them that are being cleared away.
    pub(super) clearing: BTreeSet<Incarnation>,
    /// The grace that the wanted level came with, for a start that is still under way.
    pub(super) grace: Option<Duration>,
    /// When to ask again for the clearing of what remained.
    pub(super) forget_at: Option<Instant>,
    /// When a pause of the probes is over.
    pub(super) paused: Option<Instant>,
    /// How many probes were launched so far: names the next one.
    pub(super) launches: u64,
    /// Who asked last. A stop may have to wait for a start that is under way.
    pub(super) caller: Option<Caller>,
    /// When the OOM killer was seen at work last.
    pub(super) oom_at: Option<Instant>,
    /// When the pod's active deadline is over.
    pub(super) expires: Option<Instant>,
    /// What the instance that ends now has left.
    pub(super) words: LastWords,
    /// When attempt or state changed last.
    pub(super) moved_at: Option<Instant>,
    /// How often in a row the runtime has failed it.
    pub(super) troubles: u32,
    /// The record is older than the memory, and that was told.
    pub(super) is_unwritten: bool,
    /// For its images.
    pub(super) waits: Waits,
    /// What was shown before the start that is under way.
    pub(super) before: Option<Shown>,
}

impl Machine {
    /// A container that does not exist yet; the first `Wanted` sets it going.
    pub fn new(pod: Arc<PodSpec>, spec: ContainerSpec, image: ImageFacts, now: Now) -> Self {
        let mut memory = Memory::new(Wanted::Stopped, now.wall);
        memory.image_id = image.id;
        memory.image_from_registry = image.from_registry;
        memory.stop_signal = image.stop_signal;
        memory.held = pod.is_several();
        memory.booted_at = Some(now.booted_at);
        let mut machine = Self::with(pod, spec, memory);
        machine.set_expiry(now);
        machine
    }

    pub(super) fn with(pod: Arc<PodSpec>, spec: ContainerSpec, memory: Memory) -> Self {
        Self {
            pod,
            spec,
            kept: BTreeSet::from([memory.attempt]),
            clearing: BTreeSet::new(),
            memory,
            state: State::Created,
            container_id: String::new(),
            pid: None,
            grace: None,
            forget_at: None,
            paused: None,
            launches: 0,
            caller: None,
            oom_at: None,
            expires: None,
            words: LastWords::default(),
            moved_at: None,
            troubles: 0,
            is_unwritten: false,
            waits: Waits::default(),
            before: None,
        }
    }

    /// Its attempts count from here: those below are of a pod that had the name before.
    #[must_use]
    pub fn counting_from(mut self, attempt: Incarnation) -> Self {
        self.memory.attempt = attempt;
        self.kept = BTreeSet::from([attempt]);
        self
    }

    pub fn container(&self) -> &ContainerSpec {
        &self.spec
    }

    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Nothing runs and nothing is left: the last word of a removed container.
    pub fn is_gone(&self) -> bool {
        self.memory.wanted == Wanted::Removed && !self.is_alive() && self.kept.is_empty()
    }

    /// Something runs, or is about to.
    pub fn is_alive(&self) -> bool {
        matches!(
            self.state,
            State::Pulling { looking: true }
                | State::Starting
                | State::Running(_)
                | State::Stopping { .. }
        )
    }

    /// When `Tick` is due next.
    pub fn deadline(&self) -> Option<Instant> {
        let own = match &self.state {
            State::Waiting { until, .. } => Some(*until),
            State::Stopping { kill_at, .. } => Some(*kill_at),
            State::Created
            | State::Pulling { .. }
            | State::Starting
            | State::Running(_)
            | State::Terminated => None,
        };
        let others = [
            self.probing_deadline(),
            self.shim_deadline(),
            self.volumes_deadline(),
            self.asking_deadline(),
            self.capture_deadline(),
            self.forget_at,
            self.paused,
            self.expiry(),
        ];
        own.into_iter().chain(others.into_iter().flatten()).min()
    }

    pub fn handle(&mut self, event: Event, now: Now) -> Vec<Action> {
        let mut turn = Turn::new(now);
        self.follow_clock(now);
        let before = self.place();
        self.dispatch(event, &mut turn);
        self.has_moved(before, now);
        turn.actions
    }

    fn dispatch(&mut self, event: Event, turn: &mut Turn) {
        match event {
            Event::Wanted { wanted, grace } => self.wanted(wanted, grace, turn),
            Event::Restart { grace } => self.restart(grace, turn),
            Event::Kill { signal } => self.kill(signal, turn),
            Event::Pause { length } => self.pause(length, turn),
            Event::Resume => self.resume_probes(turn),
            Event::Respec(pod) => self.respec(pod, turn),
            Event::Pod(word) => self.told(word, turn),
            Event::Asker(caller) => self.caller = caller,
            Event::Evicted { message } => self.evicted(message, turn),
            Event::Instance(incarnation, event) if incarnation == self.memory.attempt => {
                self.dispatch_of_instance(event, turn);
            }
            Event::Instance(..) => {}
            Event::Forgotten { incarnation } => {
                self.kept.remove(&incarnation);
                self.clearing.remove(&incarnation);
                self.troubles = 0;
                if self.memory.wanted == Wanted::Removed {
                    self.settle(turn);
                }
            }
            Event::Remains { incarnation } => {
                self.clearing.remove(&incarnation);
                self.troubles = self.troubles.saturating_add(1);
                self.forget_at = Some(turn.now.mono.later(retry_after(self.troubles)));
            }
            Event::Found(look) => self.found(&look, turn),
            Event::RecordMissing { incarnation } => self.record_missing(incarnation, turn),
            Event::NoLog { incarnation, why } => self.no_log(incarnation, &why, turn),
            Event::RuntimeBack => self.runtime_back(turn.now),
            Event::Unwritten { error } => self.unwritten(error, turn),
            Event::Written => self.written(turn),
            Event::Tick => self.tick(turn),
        }
    }

    fn dispatch_of_instance(&mut self, event: InstanceEvent, turn: &mut Turn) {
        match event {
            InstanceEvent::User { user } => self.memory.user = Some(user),
            InstanceEvent::Started { pid, container_id } => self.started(pid, container_id, turn),
            InstanceEvent::Failed { fault, message } => self.failed(fault, message, turn),
            InstanceEvent::Looked { image, volumes } => self.looked(image, &volumes, turn),
            InstanceEvent::Pulled { image, pulled } => self.pulled(image, pulled, turn),
            InstanceEvent::PullFailed { fault, message } => self.pull_failed(fault, message, turn),
            InstanceEvent::Probed { kind, launch, outcome, latency } => {
                self.probed(kind, launch, outcome, latency, turn);
            }
            InstanceEvent::Ended { ending } => {
                self.ended_condemned(turn);
                self.ended(ending, turn);
            }
            InstanceEvent::Hooked { kind, result } => self.hooked(kind, result, turn),
            InstanceEvent::ShimMeasured { bytes } => self.shim_measured(bytes, turn),
            InstanceEvent::VolumesMeasured { used } => self.volumes_measured(&used, turn),
            InstanceEvent::Captured { reading } => self.captured(reading, turn),
            InstanceEvent::Granted => self.granted(turn),
            InstanceEvent::Held { why, again } => self.held(why, again, turn),
            InstanceEvent::OomKills { kills } => self.oom_counted(kills, turn),
            InstanceEvent::LastWords { words } => self.words = words,
        }
    }

    fn tick(&mut self, turn: &mut Turn) {
        self.expire(turn);
        if self.forget_at.is_some_and(|at| at <= turn.now.mono) {
            self.forget_at = None;
            self.settle(turn);
        }
        match &mut self.state {
            State::Waiting { until, .. } if *until <= turn.now.mono => {
                self.before = Some(self.shown());
                // A start that failed by the runtime's fault is the same attempt once more.
                if self.memory.ended.is_some() { self.again(turn) } else { self.waited(turn) }
            }
            State::Stopping { kill_at, .. } if *kill_at <= turn.now.mono => self.grace_over(turn),
            _ => {}
        }
        self.capture_over(turn);
        self.end_pause(turn);
        self.launch_probes(turn);
        self.measure_shim(turn);
        self.measure_volumes(turn);
        self.ask_again(turn);
    }

    /// The new process comes first; the old attempts are cleared beside it.
    pub(super) fn next_attempt(&mut self, turn: &mut Turn) {
        self.before = Some(self.shown_while_it_starts());
        let old = self.memory.attempt;
        self.memory.attempt = old.next();
        self.memory.restart_count = self.memory.restart_count.saturating_add(1);
        self.memory.last_state = self.memory.ended.take();
        self.memory.started_at = None;
        self.memory.started = false;
        self.memory.ready = false;
        self.memory.restart_at = None;
        self.memory.given_up = false;
        self.memory.oom = Default::default();
        self.pid = None;
        self.start(turn);
    }

    fn started(&mut self, pid: u32, container_id: String, turn: &mut Turn) {
        if !matches!(self.state, State::Starting) {
            return;
        }
        self.troubles = 0;
        self.pid = Some(pid);
        self.container_id = container_id;
        let running = self.begin(turn.now.mono, turn.now);
        self.memory.started_at = Some(turn.now.wall);
        self.memory.started = running.has_started();
        self.memory.ready = running.is_ready();
        self.state = State::Running(running);
        if !self.pod.is_adopted() {
            self.tell_image(turn);
            turn.note(Notice::normal("Created", "Container created"));
            let warning = self.spec.warning();
            turn.actions
                .extend(warning.map(|text| Action::Note(Notice::warning("HostNamespaces", text))));
        }
        turn.note(Notice::normal("Started", "Container started"));
        turn.persist();
        self.run_post_start(turn);
        if self.memory.wanted != Wanted::Running {
            let wanted = self.memory.wanted;
            self.wanted(wanted, self.grace, turn);
        } else if self.memory.expired {
            self.stop_expired(turn);
        } else if self.memory.held {
            self.make_way(None, turn);
        } else if self.memory.finished {
            self.end_with_the_pod(turn);
        }
    }

    /// A running instance with clean trackers, whose probes count their delays from `since`.
    pub(super) fn begin(&self, since: Instant, now: Now) -> Running {
        let tracker = |kind| Some(Tracker::new(kind, self.spec.probes.get(kind)?, since));
        Running {
            since,
            started_at: now.wall,
            trackers: ProbeKind::ALL.into_iter().filter_map(tracker).collect(),
            was_ready: false,
            orphan: false,
            post_start: PostStart::Over,
            operator_signal: None,
            shim: Shim::new(now.mono),
            measuring: self.first_measurement(now),
            condemned: None,
            capturing: None,
        }
    }

    /// Clears what nobody needs any more: all of a removed container, else all attempts but the
    /// newest and the one before it.
    pub(super) fn settle(&mut self, turn: &mut Turn) {
        let removed = self.memory.wanted == Wanted::Removed && !self.is_alive();
        // While a restart waits, the dead attempt is the newest; it is the one to be looked at. One
        // that waits to be started may have no record yet: all that is known is in the one before.
        let oldest = match self.state {
            State::Waiting { .. } | State::Terminated if self.memory.ended.is_some() => {
                self.memory.attempt.0
            }
            _ => self.memory.attempt.0.saturating_sub(1),
        };
        // The newest record alone knows that the container is to be removed: it is the last.
        let newest = self.kept.last().copied();
        let last = self.kept.len() == 1;
        for kept in &self.kept {
            let is_over = removed && (last || Some(*kept) != newest);
            if (is_over || kept.0 < oldest) && self.clearing.insert(*kept) {
                turn.push(Action::Forget(*kept));
            }
        }
    }
}
