//! The network of a pod.

use std::sync::Arc;

use super::cni::Network;
use super::spec::{NetworkMode, PodSpec, Source};

/// Network of a pod, as it is published. A clone is cheap, since it is read for each event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PodNetwork {
    /// Addresses of the pod; those of the host in the host's network, none with the loopback alone.
    pub ips: Arc<[String]>,
    /// Addresses of the host.
    pub host_ips: Arc<[String]>,
    /// Name of the host, as a pod gets it.
    pub node_name: Arc<str>,
    /// Description of the network; empty if it is not known.
    pub about: Arc<str>,
}

impl PodNetwork {
    /// Network of a pod that the CNI network `name` has given the addresses `ips`.
    pub fn of_cni(name: &str, ips: Vec<String>) -> Self {
        let about = format!("CNI network {name}").into();
        Self { ips: ips.into(), about, ..Self::default() }
    }

    /// Network of a pod that no plugin has connected.
    pub fn unconnected(pod: &PodSpec, conf_dir: &str) -> Self {
        let about = if !is_from_images(pod) {
            String::new()
        } else if pod.host_namespaces.network {
            "the host's".to_owned()
        } else if pod.network == NetworkMode::None {
            "loopback alone, as probelet.io/network says".to_owned()
        } else {
            format!("loopback alone: there was no CNI configuration in {conf_dir}")
        };
        Self { about: about.into(), ..Self::default() }
    }

    /// Returns the network on a host with these addresses.
    pub fn on_host(mut self, pod: &PodSpec, host_ips: &Arc<[String]>) -> Self {
        self.host_ips = host_ips.clone();
        if pod.host_namespaces.network {
            self.ips = host_ips.clone();
        }
        self
    }

    /// Address that a probe without a host connects to; `None` means the loopback. The addresses of
    /// the host are not used as the pod's.
    pub fn probed_at(&self, pod: &PodSpec) -> Option<&str> {
        let own = self.ips.first().map(String::as_str);
        own.filter(|_| !pod.host_namespaces.network)
    }
}

/// Returns whether CNI plugins are to connect the pod, if there are any. The namespaces of a bundle
/// are defined by its spec.
pub fn wants_cni(pod: &PodSpec) -> bool {
    !pod.host_namespaces.network && pod.network == NetworkMode::Cni && is_from_images(pod)
}

fn is_from_images(pod: &PodSpec) -> bool {
    pod.all().all(|container| matches!(container.source, Source::Image(_)))
}

/// Returns the reason why `network` does not suit the pod.
pub fn unfit(pod: &PodSpec, network: Option<&Network>, conf_dir: &str) -> Option<String> {
    if pod.host_namespaces.network {
        return None;
    }
    let (field, port) = pod.host_ports().next()?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::sample;

    fn shown(pod: &PodSpec) -> PodNetwork {
        PodNetwork::unconnected(pod, "/etc/cni").on_host(pod, &["192.0.2.1".to_owned()].into())
    }

    #[test]
    fn a_pod_with_the_hosts_network_has_its_addresses_and_is_probed_over_the_loopback() {
        let mut pod = sample::pod();
        pod.host_namespaces.network = true;
        let network = shown(&pod);
        assert_eq!((&*network.ips, &*network.about), (&["192.0.2.1".into()][..], "the host's"));
        assert_eq!(network.probed_at(&pod), None);
        assert!(!wants_cni(&pod));
    }

    #[test]
    fn a_pod_with_its_own_network_has_its_own_addresses() {
        let pod = sample::pod();
        let network = PodNetwork::of_cni("pods", vec!["10.1.0.5".into(), "fd00::5".into()]);
        let network = network.on_host(&pod, &["192.0.2.1".to_owned()].into());
        assert_eq!(network.probed_at(&pod), Some("10.1.0.5"));
        assert_eq!(*network.host_ips, ["192.0.2.1"]);
        assert!(shown(&pod).ips.is_empty());
        assert!(shown(&pod).about.starts_with("loopback alone: there was no CNI"));
    }

    #[test]
    fn a_pod_without_a_network_is_not_connected() {
        let mut pod = sample::pod();
        assert!(wants_cni(&pod));
        pod.network = NetworkMode::None;
        assert!(!wants_cni(&pod));
        assert!(shown(&pod).about.contains("probelet.io/network"));
    }
}
