//! The life of one container: its events, the actions that follow, and what is recorded.
//!
//! [`Machine`] takes [`Event`]s in and returns [`Action`]s. It is made of smaller machines, each in
//! a file of its own: `Life` has the transitions from one `Phase` to the next, `Orders` what
//! callers and the pod ask for, and an `Instance` the probes, watches and the condemnation of one
//! running process.

mod action;
mod attempts;
mod clock;
mod condemnation;
mod course;
mod definition;
mod ending;
mod event;
mod images;
mod instance;
mod life;
mod machine;
mod mandate;
mod member;
mod memory;
mod oom;
mod orders;
mod pause;
mod phase;
mod presentation;
mod probing;
mod reconcile;
mod recover;
mod shim;
mod signal;
mod stop;
mod turn;
mod volumes;

pub use action::{Action, InstanceAction};
pub use event::{Event, Fault, InstanceEvent};
pub use machine::Machine;
pub use member::Member;
pub use memory::{ImageFacts, Memory, Wanted};
pub use oom::OomCount;
pub use reconcile::{Observation, SeenTask};
pub use recover::Recovered;
pub use signal::PodSignal;
pub use stop::{Next, Stopping};

use turn::Turn;

#[cfg(test)]
mod tests;
