//! Ports of containers, and the host ports that are mapped to them.

use serde::{Deserialize, Serialize};

use super::{ContainerSpec, PodSpec, SpecError};
use crate::pod_key::PodKey;

/// A port of a container; Kubernetes' `ContainerPort`.
#[derive(Debug, Clone, PartialEq)]
pub struct ContainerPort {
    /// Name for probes, at most 15 bytes and unique in the container.
    pub name: Option<String>,
    /// Port number in the container, from 1 to 65535.
    pub port: u16,
    /// `TCP`, `UDP` or `SCTP`; informational without a host port.
    pub protocol: String,
    /// Port of the host that is mapped to `port`; none if unset.
    pub host_port: Option<u16>,
    /// The host's address that the host port is on; all of them if unset.
    pub host_ip: Option<String>,
}

/// Port of the host that is mapped to a port of the pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostPort {
    /// Address of the host; all addresses if `None`, empty, `0.0.0.0` or `::`.
    pub host_ip: Option<String>,
    /// Port number on the host.
    pub host_port: u16,
    /// Port number in the pod.
    pub container_port: u16,
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: String,
}

impl ContainerPort {
    fn on_host(&self) -> Option<HostPort> {
        Some(HostPort {
            host_ip: self.host_ip.clone(),
            host_port: self.host_port?,
            container_port: self.port,
            protocol: self.protocol.clone(),
        })
    }
}

impl ContainerSpec {
    /// Returns the host ports, each with the index of its entry in `ports`.
    pub fn host_ports(&self) -> impl Iterator<Item = (usize, HostPort)> {
        let ports = self.ports.iter().enumerate();
        ports.filter_map(|(index, port)| Some((index, port.on_host()?)))
    }
}

/// Returns the host ports that plugins have to map. In the host's network a port needs no mapping.
pub fn mapped_ports(pod: &PodSpec) -> Vec<HostPort> {
    if pod.host_namespaces.network {
        return Vec::new();
    }
    pod.host_ports().map(|(_, port)| port).collect()
}

impl PodSpec {
    /// Returns the host ports of all containers, each with the path of its field.
    pub fn host_ports(&self) -> impl Iterator<Item = (String, HostPort)> {
        self.all().enumerate().flat_map(|(place, container)| {
            let at = self.field_at(place);
            let field = move |index| format!("{at}.ports[{index}].hostPort");
            container.host_ports().map(move |(index, port)| (field(index), port))
        })
    }

    /// Returns an error for each host port that cannot be used beside those of `other`.
    pub fn port_clashes(&self, other: &Self) -> Vec<SpecError> {
        let taken: Vec<_> = other.host_ports().map(|(_, port)| port).collect();
        let clashing =
            self.host_ports().filter(|(_, own)| taken.iter().any(|its| own.clashes(its)));
        clashing.map(|(field, port)| port.taken(field, &other.key())).collect()
    }
}

impl HostPort {
    /// Makes the error of a pod whose `field` asks for this port while the pod `holder` has it.
    pub fn taken(&self, field: String, holder: &PodKey) -> SpecError {
        SpecError::invalid(field, self.host_port, &format!("pod {holder:?} has it"))
    }

    /// Returns whether two pods cannot have both ports: number and protocol are the same, and the
    /// addresses are or one is all addresses.
    pub fn clashes(&self, other: &Self) -> bool {
        let same = (self.host_port, &self.protocol) == (other.host_port, &other.protocol);
        let all = [self, other].into_iter().any(|port| port.is_everywhere());
        same && (all || self.host_ip == other.host_ip)
    }

    fn is_everywhere(&self) -> bool {
        self.host_ip.as_deref().is_none_or(|ip| ["", "0.0.0.0", "::"].contains(&ip))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{NetworkMode, sample};

    fn pod(name: &str, host_ip: Option<&str>, host_port: u16, protocol: &str) -> PodSpec {
        let mut pod = sample::pod();
        pod.name = name.into();
        pod.containers[0].ports = vec![ContainerPort {
            name: None,
            port: 80,
            protocol: protocol.into(),
            host_port: Some(host_port),
            host_ip: host_ip.map(str::to_owned),
        }];
        pod
    }

    #[test]
    fn a_host_port_belongs_to_one_pod() {
        let taken = pod("a", None, 8080, "TCP");
        let clash = pod("b", Some("10.0.0.1"), 8080, "TCP").port_clashes(&taken);
        assert_eq!(
            clash[0].to_string(),
            "spec.containers[0].ports[0].hostPort: Invalid value: 8080: pod \"a\" has it"
        );
        assert!(pod("b", None, 8080, "UDP").port_clashes(&taken).is_empty());
        assert!(pod("b", None, 8081, "TCP").port_clashes(&taken).is_empty());
        let one = pod("a", Some("10.0.0.1"), 8080, "TCP");
        assert!(pod("b", Some("10.0.0.2"), 8080, "TCP").port_clashes(&one).is_empty());
        assert_eq!(pod("b", Some("0.0.0.0"), 8080, "TCP").port_clashes(&one).len(), 1);
        assert_eq!(pod("b", Some("10.0.0.1"), 8080, "TCP").port_clashes(&one).len(), 1);
    }

    #[test]
    fn a_host_port_needs_a_network_that_is_mapped() {
        for (edit, wanted) in [
            (
                (|pod| pod.network = NetworkMode::None) as fn(&mut PodSpec),
                "the pod has its loopback",
            ),
            (|pod| pod.host_namespaces.network = true, "must match `containerPort` when"),
        ] {
            let mut pod = pod("a", None, 8080, "TCP");
            edit(&mut pod);
            let errors = pod.validate().unwrap_err().0;
            assert_eq!(errors[0].field, "spec.containers[0].ports[0].hostPort");
            assert!(errors[0].reason.contains(wanted), "{}", errors[0]);
        }
        let mut same = pod("a", None, 80, "TCP");
        same.host_namespaces.network = true;
        assert!(mapped_ports(&same).is_empty());
        assert!(same.validate().is_ok());
    }
}
