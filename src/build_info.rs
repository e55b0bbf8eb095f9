//! The build: version, commit and date, as `build.rs` sets them.

use jiff::Timestamp;
use jiff::tz::TimeZone;

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

/// Version, commit and date in one line.
pub fn line() -> String {
    described(VERSION, COMMIT, &date())
}

/// The version with the other facts that are not empty.
pub fn described(version: &str, commit: &str, date: &str) -> String {
    match (commit, date) {
        ("", "") => version.to_owned(),
        (commit, "") => format!("{version} (commit {commit})"),
        ("", date) => format!("{version} (built {date})"),
        (commit, date) => format!("{version} (commit {commit}, built {date})"),
    }
}

fn date_of(seconds: &str) -> String {
    let time = seconds.parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    time.map(|time| time.to_zoned(TimeZone::UTC).date().to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_known_is_printed() {
        assert_eq!(described("1.0", "", ""), "1.0");
        assert_eq!(described("1.0", "abc", ""), "1.0 (commit abc)");
        assert_eq!(described("1.0", "", "2026-12-01"), "1.0 (built 2026-12-01)");
        assert_eq!(described("1.0", "a", "2026-12-01"), "1.0 (commit a, built 2026-12-01)");
        assert_eq!(date_of("1796083200"), "2026-12-01");
        assert_eq!((date_of(""), date_of("x")), (String::new(), String::new()));
    }
}
