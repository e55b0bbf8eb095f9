//! From an ending to what follows it.

use std::time::Duration;

use super::round::name_restart_of_all;
use super::state::State;
use super::{Action, Fault, Machine, Next, Turn, Wanted};
use crate::exit::{Cause, Ending, Known, Terminated, Verdict};
use crate::link::retry_after;
use crate::notice::Notice;
use crate::restart;
use crate::status::WaitingReason;
use crate::text::go_duration;
use crate::time::Later;

/// What has to be mended outside is looked at again this often.
const CONFIG_RETRY: Duration = Duration::from_secs(10);

impl Machine {
    /// The last try to start it found the pod without its network.
    pub fn lacks_network(&self) -> bool {
        matches!(self.state, State::Waiting { reason: WaitingReason::ContainerCreating, .. })
    }

    pub(super) fn failed(&mut self, fault: Fault, message: String, turn: &mut Turn) {
        if !matches!(self.state, State::Starting | State::Pulling { looking: true }) {
            return;
        }
        if fault == Fault::Image {
            self.image_is_gone(turn);
            return;
        }
        let goes_on = self.memory.wanted == Wanted::Running && !self.memory.held;
        let is_network = fault == Fault::Network;
        let retries = (fault == Fault::Runtime || is_network) && goes_on;
        // While the runtime is away every try says the same.
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
            // As in Kubernetes, whose event alone says more.
            Fault::Network => Some((WaitingReason::ContainerCreating, again)),
            Fault::Config => Some((WaitingReason::CreateContainerConfigError, CONFIG_RETRY)),
        };
        if let Some((reason, wait)) = retry.filter(|_| goes_on) {
            self.troubles = self.troubles.saturating_add(u32::from(retries));
            self.state = State::Waiting { reason, message, until: turn.now.mono.later(wait) };
            // How the attempt before it ended may be known to nobody else.
            if !retries || is_first {
                turn.persist();
            }
            return;
        }
        let ended = Terminated {
            attempt: self.memory.attempt,
            container_id: self.container_id.clone(),
            ending: Ending::Exited(128),
            cause: Cause::Start,
            reason: "StartError".into(),
            exit_code: 128,
            signal: None,
            message,
            started_at: None,
            finished_at: turn.now.wall,
            sigkill: None,
            oom_kills: 0,
        };
        self.over(ended, Duration::ZERO, false, Next::Policy, turn);
    }

    pub(super) fn ended(&mut self, ending: Ending, turn: &mut Turn) {
        let words = std::mem::take(&mut self.words);
        if let Some(kills) = words.oom_kills {
            self.oom_counted(kills, turn);
        }
        let (running, asked) = match std::mem::replace(&mut self.state, State::Terminated) {
            State::Running(running) => (running, None),
            State::Stopping { running, .. } => (running, self.memory.stopping.take()),
            other => {
                self.state = other;
                return;
            }
        };
        // An earlier daemon died before it could end what its probe had condemned.
        let condemned = self.memory.condemned.take().filter(|_| asked.is_none());
        if let Some(cause) = &condemned {
            self.sentence(cause);
        }
        let next = asked.as_ref().map_or(Next::Policy, |stopping| stopping.next);
        let known = Known {
            ending,
            oom_kills: self.memory.oom.kills(),
            oom_at_the_end: self.is_oom_recent(turn.now),
            killed_after: asked
                .as_ref()
                .filter(|stopping| stopping.killed || stopping.kill_at <= turn.now.wall)
                .map(|stopping| stopping.grace),
            asked: asked.map(|stopping| stopping.cause).or(condemned),
            sent: running.operator_signal,
            node_restarted: words.node_restarted,
        };
        let oom_kills = known.oom_kills;
        let Verdict { reason, cause, sigkill } = known.verdict();
        let by_probe = matches!(cause, Cause::Probe { .. });
        let mut ended = Terminated {
            attempt: self.memory.attempt,
            container_id: self.container_id.clone(),
            ending,
            reason: reason.into(),
            cause,
            exit_code: ending.exit_code(),
            signal: ending.signal(),
            message: words.message(&self.spec.termination_message, ending),
            started_at: Some(running.started_at),
            finished_at: turn.now.wall,
            sigkill,
            oom_kills,
        };
        if ended.cause == Cause::AllRestart {
            name_restart_of_all(&mut ended);
        }
        let ran = turn.now.mono.saturating_duration_since(running.since);
        self.over(ended, ran, by_probe, next, turn);
    }

    /// An attempt is over: decide what follows.
    fn over(
        &mut self,
        ended: Terminated,
        ran: Duration,
        by_probe: bool,
        next: Next,
        turn: &mut Turn,
    ) {
        self.before = None;
        let old = self.memory.attempt;
        let follows = restart::follows(&self.pod, &self.spec, &ended);
        self.memory.history.add(&ended);
        self.memory.ended = Some(ended);
        self.memory.stopping = None;
        self.memory.started = false;
        self.memory.ready = false;
        self.state = State::Terminated;
        let is_over = self.memory.finished || self.memory.expired;
        if self.memory.wanted != Wanted::Running || is_over {
            turn.persist();
        } else if self.memory.held {
            self.state = State::Created;
            turn.persist();
        } else if next == Next::Start {
            self.next_attempt(turn);
        } else if follows {
            match self.memory.backoff.step(&self.spec.backoff, ran, by_probe) {
                None => self.give_up(turn),
                Some(Duration::ZERO) => self.again(turn),
                Some(wait) => self.back_off(wait, turn),
            }
        } else {
            turn.persist();
        }
        turn.push(Action::Reap(old));
        self.settle(turn);
    }

    fn give_up(&mut self, turn: &mut Turn) {
        self.memory.given_up = true;
        let (name, most) = (&self.spec.name, self.spec.backoff.max_restarts.unwrap_or_default());
        let message =
            format!("Container {name} was restarted {most} times in a row and is left as it is");
        turn.note(Notice::warning("BackoffLimitExceeded", message));
        turn.persist();
    }

    fn back_off(&mut self, wait: Duration, turn: &mut Turn) {
        let (container, pod) = (&self.spec.name, &self.pod);
        let pod = format!("{}_{}({})", pod.name, pod.namespace, pod.uid);
        let shown = go_duration(restart::rounded(wait));
        let message = format!("back-off {shown} restarting failed container={container} pod={pod}");
        let notice = format!("Back-off restarting failed container {container} in pod {pod}");
        let until = turn.now.mono.later(wait);
        self.memory.restart_at = Some(turn.now.wall.later(wait));
        self.state = State::Waiting { reason: WaitingReason::CrashLoopBackOff, message, until };
        turn.note(Notice::warning("BackOff", notice));
        turn.persist();
    }
}
