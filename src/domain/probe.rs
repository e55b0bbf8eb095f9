//! One probe of one incarnation: when it is due, and what its outcomes add up to.
//!
//! Source: the kubelet's `pkg/kubelet/prober/worker.go`. Differences on purpose: the first probe
//! runs at start + initialDelay exactly, and counters begin clean with each incarnation.

use std::time::{Duration, Instant, SystemTime};

use super::spec::{ProbeKind, ProbeSpec};
use super::status::{LastProbe, ProbeStatus};

/// What one attempt said. The text is what follows `Liveness probe failed: `.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Success(String),
    /// Counts as success and is told.
    Warning(String),
    Failure(String),
    /// The prober's own fault: moves no counter, but is counted and told.
    Error(String),
}

impl Outcome {
    pub fn output(&self) -> &str {
        match self {
            Self::Success(text) | Self::Warning(text) | Self::Failure(text) | Self::Error(text) => {
                text
            }
        }
    }

    pub fn is_success(&self) -> bool {
        matches!(self, Self::Success(_) | Self::Warning(_))
    }
}

/// What a probe has established about its incarnation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// A startup probe that has not decided yet.
    Unknown,
    Success,
    Failure,
}

#[derive(Debug, Clone)]
pub struct Tracker {
    kind: ProbeKind,
    period: Duration,
    success_threshold: u32,
    failure_threshold: u32,
    due: Instant,
    in_flight: Option<Launch>,
    last_success: Option<bool>,
    run: u32,
    on_hold: bool,
    verdict: Verdict,
    shown: ProbeStatus,
}

#[derive(Debug, Clone, Copy)]
struct Launch {
    at: SystemTime,
    /// Launched more than a period after it was due: the daemon was starved, and so may be the
    /// container; a failure says nothing.
    late: bool,
}

impl Tracker {
    pub fn new(kind: ProbeKind, spec: &ProbeSpec, started: Instant) -> Self {
        Self {
            kind,
            period: spec.period,
            success_threshold: spec.success_threshold,
            failure_threshold: spec.failure_threshold,
            due: started + spec.initial_delay,
            in_flight: None,
            last_success: None,
            run: 0,
            on_hold: false,
            verdict: match kind {
                ProbeKind::Startup => Verdict::Unknown,
                ProbeKind::Liveness => Verdict::Success,
                ProbeKind::Readiness => Verdict::Failure,
            },
            shown: ProbeStatus {
                kind,
                last: None,
                verdict: Verdict::Unknown,
                since: None,
                consecutive: 0,
                successes: 0,
                failures: 0,
                errors: 0,
            },
        }
    }

    pub fn kind(&self) -> ProbeKind {
        self.kind
    }

    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    pub fn status(&self) -> &ProbeStatus {
        &self.shown
    }

    /// When it next wants to run; never while an attempt is in flight or after a final verdict.
    pub fn deadline(&self) -> Option<Instant> {
        (self.in_flight.is_none() && !self.on_hold).then_some(self.due)
    }

    /// Takes up what survived a restart of the daemon: a pass that was already established.
    pub fn resume(&mut self, verdict: Verdict) {
        self.verdict = verdict;
        self.on_hold = self.kind == ProbeKind::Startup && verdict != Verdict::Unknown;
    }

    /// Moves a due time that has passed (the probe was gated, or the daemon away) to `instant`.
    pub fn not_before(&mut self, instant: Instant) {
        self.due = self.due.max(instant);
    }

    /// Whether an attempt starts now. Ticks missed meanwhile collapse into this one; the phase stays.
    pub fn launch(&mut self, now: Instant, wall: SystemTime) -> bool {
        if self.deadline().is_none_or(|due| due > now) {
            return false;
        }
        let behind = now.duration_since(self.due);
        self.in_flight = Some(Launch { at: wall, late: behind > self.period });
        let periods = behind.as_nanos() / self.period.as_nanos().max(1) + 1;
        self.due += self.period * u32::try_from(periods).unwrap_or(u32::MAX);
        true
    }

    /// Takes an outcome in; returns the verdict if this outcome changed or confirmed a final one.
    pub fn observe(&mut self, outcome: Outcome, latency: Duration) -> Option<Verdict> {
        let launch = self.in_flight.take()?;
        self.shown.last = Some(LastProbe { at: launch.at, latency, outcome: outcome.clone() });
        let success = match outcome {
            Outcome::Error(_) => {
                self.shown.errors += 1;
                return None;
            }
            Outcome::Failure(_) => {
                self.shown.failures += 1;
                if launch.late {
                    return None;
                }
                false
            }
            Outcome::Success(_) | Outcome::Warning(_) => {
                self.shown.successes += 1;
                true
            }
        };
        self.count(success)
    }

    fn count(&mut self, success: bool) -> Option<Verdict> {
        self.run = if self.last_success == Some(success) { self.run.saturating_add(1) } else { 1 };
        self.last_success = Some(success);
        self.shown.consecutive = self.run;
        let (threshold, verdict) = if success {
            (self.success_threshold, Verdict::Success)
        } else {
            (self.failure_threshold, Verdict::Failure)
        };
        if self.run < threshold {
            return None;
        }
        let changed = self.verdict != verdict;
        self.verdict = verdict;
        if self.kind == ProbeKind::Startup || (self.kind == ProbeKind::Liveness && !success) {
            self.on_hold = true;
            self.run = 0;
        }
        changed.then_some(verdict)
    }
}

#[cfg(test)]
mod tests;
