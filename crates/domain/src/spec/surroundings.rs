//! What of the host a pod sees, and what names it goes and knows others by.

use serde::{Deserialize, Serialize};

use super::PodSpec;

/// Namespaces that are the host's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct HostNamespaces {
    /// The host's name with it.
    pub network: bool,
    /// Kubernetes' `hostPID`: the containers see the host's processes.
    pub pid: bool,
    /// Kubernetes' `hostIPC`: the containers use the host's IPC objects and `/dev/shm`.
    pub ipc: bool,
}

/// What connects a network namespace of the pod's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum NetworkMode {
    /// CNI plugins, where the host has a configuration.
    #[default]
    Cni,
    /// Nothing: it has its loopback.
    None,
}

/// Names of a pod, and how it resolves the names of others.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Naming {
    /// Kubernetes' `subdomain`, an RFC 1123 label; with it the pod has a full domain name.
    pub subdomain: Option<String>,
    /// Kubernetes' `setHostnameAsFQDN`: the hostname is the full name, of at most 64 characters.
    pub hostname_as_fqdn: bool,
    /// Additional entries of the pod's `/etc/hosts`.
    pub host_aliases: Vec<HostAlias>,
    /// Where the pod's nameservers come from; `ClusterFirst` by default.
    pub dns_policy: DnsPolicy,
    /// Kubernetes' `dnsConfig`, added to what the policy gives.
    pub dns: Option<DnsConfig>,
}

/// An entry of `/etc/hosts`; Kubernetes' `hostAliases`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostAlias {
    /// IPv4 or IPv6 address.
    pub ip: String,
    /// Names of the address, each an RFC 1123 subdomain.
    pub hostnames: Vec<String>,
}

/// Kubernetes' `dnsPolicy`. There is no cluster DNS, so only `None` differs from the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum DnsPolicy {
    /// The host's resolver, in place of cluster DNS; the default.
    #[default]
    ClusterFirst,
    /// The host's resolver, in place of cluster DNS; a manifest that sets it gets a warning.
    ClusterFirstWithHostNet,
    /// The host's resolver.
    Default,
    /// The pod's `dnsConfig` alone, which must have a nameserver.
    None,
}

impl DnsPolicy {
    /// All policies, in the order in which an error lists them.
    pub const ALL: [Self; 4] =
        [Self::ClusterFirst, Self::ClusterFirstWithHostNet, Self::Default, Self::None];

    /// The policy as Kubernetes writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClusterFirst => "ClusterFirst",
            Self::ClusterFirstWithHostNet => "ClusterFirstWithHostNet",
            Self::Default => "Default",
            Self::None => "None",
        }
    }
}

/// Settings of the pod's `/etc/resolv.conf`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DnsConfig {
    /// IP addresses of nameservers, at most 3.
    pub nameservers: Vec<String>,
    /// Search domains, at most 32 and 2048 characters with their separators.
    pub searches: Vec<String>,
    /// As in `resolv.conf`: `NAME` or `NAME:VALUE`.
    pub options: Vec<(String, Option<String>)>,
}

/// A device of the host: `HOST:CONTAINER:rwm`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Path on the host, below `/dev`.
    pub host: String,
    /// Path in the container, below `/dev`.
    pub container: String,
    /// Of `r`, `w` and `m`.
    pub access: String,
}

/// What kubeadm sets up: a manifest that knows its own name finds it here too.
const CLUSTER_DOMAIN: &str = "cluster.local";
/// `HOST_NAME_MAX`
pub(super) const LONGEST_HOSTNAME: usize = 64;

impl PodSpec {
    /// Cut as the kubelet cuts it: 63 characters, not ending in a hyphen or a dot.
    pub fn short_hostname(&self) -> String {
        let wanted = self.hostname.as_deref().filter(|name| !name.is_empty()).unwrap_or(&self.name);
        let cut: String = wanted.chars().take(63).collect();
        cut.trim_end_matches(['-', '.']).to_owned()
    }

    /// With the subdomain, where there is one.
    pub fn fqdn(&self) -> Option<String> {
        let subdomain = self.naming.subdomain.as_deref()?;
        let (name, namespace) = (self.short_hostname(), &self.namespace);
        Some(format!("{name}.{subdomain}.{namespace}.svc.{CLUSTER_DOMAIN}"))
    }

    /// What `hostname` says in the pod, unless it has the host's network and name.
    pub fn own_hostname(&self) -> String {
        let full = self.naming.hostname_as_fqdn.then(|| self.fqdn()).flatten();
        full.unwrap_or_else(|| self.short_hostname())
    }
}
