//! Security settings of pods and containers: users, profiles, capabilities and sysctls.

use super::{ContainerSpec, PodSpec};

/// Security settings of all containers of a pod. The settings of a container take precedence.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PodSecurity {
    /// User and group of the containers that set none.
    pub identity: Identity,
    /// Seccomp profile of the containers that set none; no profile if unset.
    pub seccomp: Option<SeccompProfile>,
    /// AppArmor profile of the containers that set none; no profile if unset.
    pub app_armor: Option<AppArmorProfile>,
    /// Kubernetes' `fsGroup`, from 0 to 2147483647: the group that owns the volumes and that every
    /// process is in.
    pub fs_group: Option<i64>,
    /// Kubernetes' `fsGroupChangePolicy`. It is stored and has no effect, because the group is set
    /// when a volume is made.
    pub fs_group_change_policy: Option<FsGroupChangePolicy>,
    /// Groups that every process has besides its primary group, from 0 to 2147483647.
    pub supplemental_groups: Vec<i64>,
    /// Whether the image's groups of the user count too; `Merge` if unset.
    pub supplemental_groups_policy: Option<GroupsPolicy>,
    /// Kernel parameters of the pod's namespaces, each at most once.
    pub sysctls: Vec<Sysctl>,
}

/// Security settings of one container; Kubernetes' `securityContext`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Security {
    /// User and group of the container; the pod's where unset.
    pub identity: Identity,
    /// Seccomp profile of the container; the pod's if unset.
    pub seccomp: Option<SeccompProfile>,
    /// AppArmor profile of the container; the pod's if unset.
    pub app_armor: Option<AppArmorProfile>,
    /// Capabilities to add to containerd's default set, with or without `CAP_`; `ALL` stands for
    /// all.
    pub add: Vec<String>,
    /// Capabilities to remove from containerd's default set, in the same form as `add`.
    pub drop: Vec<String>,
    /// Whether the container has all capabilities, may use all devices and is neither confined by a
    /// profile nor has paths of `/proc` and `/sys` masked; `false` if unset.
    pub privileged: Option<bool>,
    /// Sets `no_new_privs` if `false`; must not be `false` for a privileged container.
    pub allow_privilege_escalation: Option<bool>,
    /// Whether the root filesystem is mounted read-only; writable if unset.
    pub read_only_root_filesystem: Option<bool>,
    /// How much of `/proc` is hidden; `Default` if unset.
    pub proc_mount: Option<ProcMount>,
}

/// User and group that a container runs as. The numbers are signed, as in Kubernetes, so that
/// validation can report those that are out of range.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Identity {
    /// Kubernetes' `runAsUser`, from 0 to 2147483647; the image's user if unset.
    pub user: Option<i64>,
    /// Kubernetes' `runAsGroup`, from 0 to 2147483647; the image's or the user's group if unset.
    pub group: Option<i64>,
    /// Kubernetes' `runAsNonRoot`: whether a container that would run as root, or whose
    /// image names its user without a number, is refused.
    pub non_root: Option<bool>,
}

/// Filter of a container's system calls; Kubernetes' `seccompProfile`.
#[derive(Debug, Clone, PartialEq)]
pub enum SeccompProfile {
    /// containerd's default profile.
    RuntimeDefault,
    /// No filter.
    Unconfined,
    /// A file below the folder of seccomp profiles.
    Localhost(String),
}

/// AppArmor confinement of a container; Kubernetes' `appArmorProfile`.
#[derive(Debug, Clone, PartialEq)]
pub enum AppArmorProfile {
    /// containerd's default profile, `cri-containerd.apparmor.d`, which must be loaded.
    RuntimeDefault,
    /// No confinement.
    Unconfined,
    /// Name of a profile that is loaded in the kernel.
    Localhost(String),
}

/// Kubernetes' `procMount`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ProcMount {
    /// Sensitive paths of `/proc` are masked or read-only, as in containerd.
    Default,
    /// Nothing of `/proc` is masked or read-only.
    Unmasked,
}

/// Kubernetes' `supplementalGroupsPolicy`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum GroupsPolicy {
    /// The image's groups of the user, and the pod's.
    Merge,
    /// The pod's only.
    Strict,
}

/// Kubernetes' `fsGroupChangePolicy`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FsGroupChangePolicy {
    /// Change owner and mode only if those of the volume's root differ.
    OnRootMismatch,
    /// Change owner and mode at each mount.
    Always,
}

/// A kernel parameter of a pod; Kubernetes' `sysctls`.
#[derive(Debug, Clone, PartialEq)]
pub struct Sysctl {
    /// Name with dots or slashes, at most 253 characters; of the network or IPC namespace.
    pub name: String,
    /// Value, as written to the kernel.
    pub value: String,
}

impl Sysctl {
    /// Returns the name with dots. The kernel accepts both `net.ipv4.tcp_rmem` and
    /// `net/ipv4/tcp_rmem`.
    pub fn dotted(&self) -> String {
        // In a name whose first separator is a slash, a dot belongs to a part, such as an
        // interface's name.
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

    /// Returns whether the parameter belongs to the network namespace: `net.*`.
    pub fn is_of_network(&self) -> bool {
        self.dotted().starts_with("net.")
    }

    /// Returns whether the parameter belongs to the IPC namespace: System V IPC and `fs.mqueue.*`.
    pub fn is_of_ipc(&self) -> bool {
        let name = self.dotted();
        let begins = ["kernel.shm", "kernel.msg", "fs.mqueue."];
        name == "kernel.sem" || begins.iter().any(|begin| name.starts_with(begin))
    }

    /// Returns whether the parameter is in Kubernetes' list of safe sysctls, with which a pod
    /// cannot affect other pods.
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
    /// Returns whether the container is privileged; `false` if unset.
    pub fn is_privileged(&self) -> bool {
        self.privileged == Some(true)
    }
}

/// Security settings of a container: its own, else those of its pod.
#[derive(Debug, Clone, Copy)]
pub struct EffectiveSecurity<'a> {
    pod: &'a PodSpec,
    container: &'a ContainerSpec,
}

impl<'a> EffectiveSecurity<'a> {
    /// Settings of a container of this pod.
    pub fn of(pod: &'a PodSpec, container: &'a ContainerSpec) -> Self {
        Self { pod, container }
    }

    /// Returns the user and group.
    pub fn identity(&self) -> Identity {
        let (own, pod) = (&self.container.security.identity, &self.pod.security.identity);
        Identity {
            user: own.user.or(pod.user),
            group: own.group.or(pod.group),
            non_root: own.non_root.or(pod.non_root),
        }
    }

    /// Returns the seccomp profile; `None` if unset, unconfined or privileged.
    pub fn seccomp(&self) -> Option<&'a SeccompProfile> {
        let (own, pod) = (&self.container.security, &self.pod.security);
        let profile = own.seccomp.as_ref().or(pod.seccomp.as_ref());
        profile.filter(|profile| **profile != SeccompProfile::Unconfined && !own.is_privileged())
    }

    /// Returns the AppArmor profile; `None` if unset, unconfined or privileged.
    pub fn app_armor(&self) -> Option<&'a AppArmorProfile> {
        let (own, pod) = (&self.container.security, &self.pod.security);
        let profile = own.app_armor.as_ref().or(pod.app_armor.as_ref());
        profile.filter(|profile| **profile != AppArmorProfile::Unconfined && !own.is_privileged())
    }
}
