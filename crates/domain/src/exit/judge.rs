//! Decides the cause of an end from all that is known of it.

use std::time::Duration;

use super::{Cause, Ending, Operator, STOP};

const SIGKILL: u8 = 9;
/// Numbers of ILL, TRAP, ABRT, BUS, FPE, SEGV and SYS.
const CRASHES: [u8; 7] = [4, 5, 6, 7, 8, 11, 31];

/// All that is known of an ending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// How the process ended, as far as it is known.
    pub ending: Ending,
    /// Number of the instance's processes that the OOM killer has killed.
    pub oom_kills: u64,
    /// True if the last of these kills came just before the end.
    pub oom_at_the_end: bool,
    /// Cause of the stop by probelet that was under way; `None` without one.
    pub asked: Option<Cause>,
    /// Last signal that an operator sent.
    pub sent: Option<(i32, Operator)>,
    /// True if the node was restarted since the instance was last observed.
    pub node_restarted: bool,
    /// Grace after which probelet sent SIGKILL; `None` if it did not.
    pub killed_after: Option<Duration>,
}

/// How SIGKILL came to an instance that was asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sigkill {
    /// Probelet sent SIGKILL when the grace was over.
    AfterGrace(Duration),
    /// Another process sent SIGKILL within the grace.
    Outside,
}

/// Reason and cause of an ending, as [`Terminated`](super::Terminated) records them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Kubernetes' reason of a terminated state, or `Stopped` after an operator's stop.
    pub reason: &'static str,
    /// What ended the instance.
    pub cause: Cause,
    /// Origin of the SIGKILL that ended an instance which probelet was stopping; `None` for any
    /// other ending.
    pub sigkill: Option<Sigkill>,
}

impl Known {
    /// Reason, cause and SIGKILL that follow from what is known of the ending.
    pub fn verdict(self) -> Verdict {
        let reason = match self.ending {
            Ending::Lost => self.ending.reason(),
            // As in Kubernetes, one in an instance's life beats its exit code.
            _ if self.oom_kills > 0 => "OOMKilled",
            // An operator's stop is no error of the container's, and no completion.
            _ if self.is_stopped() => "Stopped",
            ending => ending.reason(),
        };
        let sigkill = self.asked.as_ref().and_then(|_| self.sigkill());
        let cause = self.cause();
        Verdict { reason, cause, sigkill }
    }

    fn is_stopped(&self) -> bool {
        matches!(&self.asked, Some(Cause::Operator(operator)) if operator.verb == STOP)
    }

    fn was_sent(&self, signal: u8) -> bool {
        self.sent.as_ref().is_some_and(|(sent, _)| *sent == i32::from(signal))
    }

    fn sigkill(&self) -> Option<Sigkill> {
        match self.killed_after {
            _ if self.ending.signal() != Some(SIGKILL) => None,
            Some(grace) => Some(Sigkill::AfterGrace(grace)),
            None if self.oom_at_the_end || self.was_sent(SIGKILL) => None,
            None => Some(Sigkill::Outside),
        }
    }

    fn cause(self) -> Cause {
        let sent = |signal| self.was_sent(signal);
        match (self.asked.clone(), self.ending.signal()) {
            (Some(asked), _) => asked,
            (None, Some(signal)) if sent(signal) => match self.sent {
                Some((_, operator)) => Cause::Operator(operator),
                None => Cause::Outside { signal },
            },
            (None, Some(SIGKILL)) if self.oom_at_the_end => Cause::OutOfMemory,
            (None, Some(signal)) if CRASHES.contains(&signal) => Cause::Crash { signal },
            (None, Some(signal)) => Cause::Outside { signal },
            (None, None) if self.ending == Ending::Lost && self.node_restarted => {
                Cause::NodeRestart
            }
            (None, None) if self.ending == Ending::Lost => Cause::Unknown,
            (None, None) => Cause::Itself,
        }
    }
}

impl std::fmt::Display for Sigkill {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AfterGrace(Duration::ZERO) => f.write_str("SIGKILL at once"),
            Self::AfterGrace(grace) => {
                write!(f, "SIGKILL after {}", crate::text::go_duration(*grace))
            }
            Self::Outside => f.write_str("SIGKILL from outside within the grace"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(ending: Ending) -> Known {
        Known {
            ending,
            oom_kills: 0,
            oom_at_the_end: false,
            asked: None,
            sent: None,
            node_restarted: false,
            killed_after: None,
        }
    }

    fn operator(verb: &str) -> Operator {
        Operator::new(verb, None)
    }

    #[test]
    fn causes_of_a_signal_are_distinguished() {
        let killed = || known(Ending::Signaled(9));
        let stop = Cause::Operator(operator("stop"));
        let asked = || Known { asked: Some(stop.clone()), ..killed() };
        let grace = Some(Duration::from_secs(2));
        let cases = [
            (killed(), Cause::Outside { signal: 9 }, None),
            (known(Ending::Reported(137)), Cause::Outside { signal: 9 }, None),
            (known(Ending::Exited(137)), Cause::Itself, None),
            (known(Ending::Signaled(6)), Cause::Crash { signal: 6 }, None),
            (
                Known { sent: Some((9, operator("kill -s 9"))), ..killed() },
                Cause::Operator(operator("kill -s 9")),
                None,
            ),
            (
                Known { sent: Some((15, operator("kill -s 15"))), ..killed() },
                Cause::Outside { signal: 9 },
                None,
            ),
            (asked(), stop.clone(), Some(Sigkill::Outside)),
            (
                Known { killed_after: grace, ..asked() },
                stop.clone(),
                grace.map(Sigkill::AfterGrace),
            ),
            (Known { sent: Some((9, operator("kill -s 9"))), ..asked() }, stop.clone(), None),
        ];
        for (known, cause, sigkill) in cases {
            let verdict = known.clone().verdict();
            assert_eq!((verdict.cause, verdict.sigkill), (cause, sigkill), "{known:?}");
            let reason = if known.asked.is_some() { "Stopped" } else { "Error" };
            assert_eq!(verdict.reason, reason, "{known:?}");
        }
    }

    #[test]
    fn only_an_operators_stop_is_shown_as_stopped() {
        let asked = |verb: &str, ending| {
            let cause = Cause::Operator(operator(verb));
            Known { asked: Some(cause), ..known(ending) }.verdict().reason
        };
        assert_eq!(asked("stop", Ending::Exited(0)), "Stopped");
        assert_eq!(asked("stop", Ending::Exited(7)), "Stopped");
        assert_eq!(asked("stop", Ending::Lost), "ContainerStatusUnknown");
        assert_eq!(asked("restart", Ending::Signaled(15)), "Error");
        assert_eq!(asked("delete", Ending::Exited(0)), "Completed");
    }

    #[test]
    fn the_oom_killer_took_init_or_only_a_child() {
        let oom = |ending, oom_at_the_end| {
            let known = Known { oom_kills: 1, oom_at_the_end, ..known(ending) };
            let verdict = known.verdict();
            assert_eq!(verdict.reason, "OOMKilled");
            verdict.cause
        };
        assert_eq!(oom(Ending::Signaled(9), true), Cause::OutOfMemory);
        assert_eq!(oom(Ending::Reported(137), true), Cause::OutOfMemory);
        assert_eq!(oom(Ending::Exited(137), true), Cause::Itself);
        assert_eq!(oom(Ending::Exited(0), false), Cause::Itself);
        assert_eq!(oom(Ending::Signaled(9), false), Cause::Outside { signal: 9 });
        assert_eq!(oom(Ending::Signaled(15), true), Cause::Outside { signal: 15 });
    }

    #[test]
    fn an_end_by_a_restart_of_the_node_differs_from_an_unknown_end() {
        let lost = || known(Ending::Lost);
        let mystery = lost().verdict();
        assert_eq!((mystery.reason, mystery.cause), ("ContainerStatusUnknown", Cause::Unknown));
        let verdict = Known { node_restarted: true, ..lost() }.verdict();
        assert_eq!((verdict.reason, verdict.cause), ("ContainerStatusUnknown", Cause::NodeRestart));
        let stop = Cause::Operator(operator("stop"));
        let asked = Known { node_restarted: true, asked: Some(stop.clone()), ..lost() }.verdict();
        assert_eq!(asked.cause, stop, "who asked for it before has his due");
    }
}
