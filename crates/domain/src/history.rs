//! The newest ends of a container. They are stored in its record, so they are bounded in bytes.

use std::sync::Arc;

use super::exit::{Cause, Terminated};
use super::shorten;

const ATTEMPTS: usize = 10;
/// Maximum size of each message and each output, in bytes.
const TEXT: usize = 256;

/// The ends, newest first. A clone is cheap, since a status is made for each event.
#[derive(Debug, Clone, PartialEq)]
pub struct History(Arc<[Terminated]>);

impl History {
    /// Adds the newest end, its message and output cut to 256 bytes, and keeps ten ends at most.
    pub fn add(&mut self, ended: &Terminated) {
        let kept = self.0.iter().take(ATTEMPTS - 1).cloned();
        self.0 = std::iter::once(shortened(ended)).chain(kept).collect();
    }

    /// Ends of the container's instances, newest first.
    pub fn iter(&self) -> impl Iterator<Item = &Terminated> {
        self.0.iter()
    }
}

impl Default for History {
    fn default() -> Self {
        Vec::new().into()
    }
}

impl From<Vec<Terminated>> for History {
    fn from(ends: Vec<Terminated>) -> Self {
        Self(ends.into())
    }
}

impl From<History> for Vec<Terminated> {
    fn from(history: History) -> Self {
        history.0.to_vec()
    }
}

fn shortened(ended: &Terminated) -> Terminated {
    let mut short = ended.clone();
    shorten(&mut short.message, TEXT);
    if let Cause::Probe { output, .. } | Cause::Hook { output, .. } = &mut short.cause {
        shorten(output, TEXT);
    }
    short
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::Incarnation;
    use crate::exit::Ending;
    use crate::spec::ProbeKind;

    fn end(attempt: u32, output: &str) -> Terminated {
        Terminated {
            attempt: Incarnation(attempt),
            container_id: "c".into(),
            ending: Ending::Signaled(9),
            cause: Cause::Probe { kind: ProbeKind::Liveness, output: output.into() },
            reason: "Error".into(),
            exit_code: 137,
            signal: Some(9),
            message: output.into(),
            started_at: None,
            finished_at: SystemTime::UNIX_EPOCH,
            sigkill: None,
            oom_kills: 0,
        }
    }

    #[test]
    fn the_last_ten_are_kept_newest_first() {
        let mut history = History::default();
        (0..13).for_each(|attempt| history.add(&end(attempt, "no")));
        let attempts: Vec<_> = history.iter().map(|end| end.attempt.0).collect();
        assert_eq!(attempts, [12, 11, 10, 9, 8, 7, 6, 5, 4, 3]);
        assert_eq!(*history.iter().next().unwrap(), end(12, "no"));
    }

    #[test]
    fn ten_long_ends_are_short_together() {
        let mut history = History::default();
        (0..10).for_each(|attempt| history.add(&end(attempt, &"ä".repeat(5000))));
        let text = format!("{history:?}");
        assert!(text.len() < 10_000, "{}", text.len());
    }
}
