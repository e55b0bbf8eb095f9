//! probelet gives plain containerd hosts the kubelet's self-healing. See ARCHITECTURE.md.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]
#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, reason = "tests read their own files; the library does not")
)]

pub mod build_info;
pub mod client_auth;
pub mod command_line;
pub mod connections;
pub mod daemon;
pub mod evidence;
pub mod kube_api;
pub mod kube_authority;
pub mod kube_objects;
#[cfg(test)]
mod layers;
pub mod manifest_dir;
pub mod metrics;
pub mod node;
pub mod service;
pub mod status_page;
pub mod supervisor;
pub mod workloads;

/// The decisions, all without I/O: the crate `probelet-domain`.
pub use probelet_domain as domain;

/// The messages and services of the API: the crate `probelet-api`.
pub use probelet_api::{pb, structs};
pub use probelet_cri_log as logs;
pub use probelet_host::{
    claims, clock, cni, direct_exec, files, netns, network, pod_files, pressure, process, rootfs,
    shared_pids, trusted, volumes,
};
pub use probelet_manifest as manifest;
pub use probelet_prober as prober;
pub use probelet_registry as registry;
