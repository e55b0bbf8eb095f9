//! CNI data: network configurations, the requests to plugins, and their results.
//!
//! Source: the CNI specification 1.0.0, and libcni where the specification is silent.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::spec::{HostPort, PodSpec, mapped_ports};

mod conf;
mod result;
#[cfg(test)]
mod tests;

pub use conf::{first, parse};
pub use result::{addresses, complaint, is_result};

/// Name of the interface in the pod, as in containerd.
pub const INTERFACE: &str = "eth0";
const PORT_MAPPINGS: &str = "portMappings";

/// List of plugins that connect a pod one after the other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Network {
    /// Name of the network.
    pub name: String,
    /// `cniVersion` of the configuration, from 0.3.0 to 1.1.0.
    pub version: String,
    /// `disableCheck` of the configuration: plugins are never called with CHECK. False by default.
    #[serde(default)]
    pub disable_check: bool,
    /// Plugins in the order in which ADD calls them; at least one.
    pub plugins: Vec<Plugin>,
}

/// One plugin of a network configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plugin {
    /// Name of the plugin's program.
    pub kind: String,
    /// Configuration of the plugin, as it was written.
    pub config: Map<String, Value>,
}

impl Plugin {
    fn can(&self, capability: &str) -> bool {
        let capabilities = self.config.get("capabilities");
        capabilities.and_then(|all| all.get(capability)) == Some(&Value::Bool(true))
    }
}

impl Network {
    /// Returns whether a plugin of the network maps host ports.
    pub fn maps_ports(&self) -> bool {
        self.plugins.iter().any(|plugin| plugin.can(PORT_MAPPINGS))
    }

    /// Returns whether plugins can be called with CHECK, which came with 0.4.0.
    pub fn can_check(&self) -> bool {
        !self.disable_check && self.recalls()
    }

    /// Returns whether DEL gets the result of ADD.
    fn recalls(&self) -> bool {
        self.version.as_str() >= "0.4.0"
    }

    /// Returns what `plugin` reads from its stdin.
    pub fn request(&self, plugin: &Plugin, before: Option<&Value>, ports: &[HostPort]) -> Value {
        let mut request = plugin.config.clone();
        request.insert("name".into(), json!(self.name));
        request.insert("cniVersion".into(), json!(self.version));
        if let Some(before) = before {
            request.insert("prevResult".into(), before.clone());
        }
        if !ports.is_empty() && plugin.can(PORT_MAPPINGS) {
            let ports: Vec<_> = ports.iter().map(HostPort::mapping).collect();
            request.insert("runtimeConfig".into(), json!({ PORT_MAPPINGS: ports }));
        }
        Value::Object(request)
    }
}

/// Operation that a plugin is called for: `CNI_COMMAND` of the CNI specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Connects a pod.
    Add,
    /// Checks that a pod is still connected as the result of ADD says.
    Check,
    /// Disconnects a pod.
    Del,
}

impl Command {
    /// Value of `CNI_COMMAND`: `ADD`, `CHECK` or `DEL`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Add => "ADD",
            Self::Check => "CHECK",
            Self::Del => "DEL",
        }
    }
}

impl HostPort {
    fn mapping(&self) -> Value {
        let mut mapping = json!({
            "hostPort": self.host_port,
            "containerPort": self.container_port,
            "protocol": self.protocol.to_lowercase(),
        });
        if let (Some(map), Some(ip)) = (mapping.as_object_mut(), &self.host_ip) {
            map.insert("hostIP".into(), json!(ip));
        }
        mapping
    }
}

/// Attachment of a pod to a network. It suffices to disconnect the pod even if the configuration,
/// the pod or the host has changed since.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attachment {
    /// Name of the pod.
    pub pod: String,
    /// Namespace of the pod.
    pub namespace: String,
    /// UID of the pod.
    pub uid: String,
    /// Network configuration that the pod is connected with.
    pub network: Network,
    /// Host ports that lead to the pod.
    pub ports: Vec<HostPort>,
    /// Result of the last plugin that was called; `None` until the first one has answered.
    pub result: Option<Value>,
}

impl Attachment {
    /// Attachment of `pod` to `network` before the first plugin is called: without a result.
    pub fn new(pod: &PodSpec, network: Network) -> Self {
        Self {
            pod: pod.name.clone(),
            namespace: pod.namespace.clone(),
            uid: pod.uid.clone(),
            network,
            ports: mapped_ports(pod),
            result: None,
        }
    }

    /// Returns the previous result that DEL and CHECK get.
    pub fn past(&self) -> Option<&Value> {
        self.result.as_ref().filter(|_| self.network.recalls())
    }

    /// IP addresses of the pod from the result, IPv4 first; empty without a result.
    pub fn ips(&self) -> Vec<String> {
        self.result.as_ref().map(addresses).unwrap_or_default()
    }

    /// Value of `CNI_ARGS`, as containerd passes it to plugins.
    pub fn args(&self) -> String {
        let Self { pod, namespace, uid, .. } = self;
        format!(
            "IgnoreUnknown=1;K8S_POD_NAMESPACE={namespace};K8S_POD_NAME={pod};\
             K8S_POD_INFRA_CONTAINER_ID={uid};K8S_POD_UID={uid}"
        )
    }
}
