//! How a pod is reached.

use super::cni::{HostPort, Network};
use super::spec::{NetworkMode, PodSpec, Source};

/// A pod's network as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PodNetwork {
    /// Its own addresses; none with the loopback alone.
    pub ips: Vec<String>,
    /// What it is, in words; empty where nobody here can tell.
    pub about: String,
}

impl PodNetwork {
    pub fn of_cni(name: &str, ips: Vec<String>) -> Self {
        Self { ips, about: format!("CNI network {name}") }
    }

    /// One that no plugin has connected.
    pub fn unconnected(pod: &PodSpec, conf_dir: &str) -> Self {
        let about = if !pod.is_from_images() {
            String::new()
        } else if pod.host_namespaces.network {
            "the host's".to_owned()
        } else if pod.network == NetworkMode::None {
            "loopback alone, as probelet.io/network says".to_owned()
        } else {
            format!("loopback alone: no CNI configuration in {conf_dir}")
        };
        Self { ips: Vec::new(), about }
    }
}

impl PodSpec {
    /// Whether CNI plugins are to connect it, where there are any. A bundle's namespaces are its
    /// own business.
    pub fn wants_cni(&self) -> bool {
        !self.host_namespaces.network && self.network == NetworkMode::Cni && self.is_from_images()
    }

    fn is_from_images(&self) -> bool {
        self.all().all(|container| matches!(container.source, Source::Image(_)))
    }

    /// Those that plugins have to map: with the host's network a port is there anyway.
    pub fn mapped_ports(&self) -> Vec<HostPort> {
        if self.host_namespaces.network {
            return Vec::new();
        }
        self.host_ports().map(|(_, port)| port).collect()
    }

    /// Why `network` will not do for the pod.
    pub fn unfit(&self, network: Option<&Network>, conf_dir: &str) -> Option<String> {
        if self.host_namespaces.network {
            return None;
        }
        let (field, port) = self.host_ports().next()?;
        let port = port.host_port;
        match network {
            None => Some(format!("{field}: {port}: no CNI configuration in {conf_dir} maps ports")),
            Some(network) if !network.maps_ports() => Some(format!(
                "{field}: {port}: CNI network {:?} has no plugin with the capability portMappings",
                network.name
            )),
            Some(_) => None,
        }
    }
}
