//! The host's brake on kills by probes, and each actor's handle to it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Supervisor;
use crate::domain::brake::{Brake, Gauge, KillRequest, Limits, Pressure, Ruling};
use crate::domain::container::{Event, InstanceEvent};
use crate::domain::{Incarnation, Now};

pub(super) struct HostBrake {
    brake: Mutex<Brake>,
    pressure: Box<dyn Fn() -> Pressure + Send + Sync>,
}

impl Default for HostBrake {
    fn default() -> Self {
        Self::new(Some(Limits::default()), Pressure::default)
    }
}

impl HostBrake {
    fn new(
        limits: Option<Limits>,
        pressure: impl Fn() -> Pressure + Send + Sync + 'static,
    ) -> Self {
        Self { brake: Mutex::new(Brake::new(limits)), pressure: Box::new(pressure) }
    }

    fn lock(&self) -> MutexGuard<'_, Brake> {
        // No update is left incomplete, so a lock that a panic has poisoned is safe to use.
        self.brake.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Supervisor {
    /// Returns the brake's state; None if there is no brake.
    pub fn brake(&self) -> Option<Gauge> {
        // The pressure is read before the lock is taken, so that no actor waits for a file.
        let pressure = (self.brake.pressure)();
        self.brake.lock().gauge(super::now().mono, pressure)
    }

    /// Sets the brake's limits (None disables it) and the source of the host's pressure.
    #[must_use]
    pub fn with_brake(
        mut self,
        limits: Option<Limits>,
        pressure: impl Fn() -> Pressure + Send + Sync + 'static,
    ) -> Self {
        self.brake = Arc::new(HostBrake::new(limits, pressure));
        self
    }
}

/// One pod's share in the brake. It counts nothing once its actor is gone, however that ended.
pub(super) struct BrakeHandle {
    host: Arc<HostBrake>,
    pod: String,
    counted: usize,
}

impl BrakeHandle {
    pub(super) fn new(host: Arc<HostBrake>, pod: String) -> Self {
        Self { host, pod, counted: 0 }
    }

    pub(super) fn ask(
        &self,
        container: &str,
        incarnation: Incarnation,
        condemned: KillRequest,
        now: Now,
    ) -> Event {
        let who = self.who(container);
        match self.host.lock().ask(&who, condemned, now.mono, &self.host.pressure) {
            Ruling::Granted => InstanceEvent::Granted.of(incarnation),
            Ruling::Held { why, again } => InstanceEvent::Held { why, again }.of(incarnation),
        }
    }

    pub(super) fn late(&self, container: &str, now: Now) {
        self.host.lock().late(&self.who(container), now.mono);
    }

    pub(super) fn count(&mut self, containers: usize) {
        if self.counted != containers {
            self.counted = containers;
            self.host.lock().count(&self.pod, containers);
        }
    }

    fn who(&self, container: &str) -> String {
        format!("{}/{container}", self.pod)
    }
}

impl Drop for BrakeHandle {
    fn drop(&mut self) {
        self.count(0);
    }
}
