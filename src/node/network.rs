//! A pod's namespaces and network, which are created before its first container starts and removed
//! with its last record.

use std::fmt::Display;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Semaphore;

use super::error::NodeError;
use super::locks::Locks;
use super::pod_files::claim;
use super::running::RunningTasks;
use crate::claims::Claims;
use crate::cni::Cni;
use crate::domain::cni::Attachment;
use crate::domain::network::{PodNetwork, unfit, wants_cni};
use crate::domain::spec::PodSpec;
use crate::network::Namespaces;

mod known;

use known::KnownNetworks;

/// Limit for concurrent checks by plugins.
const CHECKS: usize = 8;

#[derive(Debug, Clone)]
pub struct PodNetworks {
    cni: Cni,
    known: KnownNetworks,
    checks: Arc<Semaphore>,
    namespaces: Namespaces,
    claims: Claims,
    running: RunningTasks,
    locks: Locks,
}

impl PodNetworks {
    pub fn new(
        cni: Cni,
        namespaces: Namespaces,
        claims: Claims,
        running: RunningTasks,
        locks: Locks,
    ) -> Self {
        let (known, checks) =
            (KnownNetworks::new(cni.conf_dir()), Arc::new(Semaphore::new(CHECKS)));
        Self { cni, known, checks, namespaces, claims, running, locks }
    }

    /// Returns the pod's network. Nothing is known of a pod that an earlier daemon started without
    /// plugins.
    pub fn of(&self, pod: &PodSpec) -> PodNetwork {
        self.known.of(pod)
    }

    pub fn addresses_of(&self, pod: &PodSpec) -> Vec<IpAddr> {
        self.known.addresses_of(pod)
    }

    /// Marks the pod's network as not connected yet, unless it is known.
    pub fn expect(&self, uid: &str) {
        self.known.expect(uid);
    }

    pub fn forget(&self, uid: &str) {
        self.known.forget(uid);
    }

    /// Stops waiting for the pod's plugins.
    pub fn give_up(&self, uid: &str) {
        self.known.give_up(uid);
    }

    /// Reads the host's addresses. This is cheap and repeated now and then, since they change.
    pub fn observe_host(&self) {
        self.known.observe_host();
    }

    /// Returns the types and paths of the namespaces that the pod's containers join.
    pub fn namespaces_of(&self, pod: &PodSpec) -> Vec<(&'static str, PathBuf)> {
        if self.is_pinned(pod) { self.namespaces.paths(&pod.uid) } else { Vec::new() }
    }

    pub fn have_traces(&self, uid: &str) -> bool {
        self.namespaces.have_traces(uid) || self.cni.has_traces(uid)
    }

    /// True if the pod is recorded as connected, or about to be.
    pub fn is_attached(&self, uid: &str) -> bool {
        self.cni.has_traces(uid)
    }

    /// Removes the pod's namespaces, which have been disconnected before.
    pub fn remove_namespaces(&self, uid: &str) -> io::Result<()> {
        self.namespaces.remove(uid)
    }

    /// Loads the networks of the pods in `uids`, and returns the uids of other pods that are still
    /// connected.
    pub async fn load(&self, uids: &std::collections::BTreeSet<String>) -> Vec<String> {
        let (known, others): (Vec<_>, Vec<_>) =
            self.cni.attachments().await.into_iter().partition(|pod| uids.contains(&pod.uid));
        for pod in known.iter().filter(|pod| pod.result.is_some()) {
            self.known.learn(pod);
        }
        others.into_iter().map(|pod| pod.uid).collect()
    }

    /// True if the pod's namespaces are pinned, or will be.
    fn is_pinned(&self, pod: &PodSpec) -> bool {
        pod.is_several() || self.known.is_connected(&pod.uid)
    }

    /// Makes sure that the pod's namespaces exist, and that they are connected if there is a
    /// network. The namespaces of a running container of the pod are reused if there is one.
    pub async fn connect(&self, pod: &PodSpec) -> Result<(), NodeError> {
        let _lock = self.locks.lock_pod(&pod.uid).await;
        let done = self.connect_now(pod).await;
        match &done {
            Ok(()) if self.known.is_connected(&pod.uid) => {}
            Ok(()) => self.known.learn_alone(pod),
            Err(_) => self.known.unlearn(&pod.uid),
        }
        done
    }

    async fn connect_now(&self, pod: &PodSpec) -> Result<(), NodeError> {
        let cni = &self.cni;
        let is_pinned = self.namespaces.are_pinned(&pod.uid);
        if is_pinned && (self.known.is_connected(&pod.uid) || !cni.has_traces(&pod.uid)) {
            return Ok(());
        }
        let before = cni.attachment(&pod.uid).await.map_err(unconnected)?;
        let is_pinned = is_pinned || self.find_namespaces_again(pod).await?;
        match before {
            None if is_pinned => return Ok(()),
            Some(before) if is_pinned && before.result.is_some() => {
                self.known.learn(&before);
                return Ok(());
            }
            // The host was restarted in between, or an earlier try was cut off.
            Some(before) => self.detach(&before, is_pinned).await?,
            None => {}
        }
        let network = match wants_cni(pod) {
            true => cni.network().await.map_err(unconnected)?,
            false => None,
        };
        if let Some(why) = unfit(pod, network.as_ref(), self.known.conf_dir()) {
            return Err(NodeError::Network(why));
        }
        match network {
            Some(network) => self.attach(Attachment::new(pod, network), is_pinned).await,
            None if is_pinned || !pod.is_several() => Ok(()),
            None => self.make_namespaces(&pod.uid).await,
        }
    }

    /// Asks the plugins whether the pod is still connected, if their version supports it.
    pub async fn check(&self, pod: &PodSpec) -> Result<(), NodeError> {
        let _lock = self.locks.lock_pod(&pod.uid).await;
        let cni = &self.cni;
        let Some(its) = cni.attachment(&pod.uid).await.map_err(unconnected)? else { return Ok(()) };
        if its.result.is_none() {
            return Err(unconnected("it was being connected when the daemon ended"));
        }
        let is_there =
            self.namespaces.are_pinned(&pod.uid) || self.find_namespaces_again(pod).await?;
        if !is_there || !its.network.can_check() {
            return Ok(());
        }
        // All pods are checked at once when a daemon starts.
        let _one_of_few = self.checks.acquire().await;
        let leaving = self.known.leaving(&pod.uid);
        cni.check(&its, &self.netns(&pod.uid), &leaving).await.map_err(unconnected)
    }

    /// Connects the pod again to the same network, and returns whether it did. If none of its
    /// containers runs, the next start does it. The caller holds the pod's lock.
    pub async fn reconnect(&self, pod: &PodSpec) -> Result<bool, NodeError> {
        let cni = &self.cni;
        let Some(its) = cni.attachment(&pod.uid).await.map_err(unconnected)? else {
            return Ok(false);
        };
        if !self.namespaces.are_pinned(&pod.uid) && !self.find_namespaces_again(pod).await? {
            return Ok(false);
        }
        cni.detach(&its, Some(&self.netns(&pod.uid))).await.map_err(unconnected)?;
        self.attach(Attachment { result: None, ..its }, true).await.map(|()| true)
    }

    /// Connects the pod, or undoes everything.
    async fn attach(&self, mut pod: Attachment, is_pinned: bool) -> Result<(), NodeError> {
        let cni = &self.cni;
        cni.prepare(&pod).await.map_err(unconnected)?;
        if !is_pinned {
            self.make_namespaces(&pod.uid).await?;
        }
        let netns = self.netns(&pod.uid);
        let leaving = self.known.leaving(&pod.uid);
        if let Err(error) = cni.attach(&mut pod, &netns, &leaving).await {
            // The pod stays recorded as not connected, so the next try repeats all of this.
            if let Err(error) = cni.detach(&pod, Some(&netns)).await {
                tracing::warn!(pod = pod.pod, %error, "a failed network could not be cleared yet");
            }
            return Err(unconnected(error));
        }
        self.known.learn(&pod);
        Ok(())
    }

    async fn detach(&self, pod: &Attachment, is_pinned: bool) -> Result<(), NodeError> {
        self.known.unlearn(&pod.uid);
        let netns = is_pinned.then(|| self.netns(&pod.uid));
        let cni = &self.cni;
        cni.detach(pod, netns.as_deref()).await.map_err(unconnected)?;
        cni.forget(&pod.uid).await.map_err(unconnected)
    }

    /// Disconnects the pod, before its pins are removed. The caller holds the pod's lock.
    pub async fn disconnect(&self, uid: &str) -> Result<(), NodeError> {
        if let Some(pod) = self.cni.attachment(uid).await.map_err(unconnected)? {
            self.detach(&pod, self.namespaces.are_pinned(uid)).await?;
        }
        Ok(())
    }

    fn netns(&self, uid: &str) -> PathBuf {
        self.namespaces.network(uid)
    }

    async fn find_namespaces_again(&self, pod: &PodSpec) -> Result<bool, NodeError> {
        if !self.is_pinned(pod) && !self.cni.has_traces(&pod.uid) {
            return Ok(false);
        }
        let Some(process) = self.running.of_pod(&pod.uid).await? else { return Ok(false) };
        let (namespaces, claim) = (self.namespaces.clone(), claim(&self.claims, &pod.uid)?);
        let found = move || namespaces.find_again(&claim, process.pidfd());
        pinned(tokio::task::spawn_blocking(found).await).map(|()| true)
    }

    async fn make_namespaces(&self, uid: &str) -> Result<(), NodeError> {
        let (namespaces, claim) = (self.namespaces.clone(), claim(&self.claims, uid)?);
        pinned(tokio::task::spawn_blocking(move || namespaces.make(&claim)).await)
    }
}

fn pinned<E: Display>(done: Result<io::Result<()>, E>) -> Result<(), NodeError> {
    let failed =
        |error: &dyn Display| NodeError::start_failed(format!("the pod's namespaces: {error}"));
    done.map_err(|error| failed(&error))?.map_err(|error| failed(&error))
}

fn unconnected(error: impl Display) -> NodeError {
    NodeError::Network(error.to_string())
}
