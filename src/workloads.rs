//! The controllers of Deployments, DaemonSets, StatefulSets, Jobs and CronJobs.
//!
//! What is to be done is decided in `probelet-workload`; this module observes and carries out:
//!
//! - `controllers` is the one task that owns all work. `queue` says which object is next.
//! - `inventory` has the workloads, read again when a stored object changes.
//! - `pods` has the facts of the pods, read again when a pod changes.
//! - `round` is one reconciliation of an object. `ownership` has the owners of all objects: `collector`
//!   deletes what has none any more, and `unwinding` what a deleted object waits for.
//! - `api` are the writes, which go the way of clients' writes: defaults, rules and locks are those of
//!   the Kubernetes API.
//! - `recorder` keeps the events about the objects.

mod api;
mod collector;
mod controllers;
mod dependent;
mod inventory;
mod ownership;
mod pods;
mod queue;
mod recorder;
mod round;
#[cfg(test)]
mod tests;
mod unwinding;
mod zones;

pub use api::{Api, Part};
pub use controllers::Controllers;
pub use zones::zone;
