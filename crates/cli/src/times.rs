//! Latencies, ages and dates as kubectl prints them.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// The time that one probe took: `850µs`, `3.2ms`, `1.05s`.
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

/// An age as Kubernetes prints it: two units at most, one as it grows.
/// `95s`, `3m20s`, `120m`, `4h5m`, `30h`, `3d4h`, `90d`, `3y10d`.
pub fn human(seconds: i64) -> String {
    if seconds < -1 {
        return "<invalid>".to_owned();
    }
    let seconds = seconds.max(0);
    let minutes = seconds / 60;
    let hours = minutes / 60;
    let days = hours / 24;
    if seconds < 120 {
        format!("{seconds}s")
    } else if minutes < 10 {
        two(minutes, "m", seconds % 60, "s")
    } else if hours < 3 {
        format!("{minutes}m")
    } else if hours < 8 {
        two(hours, "h", minutes % 60, "m")
    } else if hours < 48 {
        format!("{hours}h")
    } else if days < 8 {
        two(days, "d", hours % 24, "h")
    } else if days < 365 * 2 {
        format!("{days}d")
    } else if days < 365 * 8 {
        two(days / 365, "y", days % 365, "d")
    } else {
        format!("{}y", days / 365)
    }
}

fn two(large: i64, large_unit: &str, small: i64, small_unit: &str) -> String {
    match small {
        0 => format!("{large}{large_unit}"),
        _ => format!("{large}{large_unit}{small}{small_unit}"),
    }
}

/// A date as in RFC 1123 with a numeric zone, in the zone of this machine or of `TZ`, as kubectl has it.
pub fn rfc1123(time: Option<&Time>) -> String {
    time.map_or_else(
        // Go prints no time as its zero time.
        || "Mon, 01 Jan 0001 00:00:00 +0000".to_owned(),
        |t| t.0.to_zoned(zone()).strftime("%a, %d %b %Y %H:%M:%S %z").to_string(),
    )
}

/// Tests print the same on every machine.
fn zone() -> TimeZone {
    if cfg!(test) { TimeZone::UTC } else { TimeZone::system() }
}

/// A date, and how far it is away if it is still to come: `Fri, 21 Aug 2026 11:15:00 +0000 (in 10m)`.
pub fn to_come(then: Timestamp, now: Timestamp) -> String {
    let date = rfc1123(Some(&Time(then)));
    match then.duration_since(now).as_secs() {
        seconds @ 0.. => format!("{date} (in {})", human(seconds)),
        _ => date,
    }
}

/// The age of a time.
pub fn since(then: Option<Timestamp>, now: Timestamp) -> String {
    then.map_or_else(|| "<unknown>".to_owned(), |then| human(now.duration_since(then).as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_have_the_unit_that_fits() {
        let cases = [(85, "85µs"), (3_210, "3.2ms"), (12_000, "12.0ms"), (1_050_000, "1.05s")];
        for (micros, text) in cases {
            assert_eq!(latency(Duration::from_micros(micros)), text);
        }
    }

    #[test]
    fn only_a_time_to_come_has_a_distance() {
        let now: Timestamp = "2026-08-21T11:05:00Z".parse().unwrap();
        let then: Timestamp = "2026-08-21T11:15:00Z".parse().unwrap();
        assert_eq!(to_come(then, now), "Fri, 21 Aug 2026 11:15:00 +0000 (in 10m)");
        assert_eq!(to_come(now, then), "Fri, 21 Aug 2026 11:05:00 +0000");
    }

    #[test]
    fn as_kubernetes_writes_them() {
        const M: i64 = 60;
        const H: i64 = 60 * M;
        const D: i64 = 24 * H;
        for (seconds, text) in [
            (-2, "<invalid>"),
            (-1, "0s"),
            (0, "0s"),
            (95, "95s"),
            (119, "119s"),
            (120, "2m"),
            (200, "3m20s"),
            (10 * M - 1, "9m59s"),
            (10 * M + 5, "10m"),
            (2 * H, "120m"),
            (3 * H - 1, "179m"),
            (3 * H, "3h"),
            (4 * H + 5 * M, "4h5m"),
            (8 * H + 5 * M, "8h"),
            (30 * H, "30h"),
            (48 * H, "2d"),
            (3 * D + 4 * H, "3d4h"),
            (8 * D + 4 * H, "8d"),
            (90 * D, "90d"),
            (729 * D, "729d"),
            (730 * D, "2y"),
            (3 * 365 * D + 10 * D, "3y10d"),
            (8 * 365 * D + 10 * D, "8y"),
        ] {
            assert_eq!(human(seconds), text, "{seconds} s");
        }
    }
}
