//! A build in one line.

/// The version with the other facts that are not empty.
pub fn build_line(version: &str, commit: &str, date: &str) -> String {
    match (commit, date) {
        ("", "") => version.to_owned(),
        (commit, "") => format!("{version} (commit {commit})"),
        ("", date) => format!("{version} (built {date})"),
        (commit, date) => format!("{version} (commit {commit}, built {date})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_known_is_printed() {
        assert_eq!(build_line("1.0", "", ""), "1.0");
        assert_eq!(build_line("1.0", "abc", ""), "1.0 (commit abc)");
        assert_eq!(build_line("1.0", "", "2026-12-01"), "1.0 (built 2026-12-01)");
        assert_eq!(build_line("1.0", "a", "2026-12-01"), "1.0 (commit a, built 2026-12-01)");
    }
}
