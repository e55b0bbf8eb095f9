//! Evidence that an ended instance left, read before it is cleaned up.

use super::Ending;
use crate::spec::TerminationMessage;

/// Number of bytes that are read from the end of a termination message.
pub const MESSAGE_BYTES: u64 = 4096;
/// Number of bytes at the end of a log that replaces the message.
pub const LOG_BYTES: usize = 2048;
/// Lines of such a log, counted from its end, at most.
pub const LOG_LINES: usize = 80;

/// Evidence as the adapters found it. [`ExitEvidence::message`] decides what it means.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExitEvidence {
    /// OOM kills in the instance's cgroup; `None` if the count is unknown.
    pub oom_kills: Option<u64>,
    /// The termination message, or the error of reading it.
    pub message: Option<Result<String, String>>,
    /// End of the log, if it was asked for.
    pub log: String,
    /// The node has been restarted, and nothing of the instance is left.
    pub node_restarted: bool,
}

impl ExitEvidence {
    /// Kubernetes' `message` of the terminated state.
    pub fn message(&self, asked: &TerminationMessage, ending: Ending) -> String {
        let own = match &self.message {
            Some(Err(error)) => {
                return format!("Error on reading termination log {}: {error}", asked.path);
            }
            Some(Ok(text)) => text.as_str(),
            None => "",
        };
        let text = match own {
            "" if asked.policy.wants_log(ending.exit_code()) => last_lines(&self.log),
            own => own,
        };
        match (ending, text) {
            (Ending::Lost, _) if self.node_restarted => NODE_RESTARTED.to_owned(),
            (Ending::Lost, "") => LOST.to_owned(),
            (Ending::Lost, text) => format!("{LOST}: {text}"),
            (_, text) => text.to_owned(),
        }
    }
}

const NODE_RESTARTED: &str = "The node was shut down or restarted while the container was running";
const LOST: &str = "The process ended while nobody could watch it";

fn last_lines(log: &str) -> &str {
    // The newline at the very end does not begin a line.
    let body = log.strip_suffix('\n').unwrap_or(log);
    let start = body.rmatch_indices('\n').nth(LOG_LINES - 1).map_or(0, |(at, _)| at + 1);
    log.get(start..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::MessagePolicy;

    fn said(message: Option<Result<&str, &str>>, log: &str, fallback: bool, code: u8) -> String {
        let policy =
            if fallback { MessagePolicy::FallbackToLogsOnError } else { MessagePolicy::File };
        let asked = TerminationMessage { policy, ..TerminationMessage::default() };
        let message = message.map(|read| read.map(Into::into).map_err(Into::into));
        let evidence = ExitEvidence { message, log: log.into(), ..ExitEvidence::default() };
        evidence.message(&asked, Ending::Exited(code))
    }

    #[test]
    fn the_log_stands_in_only_for_an_empty_message_of_a_failure() {
        assert_eq!(said(Some(Ok("own")), "log", true, 1), "own");
        assert_eq!(said(Some(Ok("")), "log", true, 1), "log");
        assert_eq!(said(None, "log", true, 1), "log");
        assert_eq!(said(Some(Ok("")), "log", true, 0), "");
        assert_eq!(said(Some(Ok("")), "log", false, 1), "");
        let error = "Error on reading termination log /dev/termination-log: no";
        assert_eq!(said(Some(Err("no")), "log", true, 1), error);
    }

    #[test]
    fn the_log_is_cut_to_eighty_lines() {
        let log: String = (0..100).map(|line| format!("{line}\n")).collect();
        let expected: String = (20..100).map(|line| format!("{line}\n")).collect();
        assert_eq!(said(None, &log, true, 1), expected);
        assert_eq!(said(None, log.trim_end(), true, 1), expected.trim_end());
    }

    #[test]
    fn a_lost_process_may_have_left_a_message() {
        let evidence = ExitEvidence { message: Some(Ok("bye".into())), ..ExitEvidence::default() };
        let message = evidence.message(&TerminationMessage::default(), Ending::Lost);
        assert_eq!(message, format!("{LOST}: bye"));
    }
}
