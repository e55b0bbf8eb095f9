//! The state of a container's probes as one annotation: a `v1.Pod` has no field for it.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::Serialize;

use probelet_domain::probe::{LastProbe, ProbeStatus};
use probelet_domain::probe::{Outcome, Verdict};

/// The state of a probe, with the names and formats of the API's `ProbeStatus` in JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    verdict: &'static str,
    #[serde(flatten)]
    last: Option<Last<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    consecutive: u32,
    successes: u64,
    failures: u64,
    errors: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Last<'a> {
    last_outcome: &'static str,
    last_output: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_exit_code: Option<u32>,
    last_at: Option<String>,
    last_latency: String,
}

/// Compact JSON, by the kind of probe; `None` if there is no probe.
pub fn render(probes: &[ProbeStatus]) -> Option<String> {
    let by_kind: BTreeMap<_, _> = probes.iter().map(|p| (p.kind.lower(), report(p))).collect();
    // Serializing such a mapping cannot fail.
    if by_kind.is_empty() { None } else { serde_json::to_string(&by_kind).ok() }
}

fn report(status: &ProbeStatus) -> Report<'_> {
    Report {
        verdict: verdict(status.verdict),
        last: status.last.as_ref().map(last),
        since: status.since.and_then(rfc3339),
        consecutive: status.consecutive,
        successes: status.successes,
        failures: status.failures,
        errors: status.errors,
    }
}

fn last(last: &LastProbe) -> Last<'_> {
    Last {
        last_outcome: outcome(&last.outcome),
        last_output: last.outcome.output(),
        last_exit_code: last.outcome.exit_code(),
        last_at: rfc3339(last.at),
        last_latency: format!("{}s", last.latency.as_secs_f64()),
    }
}

/// The time in RFC 3339; `None` after the year 9999.
pub fn rfc3339(at: SystemTime) -> Option<String> {
    jiff::Timestamp::try_from(at).ok().map(|at| at.to_string())
}

/// The name of the outcome of one attempt: `success`, `warning`, `failure` or `error`.
pub fn outcome(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Success(_) => "success",
        Outcome::Warning(_) => "warning",
        Outcome::Failure(_) | Outcome::Exited(..) => "failure",
        Outcome::Error(_) => "error",
    }
}

/// The name of a verdict: `unknown`, `success` or `failure`.
pub fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Unknown => "unknown",
        Verdict::Success => "success",
        Verdict::Failure => "failure",
    }
}
