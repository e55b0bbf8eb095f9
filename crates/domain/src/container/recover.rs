//! Taking up a container again after the daemon was away.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::state::{PostStart, State};
use super::{Action, Event, InstanceAction, Machine, Memory, Next, Turn, Wanted};
use crate::exit::{Cause, Ending, LastWords};
use crate::probe::Tracker;
use crate::spec::{ContainerSpec, HookKind, PodSpec, ProbeKind};
use crate::status::WaitingReason;
use crate::time::Later;
use crate::{Incarnation, Now};

/// What became of the newest attempt meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recovered {
    Running {
        pid: u32,
    },
    /// With the wall time of its end.
    Ended(Ending, SystemTime, LastWords),
    /// No task: it never started, had ended before, or ended and was dropped.
    Nothing,
    /// A task of which the runtime cannot say whether it runs.
    Unknown,
    /// No task either, and what is remembered is from before the node's restart.
    NodeRestarted,
}

impl Machine {
    /// The machine as it was, and what is to be done now. `kept` are the attempts with records.
    pub fn recover(
        pod: Arc<PodSpec>,
        spec: ContainerSpec,
        memory: Memory,
        container_id: String,
        kept: impl IntoIterator<Item = Incarnation>,
        found: Recovered,
        now: Now,
    ) -> (Self, Vec<Action>) {
        let mut machine = Self::with(pod, spec, memory);
        machine.kept.extend(kept);
        // One that never came to a record may have left files: it goes with the others.
        if let Some(&Incarnation(oldest)) = machine.kept.first() {
            machine.kept.extend((oldest..machine.memory.attempt.0).map(Incarnation));
        }
        machine.container_id = container_id;
        machine.follow_clock(now);
        machine.pause_again(now);
        machine.set_expiry(now);
        // An earlier daemon may have died between a start and the clearing up beside it.
        let Memory { attempt, ended, .. } = &machine.memory;
        let over = machine.kept.iter().filter(|kept| *kept < attempt || ended.is_some());
        let leftovers: Vec<_> = over.copied().map(Action::Reap).collect();
        let turn = &mut Turn::new(now);
        match found {
            Recovered::Running { pid } => {
                machine.pid = Some(pid);
                machine.memory.condemned = None;
                machine.resume(now);
                // It runs, so it had its turn.
                machine.memory.held &= machine.memory.stopping.is_some();
                let wanted = machine.memory.wanted;
                if machine.is_in_pre_stop() {
                    // The hook has had its turn: nobody knows how far it came.
                    if !machine.has_hooked_and_waits() {
                        machine.signal_after_hook(turn);
                    }
                } else if wanted != Wanted::Running && machine.memory.stopping.is_none() {
                    turn.actions = machine.handle(Event::Wanted { wanted, grace: None }, now);
                } else if machine.memory.expired && machine.memory.stopping.is_none() {
                    machine.stop_expired(turn);
                } else if machine.memory.finished && machine.memory.stopping.is_none() {
                    machine.end_with_the_pod(turn);
                }
            }
            Recovered::Ended(ending, at, words) if machine.memory.ended.is_none() => {
                machine.words = words;
                machine.resume(now);
                // The clock may have been set since: it ended after its start, and before now.
                let started_at = machine.memory.started_at;
                let at = started_at.map_or(at, |start| at.max(start)).min(now.wall);
                turn.now = Now { mono: now.instant_of(at), wall: at, ..now };
                machine.ended(ending, turn);
                turn.now = now;
            }
            Recovered::Nothing if machine.had_a_process() => {
                machine.resume(now);
                machine.ended(Ending::Lost, turn);
            }
            Recovered::NodeRestarted if machine.had_a_process() => {
                machine.resume(now);
                machine.words.node_restarted = true;
                machine.ended(Ending::Lost, turn);
            }
            Recovered::Unknown if machine.had_a_process() => machine.destroy(turn),
            // A start clears what an earlier try of it left.
            Recovered::Ended(..)
            | Recovered::Nothing
            | Recovered::NodeRestarted
            | Recovered::Unknown => machine.rest(turn),
        }
        machine.settle(turn);
        turn.actions.extend(leftovers);
        (machine, std::mem::take(&mut turn.actions))
    }

    /// A daemon that takes many containers up does not probe all of them in the same moment.
    pub fn spread_probes(&mut self, now: Now) {
        let seed = (self.pod.uid.clone(), self.spec.name.clone());
        self.each_tracker(|tracker| tracker.spread(&seed, now.mono));
    }

    /// As the kubelet does it, whatever the policy: nobody knows whether it had come to its end.
    fn destroy(&mut self, turn: &mut Turn) {
        self.resume(turn.now);
        let message = "Container is in \"unknown\" state, try killing it before restart".to_owned();
        let next = match self.memory.wanted {
            Wanted::Running => Next::Start,
            Wanted::Stopped | Wanted::Removed => Next::Policy,
        };
        // One that was stopping anyway goes on with that.
        self.stop(Cause::Unknown, message, Duration::ZERO, next, turn);
        turn.instance(self.memory.attempt, InstanceAction::Destroy);
    }

    fn had_a_process(&self) -> bool {
        self.memory.started_at.is_some() && self.memory.ended.is_none()
    }

    /// Running as before: its readiness and started level stand, its counters begin clean.
    fn resume(&mut self, now: Now) {
        let started_at = *self.memory.started_at.get_or_insert(now.wall);
        let mut running = self.begin(now.instant_of(started_at), now);
        running.started_at = started_at;
        running.was_ready = self.memory.ready;
        let (started, ready) = (self.memory.started, self.memory.ready);
        let tracker = |kind: ProbeKind| {
            let (probe, passed) = (self.spec.probes.get(kind)?, kind.is_passed(started, ready));
            Some(Tracker::taking_over(kind, probe, running.since, passed, now.mono))
        };
        running.trackers = ProbeKind::ALL.into_iter().filter_map(tracker).collect();
        let stopping = self.memory.stopping.as_ref().map(|stopping| &stopping.cause);
        if matches!(stopping, Some(Cause::Hook { kind: HookKind::PostStart, .. })) {
            running.post_start = PostStart::Failed;
        }
        self.state = match &self.memory.stopping {
            None => State::Running(running),
            Some(stopping) => {
                let kill_at = Self::kill_deadline(stopping, now);
                State::Stopping { running, kill_at }
            }
        };
    }

    /// No process, and none was lost: wait on, start, or stay as it is.
    fn rest(&mut self, turn: &mut Turn) {
        let memory = &self.memory;
        match (&memory.ended, memory.restart_at, memory.wanted) {
            // It goes on when the pod says so.
            _ if memory.held => {}
            (Some(_), Some(at), Wanted::Running) => {
                let left = at.duration_since(turn.now.wall).unwrap_or_default();
                let until = turn.now.mono.later(left.min(self.spec.backoff.cap));
                let message = "back-off goes on after a restart of probelet".to_owned();
                self.state =
                    State::Waiting { reason: WaitingReason::CrashLoopBackOff, message, until };
            }
            (None, _, Wanted::Running) => {
                turn.actions =
                    self.handle(Event::Wanted { wanted: Wanted::Running, grace: None }, turn.now);
            }
            (Some(_), _, _) => self.state = State::Terminated,
            (None, _, _) => {}
        }
    }
}
