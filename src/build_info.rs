//! The build: version, commit and date, as `build.rs` sets them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use probelet_text::build_line;

/// The version of the package.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The commit, with `-dirty` if the sources differed from it. Empty if it is not known, as in a debug
/// build.
pub const COMMIT: &str = env!("PROBELET_BUILD_COMMIT");
/// The seconds since 1970 of the build, or of `SOURCE_DATE_EPOCH`; empty in a debug build.
const TIME: &str = env!("PROBELET_BUILD_TIME");

/// The date of the build, such as `2026-12-01`; empty if it is not known.
pub fn date() -> String {
    date_of(TIME)
}

/// The time of the build; `None` if it is not known.
pub fn time() -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(Duration::from_secs(TIME.parse().ok()?))
}

/// Version, commit and date in one line.
pub fn line() -> String {
    build_line(VERSION, COMMIT, &date())
}

fn date_of(seconds: &str) -> String {
    let time = seconds.parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    time.map(|time| time.to_zoned(TimeZone::UTC).date().to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_comes_from_seconds() {
        assert_eq!(date_of("1796083200"), "2026-12-01");
        assert_eq!((date_of(""), date_of("x")), (String::new(), String::new()));
    }
}
