//! probelet gives plain containerd hosts the kubelet's self-healing. See ARCHITECTURE.md.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]
#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, reason = "tests read their own files; the library does not")
)]

pub mod claims;
pub mod cli;
pub mod cni;
pub mod connections;
pub mod daemon;
pub mod evidence;
pub mod files;
#[cfg(test)]
mod layers;
pub mod logs;
pub mod manifest_dir;
pub mod metrics;
pub mod netns;
pub mod network;
pub mod pod_files;
pub mod pressure;
pub mod prober;
pub mod process;
pub mod registry;
pub mod rootfs;
pub mod runtime;
pub mod service;
pub mod shared_pids;
pub mod structs;
pub mod supervisor;
pub mod trusted;
pub mod volumes;

/// The decisions, see the crate.
pub use probelet_domain as domain;

/// The API, see the crate.
pub use probelet_api::pb;
pub use probelet_manifest as manifest;
