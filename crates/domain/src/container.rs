//! The life of one container: what may happen to it, what is to be done, what is remembered.

mod action;
mod asked;
mod capture;
mod clock;
mod condemned;
mod deadline;
mod ending;
mod event;
mod eviction;
mod image;
mod machine;
mod memory;
mod oom;
mod pause;
mod probing;
mod reconcile;
mod recover;
mod respec;
mod round;
mod shim;
mod shown;
mod state;
mod stopping;
mod turn;
mod verdict;

pub use action::{Action, InstanceAction};
pub use event::{Event, Fault, InstanceEvent};
pub use machine::Machine;
pub use memory::{ImageFacts, Memory, Wanted};
pub use oom::OomCount;
pub use reconcile::{Look, SeenTask};
pub use recover::Recovered;
pub use round::Word;
pub use stopping::{Next, Stopping};

use turn::Turn;

#[cfg(test)]
mod tests;
