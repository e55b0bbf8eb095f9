//! The gRPC API: convert, call, convert. Nothing is decided here. A type for each gRPC service
//! (`containers`, `pods`, `events`, `images`, `meta`, `kubeconfigs`) forwards each call to the type that does the
//! work.

mod adoption;
mod apply;
mod attachment;
mod caller;
mod commands;
mod conditions;
mod container_answers;
mod container_queries;
mod containers;
mod control;
mod convert;
mod creation;
mod error;
mod events;
mod evidence;
mod findings;
mod health;
mod images;
mod kubeconfigs;
mod lifecycle;
mod logs;
mod meta;
mod pod_queries;
mod pods;
mod port_forward;
mod probe_requests;
mod probes;
mod recovery_gate;
mod services;
mod streams;
#[cfg(test)]
mod tests;
mod timeouts;
mod usage;

pub use error::Error;
pub use health::HealthReport;
pub use kubeconfigs::KubeconfigsApi;
pub use logs::{Attached, Logs};
pub use meta::{HostChecks, MetaApi};
pub use recovery_gate::{RecoveryGate, Stage};
pub use services::Services;
