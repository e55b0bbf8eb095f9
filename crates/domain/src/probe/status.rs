//! What is shown of a probe.

use std::time::{Duration, SystemTime};

use super::{Outcome, Verdict};
use crate::spec::ProbeKind;

/// The last word of one probe on the running instance.
#[derive(Debug, Clone, PartialEq)]
pub struct ProbeStatus {
    pub kind: ProbeKind,
    /// `None` before the first attempt ended.
    pub last: Option<LastProbe>,
    /// What the probe has established.
    pub verdict: Verdict,
    /// When the unbroken row of successes (or failures) that the last one belongs to began.
    pub since: Option<SystemTime>,
    pub consecutive: u32,
    pub successes: u64,
    pub failures: u64,
    pub errors: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct LastProbe {
    pub at: SystemTime,
    pub latency: Duration,
    pub outcome: Outcome,
}
