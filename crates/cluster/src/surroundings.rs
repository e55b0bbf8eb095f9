//! What a pod finds in its environment because it is in a cluster: the variables of services, and the
//! cluster's DNS.

use core::net::IpAddr;

use probelet_domain::spec::{DnsConfig, DnsPolicy, PodSpec};
use serde_json::Value;

use crate::fields::{list, text};

/// The DNS service of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterDns {
    /// Addresses of the service.
    pub servers: Vec<IpAddr>,
    /// The cluster's domain, such as `cluster.local`.
    pub domain: String,
}

/// Limits of a resolver configuration, as in Kubernetes.
const MOST_SERVERS: usize = 3;
const MOST_SEARCHES: usize = 32;

impl ClusterDns {
    /// The resolver of a pod whose policy asks for the cluster's; `None` if it does not.
    /// `host_searches` are those of the host's resolver.
    pub fn config(&self, pod: &PodSpec, host_searches: &[String]) -> Option<DnsConfig> {
        let asks = match pod.naming.dns_policy {
            DnsPolicy::ClusterFirst => !pod.host_namespaces.network,
            DnsPolicy::ClusterFirstWithHostNet => true,
            DnsPolicy::Default | DnsPolicy::None => false,
        };
        if !asks || self.servers.is_empty() {
            return None;
        }
        let (namespace, domain) = (&pod.namespace, &self.domain);
        let of_cluster =
            [format!("{namespace}.svc.{domain}"), format!("svc.{domain}"), domain.clone()];
        let own = pod.naming.dns.clone().unwrap_or_default();
        let mut searches = Vec::new();
        let all = of_cluster.into_iter().chain(host_searches.iter().cloned()).chain(own.searches);
        for search in all {
            if !searches.contains(&search) && searches.len() < MOST_SEARCHES {
                searches.push(search);
            }
        }
        let mut nameservers: Vec<String> = self.servers.iter().map(IpAddr::to_string).collect();
        nameservers.extend(own.nameservers);
        nameservers.dedup();
        nameservers.truncate(MOST_SERVERS);
        let mut options = own.options;
        if !options.iter().any(|(name, _)| name == "ndots") {
            options.insert(0, ("ndots".to_owned(), Some("5".to_owned())));
        }
        Some(DnsConfig { nameservers, searches, options })
    }
}

/// The variables of services, as the kubelet makes them: `kubernetes` of `default` always, those of the
/// pod's namespace if it has `enableServiceLinks`. They are in the order of the services' names.
pub fn service_variables<'a>(
    services: impl Iterator<Item = &'a Value>,
    namespace: &str,
    has_links: bool,
) -> Vec<(String, String)> {
    let mut all: Vec<&Value> = services
        .filter(|service| {
            let (of, name) =
                (text(service, "/metadata/namespace"), text(service, "/metadata/name"));
            let is_api = of == "default" && name == "kubernetes";
            is_api || has_links && of == namespace
        })
        .filter(|service| !matches!(text(service, "/spec/clusterIP"), "" | "None"))
        .collect();
    // A service `kubernetes` of the pod's own namespace has precedence.
    all.sort_by_key(|it| {
        (text(it, "/metadata/name"), text(it, "/metadata/namespace") == namespace)
    });
    let mut variables: Vec<(String, String)> = Vec::new();
    for service in all {
        for (name, value) in variables_of(service) {
            variables.retain(|(known, _)| *known != name);
            variables.push((name, value));
        }
    }
    variables
}

fn variables_of(service: &Value) -> Vec<(String, String)> {
    let name = in_capitals(text(service, "/metadata/name"));
    let ip = text(service, "/spec/clusterIP");
    let host = match ip.parse::<IpAddr>() {
        Ok(IpAddr::V6(_)) => format!("[{ip}]"),
        _ => ip.to_owned(),
    };
    let ports = list(service, "/spec/ports");
    let number = |port: &Value| port.get("port").and_then(Value::as_u64).unwrap_or_default();
    let Some(first) = ports.first() else { return Vec::new() };
    let mut variables = vec![
        (format!("{name}_SERVICE_HOST"), ip.to_owned()),
        (format!("{name}_SERVICE_PORT"), number(first).to_string()),
    ];
    for port in ports.iter().filter(|port| !text(port, "/name").is_empty()) {
        let of = in_capitals(text(port, "/name"));
        variables.push((format!("{name}_SERVICE_PORT_{of}"), number(port).to_string()));
    }
    // Docker's links, which old images use.
    for (index, port) in ports.iter().enumerate() {
        let protocol = match text(port, "/protocol") {
            "" => "TCP",
            protocol => protocol,
        };
        let number = number(port);
        let url = format!("{}://{host}:{number}", protocol.to_lowercase());
        if index == 0 {
            variables.push((format!("{name}_PORT"), url.clone()));
        }
        let prefix = format!("{name}_PORT_{number}_{}", protocol.to_uppercase());
        variables.push((prefix.clone(), url));
        variables.push((format!("{prefix}_PROTO"), protocol.to_lowercase()));
        variables.push((format!("{prefix}_PORT"), number.to_string()));
        variables.push((format!("{prefix}_ADDR"), ip.to_owned()));
    }
    variables
}

fn in_capitals(name: &str) -> String {
    name.to_uppercase().replace('-', "_")
}

#[cfg(test)]
mod tests {
    use probelet_domain::spec::sample;
    use serde_json::json;

    use super::*;

    fn service(namespace: &str, name: &str, ip: &str, ports: Value) -> Value {
        json!({"metadata": {"namespace": namespace, "name": name},
            "spec": {"clusterIP": ip, "ports": ports}})
    }

    #[test]
    fn the_variables_are_the_kubelets() {
        let services = [
            service(
                "default",
                "kubernetes",
                "10.96.0.1",
                json!([{"name": "https", "port": 443, "protocol": "TCP"}]),
            ),
            service("a", "my-db", "fd00::1", json!([{"port": 53, "protocol": "UDP"}])),
            service("a", "headless", "None", json!([{"port": 1}])),
            service("b", "other", "10.96.0.9", json!([{"port": 1}])),
        ];
        let all = service_variables(services.iter(), "a", true);
        let text: Vec<_> = all.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(
            text,
            [
                "KUBERNETES_SERVICE_HOST=10.96.0.1",
                "KUBERNETES_SERVICE_PORT=443",
                "KUBERNETES_SERVICE_PORT_HTTPS=443",
                "KUBERNETES_PORT=tcp://10.96.0.1:443",
                "KUBERNETES_PORT_443_TCP=tcp://10.96.0.1:443",
                "KUBERNETES_PORT_443_TCP_PROTO=tcp",
                "KUBERNETES_PORT_443_TCP_PORT=443",
                "KUBERNETES_PORT_443_TCP_ADDR=10.96.0.1",
                "MY_DB_SERVICE_HOST=fd00::1",
                "MY_DB_SERVICE_PORT=53",
                "MY_DB_PORT=udp://[fd00::1]:53",
                "MY_DB_PORT_53_UDP=udp://[fd00::1]:53",
                "MY_DB_PORT_53_UDP_PROTO=udp",
                "MY_DB_PORT_53_UDP_PORT=53",
                "MY_DB_PORT_53_UDP_ADDR=fd00::1",
            ]
        );
        let without = service_variables(services.iter(), "a", false);
        assert!(without.iter().all(|(name, _)| name.starts_with("KUBERNETES_")));
        assert_eq!(without.len(), 8);
    }

    #[test]
    fn a_service_of_the_pods_namespace_has_precedence() {
        let services = [
            service("a", "kubernetes", "10.0.0.2", json!([{"port": 1}])),
            service("default", "kubernetes", "10.0.0.1", json!([{"port": 1}])),
        ];
        let all = service_variables(services.iter(), "a", true);
        let host: Vec<_> =
            all.iter().filter(|(name, _)| name == "KUBERNETES_SERVICE_HOST").collect();
        assert_eq!(host, [&("KUBERNETES_SERVICE_HOST".to_owned(), "10.0.0.2".to_owned())]);
    }

    #[test]
    fn the_clusters_dns_is_for_pods_whose_policy_asks_for_it() {
        let dns = ClusterDns {
            servers: vec!["10.96.0.10".parse().unwrap()],
            domain: "cluster.local".into(),
        };
        let mut pod = sample::pod();
        pod.namespace = "a".into();
        let hosts = ["lan".to_owned()];
        let config = dns.config(&pod, &hosts).unwrap();
        assert_eq!(config.nameservers, ["10.96.0.10"]);
        assert_eq!(
            config.searches,
            ["a.svc.cluster.local", "svc.cluster.local", "cluster.local", "lan"]
        );
        assert_eq!(config.options, [("ndots".to_owned(), Some("5".to_owned()))]);
        for (policy, on_host, asks) in [
            (DnsPolicy::ClusterFirst, true, false),
            (DnsPolicy::ClusterFirstWithHostNet, true, true),
            (DnsPolicy::Default, false, false),
            (DnsPolicy::None, false, false),
        ] {
            pod.naming.dns_policy = policy;
            pod.host_namespaces.network = on_host;
            assert_eq!(dns.config(&pod, &hosts).is_some(), asks, "{policy:?}");
        }
        pod.naming.dns_policy = DnsPolicy::ClusterFirst;
        pod.host_namespaces.network = false;
        pod.naming.dns = Some(DnsConfig {
            nameservers: vec!["1.1.1.1".into()],
            searches: vec!["lan".into(), "x.y".into()],
            options: vec![("ndots".into(), Some("2".into()))],
        });
        let config = dns.config(&pod, &hosts).unwrap();
        assert_eq!(config.nameservers, ["10.96.0.10", "1.1.1.1"]);
        assert_eq!(config.searches[3..], ["lan".to_owned(), "x.y".to_owned()]);
        assert_eq!(config.options, [("ndots".to_owned(), Some("2".to_owned()))]);
        let none = ClusterDns { servers: Vec::new(), ..dns };
        assert_eq!(none.config(&pod, &hosts), None);
    }
}
