//! The host's one brake, and each actor's seat at it.

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
        // No update is left half done, so a panic elsewhere is no reason to stop.
        self.brake.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Supervisor {
    /// How the brake stands; None where there is none.
    pub fn brake(&self) -> Option<Gauge> {
        // Read first: nobody waits for files at the brake.
        let pressure = (self.brake.pressure)();
        self.brake.lock().gauge(super::now().mono, pressure)
    }

    /// Other limits than the usual ones, or none; and what tells the host's pressure.
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

/// One pod's; it counts nothing any more once its actor is gone, whichever way.
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
