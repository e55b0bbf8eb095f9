//! The attempts of a container, and their ends.

use std::time::SystemTime;

use super::{ImageFacts, Memory};
use crate::Incarnation;
use crate::exit::Terminated;
use crate::history::History;
use crate::restart::Backoff;
use crate::user::User;

/// The newest attempt, and the ends of the attempts before it.
#[derive(Debug)]
pub struct Course {
    pub attempt: Incarnation,
    pub restart_count: u32,
    pub created_at: SystemTime,
    /// When the process of the newest attempt started; `None` before.
    pub started_at: Option<SystemTime>,
    /// The runtime's id of the newest attempt; empty before it.
    pub container_id: String,
    pub pid: Option<u32>,
    pub image: ImageFacts,
    /// User that the newest instance started as.
    pub user: Option<User>,
    /// How the newest attempt ended, if it did.
    pub ended: Option<Terminated>,
    /// How the attempt before it ended.
    pub last_state: Option<Terminated>,
    pub history: History,
    pub backoff: Backoff,
    /// True if the container was restarted the maximum number of times in a row, and is not
    /// restarted again.
    pub given_up: bool,
    /// Time of the host's boot, by the clock that the times here are of.
    pub booted_at: Option<SystemTime>,
}

impl Course {
    pub fn of(memory: &Memory) -> Self {
        Self {
            attempt: memory.attempt,
            restart_count: memory.restart_count,
            created_at: memory.created_at,
            started_at: memory.started_at,
            container_id: String::new(),
            pid: None,
            image: ImageFacts {
                id: memory.image_id.clone(),
                from_registry: memory.image_from_registry,
                stop_signal: memory.stop_signal,
            },
            user: memory.user.clone(),
            ended: memory.ended.clone(),
            last_state: memory.last_state.clone(),
            history: memory.history.clone(),
            backoff: memory.backoff,
            given_up: memory.given_up,
            booted_at: memory.booted_at,
        }
    }

    pub fn next_attempt(&mut self) {
        self.attempt = self.attempt.next();
        self.restart_count = self.restart_count.saturating_add(1);
        self.last_state = self.ended.take();
        self.started_at = None;
        self.given_up = false;
        self.pid = None;
    }

    pub fn over(&mut self, ended: Terminated) {
        self.history.add(&ended);
        self.ended = Some(ended);
    }

    /// True if the newest attempt had a process whose end is not known.
    pub fn had_a_process(&self) -> bool {
        self.started_at.is_some() && self.ended.is_none()
    }
}
