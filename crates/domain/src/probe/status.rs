//! Published status of a probe.

use std::time::{Duration, SystemTime};

use super::{Outcome, Verdict};
use crate::spec::ProbeKind;

/// Status of one probe of the running instance.
#[derive(Debug, Clone, PartialEq)]
pub struct ProbeStatus {
    /// Kind of the probe.
    pub kind: ProbeKind,
    /// Newest attempt that has ended; `None` before the first one.
    pub last: Option<LastProbe>,
    /// What the probe has established.
    pub verdict: Verdict,
    /// Time at which the current successes or failures in a row began; `None` before the first
    /// outcome that counts.
    pub since: Option<SystemTime>,
    /// Number of successes or failures in a row, including the last outcome; 0 if that outcome did
    /// not count toward a threshold.
    pub consecutive: u32,
    /// Number of attempts that succeeded, including those with a warning. The three totals begin at
    /// 0 with each instance, each change of the probe and each start of the daemon.
    pub successes: u64,
    /// Number of attempts that failed, including those that did not count toward the threshold.
    pub failures: u64,
    /// Number of tries that ended in an error of the prober, which is neither a success nor a
    /// failure.
    pub errors: u64,
}

/// Newest attempt that has ended.
#[derive(Debug, Clone, PartialEq)]
pub struct LastProbe {
    /// Wall-clock time at which the attempt began.
    pub at: SystemTime,
    /// Duration of the attempt.
    pub latency: Duration,
    /// Outcome of the attempt, with its text.
    pub outcome: Outcome,
}
