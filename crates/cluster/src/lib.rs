//! What a node of a Kubernetes cluster decides, as pure functions of objects, states and times.
//!
//! An object is a JSON value. No function reads a clock, a file or a socket: the caller observes, asks
//! here what follows, and carries it out.
//!
//! The modules, lower ones first:
//!
//! - `fields` reads fields of objects.
//! - [`kubeconfig`] is the identity of the node: the server, its authority, and the credential.
//! - [`mirror`] is the list of a resource as lists and watches have built it.
//! - [`lease`] and [`node`] are the heartbeat and the Node object.
//! - [`pod`] is a bound pod as the API has it. [`admission`] is what the scheduler would have known.
//! - [`status`] merges the status of a pod, and [`handshake`] is the next step of a pod: start, end,
//!   post, delete or release.
//! - [`surroundings`] are the variables of services and the cluster's DNS.
//! - [`event`] is an event of the host as the API stores it.

#![warn(missing_docs)]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]
#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, reason = "tests read their own files; the library does not")
)]

pub mod admission;
pub mod event;
mod fields;
pub mod handshake;
pub mod kubeconfig;
pub mod lease;
pub mod mirror;
pub mod node;
pub mod pod;
pub mod status;
pub mod surroundings;
