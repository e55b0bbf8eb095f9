//! A pod's namespaces and network, which are created before its first container starts and removed
//! with its last record.

use std::fmt::Display;
use std::path::PathBuf;

use containerd_client::services::v1::Container;

use super::{Containerd, records};
use crate::domain::cni::Attachment;
use crate::domain::network::{unfit, wants_cni};
use crate::domain::spec::PodSpec;
use crate::runtime::RuntimeError;

mod known;

pub(super) use known::Networks;

impl Containerd {
    /// True if the pod's namespaces are pinned, or will be.
    pub(super) fn is_pinned(&self, pod: &PodSpec) -> bool {
        pod.is_several() || self.networks.is_connected(&pod.uid)
    }

    /// Makes sure that the pod's namespaces exist, and that they are connected if there is a
    /// network. The namespaces of a running container of the pod are reused if there is one.
    pub(super) async fn connect_pod(&self, pod: &PodSpec) -> Result<(), RuntimeError> {
        let _turn = self.pod_turn(&pod.uid).await;
        let done = self.connect_now(pod).await;
        match &done {
            Ok(()) if self.networks.is_connected(&pod.uid) => {}
            Ok(()) => self.networks.learn_alone(pod),
            Err(_) => self.networks.unlearn(&pod.uid),
        }
        done
    }

    async fn connect_now(&self, pod: &PodSpec) -> Result<(), RuntimeError> {
        let cni = &self.networks.cni;
        let is_pinned = self.namespaces.are_pinned(&pod.uid);
        if is_pinned && (self.networks.is_connected(&pod.uid) || !cni.has_traces(&pod.uid)) {
            return Ok(());
        }
        let before = cni.attachment(&pod.uid).await.map_err(unconnected)?;
        let is_pinned = is_pinned || self.find_namespaces_again(pod).await?;
        match before {
            None if is_pinned => return Ok(()),
            Some(before) if is_pinned && before.result.is_some() => {
                self.networks.learn(&before);
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
        if let Some(why) = unfit(pod, network.as_ref(), &self.networks.conf_dir()) {
            return Err(RuntimeError::Network(why));
        }
        match network {
            Some(network) => self.attach(Attachment::new(pod, network), is_pinned).await,
            None if is_pinned || !pod.is_several() => Ok(()),
            None => self.make_namespaces(&pod.uid).await,
        }
    }

    /// Asks the plugins whether the pod is still connected, if their version supports it.
    pub(super) async fn check_connection(&self, pod: &PodSpec) -> Result<(), RuntimeError> {
        let _turn = self.pod_turn(&pod.uid).await;
        let cni = &self.networks.cni;
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
        let _one_of_few = self.networks.checks.acquire().await;
        let leaving = self.networks.leaving(&pod.uid);
        cni.check(&its, &self.netns(&pod.uid), &leaving).await.map_err(unconnected)
    }

    /// Connects the pod again to the same network. If none of its containers runs, the next start
    /// does it.
    pub(super) async fn connect_again(&self, pod: &PodSpec) -> Result<(), RuntimeError> {
        let _turn = self.pod_turn(&pod.uid).await;
        let cni = &self.networks.cni;
        let Some(its) = cni.attachment(&pod.uid).await.map_err(unconnected)? else { return Ok(()) };
        if !self.namespaces.are_pinned(&pod.uid) && !self.find_namespaces_again(pod).await? {
            return Ok(());
        }
        cni.detach(&its, Some(&self.netns(&pod.uid))).await.map_err(unconnected)?;
        self.attach(Attachment { result: None, ..its }, true).await?;
        // The hosts file contains the pod's address.
        self.make_files_now(pod).await
    }

    /// Connects the pod, or undoes everything.
    async fn attach(&self, mut pod: Attachment, is_pinned: bool) -> Result<(), RuntimeError> {
        let cni = &self.networks.cni;
        cni.prepare(&pod).await.map_err(unconnected)?;
        if !is_pinned {
            self.make_namespaces(&pod.uid).await?;
        }
        let netns = self.netns(&pod.uid);
        let leaving = self.networks.leaving(&pod.uid);
        if let Err(error) = cni.attach(&mut pod, &netns, &leaving).await {
            // The pod stays recorded as not connected, so the next try repeats all of this.
            if let Err(error) = cni.detach(&pod, Some(&netns)).await {
                tracing::warn!(pod = pod.pod, %error, "a failed network could not be cleared yet");
            }
            return Err(unconnected(error));
        }
        self.networks.learn(&pod);
        Ok(())
    }

    async fn detach(&self, pod: &Attachment, is_pinned: bool) -> Result<(), RuntimeError> {
        self.networks.unlearn(&pod.uid);
        let netns = is_pinned.then(|| self.netns(&pod.uid));
        let cni = &self.networks.cni;
        cni.detach(pod, netns.as_deref()).await.map_err(unconnected)?;
        cni.forget(&pod.uid).await.map_err(unconnected)
    }

    /// Disconnects the pod, before its pins are removed. The caller holds the pod's lock.
    pub(super) async fn disconnect(&self, uid: &str) -> Result<(), RuntimeError> {
        if let Some(pod) = self.networks.cni.attachment(uid).await.map_err(unconnected)? {
            self.detach(&pod, self.namespaces.are_pinned(uid)).await?;
        }
        Ok(())
    }

    /// Loads the networks of recorded pods, and disconnects pods that are gone in the background,
    /// since their plugins may hang.
    pub(super) async fn take_up_networks(&self, records: &[Container]) {
        let uids = records.iter().filter_map(|record| record.labels.get(records::POD_UID));
        let uids: Vec<_> = uids.collect();
        for pod in self.networks.cni.attachments().await {
            if uids.contains(&&pod.uid) {
                if pod.result.is_some() {
                    self.networks.learn(&pod);
                }
                continue;
            }
            let this = self.clone();
            self.starts.spawn(async move {
                let _turn = this.pod_turn(&pod.uid).await;
                match this.let_go(&pod).await {
                    Ok(()) => tracing::info!(pod = pod.pod, "let go of the network of a gone pod"),
                    Err(error) => {
                        tracing::warn!(pod = pod.pod, %error, "the network of a gone pod stays");
                    }
                }
            });
        }
    }

    async fn let_go(&self, pod: &Attachment) -> Result<(), RuntimeError> {
        self.detach(pod, self.namespaces.are_pinned(&pod.uid)).await?;
        self.remove_traces(&pod.uid).await
    }

    fn netns(&self, uid: &str) -> PathBuf {
        self.namespaces.network(uid)
    }

    async fn find_namespaces_again(&self, pod: &PodSpec) -> Result<bool, RuntimeError> {
        if !self.is_pinned(pod) && !self.networks.cni.has_traces(&pod.uid) {
            return Ok(false);
        }
        let Some(process) = self.running_of(&pod.uid).await? else { return Ok(false) };
        let (namespaces, claim) = (self.namespaces.clone(), self.claim(&pod.uid)?);
        let found = move || namespaces.find_again(&claim, process.pidfd());
        pinned(tokio::task::spawn_blocking(found).await).map(|()| true)
    }

    async fn make_namespaces(&self, uid: &str) -> Result<(), RuntimeError> {
        let (namespaces, claim) = (self.namespaces.clone(), self.claim(uid)?);
        pinned(tokio::task::spawn_blocking(move || namespaces.make(&claim)).await)
    }
}

fn pinned<E: Display>(done: Result<std::io::Result<()>, E>) -> Result<(), RuntimeError> {
    let failed =
        |error: &dyn Display| RuntimeError::StartFailed(format!("the pod's namespaces: {error}"));
    done.map_err(|error| failed(&error))?.map_err(|error| failed(&error))
}

fn unconnected(error: impl Display) -> RuntimeError {
    RuntimeError::Network(error.to_string())
}
