//! The moment from which the stop of a condemned container no longer waits for its capture.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::sync::oneshot;

/// CPU time of the capture's thread for which the stop waits. It bounds what many threads,
/// descriptors or sockets cost. It is CPU time and not time, because a busy host, where evidence is
/// worth most, may run the thread late.
const WAIT: Duration = Duration::from_millis(5);

/// Lets the stop go on: when a capture has read what the end of the processes destroys, or has
/// worked for [`WAIT`], and at the latest when it is dropped.
#[derive(Debug)]
pub struct Release {
    stop: Option<oneshot::Sender<()>>,
    /// Whether the stop waits for all of the evidence, as for the output of a command.
    waits_for_all: bool,
}

impl Release {
    /// `waits_for_all`: nothing but the drop releases the stop.
    pub fn new(stop: oneshot::Sender<()>, waits_for_all: bool) -> Self {
        Self { stop: Some(stop), waits_for_all }
    }

    /// Whether the stop goes on, so that the processes may end at any moment.
    pub fn is_over(&self) -> bool {
        self.stop.is_none()
    }

    /// A part has been read: releases the stop if the capture takes long.
    pub fn check(&mut self) {
        if self.stop.is_some() && cpu_time() >= WAIT {
            self.now();
        }
    }

    /// The processes may end now.
    pub fn now(&mut self) {
        if !self.waits_for_all
            && let Some(stop) = self.stop.take()
        {
            // The caller may have given up.
            let _ = stop.send(());
        }
    }
}

/// The CPU time of this thread.
fn cpu_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stop_goes_on_after_some_work_or_when_told_or_at_the_end() {
        let busy = || {
            let (stop, mut released) = oneshot::channel();
            let mut release = Release::new(stop, false);
            while !release.is_over() {
                release.check();
            }
            (cpu_time(), released.try_recv())
        };
        let (worked, released) = std::thread::spawn(busy).join().unwrap();
        assert!(worked >= WAIT && released.is_ok(), "{worked:?}");

        let (stop, mut released) = oneshot::channel();
        let mut release = Release::new(stop, true);
        release.now();
        assert!(!release.is_over() && released.try_recv().is_err(), "it waits for all");
        drop(release);
        assert_eq!(released.try_recv(), Err(oneshot::error::TryRecvError::Closed));
    }
}
