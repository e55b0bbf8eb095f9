//! The supervisor of pods. Callers set the state that they want of a pod, and watch the state that
//! it has.
//!
//! [`Supervisor`] composes these parts, each of which has one job and private fields. A part uses
//! only parts below it; a test draws the graph of the modules and refuses a circle.
//!
//! - Border: [`Adopter`] manages containers of other clients, through `adopted_pods.rs`;
//!   [`StaticPods`] applies the manifest directory; `reconciler.rs` compares the pods with the
//!   runtime.
//! - Requests: `applier.rs` applies a pod, by `creation.rs`, `live_changes.rs` or `replacement.rs`;
//!   `pod_requests.rs` has the other requests to a pod, `host_images.rs` those for images,
//!   `evidence_store.rs` those for evidence.
//! - Supervision: `pod_actors.rs` keeps an actor running for each pod, restored from what
//!   `recovery.rs` reads and `repair.rs` repairs, and followed by its `successor.rs`. Until the
//!   runtime has reported a pod's tasks, `recorded_view.rs` shows the pod.
//! - Actor: `actor.rs` has the pod's machines; `effects.rs` carries their actions out, by one type
//!   for each role; `pod_records.rs` orders records and cleanup, by `record_writes.rs` for each
//!   container.
//! - State: `registry.rs` has the pods by name, each with its `pod_handle.rs`; `unmanaged.rs` and
//!   `manifest_status.rs` have what is only listed; `pod_views.rs` shows all of them.
//! - Ground: events, counters, brake, pulls, panics, the link to the runtime, locks, the clock.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::domain::brake::Gauge;
use crate::domain::container::{ImageFacts, Wanted};
use crate::domain::evidence::Evidence;
use crate::domain::exit::Caller;
use crate::domain::link::Link;
use crate::domain::pod_key::PodKey;
use crate::domain::spec::{PodSpec, Validated};
use crate::evidence::{Blind, EvidenceCollector};
use crate::manifest_dir::ManifestDir;
use crate::node::session::{Session, Wants};
use crate::node::{AttemptId, ForeignContainers, Node};
use crate::prober::Prober;

mod actor;
mod actor_request;
mod adopted_pods;
mod adopter;
mod applier;
mod background;
mod brake;
mod changes;
mod clock;
mod counters;
mod creation;
mod effects;
mod error;
mod events;
mod evidence_store;
mod failed_creations;
mod host_images;
mod live_changes;
mod local_images;
mod lock;
mod manifest_status;
mod panics;
mod pending_record;
mod pod_actors;
mod pod_handle;
mod pod_records;
mod pod_requests;
mod pod_views;
mod port_claims;
mod prepared_pod;
mod pulls;
mod reconciler;
mod record_writes;
mod recorded_view;
mod recovery;
mod registry;
mod repair;
mod replacement;
mod runtime_link;
mod static_pods;
mod subject;
mod successor;
#[cfg(test)]
mod tests;
mod unmanaged;

pub use crate::domain::pod::PodView;
pub use adopter::{Adopter, ReadLabels};
pub use applier::Applied;
pub use brake::HostBrake;
pub use clock::now;
pub use counters::{BOUNDS, ContainerCounts, Counters, Counts, DurationHistogram};
pub use error::SupervisorError;
pub use events::EventLog;
pub use host_images::HostImages;
pub use live_changes::LiveChanges;
pub use pod_actors::RecordedPods;
pub use pod_handle::named;
pub use pod_requests::PodRequests;
pub use pulls::Pull;
pub use static_pods::{ReadManifest, StaticPods};
pub use subject::Subject;

use actor::ActorResources;
use adopted_pods::AdoptedPods;
use applier::Applier;
use background::Background;
use changes::Changes;
use creation::Creation;
use evidence_store::EvidenceStore;
use failed_creations::FailedCreations;
use manifest_status::ManifestDirStatus;
use pod_actors::PodActors;
use pod_views::PodViews;
use port_claims::PortClaims;
use pulls::Pulls;
use reconciler::Reconciler;
use registry::Registry;
use replacement::Replacement;
use runtime_link::RuntimeLink;
use unmanaged::UnmanagedContainers;

/// The settings of a supervisor.
pub struct SupervisorBuilder {
    runtime: Arc<dyn Node>,
    prober: Arc<dyn Prober>,
    evidence_collector: Arc<dyn EvidenceCollector>,
    brake: Arc<HostBrake>,
    boot_id: Option<Arc<str>>,
    manifest_dir: Option<Box<Path>>,
    pod_runtime: Option<Handle>,
    runtime_address: String,
}

impl SupervisorBuilder {
    /// The settings without evidence, boot ID and manifest directory, and with the default brake.
    pub fn new(runtime: Arc<dyn Node>, prober: Arc<dyn Prober>) -> Self {
        Self {
            runtime,
            prober,
            evidence_collector: Arc::new(Blind),
            brake: Arc::default(),
            boot_id: None,
            manifest_dir: None,
            pod_runtime: None,
            runtime_address: String::new(),
        }
    }

    /// Sets the collector of evidence about condemned containers. Without it no evidence is kept.
    #[must_use]
    pub fn evidence_collector(self, evidence_collector: Arc<dyn EvidenceCollector>) -> Self {
        Self { evidence_collector, ..self }
    }

    /// Sets the ID of the host's boot, by which an exit caused by a reboot is recognized.
    #[must_use]
    pub fn boot_id(self, boot_id: Option<String>) -> Self {
        Self { boot_id: boot_id.map(Arc::from), ..self }
    }

    /// Sets the manifest directory. Pods from its files are changed only there.
    #[must_use]
    pub fn manifest_dir(self, path: Option<&Path>) -> Self {
        Self { manifest_dir: path.map(Box::from), ..self }
    }

    /// Sets the runtime of the actors and of their probes over sockets. Without it they run where the
    /// supervisor is built, as everything else does.
    #[must_use]
    pub fn pod_runtime(self, runtime: Handle) -> Self {
        Self { pod_runtime: Some(runtime), ..self }
    }

    /// Sets the address of the container runtime, which the log names when it does not answer.
    #[must_use]
    pub fn runtime_address(self, address: &Path) -> Self {
        Self { runtime_address: address.display().to_string(), ..self }
    }

    /// Sets the brake. Its limits can be changed later.
    #[must_use]
    pub fn brake(self, brake: Arc<HostBrake>) -> Self {
        Self { brake, ..self }
    }

    /// Builds the supervisor, whose work runs on the current runtime.
    #[must_use]
    pub fn build(self) -> Supervisor {
        let Self { runtime, prober, evidence_collector, boot_id, .. } = self;
        let here = Handle::current();
        let background = Background::new(here.clone());
        let changes = Changes::default();
        let link = Arc::new(RuntimeLink::new(self.runtime_address));
        let registry = Arc::new(Registry::new(changes.clone()));
        let resources = ActorResources {
            pulls: Arc::new(Pulls::new(runtime.clone(), background.clone())),
            runtime: runtime.clone(),
            prober,
            evidence_collector: evidence_collector.clone(),
            link: link.subscribe(),
            events: Arc::default(),
            counters: Arc::default(),
            brake: self.brake,
            boot_id,
            changes,
            effects: here.clone(),
        };
        let (events, pulls) = (resources.events.clone(), resources.pulls.clone());
        let manifests =
            ManifestDirStatus::new(self.manifest_dir.as_deref(), registry.clone(), events.clone());
        let manifests = Arc::new(manifests);
        let unmanaged = Arc::new(UnmanagedContainers::default());
        let views = PodViews::new(registry.clone(), unmanaged.clone(), manifests.clone());
        let views = Arc::new(views);
        let of_pods = background.on(self.pod_runtime.unwrap_or(here));
        let actors = PodActors::new(resources.clone(), registry.clone(), link.clone(), of_pods);
        let actors = Arc::new(actors);
        let failed_creations = FailedCreations::new(runtime.clone(), registry.clone());
        let failed_creations = Arc::new(failed_creations);
        let creation = Arc::new(Creation::new(
            runtime.clone(),
            registry.clone(),
            manifests.clone(),
            PortClaims::new(registry.clone(), views.clone()),
            failed_creations.clone(),
            actors.clone(),
        ));
        let live_changes = LiveChanges::new(registry.clone(), views.clone(), manifests.clone());
        let live_changes = Arc::new(live_changes);
        let replacement = Replacement::new(
            (runtime.clone(), pulls.clone()),
            registry.clone(),
            views.clone(),
            creation.clone(),
            live_changes.clone(),
            events.clone(),
        );
        let applier = Applier::new(
            (registry.clone(), views.clone()),
            manifests.clone(),
            creation.clone(),
            live_changes.clone(),
            Arc::new(replacement),
            background.clone(),
        );
        let evidence = EvidenceStore::new(runtime.clone(), evidence_collector, registry.clone());
        let evidence = Arc::new(evidence);
        let adopted = AdoptedPods::new(
            (runtime.clone(), registry.clone()),
            (unmanaged, views.clone()),
            actors.clone(),
            live_changes.clone(),
            evidence.clone(),
            events,
        );
        let requests = PodRequests::new(registry.clone(), manifests.clone(), actors.clone());
        let reconciler = Reconciler::new(
            runtime.clone(),
            registry.clone(),
            actors.clone(),
            failed_creations,
            link.clone(),
            background.clone(),
        );
        Supervisor {
            images: HostImages::new(runtime, pulls, views.clone()),
            applier: Arc::new(applier),
            adopted: Arc::new(adopted),
            requests: Arc::new(requests),
            resources,
            registry,
            views,
            manifests,
            creation,
            live_changes,
            evidence,
            actors,
            reconciler,
            link,
            background,
        }
    }
}

/// Whether the parts of the supervisor work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    /// True if each pod has its actor.
    pub supervises_all: bool,
    /// Whether the manifest directory can be read; None if there is none.
    pub reads_manifest_dir: Option<bool>,
}

/// The parts of the supervisor, for the border.
pub struct Supervisor {
    resources: ActorResources,
    registry: Arc<Registry>,
    views: Arc<PodViews>,
    manifests: Arc<ManifestDirStatus>,
    creation: Arc<Creation>,
    applier: Arc<Applier>,
    live_changes: Arc<LiveChanges>,
    requests: Arc<PodRequests>,
    images: HostImages,
    evidence: Arc<EvidenceStore>,
    adopted: Arc<AdoptedPods>,
    actors: Arc<PodActors>,
    reconciler: Reconciler,
    link: Arc<RuntimeLink>,
    background: Background,
}

impl Supervisor {
    /// A supervisor with the default settings.
    #[cfg(test)]
    pub fn new(runtime: Arc<dyn Node>, prober: Arc<dyn Prober>) -> Self {
        SupervisorBuilder::new(runtime, prober).build()
    }

    /// Checks that every container could be created here and that its host ports are free. Changes
    /// nothing.
    pub async fn check(&self, spec: &PodSpec) -> Result<Vec<ImageFacts>, SupervisorError> {
        self.creation.check(spec).await
    }

    /// Creates the pod, finds an equal one, or changes a live one if a live pod can change all
    /// fields that differ. After an error nothing is left of a new pod, and an old pod is as it
    /// was.
    pub async fn apply(
        &self,
        spec: Validated<PodSpec>,
        wanted: Wanted,
    ) -> Result<(PodView, Applied), SupervisorError> {
        self.applier.apply(spec, wanted).await
    }

    /// Creates and starts a pod of a new name. After an error nothing is left of it.
    pub async fn create(&self, spec: Validated<PodSpec>) -> Result<PodView, SupervisorError> {
        self.applier.create_new(spec).await
    }

    /// Works as [`Self::apply`], but replaces the pod if a field differs that no live pod can
    /// change. Returns when the new pod exists, or with a timeout, after which the replacement
    /// continues.
    pub async fn apply_or_replace(
        &self,
        spec: Validated<PodSpec>,
        by: Option<Caller>,
    ) -> Result<(PodView, Applied), SupervisorError> {
        self.applier.apply_or_replace(spec, by).await
    }

    pub fn get(&self, pod: &PodKey) -> Result<PodView, SupervisorError> {
        self.views.get(pod)
    }

    /// Finds the pod that a request names. Without a namespace it is the only pod of that name; if
    /// several have it, the error lists their namespaces.
    pub fn find(&self, namespace: &str, name: &str) -> Result<PodKey, SupervisorError> {
        Ok(self.views.find(namespace, name)?)
    }

    /// Finds the pod that a request names, as [`Self::find`] does, and waits until it is recovered. A
    /// request that needs the pod's actor begins with this.
    pub async fn find_recovered(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<PodKey, SupervisorError> {
        let pod = self.find(namespace, name)?;
        self.recovered(&pod).await?;
        Ok(pod)
    }

    /// Waits until the pod is recovered, if a new daemon is still querying its tasks.
    pub async fn recovered(&self, pod: &PodKey) -> Result<(), SupervisorError> {
        self.registry.recovered(pod).await
    }

    pub fn list(&self) -> Vec<PodView> {
        self.views.list()
    }

    /// Returns a counter that changes whenever a pod changes, except for its probes' counters.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.registry.changes().subscribe()
    }

    /// Waits until the pod meets the condition, at most for the timeout.
    pub async fn wait(
        &self,
        pod: &PodKey,
        condition: &'static str,
        timeout: Duration,
        reached: impl FnMut(&PodView) -> bool,
    ) -> Result<PodView, SupervisorError> {
        self.registry.wait(pod, condition, timeout, reached).await
    }

    /// Waits until nothing is left of the pod, at most for the timeout.
    pub async fn wait_gone(&self, pod: &PodKey, timeout: Duration) -> Result<(), SupervisorError> {
        self.registry.wait_gone(pod, timeout).await
    }

    pub fn requests(&self) -> &PodRequests {
        &self.requests
    }

    pub fn live_changes(&self) -> &LiveChanges {
        &self.live_changes
    }

    pub fn images(&self) -> &HostImages {
        &self.images
    }

    /// Returns the evidence of a container's last kills by a probe, newest first. An empty name
    /// means the only container.
    pub async fn evidence(
        &self,
        pod: &PodKey,
        container: &str,
    ) -> Result<Vec<Evidence>, SupervisorError> {
        self.evidence.list(pod, container).await
    }

    /// Returns the file that receives the attempt's stdout and stderr.
    pub fn log_path(&self, id: &AttemptId) -> std::path::PathBuf {
        self.resources.runtime.log_path(id)
    }

    /// Attaches a client to the streams of a running attempt; `None` if it has neither an input nor
    /// a terminal.
    pub async fn attach(
        &self,
        id: &AttemptId,
        wants: Wants,
    ) -> Result<Option<Session>, SupervisorError> {
        let task = self.requests().task(&id.pod, &id.container).await?;
        Ok(self.resources.runtime.attach(id, task, wants).await?)
    }

    pub fn events(&self) -> &Arc<EventLog> {
        &self.resources.events
    }

    pub fn counters(&self) -> &Counters {
        &self.resources.counters
    }

    /// Returns the brake's state; None if there is no brake.
    pub fn brake(&self) -> Option<Gauge> {
        self.resources.brake.gauge()
    }

    /// Returns whether the runtime answers, since when, and how often it did not.
    pub fn link(&self) -> watch::Receiver<Link> {
        self.link.subscribe()
    }

    pub fn health(&self) -> Health {
        let supervises_all = self.actors.all_run() && self.registry.are_all_recovered();
        Health { supervises_all, reads_manifest_dir: self.manifests.is_readable() }
    }

    /// Makes the adopter of these containers of other clients. `read` parses their labels.
    pub fn adopter(&self, containers: Arc<dyn ForeignContainers>, read: ReadLabels) -> Adopter {
        Adopter::new(self.adopted.clone(), containers, read)
    }

    /// Makes the static pods of the manifest directory, whose files `read` parses.
    pub fn static_pods(&self, dir: Box<dyn ManifestDir>, read: ReadManifest) -> StaticPods {
        let state = (self.registry.clone(), self.manifests.clone());
        StaticPods::new(state, (self.applier.clone(), self.requests.clone()), dir, read)
    }

    /// Lists every pod that the runtime has records of, as the records describe it. The pods are
    /// recovered by [`RecordedPods::recover`].
    pub async fn list_recorded(&self) -> Result<RecordedPods, SupervisorError> {
        self.actors.list_recorded().await
    }

    /// Recovers every pod that the runtime has records of; returns how many.
    #[cfg(test)]
    pub async fn recover(&self) -> Result<usize, SupervisorError> {
        self.actors.recover().await
    }

    /// Reconciles with the runtime until the supervisor is stopped.
    pub async fn run(&self) {
        self.reconciler.run().await;
    }

    /// Ends the actors and leaves the containers running.
    pub async fn stop(&self) {
        self.background.stop().await;
    }
}
