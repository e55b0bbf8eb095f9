//! The rules of workloads on one host, as pure functions: a Deployment, DaemonSet, StatefulSet or
//! Job and its pods, or a CronJob and its Jobs, → what to create and to delete, and the status.
//!
//! An object is a JSON value, which the caller stores. No function reads a clock, a file or the
//! time zones of the host: these are arguments. A caller that writes an object calls [`default`]
//! and [`validate()`], and after each change of the object, of its pods or Jobs, and at
//! [`Reconciliation::next`], it calls [`reconcile()`].
//!
//! The modules, lower ones first:
//!
//! - `read`, `kind`, `selector`, `revision` are fields of objects, kinds, label selectors, and
//!   hashes of templates.
//! - [`cron`] has schedules.
//! - `facts`, `action`, `conditions` are the input and the output of [`reconcile()`].
//! - `defaults`, `validate`, `scale` are what the API server does with an object.
//! - `garbage` is what the deletion of an object means for the pods and Jobs that it owns.
//! - `one_pod`, `deployment`, `daemon_set`, `stateful_set`, `job`, `cron_job`, `reconcile` are what
//!   Kubernetes' controllers do.

#![warn(missing_docs)]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]
#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, reason = "tests read their own files; the library does not")
)]

mod action;
mod conditions;
pub mod cron;
mod cron_job;
mod daemon_set;
mod defaults;
mod deployment;
mod facts;
mod garbage;
mod job;
mod kind;
mod one_pod;
mod read;
mod reconcile;
mod revision;
mod scale;
mod selector;
mod stateful_set;
mod validate;

#[cfg(test)]
mod tests;

pub use action::{Action, NewJob, NewPod, Note, Owner, Problem, Reconciliation};
pub use defaults::default;
pub use facts::{Finished, JobFacts, Observed, Phase, PodFacts};
pub use garbage::{Deletion, OwnerReference, is_garbage, released};
pub use kind::Kind;
pub use reconcile::reconcile;
pub use scale::{replicas_of, scale, scaled};
pub use selector::{Selector, SelectorError};
pub use validate::validate;
