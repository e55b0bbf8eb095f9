//! What of the host a pod sees, and what names it goes and knows others by.

use serde::{Deserialize, Serialize};

use super::PodSpec;

/// Namespaces that are the host's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct HostNamespaces {
    /// The host's name with it.
    pub network: bool,
    pub pid: bool,
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

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Naming {
    pub subdomain: Option<String>,
    pub hostname_as_fqdn: bool,
    pub host_aliases: Vec<HostAlias>,
    pub dns_policy: DnsPolicy,
    pub dns: Option<DnsConfig>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostAlias {
    pub ip: String,
    pub hostnames: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum DnsPolicy {
    #[default]
    ClusterFirst,
    ClusterFirstWithHostNet,
    Default,
    None,
}

impl DnsPolicy {
    pub const ALL: [Self; 4] =
        [Self::ClusterFirst, Self::ClusterFirstWithHostNet, Self::Default, Self::None];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClusterFirst => "ClusterFirst",
            Self::ClusterFirstWithHostNet => "ClusterFirstWithHostNet",
            Self::Default => "Default",
            Self::None => "None",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DnsConfig {
    pub nameservers: Vec<String>,
    pub searches: Vec<String>,
    /// As in `resolv.conf`: `NAME` or `NAME:VALUE`.
    pub options: Vec<(String, Option<String>)>,
}

/// A device of the host: `HOST:CONTAINER:rwm`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    pub host: String,
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
