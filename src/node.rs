//! The node: what surrounds pods on this host, and the order in which a container is prepared,
//! started and cleaned up.
//!
//! Above it, the supervisor knows the traits of this file. Below it is a container runtime, behind
//! the traits of `probelet-runtime`. `LocalNode` composes the parts:
//!
//! - `start::Starter`: the steps from a `StartRequest` to a running process
//! - `plan::Planner`: the OCI spec of an attempt
//! - `environment::PodEnvironment`: a pod's namespaces, network, volumes and files
//! - `attempt_records::AttemptRecords`: the saved state of attempts
//! - `task_control::TaskControl`: tasks as processes that are held by a pidfd
//! - `log_files::LogFiles`: logs and termination messages
//! - `foreign::ForeignNode`: containers that other clients created

mod attachment;
mod attempt;
mod attempt_records;
mod blocking;
mod config;
mod devices;
mod environment;
mod error;
mod exec;
mod exit_evidence;
mod exit_watch;
mod facts;
#[cfg(test)]
pub mod fake;
mod foreign;
mod foreign_containers;
mod foreign_output;
mod image_reader;
mod image_views;
mod image_volumes;
mod interactive_logger;
mod labelled_logs;
mod labels;
mod local;
mod locks;
mod log_files;
mod log_handover;
pub mod loopback;
mod network;
mod ooms;
mod pending_records;
mod plan;
mod pod_files;
mod profiles;
pub mod record;
mod roles;
mod running;
pub mod session;
mod start;
mod survey;
mod task;
mod task_control;
mod task_outcomes;
mod task_trait;
mod volumes;

pub use attempt::{AttemptId, Flaw, Found, PendingRecord, Recorded, StartRequest, Survey, Unsound};
pub use config::{Config, Watched};
pub use error::{NodeError, PullError};
pub use facts::read as host_facts;
pub use foreign::ForeignNode;
pub use foreign_containers::{ForeignContainers, News};
pub use local::LocalNode;
pub use pending_records::{PendingCounts, count as count_pending_records};
pub use probelet_prober::{EXEC_OUTPUT, ExecError, Executed, Target, Turn, deadline_in};
pub use probelet_runtime::{CallError, FailedCalls, Wanted};
pub use roles::{Attempts, Environments, Inventory, Node, PodImages};
pub use task_trait::{FoundTask, StartNotes, Task};
