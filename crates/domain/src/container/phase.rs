//! Phase of the newest attempt of a container.

use std::time::{Instant, SystemTime};

use super::instance::Instance;
use super::stop::Stop;
use crate::status::WaitingReason;

/// Phase of the newest attempt, with the state that exists only in that phase.
#[derive(Debug)]
pub enum Phase {
    /// The attempt has not begun. It waits for a request, or for its order in the pod.
    Created,
    /// The attempt, or the next one, waits for its time.
    Waiting(Wait),
    /// The runtime checks which images are on the machine.
    CheckingImages,
    /// An image is being pulled.
    Pulling,
    /// The process is being started.
    Starting,
    /// The process runs.
    Running(Instance),
    /// The process is being stopped.
    Stopping(Instance, Stop),
    /// The attempt is over, and none follows without a request.
    Ended,
}

/// A wait for the next step.
#[derive(Debug)]
pub struct Wait {
    pub reason: WaitingReason,
    pub message: String,
    pub until: Instant,
    /// Time at which the next attempt may start, by the wall clock; `None` if the wait is for
    /// another try of the same attempt.
    pub restart_at: Option<SystemTime>,
}

impl Wait {
    /// Makes a wait for another try of the same attempt.
    pub fn retry(reason: WaitingReason, message: String, until: Instant) -> Self {
        Self { reason, message, until, restart_at: None }
    }
}

impl Phase {
    /// True if a process runs, or is about to.
    pub fn is_alive(&self) -> bool {
        matches!(
            self,
            Self::CheckingImages | Self::Starting | Self::Running(_) | Self::Stopping(..)
        )
    }

    /// True while a start is under way, so that the record may not exist yet.
    pub fn is_in_flux(&self) -> bool {
        matches!(self, Self::CheckingImages | Self::Pulling | Self::Starting)
    }

    pub fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Waiting(wait) => Some(wait.until),
            Self::Stopping(_, stop) => Some(stop.deadline()),
            _ => None,
        }
    }

    pub fn wait(&self) -> Option<&Wait> {
        match self {
            Self::Waiting(wait) => Some(wait),
            _ => None,
        }
    }

    /// Instance that runs or is being stopped.
    pub fn process(&self) -> Option<&Instance> {
        match self {
            Self::Running(instance) | Self::Stopping(instance, _) => Some(instance),
            _ => None,
        }
    }

    pub fn process_mut(&mut self) -> Option<&mut Instance> {
        match self {
            Self::Running(instance) | Self::Stopping(instance, _) => Some(instance),
            _ => None,
        }
    }

    /// Instance that runs and is not being stopped.
    pub fn running_mut(&mut self) -> Option<&mut Instance> {
        match self {
            Self::Running(instance) => Some(instance),
            _ => None,
        }
    }

    pub fn stop(&self) -> Option<&Stop> {
        match self {
            Self::Stopping(_, stop) => Some(stop),
            _ => None,
        }
    }

    pub fn stop_mut(&mut self) -> Option<&mut Stop> {
        match self {
            Self::Stopping(_, stop) => Some(stop),
            _ => None,
        }
    }
}
