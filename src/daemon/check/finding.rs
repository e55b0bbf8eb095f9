//! A result of `check` and its output.

use probelet_text::escape::Escaped;
use probelet_text::system_error::without_number;

/// How good something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The daemon has what it needs.
    Good,
    /// The daemon works, without what the advice names.
    Degraded,
    /// The daemon does not work.
    Broken,
}

impl Verdict {
    /// The word in the output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Degraded => "degraded",
            Self::Broken => "broken",
        }
    }
}

/// One result.
#[derive(Debug, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// What was checked.
    pub subject: &'static str,
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// What does not work, or what to do; empty if it is good.
    pub advice: &'static str,
}

impl Finding {
    pub fn good(subject: &'static str, found: impl Into<String>) -> Self {
        Self { subject, verdict: Verdict::Good, found: found.into(), advice: "" }
    }

    pub fn degraded(subject: &'static str, found: impl Into<String>, advice: &'static str) -> Self {
        Self { subject, verdict: Verdict::Degraded, found: without_number(&found.into()), advice }
    }

    pub fn broken(subject: &'static str, found: impl Into<String>, advice: &'static str) -> Self {
        Self { subject, verdict: Verdict::Broken, found: without_number(&found.into()), advice }
    }
}

/// The format of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    Json,
}

/// True if the daemon does not work on this host.
pub fn is_broken(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.verdict == Verdict::Broken)
}

/// The findings as text, a line for each, or as JSON.
pub fn render(findings: &[Finding], format: Option<Format>) -> String {
    if format == Some(Format::Json) {
        let json = serde_json::to_string_pretty(findings).unwrap_or_default();
        return json + "\n";
    }
    let lines = findings.iter().map(|finding| {
        let Finding { subject, verdict, found, advice } = finding;
        let verdict = verdict.as_str();
        let advice = if advice.is_empty() { String::new() } else { format!(": {advice}") };
        format!("{verdict:<10}{subject:<14}{}{advice}\n", Escaped(found))
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_what_was_found_and_what_follows() {
        let findings = [
            Finding::good("containerd", "1.7.24 at /c.sock"),
            Finding::degraded("network", "no CNI configuration in /etc\n", "only the loopback"),
        ];
        assert_eq!(
            render(&findings, None),
            "good      containerd    1.7.24 at /c.sock\n\
             degraded  network       no CNI configuration in /etc\\n: only the loopback\n"
        );
        let error = "/c.sock: No such file or directory (os error 2): gone";
        let broken = Finding::broken("containerd", error, "start it");
        assert_eq!(broken.found, "/c.sock: No such file or directory: gone");
        assert!(!is_broken(&findings));
        assert!(is_broken(&[Finding::broken("trust", "x", "y")]));
        let json: serde_json::Value =
            serde_json::from_str(&render(&findings, Some(Format::Json))).unwrap();
        assert_eq!(json[1]["verdict"], "degraded");
        assert_eq!(json[0]["advice"], "");
    }
}
