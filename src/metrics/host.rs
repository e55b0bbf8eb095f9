//! The daemon, the host's brake, containerd.

use std::fmt::Result;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::Snapshot;
use super::page::Page;
use crate::connections::Usage;
use crate::domain::brake::Standing;

impl Collector for Snapshot {
    fn encode(&self, encoder: DescriptorEncoder) -> Result {
        let mut page = Page(encoder);
        self.daemon(&mut page)?;
        self.brake(&mut page)?;
        self.containers(&mut page)
    }
}

impl Snapshot {
    fn daemon(&self, page: &mut Page) -> Result {
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
        let events = self.counts.events.iter().map(|((kind, reason), count)| {
            (vec![("type", *kind), ("reason", *reason)], *count as f64)
        });
        page.counters("probelet_events", "Events, repetitions included", events)?;

        let slots = |value: fn(&Usage) -> f64| {
            self.slots.iter().map(move |usage| (vec![("slots", usage.name)], value(usage)))
        };
        let open = slots(|usage| usage.open as f64);
        page.gauges("probelet_slots_open", "Connections and calls of callers", open)?;
        let closed = slots(|usage| usage.closed as f64);
        let help = "Connections and calls that were refused or closed for want of a slot";
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

    fn brake(&self, page: &mut Page) -> Result {
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
        let (held, granted) = (self.counts.kills_held as f64, self.counts.kills_granted as f64);
        page.counter("probelet_brake_held", "Kills that were held", held)?;
        page.counter("probelet_brake_granted", "Kills by probes that were granted", granted)
    }
}

pub(super) fn seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
