//! A changed spec on a live container: what may change without a new instance, and what not.

use std::sync::Arc;

use super::state::Running;
use super::{Machine, Next, Turn};
use crate::Now;
use crate::exit::Cause;
use crate::notice::Notice;
use crate::probe::Tracker;
use crate::spec::{PodSpec, ProbeKind, Probes};

impl Machine {
    /// An unchanged probe keeps its counters, a changed one begins clean; what was established
    /// (started, ready) stands until a probe says otherwise. Another definition (image, command…)
    /// ends a running instance, as the kubelet does it under every policy; the supervisor lets
    /// none through as long as it cannot make the new one's image facts known.
    pub(super) fn respec(&mut self, pod: Arc<PodSpec>, turn: &mut Turn) {
        let Some(spec) = pod.all().find(|c| c.name == self.spec.name) else { return };
        let old = std::mem::replace(&mut self.spec, spec.clone());
        let redefined = old.needs_new_instance(&self.spec);
        let old = old.probes;
        self.pod = pod;
        self.set_expiry(turn.now);
        let new = self.spec.probes.clone();
        let changed = |kind: &ProbeKind| old.get(*kind) != new.get(*kind);
        let changed: Vec<_> = ProbeKind::ALL.into_iter().filter(changed).collect();
        if !changed.is_empty() {
            if let Some(running) = self.process_mut() {
                renew(running, &new, &changed, turn.now);
            }
            let names: Vec<_> = changed.iter().map(|kind| kind.lower()).collect();
            let message = format!("Probes changed without a restart: {}", names.join(", "));
            turn.note(Notice::normal("ProbesChanged", message));
            self.note_levels(turn);
        }
        if redefined {
            let message =
                format!("Container {} definition changed, will be restarted", self.spec.name);
            let grace = self.pod.termination_grace;
            self.stop(Cause::Changed, message, grace, Next::Start, turn);
        }
        turn.persist();
    }
}

fn renew(running: &mut Running, probes: &Probes, changed: &[ProbeKind], now: Now) {
    let (started, ready) = (running.has_started(), running.is_ready());
    running.was_ready = ready;
    running.trackers.retain(|tracker| !changed.contains(&tracker.kind()));
    running.condemned.take_if(|condemned| changed.contains(&condemned.kind));
    for kind in changed {
        let Some(probe) = probes.get(*kind) else { continue };
        let passed = kind.is_passed(started, ready);
        running.trackers.push(Tracker::taking_over(*kind, probe, running.since, passed, now.mono));
    }
}
