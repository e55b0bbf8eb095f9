//! Recovery of a container after a restart of the daemon.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::condemnation::Condemnation;
use super::definition::Definition;
use super::instance::Instance;
use super::life::Life;
use super::phase::{Phase, Wait};
use super::probing::Levels;
use super::stop::{Stop, StopOrder};
use super::{Action, InstanceAction, Machine, Memory, Next, Stopping, Turn, Wanted};
use crate::exit::{Cause, Ending, ExitEvidence};
use crate::spec::{ContainerSpec, HookKind, PodSpec};
use crate::status::WaitingReason;
use crate::time::Later;
use crate::{Incarnation, Now};

/// State in which a starting daemon found the newest attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recovered {
    /// The process still runs.
    Running {
        /// Process id of the init process on the host.
        pid: u32,
    },
    /// The process has ended, at this wall-clock time.
    Ended(Ending, SystemTime, ExitEvidence),
    /// The attempt has no task: it never started, or has ended and the task was deleted.
    Nothing,
    /// The attempt has a task, but the runtime does not know whether it runs.
    Unknown,
    /// The attempt has no task, and its record is older than the host's last boot.
    NodeRestarted,
    /// The runtime has not answered yet. The machine shows what the record says, and its actions are
    /// not to be carried out.
    Unanswered,
}

/// State of the newest attempt's phase, from the record.
struct Left {
    levels: Levels,
    stopping: Option<Stopping>,
    condemned: Option<Cause>,
    restart_at: Option<SystemTime>,
}

impl Machine {
    /// Returns the machine in its recorded state, and the actions that follow. `kept` are the
    /// attempts with records.
    pub fn recover(
        pod: Arc<PodSpec>,
        spec: ContainerSpec,
        mut memory: Memory,
        container_id: String,
        kept: impl IntoIterator<Item = Incarnation>,
        found: Recovered,
        now: Now,
    ) -> (Self, Vec<Action>) {
        memory.follow_clock(now);
        let mut life = Life::new(Definition { pod, spec }, &memory, now);
        life.attempts.recover(kept, memory.attempt);
        life.course.container_id = container_id;
        // An earlier daemon may have died between a start and the cleanup beside it.
        let leftovers = life.attempts.all();
        let leftovers = leftovers.filter(|kept| *kept < memory.attempt || memory.ended.is_some());
        let leftovers: Vec<_> = leftovers.map(Action::DeleteTask).collect();
        let left = Left {
            levels: Levels { started: memory.started, ready: memory.ready },
            stopping: memory.stopping,
            condemned: memory.condemned,
            restart_at: memory.restart_at,
        };
        let mut turn = Turn::new(now);
        left.take_up(&mut life, found, &mut turn);
        life.settle(&mut turn);
        turn.actions.extend(leftovers);
        (Self::of(life), turn.actions)
    }
}

impl Left {
    fn take_up(self, life: &mut Life, found: Recovered, turn: &mut Turn) {
        let now = turn.now;
        let had_a_process = life.course.had_a_process();
        match found {
            Recovered::Running { pid } => {
                life.course.pid = Some(pid);
                Self { condemned: None, ..self }.resume(life, now);
                go_on(life, turn);
            }
            Recovered::Ended(ending, at, evidence) if life.course.ended.is_none() => {
                life.exit_evidence = evidence;
                self.resume(life, now);
                // The clock may have been set since, so the time is limited to that between the
                // start and now.
                let started_at = life.course.started_at;
                let at = started_at.map_or(at, |start| at.max(start)).min(now.wall);
                turn.now = Now { mono: now.instant_of(at), wall: at, ..now };
                life.ended(ending, turn);
                turn.now = now;
            }
            Recovered::Nothing if had_a_process => {
                self.resume(life, now);
                life.ended(Ending::Lost, turn);
            }
            Recovered::NodeRestarted if had_a_process => {
                self.resume(life, now);
                life.exit_evidence.node_restarted = true;
                life.ended(Ending::Lost, turn);
            }
            Recovered::Unknown if had_a_process => {
                self.resume(life, now);
                destroy(life, turn);
            }
            Recovered::Unanswered if had_a_process => self.resume(life, now),
            // A new start deletes the leftovers of an earlier one.
            Recovered::Ended(..)
            | Recovered::Nothing
            | Recovered::NodeRestarted
            | Recovered::Unknown
            | Recovered::Unanswered => self.rest(life, turn),
        }
    }

    /// Resumes the recorded instance. It stays started and ready, and the counters of its probes
    /// begin at zero.
    fn resume(self, life: &mut Life, now: Now) {
        let started_at = *life.course.started_at.get_or_insert(now.wall);
        let mut instance = Instance::resume(&life.definition, started_at, self.levels, now);
        instance.condemnation = self.condemned.map(Condemnation::Inherited);
        life.phase = match self.stopping {
            None => Phase::Running(instance),
            Some(stopping) => {
                if matches!(stopping.cause, Cause::Hook { kind: HookKind::PostStart, .. }) {
                    instance.resume_failed_hook();
                }
                let image_signal = life.course.image.stop_signal;
                Phase::Stopping(instance, Stop::resume(stopping, image_signal, now))
            }
        };
    }

    /// Recovers a container that had no process: it continues its wait, starts, or stays as it is.
    fn rest(self, life: &mut Life, turn: &mut Turn) {
        if life.mandate.held {
            // The pod orders its start.
            return;
        }
        let is_wanted = life.mandate.wanted == Wanted::Running;
        match (life.course.ended.is_some(), self.restart_at) {
            (true, Some(at)) if is_wanted => {
                let left = at.duration_since(turn.now.wall).unwrap_or_default();
                let most = life.definition.spec.backoff.cap;
                life.phase = Phase::Waiting(Wait {
                    reason: WaitingReason::CrashLoopBackOff,
                    message: "back-off continues after a restart of probelet".to_owned(),
                    until: turn.now.mono.later(left.min(most)),
                    restart_at: Some(at),
                });
            }
            (true, _) => life.phase = Phase::Ended,
            (false, _) if is_wanted && life.mandate.expired.is_none() => life.start(turn),
            (false, _) => {}
        }
    }
}

/// Continues the stop of a running instance, or begins one that is due.
fn go_on(life: &mut Life, turn: &mut Turn) {
    let subject = life.definition.subject(life.course.attempt);
    if let Some(stop) = life.phase.stop_mut() {
        stop.go_on(subject, turn);
        return;
    }
    // An instance that runs was ordered to start.
    life.mandate.held = false;
    if let Some(order) = life.mandate.stop_order(&life.definition) {
        life.stop(order, turn);
    }
}

/// Kills a task of unknown state, as the kubelet does under every policy. A stop that was under way
/// continues.
fn destroy(life: &mut Life, turn: &mut Turn) {
    let next = match life.mandate.wanted {
        Wanted::Running => Next::Start,
        Wanted::Stopped | Wanted::Removed => Next::Policy,
    };
    let message = "Container is in \"unknown\" state, try killing it before restart".to_owned();
    let order = StopOrder { cause: Cause::Unknown, message, grace: Duration::ZERO, next };
    life.stop(order, turn);
    turn.instance(life.course.attempt, InstanceAction::Destroy);
}
