//! Durations as Go writes them.

use std::time::Duration;

use jiff::SignedDuration;

/// The longest duration that is accepted: 68 years, as in the API, in manifests and in labels.
pub const LONGEST: Duration = Duration::from_secs(i32::MAX as u64);

/// Reads a duration such as `90s`, `10m` or `1h30m`. It must be longer than nothing.
///
/// # Errors
///
/// A text for people if it is no such duration, or longer than [`LONGEST`].
pub fn parse(text: &str) -> Result<Duration, String> {
    let parsed = text.parse::<SignedDuration>().ok().and_then(|d| Duration::try_from(d).ok());
    let length = parsed.filter(|length| !length.is_zero());
    let length = length.ok_or_else(|| "must be a time like 90s, 10m or 1h30m".to_owned())?;
    if length > LONGEST {
        return Err(format!("must be at most {}s", LONGEST.as_secs()));
    }
    Ok(length)
}

/// Reads a whole number of seconds.
///
/// # Errors
///
/// A text for people if it is no such number, or longer than [`LONGEST`].
pub fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().map(Duration::from_secs);
    let most = LONGEST.as_secs();
    let why = || format!("must be a whole number of seconds, at most {most}");
    seconds.ok().filter(|seconds| *seconds <= LONGEST).ok_or_else(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gos_durations_are_read() {
        let read = |text| parse(text).map(|d| d.as_millis());
        let good = [("90s", 90_000), ("10m", 600_000), ("1h30m", 5_400_000), ("1.5s", 1_500)];
        for (text, millis) in good {
            assert_eq!(read(text), Ok(millis), "{text}");
        }
        assert_eq!(read("2147483647s"), Ok(2_147_483_647_000));
        for text in
            ["", "10", "0s", "-10m", "ten", "10 parsecs", "2147483648s", "9223372036854775807s"]
        {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn seconds_are_whole_and_bounded() {
        assert_eq!(parse_seconds("0"), Ok(Duration::ZERO));
        assert_eq!(parse_seconds("2147483647"), Ok(LONGEST));
        for text in ["", "1s", "-1", "1.5", "2147483648"] {
            assert!(parse_seconds(text).is_err(), "{text}");
        }
    }
}
