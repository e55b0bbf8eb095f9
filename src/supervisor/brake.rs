//! The host's brake on kills by probes, and each actor's handle to it.

use std::sync::Arc;

use super::clock;
use super::lock::Lock;
use crate::domain::brake::{Brake, Gauge, KillRequest, Limits, Pressure, Ruling};
use crate::domain::container::{Event, InstanceEvent};
use crate::domain::pod_key::PodKey;
use crate::domain::{Incarnation, Now};

pub struct HostBrake {
    brake: Lock<Brake>,
    pressure: Box<dyn Fn() -> Pressure + Send + Sync>,
}

impl Default for HostBrake {
    fn default() -> Self {
        Self::new(Some(Limits::default()), Pressure::default)
    }
}

impl HostBrake {
    /// A brake with these limits (None disables it) and this source of the host's pressure.
    pub fn new(
        limits: Option<Limits>,
        pressure: impl Fn() -> Pressure + Send + Sync + 'static,
    ) -> Self {
        Self { brake: Lock::new(Brake::new(limits)), pressure: Box::new(pressure) }
    }

    /// Changes the limits; None disables the brake.
    pub fn set_limits(&self, limits: Option<Limits>) {
        self.brake.lock().set_limits(limits);
    }

    /// Returns the brake's state; None if there is no brake.
    pub fn gauge(&self) -> Option<Gauge> {
        // The pressure is read before the lock is taken, so that no actor waits for a file.
        let pressure = (self.pressure)();
        self.brake.lock().gauge(clock::now().mono, pressure)
    }
}

/// One pod's use of the brake. When it is dropped with the actor, the pod counts no more.
pub struct BrakeHandle {
    host: Arc<HostBrake>,
    pod: String,
    counted: usize,
}

impl BrakeHandle {
    pub fn new(host: Arc<HostBrake>, pod: &PodKey) -> Self {
        // Other texts of a key are not unique.
        let pod = format!("{}/{}", pod.namespace(), pod.name());
        Self { host, pod, counted: 0 }
    }

    /// Requests a kill. Returns the event of the brake's answer.
    pub fn request_kill(
        &self,
        container: &str,
        incarnation: Incarnation,
        request: KillRequest,
        now: Now,
    ) -> Event {
        let name = self.full_name(container);
        match self.host.brake.lock().ask(&name, request, now.mono, &self.host.pressure) {
            Ruling::Granted => InstanceEvent::Granted.of(incarnation),
            Ruling::Held { why, again } => InstanceEvent::Held { why, again }.of(incarnation),
        }
    }

    /// Reports that a container's probe was late.
    pub fn late(&self, container: &str, now: Now) {
        self.host.brake.lock().late(&self.full_name(container), now.mono);
    }

    /// Sets the number of the pod's containers that probes have ended.
    pub fn count(&mut self, containers: usize) {
        if self.counted != containers {
            self.counted = containers;
            self.host.brake.lock().count(&self.pod, containers);
        }
    }

    fn full_name(&self, container: &str) -> String {
        format!("{}/{container}", self.pod)
    }
}

impl Drop for BrakeHandle {
    fn drop(&mut self) {
        self.count(0);
    }
}
