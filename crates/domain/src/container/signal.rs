//! What a pod orders one of its containers to do.

use std::time::Duration;

/// An order of the pod to one of its containers.
#[derive(Debug, Clone, PartialEq)]
pub enum PodSignal {
    /// Wait for `Start` in this startup round. What runs of an earlier round is stopped; `grace`
    /// replaces that of the pod, which only a rule's restart does.
    Hold {
        /// Number of the startup round.
        round: u32,
        /// Grace of the stop; `None` for that of the pod.
        grace: Option<Duration>,
    },
    /// Start now.
    Start,
    /// The pod is over, and with it what only accompanied it.
    Finish,
    /// Send the stop signal now: the containers that end first have ended.
    StopNow,
    /// Restart with the container `owner`, which this one depends on.
    Restart {
        /// Name of the container that this one depends on.
        owner: String,
    },
}
