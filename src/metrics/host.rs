//! The metrics of the daemon, of the brake and of containerd.

use std::fmt::Result;
use std::time::SystemTime;

use super::page::{Page, seconds};
use crate::connections::Usage;
use crate::domain::brake::{Gauge, Standing};
use crate::node::FailedCalls;
use crate::process::own;
use crate::supervisor::Counts;

/// The values of the daemon and of its host.
#[derive(Debug)]
pub struct HostMetrics {
    pub started: SystemTime,
    pub usage: own::Usage,
    /// `None` if the brake is disabled.
    pub brake: Option<Gauge>,
    /// Whether containerd answered when it was asked last.
    pub reachable: bool,
    pub failed_calls: FailedCalls,
    pub slots: Vec<Usage>,
}

impl HostMetrics {
    pub fn write(&self, counts: &Counts, page: &mut Page) -> Result {
        self.daemon(counts, page)?;
        self.brake(counts, page)
    }

    fn daemon(&self, counts: &Counts, page: &mut Page) -> Result {
        let version = vec![("version", env!("CARGO_PKG_VERSION"))];
        page.gauges("probelet_build_info", "Always 1", [(version, 1.0)])?;
        let up = f64::from(u8::from(self.reachable));
        page.gauge(
            "probelet_containerd_up",
            "Whether containerd answered when it was asked last",
            up,
        )?;
        let failed = self
            .failed_calls
            .iter()
            .map(|((call, kind), count)| (vec![("call", *call), ("kind", *kind)], *count as f64));
        page.counters("probelet_containerd_failed_calls", "Calls that failed", failed)?;
        let events = counts.events.iter().map(|((kind, reason), count)| {
            (vec![("type", *kind), ("reason", *reason)], *count as f64)
        });
        page.counters("probelet_events", "Events, repetitions included", events)?;

        let slots = |value: fn(&Usage) -> f64| {
            self.slots.iter().map(move |usage| (vec![("slots", usage.name)], value(usage)))
        };
        let open = slots(|usage| usage.open as f64);
        page.gauges("probelet_slots_open", "Connections and calls of callers", open)?;
        let closed = slots(|usage| usage.closed as f64);
        let help = "Connections and calls that were refused or closed without a free slot";
        page.counters("probelet_slots_closed", help, closed)?;

        let started = seconds(self.started);
        page.gauge("process_start_time_seconds", "When the daemon started", started)?;
        let cpu = self.usage.cpu.as_secs_f64();
        page.counter("process_cpu_seconds", "CPU time of the daemon", cpu)?;
        let (name, help) = ("process_resident_memory_bytes", "Resident memory of the daemon");
        page.gauges(name, help, self.usage.resident.map(|bytes| (vec![], bytes as f64)))?;
        let fds = self.usage.descriptors.map(|count| (vec![], count as f64));
        page.gauges("process_open_fds", "Open descriptors of the daemon", fds)?;
        let most = self.usage.most_descriptors.map(|count| (vec![], count as f64));
        page.gauges("process_max_fds", "Limit of open descriptors; absent without a limit", most)
    }

    fn brake(&self, counts: &Counts, page: &mut Page) -> Result {
        let gauge = &self.brake;
        let states = Standing::ALL.into_iter().filter_map(|state| {
            let on = f64::from(u8::from(gauge.as_ref()?.standing == state));
            Some((vec![("state", state.as_str())], on))
        });
        page.gauges("probelet_brake_state", "1 for the current state of the brake", states)?;
        let tokens = gauge.map(|gauge| (vec![], gauge.tokens));
        page.gauges("probelet_brake_tokens", "Kills that the budget allows now", tokens)?;
        let waiting = gauge.map(|gauge| (vec![], gauge.waiting as f64));
        page.gauges("probelet_brake_waiting", "Kills that are held now", waiting)?;
        let (held, granted) = (counts.kills_held as f64, counts.kills_granted as f64);
        page.counter("probelet_brake_held", "Kills that were held", held)?;
        page.counter("probelet_brake_granted", "Kills by probes that were granted", granted)
    }
}
