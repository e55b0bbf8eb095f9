//! The network of each pod, as this daemon knows it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::domain::cni::Attachment;
use crate::domain::network::PodNetwork;
use crate::domain::spec::PodSpec;
use crate::network;

#[derive(Debug, Clone)]
pub struct KnownNetworks {
    /// The folder of network configurations, for messages.
    conf_dir: String,
    known: Arc<Mutex<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    /// Networks by pod uid.
    pods: BTreeMap<String, Network>,
    /// Tokens by pod uid, cancelled when the pod is about to be removed.
    leaving: BTreeMap<String, CancellationToken>,
    /// The host's addresses when they were last read.
    host: Arc<[String]>,
}

#[derive(Debug)]
enum Network {
    NotYet,
    /// The pod was set up without any plugin.
    Alone(PodNetwork),
    Connected(PodNetwork),
}

impl KnownNetworks {
    pub fn new(conf_dir: &Path) -> Self {
        Self { conf_dir: conf_dir.display().to_string(), known: Arc::default() }
    }

    /// Returns the pod's network. Nothing is known of a pod that an earlier daemon started without
    /// plugins.
    pub fn of(&self, pod: &PodSpec) -> PodNetwork {
        let known = self.known();
        let network = match known.pods.get(&pod.uid) {
            None => PodNetwork::unconnected(pod, &self.conf_dir),
            Some(Network::NotYet) => PodNetwork::default(),
            Some(Network::Alone(network) | Network::Connected(network)) => network.clone(),
        };
        network.on_host(pod, &known.host)
    }

    pub fn addresses_of(&self, pod: &PodSpec) -> Vec<IpAddr> {
        self.of(pod).ips.iter().filter_map(|ip| ip.parse().ok()).collect()
    }

    pub fn conf_dir(&self) -> &str {
        &self.conf_dir
    }

    pub fn is_connected(&self, uid: &str) -> bool {
        matches!(self.known().pods.get(uid), Some(Network::Connected(_)))
    }

    /// Marks the pod's network as not connected yet, unless it is known.
    pub fn expect(&self, uid: &str) {
        self.known().pods.entry(uid.to_owned()).or_insert(Network::NotYet);
    }

    pub fn learn(&self, pod: &Attachment) {
        let network = PodNetwork::of_cni(&pod.network.name, pod.ips());
        self.known().pods.insert(pod.uid.clone(), Network::Connected(network));
    }

    pub fn learn_alone(&self, pod: &PodSpec) {
        let network = PodNetwork::unconnected(pod, &self.conf_dir);
        self.known().pods.insert(pod.uid.clone(), Network::Alone(network));
    }

    pub fn unlearn(&self, uid: &str) {
        self.known().pods.insert(uid.to_owned(), Network::NotYet);
    }

    pub fn forget(&self, uid: &str) {
        let mut known = self.known();
        known.pods.remove(uid);
        known.leaving.remove(uid);
    }

    pub fn leaving(&self, uid: &str) -> CancellationToken {
        self.known().leaving.entry(uid.to_owned()).or_default().clone()
    }

    /// Stops waiting for the pod's plugins.
    pub fn give_up(&self, uid: &str) {
        self.leaving(uid).cancel();
    }

    /// Reads the host's addresses. This is cheap and repeated now and then, since they change.
    pub fn observe_host(&self) {
        match network::host::addresses() {
            Ok(found) => self.known().host = found.iter().map(ToString::to_string).collect(),
            Err(error) => tracing::warn!(%error, "the host's addresses are not known"),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
