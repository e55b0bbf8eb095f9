//! One probe of one incarnation: when it is due, and the verdict that follows from its outcomes.
//!
//! Source: the kubelet's `pkg/kubelet/prober/worker.go`. Differences on purpose: the first probe
//! runs at start + initialDelay exactly, counters begin at zero with each incarnation, and a
//! failure that the daemon's lateness may have caused is not counted.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::mem::discriminant;
use std::time::{Duration, Instant, SystemTime};

use super::Now;
use super::spec::{ProbeKind, ProbeSpec};
use super::time::Later;

mod status;
#[cfg(test)]
mod tests;

pub use status::{LastProbe, ProbeStatus};

/// Outcome of one attempt. The text is what follows `Liveness probe failed: `.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The attempt succeeded.
    Success(String),
    /// The attempt succeeded with a warning, which is published.
    Warning(String),
    /// The attempt failed.
    Failure(String),
    /// A failure: a command that ended with this code. The text is the output of the command, or
    /// names the code if there was no output.
    Exited(u32, String),
    /// An error of the prober: it counts toward no threshold, but is counted and published.
    Error(String),
}

impl Outcome {
    /// Outcome of a command that ended by itself with this code.
    pub fn of_command(exit_code: u32, output: String) -> Self {
        match exit_code {
            0 => Self::Success(output),
            code if output.trim().is_empty() => {
                Self::Exited(code, format!("command exited with code {code}"))
            }
            code => Self::Exited(code, output),
        }
    }

    /// Exit code of a command that failed.
    pub fn exit_code(&self) -> Option<u32> {
        match self {
            Self::Exited(code, _) => Some(*code),
            _ => None,
        }
    }

    /// Text of the attempt, whatever its outcome.
    pub fn output(&self) -> &str {
        match self {
            Self::Success(text)
            | Self::Warning(text)
            | Self::Failure(text)
            | Self::Exited(_, text)
            | Self::Error(text) => text,
        }
    }

    /// Returns the same outcome with its output cut to the maximum: a server chooses what it sends.
    pub fn bounded(mut self) -> Self {
        // Bytes, as in the kubelet.
        const MOST: usize = 10 * 1024;
        let (Self::Success(text)
        | Self::Warning(text)
        | Self::Failure(text)
        | Self::Exited(_, text)
        | Self::Error(text)) = &mut self;
        let end = (0..=MOST.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or_default());
        self
    }

    /// Name of the outcome: `success`, `warning`, `failure` or `error`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Success(_) => "success",
            Self::Warning(_) => "warning",
            Self::Failure(_) | Self::Exited(..) => "failure",
            Self::Error(_) => "error",
        }
    }

    /// True for an outcome that counts as success, with or without a warning.
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Success(_) | Self::Warning(_))
    }
}

/// What a probe has established about its incarnation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing yet: a startup probe, or a probe that continues that of an earlier daemon or spec.
    Unknown,
    /// The probe passes. A liveness probe of a new instance begins with this verdict.
    Success,
    /// The probe fails. A readiness probe of a new instance begins with this verdict.
    Failure,
}

/// Identifies one launch of a probe within its container, so that a result can be matched to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Launch(pub u64);

/// Effect of an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// The outcome is of an attempt that was dropped: nothing has changed.
    Stale,
    /// An error that is retried at once, under the same launch.
    Again,
    /// An error that is not retried.
    Error,
    /// A failure before the tick of the steady period.
    Early,
    /// A failure that the daemon's lateness may have caused.
    Late,
    /// The outcome counts toward a threshold; with the verdict if it changed.
    Counted(Option<Verdict>),
}

/// Number of tries of an attempt whose outcome is an error: the kubelet's `maxProbeRetries`.
const TRIES: u32 = 3;
/// Time within which the probes of all containers that a daemon recovers begin.
const SPREAD: Duration = Duration::from_secs(1);
/// Lateness from which on the daemon counts as starved, a whole period if that is shorter. The
/// container may have been starved too.
const LATE: Duration = Duration::from_secs(1);

/// Schedule and counters of one probe, for one instance of a container.
#[derive(Debug, Clone)]
pub struct Tracker {
    kind: ProbeKind,
    period: Duration,
    /// Period until the probe has passed for the first time.
    startup_period: Option<Duration>,
    timeout: Duration,
    success_threshold: u32,
    failure_threshold: u32,
    /// Next tick of the steady period.
    due: Instant,
    /// Next attempt before that tick.
    early: Option<Instant>,
    /// Time since which nothing has prevented an attempt.
    free: Instant,
    in_flight: Option<InFlight>,
    last_success: Option<bool>,
    run: u32,
    /// Number of the newest failures in a row that were answers, not timeouts.
    answers: u32,
    on_hold: bool,
    shown: ProbeStatus,
}

#[derive(Debug, Clone, Copy)]
struct InFlight {
    launch: Launch,
    at: SystemTime,
    late: bool,
    early: bool,
    tries: u32,
}

impl Tracker {
    /// Tracker of a new instance, which started at `started`.
    pub fn new(kind: ProbeKind, spec: &ProbeSpec, started: Instant) -> Self {
        let first = started.later(spec.initial_delay);
        Self {
            kind,
            period: spec.period,
            startup_period: spec.startup_period,
            timeout: spec.timeout,
            success_threshold: spec.success_threshold,
            failure_threshold: spec.failure_threshold,
            due: first,
            early: None,
            free: first,
            in_flight: None,
            last_success: None,
            run: 0,
            answers: 0,
            on_hold: false,
            shown: ProbeStatus {
                kind,
                last: None,
                verdict: match kind {
                    ProbeKind::Startup => Verdict::Unknown,
                    ProbeKind::Liveness => Verdict::Success,
                    ProbeKind::Readiness => Verdict::Failure,
                },
                since: None,
                consecutive: 0,
                successes: 0,
                failures: 0,
                errors: 0,
            },
        }
    }

    /// Tracker of an instance that runs already. `passed`: the probe had passed before, so that the
    /// faster startup period is not used.
    pub fn taking_over(
        kind: ProbeKind,
        spec: &ProbeSpec,
        started: Instant,
        passed: bool,
        now: Instant,
    ) -> Self {
        let mut tracker = Self::new(kind, spec, started);
        tracker.shown.verdict = match kind {
            ProbeKind::Startup if passed => Verdict::Success,
            _ => Verdict::Unknown,
        };
        if passed {
            tracker.startup_period = None;
        }
        tracker.not_before(now);
        tracker
    }

    /// Kind of the probe.
    pub fn kind(&self) -> ProbeKind {
        self.kind
    }

    /// Current verdict of the probe.
    pub fn verdict(&self) -> Verdict {
        self.shown.verdict
    }

    /// Last attempt, counters and verdict of the probe.
    pub fn status(&self) -> &ProbeStatus {
        &self.shown
    }

    /// Returns whether the failures that were answers would not have sufficed for the verdict.
    pub fn failed_by_timeout(&self) -> bool {
        self.answers < self.failure_threshold
    }

    /// Returns the outcomes in a row that count toward a threshold, and whether a final verdict
    /// stands.
    #[cfg(test)]
    pub(crate) fn counters(&self) -> (u32, bool) {
        (self.run, self.on_hold)
    }

    /// Time of the next attempt; `None` while an attempt is in flight or after a final verdict.
    pub fn deadline(&self) -> Option<Instant> {
        let next = self.early.map_or(self.due, |early| early.min(self.due));
        (self.in_flight.is_none() && !self.on_hold).then_some(next)
    }

    /// Moves a due time that has passed to `instant`, after the probe was not allowed to run or the
    /// daemon was down.
    pub fn not_before(&mut self, instant: Instant) {
        self.due = self.due.max(instant);
        self.free = self.free.max(instant);
    }

    /// Moves an attempt that is due into its next period, by a second at most. The same `seed`
    /// gives the same delay.
    pub fn stagger(&mut self, seed: impl Hash, now: Instant) {
        if self.due > now {
            return;
        }
        let most = self.startup_period.unwrap_or(self.period).min(SPREAD).as_nanos();
        let mut hasher = DefaultHasher::new();
        (seed, discriminant(&self.kind)).hash(&mut hasher);
        let delay = u128::from(hasher.finish()) % most.max(1);
        self.not_before(now.later(Duration::from_nanos(u64::try_from(delay).unwrap_or_default())));
    }

    /// Resumes attempts after a final verdict that has no effect, or none yet. The outcomes in a
    /// row are kept.
    pub fn go_on(&mut self) {
        self.on_hold = false;
        self.run = self.shown.consecutive;
    }

    /// Resumes attempts after a final verdict that had no effect, and resets the verdict.
    pub fn retract(&mut self) {
        self.on_hold = false;
        self.shown.verdict = Verdict::Unknown;
    }

    /// Drops the attempt under way and the counters; the verdict stands.
    pub fn drop_evidence(&mut self) {
        self.in_flight = None;
        self.last_success = None;
        (self.run, self.answers) = (0, 0);
        self.shown.consecutive = 0;
    }

    /// Starts an attempt if one is due, and returns whether it did. Missed ticks collapse into this
    /// one; the later ticks keep their phase.
    pub fn launch(&mut self, launch: Launch, now: Now) -> bool {
        if self.deadline().is_none_or(|next| next > now.mono) {
            return false;
        }
        let early = self.due > now.mono;
        let mut late = false;
        if !early {
            let ready = self.due.max(self.free);
            late = now.mono.saturating_duration_since(ready) > self.lateness();
            let missed =
                now.mono.duration_since(self.due).as_nanos() / self.period.as_nanos().max(1);
            let periods = u32::try_from(missed).unwrap_or(u32::MAX).saturating_add(1);
            self.due = self.due.later(self.period.saturating_mul(periods));
        }
        self.early = self.startup_period.map(|period| now.mono.later(period));
        self.in_flight = Some(InFlight { launch, at: now.wall, late, early, tries: 1 });
        true
    }

    fn lateness(&self) -> Duration {
        self.period.min(LATE)
    }

    /// Handles an outcome; `latency` is the duration of the attempt.
    pub fn observe(
        &mut self,
        launch: Launch,
        outcome: Outcome,
        latency: Duration,
        now: Now,
    ) -> Seen {
        let Some(flight) = self.in_flight.as_mut().filter(|flight| flight.launch == launch) else {
            return Seen::Stale;
        };
        let flight = *flight;
        let is_error = matches!(outcome, Outcome::Error(_));
        let success = outcome.is_success();
        self.shown.last = Some(LastProbe { at: flight.at, latency, outcome });
        if is_error {
            self.shown.errors += 1;
            // An attempt that used up its timeout is not retried: it would use it up again.
            if flight.tries < TRIES && latency < self.timeout {
                self.in_flight = Some(InFlight { tries: flight.tries + 1, at: now.wall, ..flight });
                return Seen::Again;
            }
        }
        self.in_flight = None;
        self.free = self.free.max(now.mono);
        // The number of outcomes in a row stays 0 unless this outcome counts.
        self.shown.consecutive = 0;
        if is_error {
            return Seen::Error;
        }
        if success {
            self.shown.successes += 1;
        } else {
            self.shown.failures += 1;
            // A success counts, however late it is.
            if flight.late || latency > self.timeout.saturating_add(self.lateness()) {
                return Seen::Late;
            }
            if flight.early {
                if self.last_success == Some(true) {
                    (self.last_success, self.run) = (None, 0);
                }
                return Seen::Early;
            }
        }
        let is_answer = !success && latency < self.timeout;
        self.answers = if is_answer { self.answers.saturating_add(1) } else { 0 };
        Seen::Counted(self.count(success, now.wall))
    }

    fn count(&mut self, success: bool, wall: SystemTime) -> Option<Verdict> {
        if self.last_success != Some(success) {
            self.run = 0;
            self.shown.since = Some(wall);
        }
        self.run = self.run.saturating_add(1);
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
        if success {
            (self.startup_period, self.early) = (None, None);
        }
        if std::mem::replace(&mut self.shown.verdict, verdict) == verdict {
            return None;
        }
        if self.kind == ProbeKind::Startup || (self.kind == ProbeKind::Liveness && !success) {
            self.on_hold = true;
            self.run = 0;
        }
        Some(verdict)
    }
}
