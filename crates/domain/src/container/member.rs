//! The facts of a container that its pod decides by.

use std::time::SystemTime;

use super::Wanted;
use super::instance::Instance;
use super::life::Life;
use super::phase::Phase;
use super::stop::Stop;
use crate::Incarnation;
use crate::exit::Cause;
use crate::status::{Expired, WaitingReason};

/// Facts of a container from which the pod decides which container starts or stops next.
#[derive(Debug, Clone, Copy)]
pub struct Member<'a> {
    life: &'a Life,
}

impl<'a> Member<'a> {
    pub(super) fn of(life: &'a Life) -> Self {
        Self { life }
    }

    /// The newest attempt.
    pub fn attempt(self) -> Incarnation {
        self.life.course.attempt
    }

    /// Time at which the container was created.
    pub fn created_at(self) -> SystemTime {
        self.life.course.created_at
    }

    /// Level that callers want.
    pub fn wanted(self) -> Wanted {
        self.life.mandate.wanted
    }

    /// Startup round of the pod that the container is in.
    pub fn round(self) -> u32 {
        self.life.mandate.round
    }

    /// True if the container waits for its order to start, or is stopped to wait for it.
    pub fn is_held(self) -> bool {
        self.life.mandate.held
    }

    /// True if the container was ended with its pod.
    pub fn is_finished(self) -> bool {
        self.life.mandate.finished
    }

    /// Reason for which the container was ended with its pod: the active deadline, or an eviction.
    pub fn expired(self) -> Option<&'a Expired> {
        self.life.mandate.expired.as_ref()
    }

    /// Message of the pod's eviction.
    pub fn evicted(self) -> Option<&'a str> {
        match self.expired()? {
            Expired::Evicted { message } => Some(message),
            Expired::Deadline => None,
        }
    }

    /// True if a process runs, or is about to.
    pub fn is_alive(self) -> bool {
        self.life.phase.is_alive()
    }

    /// True if no process runs, and none follows without a request.
    pub fn is_over(self) -> bool {
        matches!(self.life.phase, Phase::Ended)
    }

    /// True if the container is not started: it is new, or it waits for its start in a startup
    /// round.
    pub fn has_not_begun(self) -> bool {
        matches!(self.life.phase, Phase::Created)
    }

    /// True if the newest attempt has ended with exit code 0, and none follows without a request.
    pub fn has_succeeded(self) -> bool {
        let ended = self.life.course.ended.as_ref();
        self.is_over() && ended.is_some_and(|ended| ended.exit_code == 0)
    }

    /// True if a process runs whose postStart hook is over and whose startup probe has passed.
    pub fn has_started(self) -> bool {
        self.life.phase.process().is_some_and(Instance::has_started)
    }

    /// True if a probe of the container stops it, whatever the level of the pod is.
    pub fn is_stopped_by_probe(self) -> bool {
        let stopping = self.life.phase.stop().map(|stop| &stop.record().cause);
        let cause = stopping.or(self.life.course.ended.as_ref().map(|ended| &ended.cause));
        self.wanted() == Wanted::Stopped && matches!(cause, Some(Cause::Probe { .. }))
    }

    /// True if the container is being stopped, and its stop signal waits for the pod.
    pub fn awaits_stop(self) -> bool {
        self.life.phase.stop().is_some_and(Stop::awaits_pod)
    }

    /// True if the container's exit has asked for a restart of all containers, which waits until
    /// the others have ended.
    pub fn asks_for_all(self) -> bool {
        self.is_held() && self.life.calls_for_all()
    }

    /// True if the last start failed because the pod has no network.
    pub fn lacks_network(self) -> bool {
        let wait = self.life.phase.wait();
        wait.is_some_and(|wait| wait.reason == WaitingReason::ContainerCreating)
    }
}
