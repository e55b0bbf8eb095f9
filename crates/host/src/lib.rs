//! Access to the Linux host without containerd: bounded reads of files, processes, sockets in other
//! namespaces, mounts and CNI plugins.

#![warn(missing_docs)]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]
#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, reason = "tests read their own files; the library does not")
)]

pub mod claims;
pub mod clock;
pub mod cni;
pub mod direct_exec;
pub mod files;
pub mod mountinfo;
pub mod netns;
pub mod network;
mod own_program;
pub mod pod_files;
pub mod pressure;
pub mod process;
pub mod rootfs;
pub mod shared_pids;
pub mod trusted;
pub mod volumes;
