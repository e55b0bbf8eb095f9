//! A pod's `/etc/hosts` and `/etc/resolv.conf`, as the kubelet writes them.

use super::spec::{DnsConfig, DnsPolicy, Hostname, PodSpec};

/// Address that the names of a pod without an address resolve to.
const LOOPBACK: &str = "127.0.0.1";
/// Limits of the C library, which the kubelet has too.
const NAMESERVERS: usize = 3;
const SEARCHES: usize = 32;

/// Returns the pod's `/etc/hosts`. `hosts` is the host's file, which a pod in the host's network
/// gets; `ip` is the pod's address.
pub fn hosts_file(pod: &PodSpec, hosts: &str, ip: Option<&str>) -> String {
    let mut text = if pod.host_namespaces.network {
        format!("# Managed by probelet (host network).\n{hosts}")
    } else {
        let hostname = Hostname::of(pod);
        let names = match hostname.fqdn() {
            Some(fqdn) => format!("{fqdn}\t{}", hostname.short()),
            None => hostname.short(),
        };
        format!(
            "# Managed by probelet.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost \
             ip6-loopback\nfe00::0\tip6-localnet\nfe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\n\
             fe00::2\tip6-allrouters\n{}\t{names}\n",
            ip.unwrap_or(LOOPBACK)
        )
    };
    if !pod.naming.host_aliases.is_empty() {
        text.push_str("\n# Entries added by HostAliases.\n");
        for alias in &pod.naming.host_aliases {
            text.push_str(&format!("{}\t{}\n", alias.ip, alias.hostnames.join("\t")));
        }
    }
    text
}

/// Returns the pod's `/etc/resolv.conf`. `resolv_conf` is the host's file. There is no cluster DNS,
/// so a pod with a policy for it gets the host's file too.
pub fn resolver_file(pod: &PodSpec, resolv_conf: &str) -> String {
    let mut config = match pod.naming.dns_policy {
        DnsPolicy::None => DnsConfig::default(),
        DnsPolicy::Default | DnsPolicy::ClusterFirst | DnsPolicy::ClusterFirstWithHostNet => {
            read_resolver(resolv_conf)
        }
    };
    if let Some(own) = &pod.naming.dns {
        extend(&mut config.nameservers, &own.nameservers);
        extend(&mut config.searches, &own.searches);
        for option in &own.options {
            config.options.retain(|(name, _)| *name != option.0);
            config.options.push(option.clone());
        }
    }
    config.nameservers.truncate(NAMESERVERS);
    config.searches.truncate(SEARCHES);
    let mut text = String::new();
    if !config.searches.is_empty() {
        text.push_str(&format!("search {}\n", config.searches.join(" ")));
    }
    for nameserver in &config.nameservers {
        text.push_str(&format!("nameserver {nameserver}\n"));
    }
    let options = config.options.iter().map(|(name, value)| match value {
        Some(value) => format!("{name}:{value}"),
        None => name.clone(),
    });
    let options: Vec<String> = options.collect();
    if !options.is_empty() {
        text.push_str(&format!("options {}\n", options.join(" ")));
    }
    text
}

/// Returns whether all nameservers of the file listen on the host's loopback, which a pod cannot
/// reach.
pub fn is_out_of_reach(resolv_conf: &str) -> bool {
    let nameservers = read_resolver(resolv_conf).nameservers;
    let is_loopback = |ip: &String| ip.starts_with("127.") || ip == "::1";
    !nameservers.is_empty() && nameservers.iter().all(is_loopback)
}

fn extend(list: &mut Vec<String>, more: &[String]) {
    for one in more {
        if !list.contains(one) {
            list.push(one.clone());
        }
    }
}

fn read_resolver(text: &str) -> DnsConfig {
    let mut config = DnsConfig::default();
    for line in text.lines() {
        let mut fields = line.split_whitespace().map(str::to_owned);
        match fields.next().as_deref() {
            Some("nameserver") => config.nameservers.extend(fields.next()),
            // If there are several, the last one counts.
            Some("search") => config.searches = fields.filter(|domain| domain != ".").collect(),
            Some("options") => {
                config.options.extend(fields.map(|option| match option.split_once(':') {
                    Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                    None => (option, None),
                }))
            }
            _ => {}
        }
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{HostAlias, sample};

    const HOST: &str = "# comment\nsearch old\nsearch lan example.org\nnameserver 10.0.0.1\n\
                        nameserver 10.0.0.2\noptions ndots:2 edns0\n";

    #[test]
    fn a_pod_knows_itself_and_its_aliases() {
        let mut pod = sample::pod();
        let text = hosts_file(&pod, "", None);
        assert!(text.contains("\n::1\tlocalhost ip6-localhost ip6-loopback\n"), "{text}");
        assert!(text.ends_with("\n127.0.0.1\tweb\n"), "{text}");
        pod.naming.subdomain = Some("sub".into());
        let hostnames = vec!["foo".into(), "bar".into()];
        pod.naming.host_aliases = vec![HostAlias { ip: "1.2.3.4".into(), hostnames }];
        let text = hosts_file(&pod, "", Some("10.1.0.7"));
        assert!(text.contains("\n10.1.0.7\tweb.sub.default.svc.cluster.local\tweb\n"), "{text}");
        assert!(text.ends_with("\n# Entries added by HostAliases.\n1.2.3.4\tfoo\tbar\n"), "{text}");
    }

    #[test]
    fn a_pod_in_the_hosts_network_has_the_hosts_names() {
        let mut pod = sample::pod();
        pod.host_namespaces.network = true;
        let text = hosts_file(&pod, "127.0.0.1 localhost box\n", Some("10.1.0.7"));
        assert_eq!(text, "# Managed by probelet (host network).\n127.0.0.1 localhost box\n");
    }

    #[test]
    fn the_hosts_resolver_is_merged_with_the_pods() {
        let mut pod = sample::pod();
        let host = "search lan example.org\nnameserver 10.0.0.1\nnameserver 10.0.0.2\n\
                    options ndots:2 edns0\n";
        assert_eq!(resolver_file(&pod, HOST), host);
        pod.naming.dns = Some(DnsConfig {
            nameservers: vec!["10.0.0.2".into(), "1.1.1.1".into(), "8.8.8.8".into()],
            searches: vec!["lan".into(), "svc".into()],
            options: vec![("ndots".into(), Some("5".into()))],
        });
        let merged = "search lan example.org svc\nnameserver 10.0.0.1\nnameserver 10.0.0.2\n\
                      nameserver 1.1.1.1\noptions edns0 ndots:5\n";
        assert_eq!(resolver_file(&pod, HOST), merged);
        pod.naming.dns_policy = DnsPolicy::None;
        let own = "search lan svc\nnameserver 10.0.0.2\nnameserver 1.1.1.1\nnameserver 8.8.8.8\n\
                   options ndots:5\n";
        assert_eq!(resolver_file(&pod, HOST), own);
    }

    #[test]
    fn a_stub_on_the_hosts_loopback_is_out_of_reach() {
        assert!(is_out_of_reach("nameserver 127.0.0.53\noptions edns0\n"));
        assert!(!is_out_of_reach("nameserver 127.0.0.1\nnameserver 10.0.0.1\n"));
        assert!(!is_out_of_reach(""));
    }
}
