//! Host namespaces, network mode, names, DNS settings and devices of a pod.

use super::PodSpec;

/// Namespaces of the host that a pod uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HostNamespaces {
    /// Kubernetes' `hostNetwork`: the pod has the host's network and hostname.
    pub network: bool,
    /// Kubernetes' `hostPID`: the containers see the host's processes.
    pub pid: bool,
    /// Kubernetes' `hostIPC`: the containers use the host's IPC objects and `/dev/shm`.
    pub ipc: bool,
}

/// Connection of a pod that has its own network namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NetworkMode {
    /// CNI plugins, if the host has a network configuration; the default.
    #[default]
    Cni,
    /// No connection; the pod has only a loopback interface.
    None,
}

/// Names of a pod, and how it resolves the names of others.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostAlias {
    /// IPv4 or IPv6 address.
    pub ip: String,
    /// Names of the address, each an RFC 1123 subdomain.
    pub hostnames: Vec<String>,
}

/// Kubernetes' `dnsPolicy`. There is no cluster DNS, so only `None` differs from the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
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
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DnsConfig {
    /// IP addresses of nameservers, at most 3.
    pub nameservers: Vec<String>,
    /// Search domains, at most 32 and 2048 characters with their separators.
    pub searches: Vec<String>,
    /// Name and value of resolver options; `NAME` or `NAME:VALUE` in `resolv.conf`.
    pub options: Vec<(String, Option<String>)>,
}

/// Device of the host that a container can use; `HOST:CONTAINER:rwm` in an annotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Path on the host, below `/dev`.
    pub host: String,
    /// Path in the container, below `/dev`.
    pub container: String,
    /// Permitted access: one or more of `r` (read), `w` (write) and `m` (make the device node).
    pub access: String,
}

/// Default domain of a kubeadm cluster, so that full names in a manifest are the same here.
const CLUSTER_DOMAIN: &str = "cluster.local";
/// Maximum length of a hostname: the kernel's `HOST_NAME_MAX`.
pub const LONGEST_HOSTNAME: usize = 64;

/// Names of a pod in its network.
#[derive(Debug, Clone, Copy)]
pub struct Hostname<'a>(&'a PodSpec);

impl<'a> Hostname<'a> {
    /// Names of this pod.
    pub fn of(pod: &'a PodSpec) -> Self {
        Self(pod)
    }

    /// Returns the hostname without a domain, cut to 63 characters and without trailing hyphens and
    /// dots, as in the kubelet.
    pub fn short(&self) -> String {
        let hostname = self.0.hostname.as_deref().filter(|name| !name.is_empty());
        let wanted = hostname.unwrap_or(&self.0.name);
        let cut: String = wanted.chars().take(63).collect();
        cut.trim_end_matches(['-', '.']).to_owned()
    }

    /// Returns the full domain name; `None` for a pod without a subdomain.
    pub fn fqdn(&self) -> Option<String> {
        let subdomain = self.0.naming.subdomain.as_deref()?;
        let (name, namespace) = (self.short(), &self.0.namespace);
        Some(format!("{name}.{subdomain}.{namespace}.svc.{CLUSTER_DOMAIN}"))
    }

    /// Returns the hostname of a pod that does not use the host's network.
    pub fn of_own_network(&self) -> String {
        let full = self.0.naming.hostname_as_fqdn.then(|| self.fqdn()).flatten();
        full.unwrap_or_else(|| self.short())
    }
}
