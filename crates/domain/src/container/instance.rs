//! One running process of a container, with its probes and watches.

use std::time::{Duration, Instant, SystemTime};

use super::condemnation::Condemnation;
use super::definition::{Definition, Subject};
use super::probing::{Gate, Levels, Probing};
use super::shim::ShimWatch;
use super::stop::{LEAST, StopOrder, note_failed_hook};
use super::volumes::VolumeWatch;
use super::{InstanceAction, Next, Turn};
use crate::Now;
use crate::exit::{Cause, Operator};
use crate::notice::Notice;
use crate::probe::{Launch, Outcome, Verdict};
use crate::spec::{HookKind, OnFailure, ProbeKind, Probes};

/// The postStart hook of an instance, which comes before the instance counts as begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PostStart {
    Running,
    /// The hook failed, and the instance is being stopped for it.
    Failed,
    /// The hook has succeeded, or there is none.
    Over,
}

/// One running process.
#[derive(Debug)]
pub struct Instance {
    pub since: Instant,
    pub started_at: SystemTime,
    /// The runtime has lost the task of the process.
    pub is_orphan: bool,
    /// Last signal that an operator sent, to tell it from a signal of another sender.
    pub operator_signal: Option<(i32, Operator)>,
    pub condemnation: Option<Condemnation>,
    pub shim: ShimWatch,
    pub volumes: VolumeWatch,
    pub probing: Probing,
    /// Levels that were recorded last.
    levels: Levels,
    post_start: PostStart,
}

impl Instance {
    /// An instance that has just started.
    pub fn new(definition: &Definition, now: Now) -> Self {
        let mut instance = Self {
            since: now.mono,
            started_at: now.wall,
            is_orphan: false,
            operator_signal: None,
            condemnation: None,
            shim: ShimWatch::new(now.mono),
            volumes: VolumeWatch::new(definition, now),
            probing: Probing::new(definition, now.mono),
            levels: Levels::default(),
            post_start: PostStart::Over,
        };
        instance.levels = instance.published_levels();
        instance
    }

    /// An instance of an earlier daemon. Its `levels` stand.
    pub fn resume(
        definition: &Definition,
        started_at: SystemTime,
        levels: Levels,
        now: Now,
    ) -> Self {
        let since = now.instant_of(started_at);
        let probing = Probing::taking_over(definition, since, levels, now);
        Self { since, started_at, levels, probing, ..Self::new(definition, now) }
    }

    /// Takes over that an earlier daemon stops the instance for its failed postStart hook.
    pub fn resume_failed_hook(&mut self) {
        self.post_start = PostStart::Failed;
    }

    /// Levels that were recorded last.
    pub fn levels(&self) -> Levels {
        self.levels
    }

    /// Levels as they are now, which are published.
    pub fn published_levels(&self) -> Levels {
        Levels { started: self.has_started(), ready: self.is_ready() }
    }

    pub fn post_start(&self) -> PostStart {
        self.post_start
    }

    /// True once the postStart hook is over. Only then the instance is published.
    pub fn has_begun(&self) -> bool {
        self.post_start == PostStart::Over
    }

    /// True once the postStart hook is over and the startup probe has passed.
    pub fn has_started(&self) -> bool {
        self.has_begun() && self.probing.has_passed_startup()
    }

    pub fn is_ready(&self) -> bool {
        self.has_started() && self.probing.passes_readiness()
    }

    pub fn deadline(
        &self,
        definition: &Definition,
        is_stopping: bool,
        is_paused: bool,
    ) -> Option<Instant> {
        let probing = self.probing.deadline(self.gate(is_stopping)).filter(|_| !is_paused);
        if is_stopping {
            return probing;
        }
        let condemnation = self.condemnation.as_ref().and_then(Condemnation::deadline);
        let others = [self.shim.deadline(definition), self.volumes.deadline(), condemnation];
        probing.into_iter().chain(others.into_iter().flatten()).min()
    }

    pub fn tick(
        &mut self,
        is_stopping: bool,
        is_paused: bool,
        subject: Subject<'_>,
        turn: &mut Turn,
    ) {
        if !is_paused {
            self.probing.tick(self.gate(is_stopping), subject, turn);
        }
        if is_stopping {
            return;
        }
        self.shim.tick(subject, turn);
        self.volumes.tick(subject.attempt, turn);
        if let Some(condemnation) = &mut self.condemnation {
            condemnation.ask_again(|kind| self.probing.failed_by_timeout(kind), subject, turn);
        }
    }

    /// Runs the postStart hook, if there is one, for the pod's grace at most.
    pub fn run_post_start(&mut self, subject: Subject<'_>, turn: &mut Turn) {
        let Definition { pod, spec } = subject.definition;
        if spec.lifecycle.post_start.is_some() {
            self.post_start = PostStart::Running;
            let hook =
                InstanceAction::RunHook(HookKind::PostStart, pod.termination_grace.max(LEAST));
            turn.instance(subject.attempt, hook);
        }
    }

    /// The postStart hook has ended. Returns the stop of an instance whose hook failed.
    pub fn post_started(
        &mut self,
        result: Result<(), String>,
        definition: &Definition,
        turn: &mut Turn,
    ) -> Option<StopOrder> {
        if self.post_start != PostStart::Running {
            return None;
        }
        let Err(output) = result else {
            self.post_start = PostStart::Over;
            self.probing.not_before(turn.now.mono);
            self.record_levels(turn);
            return None;
        };
        self.post_start = PostStart::Failed;
        let kind = HookKind::PostStart;
        note_failed_hook(kind, turn);
        Some(StopOrder {
            cause: Cause::Hook { kind, output },
            message: "FailedPostStartHook".into(),
            grace: definition.pod.termination_grace,
            next: Next::Policy,
        })
    }

    pub fn probed(
        &mut self,
        (kind, launch): (ProbeKind, Launch),
        outcome: &Outcome,
        latency: Duration,
        subject: Subject<'_>,
        turn: &mut Turn,
    ) {
        let change = self.probing.observe((kind, launch), outcome, latency, subject, turn);
        let Some(change) = change else { return };
        if change.is_recovery && kind != ProbeKind::Readiness {
            self.recovered(kind, subject.definition, turn);
        }
        match (kind, change.verdict) {
            (ProbeKind::Liveness | ProbeKind::Startup, Verdict::Failure) => {
                self.failed_for_good(kind, outcome.output().to_owned(), subject, turn);
            }
            (ProbeKind::Startup, _) => {
                self.probing.not_before(turn.now.mono);
                self.record_levels(turn);
            }
            (ProbeKind::Readiness, _) => self.record_levels(turn),
            (ProbeKind::Liveness, _) => {}
        }
    }

    /// Replaces the changed probes by those of the spec.
    pub fn renew(&mut self, probes: &Probes, changed: &[ProbeKind], now: Now) {
        let levels = self.published_levels();
        self.probing.renew(probes, changed, self.since, levels, now);
        let asks = self.condemnation.as_ref().and_then(Condemnation::asks_about);
        if asks.is_some_and(|kind| changed.contains(&kind)) {
            self.condemnation = None;
        }
    }

    /// Drops the probes under way and their counters, and a kill that the brake has not allowed:
    /// they must have no effect after the pause.
    pub fn pause(&mut self) {
        self.probing.drop_evidence();
        if let Some(kind) = self.condemnation.as_ref().and_then(Condemnation::asks_about) {
            self.condemnation = None;
            self.probing.retract(kind);
        }
    }

    /// Drops the probes under way, and any condemnation: they have no effect on an instance that
    /// stops.
    pub fn stop(&mut self) {
        self.probing.drop_evidence();
        self.condemnation = None;
    }

    /// Records whether the instance has started and is ready.
    pub fn record_levels(&mut self, turn: &mut Turn) {
        self.levels = self.published_levels();
        turn.persist();
    }

    fn gate(&self, is_stopping: bool) -> Gate {
        match (self.has_begun(), self.has_started(), is_stopping) {
            (false, ..) | (true, false, true) => Gate::Closed,
            (true, false, false) => Gate::Startup,
            (true, true, false) => Gate::Steady,
            (true, true, true) => Gate::Readiness,
        }
    }

    /// A liveness or startup probe has failed as often as its threshold says.
    fn failed_for_good(
        &mut self,
        kind: ProbeKind,
        output: String,
        subject: Subject<'_>,
        turn: &mut Turn,
    ) {
        match subject.definition.on_failure(kind) {
            OnFailure::Restart | OnFailure::Stop => {
                let is_captured =
                    self.condemnation.as_ref().is_some_and(|it| it.captures_for().is_some());
                if !is_captured {
                    let by_timeout = self.probing.failed_by_timeout(kind);
                    let condemned = Condemnation::new(kind, output, by_timeout, subject, turn);
                    self.condemnation = Some(condemned);
                }
            }
            OnFailure::Notify => {
                self.probing.go_on(kind);
                let (container, kind) = (&subject.definition.spec.name, kind.lower());
                let message =
                    format!("Container {container} failed {kind} probe, action notify: {output}");
                turn.note(Notice::warning("ProbeFailed", message));
            }
        }
    }

    /// A probe that had failed for good passes again.
    fn recovered(&mut self, kind: ProbeKind, definition: &Definition, turn: &mut Turn) {
        if self.condemnation.as_ref().and_then(Condemnation::asks_about) == Some(kind) {
            self.condemnation = None;
        }
        let (container, kind) = (&definition.spec.name, kind.lower());
        let message = format!("Container {container} passed {kind} probe again");
        turn.note(Notice::normal("ProbeRecovered", message));
    }
}
