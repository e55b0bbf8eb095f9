//! Durations that people write: `10`, `10s`, `1m30s`.

use std::time::Duration;

use jiff::SignedDuration;

/// The longest duration that is accepted: 68 years, as in the API, in manifests and in labels.
pub const LONGEST: Duration = Duration::from_secs(i32::MAX as u64);

/// Reads a duration such as `90`, `90s`, `10m` or `1h30m`; a number without a unit is in seconds. It
/// must be longer than nothing.
///
/// # Errors
///
/// A text for people if it is no such duration, or longer than [`LONGEST`].
pub fn parse(text: &str) -> Result<Duration, String> {
    match parse_or_zero(text)? {
        Duration::ZERO => Err(format!("{WANTED}, more than 0")),
        length => Ok(length),
    }
}

/// Reads the same durations as [`parse`], and 0.
///
/// # Errors
///
/// The same, without the one for 0.
pub fn parse_or_zero(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().map(Duration::from_secs);
    let with_unit = || text.parse::<SignedDuration>().ok()?.try_into().ok();
    let length: Duration = seconds.or_else(with_unit).ok_or(WANTED)?;
    if length > LONGEST {
        return Err(format!("must be at most {}s", LONGEST.as_secs()));
    }
    Ok(length)
}

const WANTED: &str = "must be a time like 10, 10s or 1m30s";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_need_no_unit() {
        let read = |text| parse(text).map(|d| d.as_millis());
        let good = [
            ("90s", 90_000),
            ("10", 10_000),
            ("10m", 600_000),
            ("1h30m", 5_400_000),
            ("1m30s", 90_000),
            ("1.5s", 1_500),
        ];
        for (text, millis) in good {
            assert_eq!(read(text), Ok(millis), "{text}");
        }
        assert_eq!(read("2147483647s"), Ok(2_147_483_647_000));
        for text in [
            "",
            "0",
            "0s",
            "-10",
            "-10m",
            "1.5",
            "ten",
            "10 parsecs",
            "2147483648",
            "2147483648s",
            "9223372036854775807s",
            "99999999999999999999",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
        for text in ["0", "0s"] {
            assert_eq!(parse_or_zero(text), Ok(Duration::ZERO), "{text}");
        }
        assert!(parse_or_zero("-1").is_err());
    }
}
