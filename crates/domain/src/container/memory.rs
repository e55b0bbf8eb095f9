//! What a container's record holds beside its spec.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

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
use crate::user::User;

/// What must outlive the daemon. Written on transitions only, never per probe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    pub wanted: Wanted,
    pub attempt: Incarnation,
    pub restart_count: u32,
    pub created_at: SystemTime,
    /// When the newest attempt's process started; `None` before.
    pub started_at: Option<SystemTime>,
    /// The startup probe had passed, the readiness probe had passed.
    pub started: bool,
    pub ready: bool,
    pub image_id: String,
    /// The user that the newest instance began as; `None` in older records.
    #[serde(default)]
    pub user: Option<User>,
    /// Some registry has it, and may have a newer one by now.
    #[serde(default)]
    pub image_from_registry: bool,
    /// The image's own.
    #[serde(default)]
    pub stop_signal: Option<i32>,
    /// How the newest attempt ended, if it did.
    pub ended: Option<Terminated>,
    /// How the attempt before it ended.
    pub last_state: Option<Terminated>,
    /// When the next attempt may start, if one is to follow.
    pub restart_at: Option<SystemTime>,
    pub backoff: Backoff,
    /// No probe runs before this.
    #[serde(default)]
    pub paused_until: Option<SystemTime>,
    /// The whole length of that pause.
    #[serde(default)]
    pub paused_for: Option<Duration>,
    /// An ending that was asked for and has not come yet.
    #[serde(default)]
    pub stopping: Option<Stopping>,
    /// Why a probe's kill, let through and not begun yet, will end the instance.
    #[serde(default)]
    pub condemned: Option<Cause>,
    /// Which round of its pod it is in.
    #[serde(default)]
    pub round: u32,
    /// It waits for its turn in the round.
    #[serde(default)]
    pub held: bool,
    /// The pod is over: it does not start again.
    #[serde(default)]
    pub finished: bool,
    /// Of the newest attempt.
    #[serde(default)]
    pub oom: OomCount,
    #[serde(default)]
    pub history: History,
    /// The pod's active deadline was over while it was not, or it was evicted: nothing starts any
    /// more.
    #[serde(default)]
    pub expired: bool,
    /// Why, where it was evicted.
    #[serde(default)]
    pub evicted: Option<String>,
    /// Restarted as often in a row as it may, and left as it is since.
    #[serde(default)]
    pub given_up: bool,
    /// The container's newest events, which the machine itself has no use for.
    #[serde(default)]
    pub events: Vec<notice::Event>,
    /// The host's boot in which it was written; `None` in older records.
    #[serde(default)]
    pub boot_id: Option<String>,
    /// When the host was booted, by the clock that the times here are of; `None` in older records.
    #[serde(default)]
    pub booted_at: Option<SystemTime>,
}

/// What the image says that a container is made from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImageFacts {
    /// The manifest digest, `name@sha256:…`; empty for a bundle.
    pub id: String,
    pub from_registry: bool,
    pub stop_signal: Option<i32>,
}

impl Memory {
    /// What is to be recorded of a container. The caller adds the events and the boot's id.
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
            expired: mandate.expired,
            evicted: mandate.evicted.clone(),
            given_up: course.given_up,
            events: Vec::new(),
            boot_id: None,
            booted_at: course.booted_at,
        }
    }

    /// What may be assumed of a later attempt whose own memory is lost.
    pub fn of_later(mut self, attempt: Incarnation, has_task: bool, wall: SystemTime) -> Self {
        let more = attempt.0.saturating_sub(self.attempt.0);
        self.restart_count = self.restart_count.saturating_add(more);
        self.last_state = self.ended.take().or(self.last_state);
        self.attempt = attempt;
        (self.stopping, self.restart_at, self.held) = (None, None, false);
        self.condemned = None;
        // When it started nobody knows; that it did, its task says.
        self.started_at = has_task.then_some(wall);
        (self.started, self.ready) = (false, false);
        self
    }

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
            expired: false,
            evicted: None,
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

    /// The host has been restarted since this was written; false where nobody can tell.
    pub fn is_of_another_boot(&self, current: Option<&str>) -> bool {
        self.boot_id.as_deref().zip(current).is_some_and(|(own, current)| own != current)
    }
}

/// The level that the user wants; the machine works towards it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wanted {
    Running,
    Stopped,
    Removed,
}
