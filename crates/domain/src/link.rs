//! State of the connection to the container runtime. Its loss and its return are reported once each, and
//! a loss that lasts is reported again each minute.

use std::time::{Duration, Instant, SystemTime};

use super::Now;

/// Interval at which a runtime that answers is asked, and one that does not.
const CALM: Duration = Duration::from_secs(2);
const AWAY: Duration = Duration::from_millis(500);
/// Interval of the reports of a loss that lasts.
const REPORT: Duration = Duration::from_secs(60);

/// State of the connection to the container runtime.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// True if the runtime answered the last call, and before the first call.
    pub up: bool,
    /// Time of the last change of `up`.
    pub since: SystemTime,
    /// Number of times that the connection was lost, since the daemon started.
    pub losses: u64,
    /// Number of calls that the runtime did not answer, since the daemon started.
    pub failures: u64,
    /// Error of the last failure; empty while the runtime is up.
    pub error: String,
    changed: Instant,
    /// Time of the newest report of the present loss.
    reported: Option<Instant>,
    /// Duration of the last loss that is over.
    away: Duration,
}

/// What is logged about the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// The runtime stopped answering.
    Lost,
    /// The runtime has not answered for this time.
    StillLost(Duration),
    /// The runtime answers again, after this time.
    Back(Duration),
}

/// Change of the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The runtime stopped answering.
    Lost,
    /// The runtime answers again, after this time.
    Back(Duration),
}

impl Link {
    /// Link that counts as up from `now` on, before the first answer.
    pub fn new(now: Now) -> Self {
        let (since, changed) = (now.wall, now.mono);
        Self {
            up: true,
            since,
            losses: 0,
            failures: 0,
            error: String::new(),
            changed,
            reported: None,
            away: Duration::ZERO,
        }
    }

    /// Records an answer of the runtime, or the error of a call without one. Returns the change if
    /// the link went up or down.
    pub fn heard(&mut self, answer: Result<(), String>, now: Now) -> Option<Change> {
        let was_up = self.up;
        match answer {
            Ok(()) => {
                self.up = true;
                self.error.clear();
            }
            Err(error) => {
                self.up = false;
                self.failures = self.failures.saturating_add(1);
                self.error = error;
            }
        }
        if self.up == was_up {
            return None;
        }
        let away = now.mono.saturating_duration_since(self.changed);
        (self.since, self.changed) = (now.wall, now.mono);
        if self.up {
            self.away = away;
            return Some(Change::Back(away));
        }
        self.losses = self.losses.saturating_add(1);
        Some(Change::Lost)
    }

    /// Returns what is to be reported now, whichever call noticed it.
    pub fn report(&mut self, now: Now) -> Option<Report> {
        match self.reported {
            None if !self.up => {
                self.reported = Some(now.mono);
                Some(Report::Lost)
            }
            Some(at) if !self.up && now.mono.saturating_duration_since(at) >= REPORT => {
                self.reported = Some(now.mono);
                Some(Report::StillLost(now.mono.saturating_duration_since(self.changed)))
            }
            Some(_) if self.up => {
                self.reported = None;
                Some(Report::Back(self.away))
            }
            _ => None,
        }
    }

    /// Time until the next call.
    pub fn pause(&self) -> Duration {
        if self.up { CALM } else { AWAY }
    }
}

/// Time to wait before an operation that failed `tries` times in a row is retried: doubling,
/// bounded.
pub fn retry_after(tries: u32) -> Duration {
    Duration::from_secs(1 << tries.saturating_sub(1).min(5)).min(Duration::from_secs(30))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_and_return_are_reported_once_each() {
        #[expect(clippy::disallowed_methods, reason = "a test has to start somewhere")]
        let mut now = Now {
            mono: Instant::now(),
            wall: SystemTime::UNIX_EPOCH,
            booted_at: SystemTime::UNIX_EPOCH,
        };
        let mut link = Link::new(now);
        assert_eq!(link.heard(Ok(()), now), None);
        let refused = || Err("connection refused".to_owned());
        assert_eq!(link.heard(refused(), now), Some(Change::Lost));
        assert!(link.pause() < CALM);
        now.mono += CALM;
        assert_eq!(link.heard(refused(), now), None);
        assert_eq!((link.losses, link.failures, link.up), (1, 2, false));
        // The wall clock may be set in between.
        now.wall += 1000 * CALM;
        assert_eq!(link.heard(Ok(()), now), Some(Change::Back(CALM)));
        assert_eq!((link.since, link.error.as_str()), (now.wall, ""));
    }

    #[test]
    fn a_loss_that_lasts_is_reported_each_minute() {
        #[expect(clippy::disallowed_methods, reason = "a test has to start somewhere")]
        let mut now = Now {
            mono: Instant::now(),
            wall: SystemTime::UNIX_EPOCH,
            booted_at: SystemTime::UNIX_EPOCH,
        };
        let mut link = Link::new(now);
        assert_eq!(link.report(now), None);
        let mut reports = Vec::new();
        for second in 0..=150_u64 {
            // Some calls notice the loss between two reports.
            link.heard(Err("connection refused".to_owned()), now);
            link.heard(Err("connection refused".to_owned()), now);
            reports.extend(link.report(now).map(|report| (second, report)));
            now.mono += Duration::from_secs(1);
        }
        let minutes = |count: u64| Report::StillLost(Duration::from_secs(60 * count));
        assert_eq!(reports, [(0, Report::Lost), (60, minutes(1)), (120, minutes(2))]);
        link.heard(Ok(()), now);
        assert_eq!(link.report(now), Some(Report::Back(Duration::from_secs(151))));
        assert_eq!(link.report(now), None);
        // A loss that is over before anyone asks needs no report.
        link.heard(Err("connection refused".to_owned()), now);
        link.heard(Ok(()), now);
        assert_eq!(link.report(now), None);
    }

    #[test]
    fn retries_slow_down_and_never_stop() {
        let waits: Vec<_> = (0..9).map(|tries| retry_after(tries).as_secs()).collect();
        assert_eq!(waits, [1, 1, 2, 4, 8, 16, 30, 30, 30]);
    }
}
