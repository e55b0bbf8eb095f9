//! Text form of durations.

use std::time::Duration;

/// Returns a duration as Go prints it, as in the kubelet's messages: `500ms`, `1.5s`, `1m20s`,
/// `5m0s`.
pub fn go_duration(duration: Duration) -> String {
    const MINUTE: u128 = 60 * 1_000_000_000;
    let nanos = duration.as_nanos();
    let (minutes, rest) = (nanos / MINUTE, nanos % MINUTE);
    let seconds = decimal(rest, 1_000_000_000);
    match (minutes / 60, minutes % 60) {
        (0, 0) => match nanos {
            0 => "0s".to_owned(),
            1..1_000 => format!("{nanos}ns"),
            1_000..1_000_000 => format!("{}µs", decimal(nanos, 1_000)),
            1_000_000..1_000_000_000 => format!("{}ms", decimal(nanos, 1_000_000)),
            _ => format!("{seconds}s"),
        },
        (0, minutes) => format!("{minutes}m{seconds}s"),
        (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
    }
}

/// Returns `value / unit` as a decimal number without trailing zeros; `unit` is a power of ten.
fn decimal(value: u128, unit: u128) -> String {
    let width = usize::try_from(unit.ilog10()).unwrap_or_default();
    let number = format!("{}.{:0width$}", value / unit, value % unit);
    number.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_printed_as_in_go() {
        for (nanos, wanted) in [
            (0, "0s"),
            (1, "1ns"),
            (1_500, "1.5µs"),
            (100_000_000, "100ms"),
            (250_010_000, "250.01ms"),
            (1_000_000_000, "1s"),
            (1_500_000_000, "1.5s"),
            (10_000_000_000, "10s"),
            (59_123_456_789, "59.123456789s"),
            (80_000_000_000, "1m20s"),
            (90_250_000_000, "1m30.25s"),
            (300_000_000_000, "5m0s"),
            (7_200_000_000_000, "2h0m0s"),
        ] {
            assert_eq!(go_duration(Duration::from_nanos(nanos)), wanted);
        }
    }
}
