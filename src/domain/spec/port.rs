//! Ports of containers, and those of the host that lead to them.

use serde::{Deserialize, Serialize};

use super::{ContainerSpec, PodSpec};
use crate::domain::cni::HostPort;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContainerPort {
    pub name: Option<String>,
    pub port: u16,
    /// `TCP`, `UDP` or `SCTP`; informational where there is no host port.
    pub protocol: String,
    /// Leads to it from outside.
    #[serde(default)]
    pub host_port: Option<u16>,
    /// The host's address that the host port is on; all of them if unset.
    #[serde(default)]
    pub host_ip: Option<String>,
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
    /// Each with its place among the ports.
    pub fn host_ports(&self) -> impl Iterator<Item = (usize, HostPort)> {
        let ports = self.ports.iter().enumerate();
        ports.filter_map(|(index, port)| Some((index, port.on_host()?)))
    }
}

impl PodSpec {
    /// Each with the field that asks for it.
    pub fn host_ports(&self) -> impl Iterator<Item = (String, HostPort)> {
        self.all().enumerate().flat_map(|(place, container)| {
            let at = self.field_at(place);
            let field = move |index| format!("{at}.ports[{index}].hostPort");
            container.host_ports().map(move |(index, port)| (field(index), port))
        })
    }
}
