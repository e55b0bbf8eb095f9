//! What is recorded of an attempt that is over, and published about what follows.

use std::time::Duration;

use super::Turn;
use super::definition::Definition;
use super::oom::OomWatch;
use super::phase::Wait;
use super::stop::Stopping;
use crate::exit::{Cause, Ending, ExitEvidence, Known, Operator, Terminated};
use crate::notice::Notice;
use crate::spec::ContainerSpec;
use crate::status::WaitingReason;
use crate::text::go_duration;
use crate::time::Later;
use crate::{Incarnation, Now, restart};

/// Message of the kubelet.
pub const REMOVED: &str = "The container is removed because RestartAllContainers in place";

/// Facts of the end of an instance: the stop that was `asked` for or that an earlier daemon's probe
/// `condemned` it to, and the last `signal` of an operator.
pub fn known(
    ending: Ending,
    (asked, condemned): (Option<Stopping>, Option<Cause>),
    signal: Option<(i32, Operator)>,
    oom: &OomWatch,
    evidence: &ExitEvidence,
    now: Now,
) -> Known {
    Known {
        ending,
        oom_kills: oom.count().kills(),
        oom_at_the_end: oom.is_recent(now),
        killed_after: asked
            .as_ref()
            .filter(|stopping| stopping.killed || stopping.kill_at <= now.wall)
            .map(|stopping| stopping.grace),
        asked: asked.map(|stopping| stopping.cause).or(condemned),
        sent: signal,
        node_restarted: evidence.node_restarted,
    }
}

/// The end of an attempt whose process could not be started.
pub fn failed_start(
    attempt: Incarnation,
    container_id: String,
    message: String,
    now: Now,
) -> Terminated {
    Terminated {
        attempt,
        container_id,
        ending: Ending::Exited(128),
        cause: Cause::Start,
        reason: "StartError".into(),
        exit_code: 128,
        signal: None,
        message,
        started_at: None,
        finished_at: now.wall,
        sigkill: None,
        oom_kills: 0,
    }
}

/// Gives an end the reason of a restart of all containers. The last state of each container of
/// such a pod has it, whether the restart ended the container, it had ended before, or its exit
/// asked for the restart. The exit code stays.
pub fn name_restart_of_all(ended: &mut Terminated) {
    ended.reason = WaitingReason::RestartingAllContainers.to_string();
    if ended.message.is_empty() {
        ended.message = REMOVED.to_owned();
    }
}

/// The wait before the next attempt, which is published and recorded.
pub fn back_off(definition: &Definition, wait: Duration, turn: &mut Turn) -> Wait {
    let Definition { pod, spec } = definition;
    let container = &spec.name;
    let pod = format!("{}_{}({})", pod.name, pod.namespace, pod.uid);
    let shown = go_duration(restart::rounded(wait));
    let message = format!("back-off {shown} restarting failed container={container} pod={pod}");
    let notice = format!("Back-off restarting failed container {container} in pod {pod}");
    turn.note(Notice::warning("BackOff", notice));
    turn.persist();
    Wait {
        reason: WaitingReason::CrashLoopBackOff,
        message,
        until: turn.now.mono.later(wait),
        restart_at: Some(turn.now.wall.later(wait)),
    }
}

/// Publishes that a container was restarted the maximum number of times in a row.
pub fn note_give_up(spec: &ContainerSpec, turn: &mut Turn) {
    let (name, most) = (&spec.name, spec.backoff.max_restarts.unwrap_or_default());
    let message =
        format!("Container {name} was restarted {most} times in a row and is left as it is");
    turn.note(Notice::warning("BackoffLimitExceeded", message));
    turn.persist();
}
