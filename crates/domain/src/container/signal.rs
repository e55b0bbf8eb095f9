//! Orders of a pod to its containers.

use std::time::Duration;

/// An order of the pod to one of its containers.
#[derive(Debug, Clone, PartialEq)]
pub enum PodSignal {
    /// Wait for `Start` in this startup round. An instance of an earlier round is stopped.
    Hold {
        /// Number of the startup round.
        round: u32,
        /// Grace of the stop; `None` for that of the pod. Only a restart by a rule sets it.
        grace: Option<Duration>,
    },
    /// Start now.
    Start,
    /// End with the pod, which is over. The order goes to sidecars.
    Finish,
    /// Send the stop signal now: the containers that end before this one have ended.
    StopNow,
    /// Restart with the container `owner`, which this one depends on.
    Restart {
        /// Name of the container that this one depends on.
        owner: String,
    },
}
