//! State of a container that its record has besides the spec.

use std::time::{Duration, SystemTime};

use super::condemnation::Condemnation;
use super::instance::Instance;
use super::life::Life;
use super::probing::Levels;
use super::{OomCount, Stopping};
use crate::Incarnation;
use crate::exit::{Cause, Terminated};
use crate::history::History;
use crate::notice;
use crate::restart::Backoff;
use crate::status::Expired;
use crate::user::User;

/// State of a container that outlives the daemon. It is written on transitions, never for each
/// probe.
#[derive(Debug, Clone, PartialEq)]
pub struct Memory {
    /// Level that callers want.
    pub wanted: Wanted,
    /// Newest attempt.
    pub attempt: Incarnation,
    /// Number of restarts, including that of the newest attempt.
    pub restart_count: u32,
    /// Time at which the container was created.
    pub created_at: SystemTime,
    /// Time at which the process of the newest attempt started; `None` before.
    pub started_at: Option<SystemTime>,
    /// True if the startup probe had passed.
    pub started: bool,
    /// True if the readiness probe had passed.
    pub ready: bool,
    /// Manifest digest of the image; empty for a bundle or before it is known.
    pub image_id: String,
    /// User that the newest instance started as; `None` in older records.
    pub user: Option<User>,
    /// True if a registry has the image, and may have a newer one by now.
    pub image_from_registry: bool,
    /// Stop signal of the image.
    pub stop_signal: Option<i32>,
    /// End of the newest attempt; `None` before it.
    pub ended: Option<Terminated>,
    /// End of the previous attempt.
    pub last_state: Option<Terminated>,
    /// Time at which the next attempt may start; `None` unless it waits for its back-off.
    pub restart_at: Option<SystemTime>,
    /// State of the restart back-off.
    pub backoff: Backoff,
    /// Time until which no probe runs; `None` without a pause.
    pub paused_until: Option<SystemTime>,
    /// Length of that pause, from its beginning.
    pub paused_for: Option<Duration>,
    /// Stop that is under way.
    pub stopping: Option<Stopping>,
    /// Cause of a kill that a probe decided and the brake allowed, and that has not begun yet.
    pub condemned: Option<Cause>,
    /// Startup round of the pod that the container is in.
    pub round: u32,
    /// True if the container waits for its start in the round.
    pub held: bool,
    /// True if the pod is over and the container, a sidecar, is not started again.
    pub finished: bool,
    /// OOM kills of the newest attempt.
    pub oom: OomCount,
    /// Newest ends, the last one first.
    pub history: History,
    /// Reason for which the container was ended with its pod: the active deadline, or an eviction.
    /// No start follows.
    pub expired: Option<Expired>,
    /// True if the container was restarted the maximum number of times in a row, and is not
    /// restarted again.
    pub given_up: bool,
    /// Newest events of the container, which the machine itself does not use.
    pub events: Vec<notice::Event>,
    /// Id of the host's boot during which the memory was written; `None` in older records.
    pub boot_id: Option<String>,
    /// Boot time of the host by the wall clock that the times of the memory are of; `None` in older
    /// records.
    pub booted_at: Option<SystemTime>,
}

/// Facts of the image that a container is made from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImageFacts {
    /// Manifest digest, `name@sha256:…`; empty for a bundle.
    pub id: String,
    /// True if a registry has the image, and may have a newer one by now.
    pub from_registry: bool,
    /// Stop signal that the image defines; `None` if it defines none.
    pub stop_signal: Option<i32>,
}

impl Memory {
    /// Returns the memory of a container. The caller adds the events and the id of the boot.
    pub(super) fn of(life: &Life) -> Self {
        let Life { mandate, course, phase, pause, oom, .. } = life;
        let instance = phase.process();
        let Levels { started, ready } = instance.map(Instance::levels).unwrap_or_default();
        let condemnation = instance.and_then(|instance| instance.condemnation.as_ref());
        Self {
            wanted: mandate.wanted,
            attempt: course.attempt,
            restart_count: course.restart_count,
            created_at: course.created_at,
            started_at: course.started_at,
            started,
            ready,
            image_id: course.image.id.clone(),
            user: course.user.clone(),
            image_from_registry: course.image.from_registry,
            stop_signal: course.image.stop_signal,
            ended: course.ended.clone(),
            last_state: course.last_state.clone(),
            restart_at: phase.wait().and_then(|wait| wait.restart_at),
            backoff: course.backoff,
            paused_until: pause.until_wall,
            paused_for: pause.length(),
            stopping: phase.stop().map(|stop| stop.record().clone()),
            condemned: condemnation.and_then(Condemnation::recorded_cause).cloned(),
            round: mandate.round,
            held: mandate.held,
            finished: mandate.finished,
            oom: oom.count(),
            history: course.history.clone(),
            expired: mandate.expired.clone(),
            given_up: course.given_up,
            events: Vec::new(),
            boot_id: None,
            booted_at: course.booted_at,
        }
    }

    /// Returns this memory for a later attempt whose own memory is lost. The attempt counts as
    /// started at `wall` if it has a task.
    pub fn of_later(mut self, attempt: Incarnation, has_task: bool, wall: SystemTime) -> Self {
        let more = attempt.0.saturating_sub(self.attempt.0);
        self.restart_count = self.restart_count.saturating_add(more);
        self.last_state = self.ended.take().or(self.last_state);
        self.attempt = attempt;
        (self.stopping, self.restart_at, self.held) = (None, None, false);
        self.condemned = None;
        // The task shows that the attempt has started, but not when.
        self.started_at = has_task.then_some(wall);
        (self.started, self.ready) = (false, false);
        self
    }

    /// Memory of a container that has not started yet: attempt 0, and everything else empty.
    pub fn new(wanted: Wanted, created_at: SystemTime) -> Self {
        Self {
            wanted,
            attempt: Incarnation::default(),
            restart_count: 0,
            created_at,
            started_at: None,
            started: false,
            ready: false,
            image_id: String::new(),
            user: None,
            image_from_registry: false,
            stop_signal: None,
            ended: None,
            last_state: None,
            restart_at: None,
            backoff: Backoff::default(),
            paused_until: None,
            paused_for: None,
            stopping: None,
            condemned: None,
            round: 0,
            held: false,
            finished: false,
            oom: OomCount::default(),
            history: History::default(),
            expired: None,
            given_up: false,
            events: Vec::new(),
            boot_id: None,
            booted_at: None,
        }
    }

    /// True if this saved state is at least as new as the record: of the same attempt or a later
    /// one.
    pub fn outdates(&self, recorded: Incarnation) -> bool {
        self.attempt >= recorded
    }

    /// True if the host was restarted since the memory was written; false if either boot is
    /// unknown.
    pub fn is_of_another_boot(&self, current: Option<&str>) -> bool {
        self.boot_id.as_deref().zip(current).is_some_and(|(own, current)| own != current)
    }
}

/// Level that callers want of a container; the machine works towards it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// The container runs, and is restarted as its restart policy says.
    Running,
    /// The container is stopped. Its record stays.
    Stopped,
    /// The container is stopped, and everything of it is deleted.
    Removed,
}
