//! What a pod's processes may do, and as whom.

use serde::{Deserialize, Serialize};

use super::{ContainerSpec, PodSpec};

/// For all containers of a pod; a container's own beats what both can say.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PodSecurity {
    pub identity: Identity,
    pub seccomp: Option<SeccompProfile>,
    pub app_armor: Option<AppArmorProfile>,
    /// Owns the volumes, and every process is in it.
    pub fs_group: Option<i64>,
    pub fs_group_change_policy: Option<FsGroupChangePolicy>,
    pub supplemental_groups: Vec<i64>,
    pub supplemental_groups_policy: Option<GroupsPolicy>,
    pub sysctls: Vec<Sysctl>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Security {
    pub identity: Identity,
    pub seccomp: Option<SeccompProfile>,
    pub app_armor: Option<AppArmorProfile>,
    /// As written in a manifest, with or without `CAP_`; `ALL` is all of them.
    pub add: Vec<String>,
    pub drop: Vec<String>,
    pub privileged: Option<bool>,
    pub allow_privilege_escalation: Option<bool>,
    pub read_only_root_filesystem: Option<bool>,
    pub proc_mount: Option<ProcMount>,
}

/// As Kubernetes' type has them, so that validation can name what is out of range.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Identity {
    pub user: Option<i64>,
    pub group: Option<i64>,
    pub non_root: Option<bool>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum SeccompProfile {
    RuntimeDefault,
    Unconfined,
    /// A file below the folder of seccomp profiles.
    Localhost(String),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum AppArmorProfile {
    RuntimeDefault,
    Unconfined,
    /// The name of one that is loaded.
    Localhost(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum ProcMount {
    Default,
    /// Nothing of `/proc` is masked or read-only.
    Unmasked,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum GroupsPolicy {
    /// The image's groups of the user, and the pod's.
    Merge,
    /// The pod's only.
    Strict,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum FsGroupChangePolicy {
    OnRootMismatch,
    Always,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sysctl {
    pub name: String,
    pub value: String,
}

impl Sysctl {
    /// Kernels take both `net.ipv4.tcp_rmem` and `net/ipv4/tcp_rmem`.
    pub fn dotted(&self) -> String {
        // After a slash first, a dot is part of a name, as in an interface's.
        match self.name.find(['.', '/']) {
            Some(at) if self.name.get(at..=at) == Some("/") => {
                let swap = |c| match c {
                    '/' => '.',
                    '.' => '/',
                    other => other,
                };
                self.name.chars().map(swap).collect()
            }
            _ => self.name.clone(),
        }
    }

    pub fn is_of_network(&self) -> bool {
        self.dotted().starts_with("net.")
    }

    pub fn is_of_ipc(&self) -> bool {
        let name = self.dotted();
        let begins = ["kernel.shm", "kernel.msg", "fs.mqueue."];
        name == "kernel.sem" || begins.iter().any(|begin| name.starts_with(begin))
    }

    /// Kubernetes' list of those that no pod can harm another one with.
    pub fn is_safe(&self) -> bool {
        SAFE.contains(&self.dotted().as_str())
    }
}

const SAFE: [&str; 12] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_wmem",
];

impl Security {
    pub fn is_privileged(&self) -> bool {
        self.privileged == Some(true)
    }
}

impl PodSpec {
    pub fn identity_of(&self, container: &ContainerSpec) -> Identity {
        let (own, pod) = (&container.security.identity, &self.security.identity);
        Identity {
            user: own.user.or(pod.user),
            group: own.group.or(pod.group),
            non_root: own.non_root.or(pod.non_root),
        }
    }

    /// Kubernetes' default is none; a privileged container never has one.
    pub fn seccomp_of<'a>(&'a self, container: &'a ContainerSpec) -> Option<&'a SeccompProfile> {
        let profile = container.security.seccomp.as_ref().or(self.security.seccomp.as_ref());
        profile.filter(|profile| {
            **profile != SeccompProfile::Unconfined && !container.security.is_privileged()
        })
    }

    pub fn app_armor_of<'a>(&'a self, container: &'a ContainerSpec) -> Option<&'a AppArmorProfile> {
        let profile = container.security.app_armor.as_ref().or(self.security.app_armor.as_ref());
        profile.filter(|profile| {
            **profile != AppArmorProfile::Unconfined && !container.security.is_privileged()
        })
    }
}
