//! Host namespaces, names and DNS, both ways.

use k8s_openapi::api::core::v1 as k8s;

use crate::optional_fields::{filled, list};
use probelet_domain::spec::{
    DnsConfig, DnsPolicy, HostAlias, HostNamespaces, Naming, PodSpec, SpecError,
};

pub fn host_namespaces(spec: &k8s::PodSpec) -> HostNamespaces {
    HostNamespaces {
        network: spec.host_network == Some(true),
        pid: spec.host_pid == Some(true),
        ipc: spec.host_ipc == Some(true),
    }
}

pub fn naming(
    spec: &mut k8s::PodSpec,
    errors: &mut Vec<SpecError>,
    warnings: &mut Vec<String>,
) -> Naming {
    let policy = filled(spec.dns_policy.take());
    let dns_policy = policy.map_or(DnsPolicy::default(), |text| {
        let found = DnsPolicy::ALL.into_iter().find(|policy| policy.as_str() == text);
        if found.is_none() {
            let names = DnsPolicy::ALL.map(DnsPolicy::as_str);
            errors.push(SpecError::unsupported("spec.dnsPolicy", &text, &names));
        } else if found == Some(DnsPolicy::ClusterFirstWithHostNet) {
            // Kubernetes' default, `ClusterFirst`, asks for nothing.
            warnings.push(
                "spec.dnsPolicy: there is no cluster DNS here, the host's resolver is asked".into(),
            );
        }
        found.unwrap_or_default()
    });
    let aliases = spec.host_aliases.take().unwrap_or_default().into_iter();
    Naming {
        subdomain: filled(spec.subdomain.take()),
        hostname_as_fqdn: spec.set_hostname_as_fqdn == Some(true),
        host_aliases: aliases
            .map(|a| HostAlias { ip: a.ip, hostnames: a.hostnames.unwrap_or_default() })
            .collect(),
        dns_policy,
        dns: spec.dns_config.take().map(|dns| DnsConfig {
            nameservers: dns.nameservers.unwrap_or_default(),
            searches: dns.searches.unwrap_or_default(),
            options: dns
                .options
                .unwrap_or_default()
                .into_iter()
                .map(|option| (option.name.unwrap_or_default(), filled(option.value)))
                .collect(),
        }),
    }
}

pub fn render(spec: &PodSpec, out: k8s::PodSpec) -> k8s::PodSpec {
    let (host, naming) = (spec.host_namespaces, &spec.naming);
    k8s::PodSpec {
        host_network: host.network.then_some(true),
        host_pid: host.pid.then_some(true),
        host_ipc: host.ipc.then_some(true),
        share_process_namespace: spec.share_process_namespace.then_some(true),
        subdomain: naming.subdomain.clone(),
        set_hostname_as_fqdn: naming.hostname_as_fqdn.then_some(true),
        host_aliases: list(&naming.host_aliases, |alias| k8s::HostAlias {
            ip: alias.ip.clone(),
            hostnames: list(&alias.hostnames, Clone::clone),
        }),
        dns_policy: (naming.dns_policy != DnsPolicy::default())
            .then(|| naming.dns_policy.as_str().to_owned()),
        dns_config: naming.dns.as_ref().map(|dns| k8s::PodDNSConfig {
            nameservers: list(&dns.nameservers, Clone::clone),
            searches: list(&dns.searches, Clone::clone),
            options: list(&dns.options, |(name, value)| k8s::PodDNSConfigOption {
                name: Some(name.clone()),
                value: value.clone(),
            }),
        }),
        ..out
    }
}
