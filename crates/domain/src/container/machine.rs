//! The only place where a container changes state.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::image::Waits;
use super::shim::Shim;
use super::shown::Shown;
use super::state::{PostStart, Running, State};
use super::{Action, Event, ImageFacts, Memory, Wanted};
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
        let mut out = Vec::new();
        self.follow_clock(now);
        let before = self.place();
        match event {
            Event::Wanted { wanted, grace } => self.wanted(wanted, grace, now, &mut out),
            Event::Restart { grace } => self.restart(grace, now, &mut out),
            Event::Kill { signal } => self.kill(signal, &mut out),
            Event::Pause { length } => self.pause(length, now, &mut out),
            Event::Resume => self.resume_probes(now, &mut out),
            Event::Respec(pod) => self.respec(pod, now, &mut out),
            Event::Pod(word) => self.told(word, now, &mut out),
            Event::Asker(caller) => self.caller = caller,
            Event::OomKills { incarnation, kills } if self.is_current(incarnation) => {
                self.oom_counted(kills, now, &mut out);
            }
            Event::LastWords { incarnation, words } if self.is_current(incarnation) => {
                self.words = words;
            }
            Event::Forgotten { incarnation } => {
                self.kept.remove(&incarnation);
                self.clearing.remove(&incarnation);
                self.troubles = 0;
                if self.memory.wanted == Wanted::Removed {
                    self.settle(&mut out);
                }
            }
            Event::Remains { incarnation } => {
                self.clearing.remove(&incarnation);
                self.troubles = self.troubles.saturating_add(1);
                self.forget_at = Some(now.mono.later(retry_after(self.troubles)));
            }
            Event::Found(look) => self.found(&look, &mut out),
            Event::RecordMissing { incarnation } => self.record_missing(incarnation, &mut out),
            Event::NoLog { incarnation, why } => self.no_log(incarnation, &why, &mut out),
            Event::RuntimeBack => self.runtime_back(now),
            Event::Unwritten { error } => self.unwritten(error, &mut out),
            Event::Written => self.written(&mut out),
            Event::Tick => self.tick(now, &mut out),
            Event::User { incarnation, user } if self.is_current(incarnation) => {
                self.memory.user = Some(user);
            }
            Event::Started { incarnation, pid, container_id } if self.is_current(incarnation) => {
                self.started(pid, container_id, now, &mut out);
            }
            Event::Failed { incarnation, fault, message } if self.is_current(incarnation) => {
                self.failed(fault, message, now, &mut out);
            }
            Event::Probed { incarnation, kind, launch, outcome, latency }
                if self.is_current(incarnation) =>
            {
                self.probed(kind, launch, outcome, latency, now, &mut out);
            }
            Event::Hooked { incarnation, kind, result } if self.is_current(incarnation) => {
                self.hooked(kind, result, now, &mut out);
            }
            Event::ShimMeasured { incarnation, bytes } if self.is_current(incarnation) => {
                self.shim_measured(bytes, now, &mut out);
            }
            Event::VolumesMeasured { incarnation, used } if self.is_current(incarnation) => {
                self.volumes_measured(&used, now, &mut out);
            }
            Event::Evicted { message } => self.evicted(message, now, &mut out),
            Event::Captured { incarnation, reading } if self.is_current(incarnation) => {
                self.captured(reading, now, &mut out);
            }
            Event::Ended { incarnation, ending } if self.is_current(incarnation) => {
                self.ended_condemned(now, &mut out);
                self.ended(ending, now, &mut out);
            }
            Event::Looked { incarnation, image, volumes } if self.is_current(incarnation) => {
                self.looked(image, &volumes, now, &mut out);
            }
            Event::Pulled { incarnation, image, pulled } if self.is_current(incarnation) => {
                self.pulled(image, pulled, now, &mut out);
            }
            Event::PullFailed { incarnation, fault, message } if self.is_current(incarnation) => {
                self.pull_failed(fault, message, now, &mut out);
            }
            Event::Granted { incarnation } if self.is_current(incarnation) => {
                self.granted(now, &mut out);
            }
            Event::Held { incarnation, why, again } if self.is_current(incarnation) => {
                self.held(why, again, &mut out);
            }
            Event::User { .. }
            | Event::Started { .. }
            | Event::Failed { .. }
            | Event::Looked { .. }
            | Event::Pulled { .. }
            | Event::PullFailed { .. }
            | Event::Probed { .. }
            | Event::Hooked { .. }
            | Event::ShimMeasured { .. }
            | Event::VolumesMeasured { .. }
            | Event::Captured { .. }
            | Event::OomKills { .. }
            | Event::LastWords { .. }
            | Event::Ended { .. }
            | Event::Granted { .. }
            | Event::Held { .. } => {}
        }
        self.has_moved(before, now);
        out
    }

    fn is_current(&self, incarnation: Incarnation) -> bool {
        incarnation == self.memory.attempt
    }

    fn tick(&mut self, now: Now, out: &mut Vec<Action>) {
        self.expire(now, out);
        if self.forget_at.is_some_and(|at| at <= now.mono) {
            self.forget_at = None;
            self.settle(out);
        }
        match &mut self.state {
            State::Waiting { until, .. } if *until <= now.mono => {
                self.before = Some(self.shown());
                // A start that failed by the runtime's fault is the same attempt once more.
                if self.memory.ended.is_some() { self.again(out) } else { self.waited(out) }
            }
            State::Stopping { kill_at, .. } if *kill_at <= now.mono => self.grace_over(now, out),
            _ => {}
        }
        self.capture_over(now, out);
        self.end_pause(now, out);
        self.launch_probes(now, out);
        self.measure_shim(now, out);
        self.measure_volumes(now, out);
        self.ask_again(now, out);
    }

    /// The new process comes first; the old attempts are cleared beside it.
    pub(super) fn next_attempt(&mut self, out: &mut Vec<Action>) {
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
        self.start(out);
    }

    fn started(&mut self, pid: u32, container_id: String, now: Now, out: &mut Vec<Action>) {
        if !matches!(self.state, State::Starting) {
            return;
        }
        self.troubles = 0;
        self.pid = Some(pid);
        self.container_id = container_id;
        let running = self.begin(now.mono, now);
        self.memory.started_at = Some(now.wall);
        self.memory.started = running.has_started();
        self.memory.ready = running.is_ready();
        self.state = State::Running(running);
        if !self.pod.is_adopted() {
            self.tell_image(out);
            out.push(Action::Note(Notice::normal("Created", "Container created")));
            let warning = self.spec.warning();
            out.extend(warning.map(|text| Action::Note(Notice::warning("HostNamespaces", text))));
        }
        out.push(Action::Note(Notice::normal("Started", "Container started")));
        out.push(Action::Persist);
        self.run_post_start(out);
        if self.memory.wanted != Wanted::Running {
            let wanted = self.memory.wanted;
            self.wanted(wanted, self.grace, now, out);
        } else if self.memory.expired {
            self.stop_expired(now, out);
        } else if self.memory.held {
            self.make_way(None, now, out);
        } else if self.memory.finished {
            self.end_with_the_pod(now, out);
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
    pub(super) fn settle(&mut self, out: &mut Vec<Action>) {
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
                out.push(Action::Forget(*kept));
            }
        }
    }
}
