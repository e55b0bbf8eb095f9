//! What is shown of a probe.

use std::time::{Duration, SystemTime};

use super::{Outcome, Verdict};
use crate::spec::ProbeKind;

/// The last word of one probe on the running instance.
#[derive(Debug, Clone, PartialEq)]
pub struct ProbeStatus {
    /// Kind of the probe.
    pub kind: ProbeKind,
    /// `None` before the first attempt ended.
    pub last: Option<LastProbe>,
    /// What the probe has established.
    pub verdict: Verdict,
    /// When the unbroken row of successes (or failures) that the last one belongs to began.
    pub since: Option<SystemTime>,
    /// Successes or failures in a row, the last outcome among them; 0 if that outcome was not
    /// counted toward a threshold.
    pub consecutive: u32,
    /// Attempts that succeeded, those with a warning included. The three totals begin at 0 with
    /// each instance, each change of the probe and each start of the daemon.
    pub successes: u64,
    /// Attempts that failed, those not counted toward the threshold included.
    pub failures: u64,
    /// Attempts that ended in an error of the prober, which is neither a success nor a failure.
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
