//! Values as text, in bounds.

use std::time::{Duration, SystemTime};

use probelet_kube_wire::time::human_duration;

use crate::domain::shorten;

/// The longest text of a cell or of a line, in bytes.
const LONGEST: usize = 300;

/// The text, cut to what a line may have.
pub fn short(text: impl Into<String>) -> String {
    let mut text = text.into();
    shorten(&mut text, LONGEST);
    text
}

/// The time since `then`, as kubectl prints ages.
pub fn age(then: SystemTime, now: SystemTime) -> String {
    let age = now.duration_since(then).unwrap_or_default();
    human_duration(i64::try_from(age.as_secs()).unwrap_or(i64::MAX))
}

/// How long an attempt of a probe took: `850µs`, `3.2ms`, `1.05s`.
pub fn latency(took: Duration) -> String {
    let seconds = took.as_secs_f64();
    if took < Duration::from_millis(1) {
        format!("{}µs", took.as_micros())
    } else if took < Duration::from_secs(1) {
        format!("{:.1}ms", seconds * 1e3)
    } else {
        format!("{seconds:.2}s")
    }
}
