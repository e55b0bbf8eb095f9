//! Adoption of containers that other clients created: discovery, management, release.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::adopted_pods::AdoptedPods;
use super::clock::now;
use super::error::SupervisorError;
use crate::domain::adopt::{
    ContainerRef, ForeignContainer, LIVENESS, READINESS, Refusal, Remembered, STARTUP, Settings,
    Stdio, Step, TaskLevel,
};
use crate::domain::container::{Memory, Wanted};
use crate::domain::exit::ExitEvidence;
use crate::domain::notice::Notice;
use crate::domain::pod::PodView;
use crate::domain::pod_key::PodKey;
use crate::domain::shorten;
use crate::domain::spec::{PodSpec, SpecErrors};
use crate::node::{AttemptId, ForeignContainers, Found, FoundTask, News};

/// The interval at which all containers are listed, whether or not events arrive.
const INTERVAL: Duration = Duration::from_secs(30);
/// The pause before an event stream that ended is opened again.
const RETRY: Duration = Duration::from_secs(1);
/// The number of changes that may wait for the adopter.
const NEWS: usize = 256;
/// The maximum length of a message that names labels, in bytes.
const LONGEST: usize = 1024;

/// Parses the labels that ask for adoption.
pub type ReadLabels = fn(&BTreeMap<String, String>) -> Result<Settings, SpecErrors>;

pub struct Adopter {
    pods: Arc<AdoptedPods>,
    foreign_containers: Arc<dyn ForeignContainers>,
    read: ReadLabels,
    /// Labels without effect that were reported. The lock also serializes the steps of adoption:
    /// each step builds on the one before.
    reported: tokio::sync::Mutex<ReportedLabels>,
}

/// Labels without effect that were reported, by container.
type ReportedLabels = BTreeMap<ContainerRef, Vec<String>>;

impl Adopter {
    pub fn new(
        pods: Arc<AdoptedPods>,
        foreign_containers: Arc<dyn ForeignContainers>,
        read: ReadLabels,
    ) -> Self {
        Self { pods, foreign_containers, read, reported: tokio::sync::Mutex::default() }
    }

    /// Follows the changes of foreign containers until cancelled.
    pub async fn run(&self, cancel: CancellationToken) {
        tokio::select! {
            () = cancel.cancelled() => {}
            () = self.follow_changes() => {}
        }
    }

    async fn follow_changes(&self) {
        loop {
            let (sender, mut news) = mpsc::channel(NEWS);
            let handling = async {
                loop {
                    match tokio::time::timeout(INTERVAL, news.recv()).await {
                        Ok(Some(News::Live)) | Err(_) => self.sync().await,
                        Ok(Some(News::Changed(container))) => {
                            self.on_change(&container, false).await;
                        }
                        Ok(Some(News::TaskDeleted(container))) => {
                            self.on_change(&container, true).await;
                        }
                        Ok(None) => return,
                    }
                }
            };
            let (followed, ()) = tokio::join!(self.foreign_containers.follow(sender), handling);
            if let Err(error) = followed {
                tracing::debug!(%error, "the stream of containerd's events ended");
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Lists all foreign containers and brings their adoption up to date. An error is logged.
    pub async fn sync(&self) {
        if let Err(error) = self.try_sync().await {
            tracing::warn!(%error, "the containers of other clients could not be listed");
        }
    }

    async fn try_sync(&self) -> Result<(), SupervisorError> {
        let mut reported = self.reported.lock().await;
        let before = self.pods.names();
        let mut seen = BTreeSet::new();
        let foreign_containers = self.foreign_containers.foreign_containers().await?;
        reported.retain(|container, _| {
            foreign_containers.iter().any(|foreign| foreign.place == *container)
        });
        for foreign_container in foreign_containers {
            seen.insert(foreign_container.place.pod());
            self.update(&foreign_container, &mut reported).await;
        }
        for name in before.difference(&seen) {
            self.stop_managing(name, "its record was deleted").await;
        }
        Ok(())
    }

    /// Handles a change of one container.
    async fn on_change(&self, container: &ContainerRef, task_deleted: bool) {
        let mut reported = self.reported.lock().await;
        let name = container.pod();
        match self.foreign_containers.foreign_container(container).await {
            Ok(None) => self.stop_managing(&name, "its owner has deleted its record").await,
            Ok(Some(mut foreign_container)) => {
                if task_deleted && self.pods.spec(&name).is_some() {
                    self.stop_managing(&name, "its owner has deleted its task").await;
                    self.reset(&mut foreign_container).await;
                }
                self.update(&foreign_container, &mut reported).await;
            }
            Err(error) => {
                tracing::warn!(container = %name, %error, "the container could not be read");
            }
        }
    }

    /// Takes the next step of the container's adoption.
    async fn update(&self, foreign_container: &ForeignContainer, reported: &mut ReportedLabels) {
        let name = foreign_container.place.pod();
        self.report_without_effect(foreign_container, reported);
        let live = self.pods.spec(&name);
        let step = foreign_container.next(live.as_deref(), self.read, new_uid);
        let step = match step {
            Step::TakeUp(spec, memory) => match valid(*spec) {
                Ok(spec) => Step::TakeUp(Box::new(spec), memory),
                Err(refused) => refused,
            },
            Step::Change(spec) => match valid(*spec) {
                Ok(spec) => Step::Change(Box::new(spec)),
                Err(refused) => refused,
            },
            other => other,
        };
        let done = match step {
            Step::Nothing => {
                if live.is_none() {
                    self.pods.unlist(&name);
                }
                Ok(())
            }
            Step::TakeUp(spec, memory) => self.manage(foreign_container, *spec, memory).await,
            Step::Change(spec) => self.pods.change(*spec).await.map(drop),
            Step::LetGo(why) => {
                self.stop_managing(&name, why).await;
                self.foreign_containers
                    .released(&foreign_container.place, &foreign_container.asking())
                    .await
                    .map_err(Into::into)
            }
            Step::Refuse(refusal) => {
                self.refuse(foreign_container, &refusal).await;
                Ok(())
            }
        };
        if let Err(error) = done {
            tracing::warn!(container = %name, %error, "the container is not managed yet");
        }
    }

    /// Reports labels without effect once for a container, and again if other labels are without
    /// effect.
    fn report_without_effect(
        &self,
        foreign_container: &ForeignContainer,
        reported: &mut ReportedLabels,
    ) {
        let labels: Vec<_> =
            foreign_container.without_effect().into_iter().map(str::to_owned).collect();
        if labels.is_empty() || reported.get(&foreign_container.place) == Some(&labels) {
            return;
        }
        let spec =
            foreign_container.spec(Settings::default(), false, foreign_container.place.to_string());
        let mut message = format!("Labels of the image have no effect: {}", labels.join(", "));
        shorten(&mut message, LONGEST);
        self.pods.log(&spec, Notice::warning("ImageLabelsIgnored", message));
        reported.insert(foreign_container.place.clone(), labels);
    }

    /// Starts to manage the container, with the memory of earlier management.
    async fn manage(
        &self,
        foreign_container: &ForeignContainer,
        spec: PodSpec,
        memory: Option<Box<Memory>>,
    ) -> Result<(), SupervisorError> {
        let container = &foreign_container.place;
        let (stop_signal, mut task) = self.foreign_containers.task_of(container).await?;
        let wall = now().wall;
        let is_new = memory
            .as_ref()
            .is_none_or(|memory| memory.started_at.is_none() && memory.attempt.0 == 0);
        let mut memory = match memory {
            Some(memory) => *memory,
            None => Memory::new(Wanted::Running, wall),
        };
        // The spec of the container stays the same in each attempt.
        memory.user = foreign_container.user.clone();
        if is_new {
            memory.started_at = Some(wall);
            memory.stop_signal = stop_signal;
        } else if memory.started_at.is_none() && memory.ended.is_none() {
            // A restart was interrupted: the task that ended is that of the previous attempt.
            if let FoundTask::Ended(..) = task {
                task = FoundTask::None;
            }
        }
        let id = AttemptId::of(&spec, &container.id, memory.attempt);
        self.pods.record(&id, &spec, &memory).await?;
        self.pods.unlist(&spec.key());
        if is_new {
            let by = if spec.adopted().is_some_and(|adopted| adopted.named) {
                "name"
            } else {
                "its labels"
            };
            let message = format!("Container adopted by {by}");
            self.pods.log(&spec, Notice::normal("Adopted", message));
        }
        let evidence = ExitEvidence::default();
        let found = Found { id, pod: spec, memory, task, evidence, pending_record: false };
        self.pods.start(found);
        Ok(())
    }

    /// Ends the management of the container, and records the reason.
    async fn stop_managing(&self, name: &PodKey, why: &str) {
        self.pods.unlist(name);
        if let Some(spec) = self.pods.stop(name).await {
            let message = format!("Container released without a change to it: {why}");
            self.pods.log(&spec, Notice::normal("Released", message));
            self.pods.delete_evidence(&spec).await;
        }
    }

    /// Deletes all state of a container, as if it had never been adopted.
    async fn reset(&self, foreign_container: &mut ForeignContainer) {
        let nothing = BTreeMap::new();
        if let Err(error) =
            self.foreign_containers.released(&foreign_container.place, &nothing).await
        {
            tracing::debug!(container = %foreign_container.place, %error, "the saved state stays in the record");
        }
        foreign_container.remembered = Some(Remembered::Released(nothing));
    }

    /// Lists the container with the reason why it is not managed.
    async fn refuse(&self, foreign_container: &ForeignContainer, refusal: &Refusal) {
        let name = foreign_container.place.pod();
        let live = self.pods.stop(&name).await;
        let spec = live.unwrap_or_else(|| {
            Arc::new(foreign_container.spec(
                Settings::default(),
                false,
                foreign_container.place.to_string(),
            ))
        });
        self.pods.list_unmanaged(spec, refusal);
    }

    /// Adopts a container by name, regardless of its labels.
    pub async fn adopt(
        &self,
        container: &ContainerRef,
        settings: Settings,
    ) -> Result<PodView, SupervisorError> {
        let _step = self.reported.lock().await;
        let name = container.pod();
        let refused = |reason: String| SupervisorError::NotAdopted { pod: name.clone(), reason };
        if !self.foreign_containers.is_watched(&container.namespace) {
            let namespace = &container.namespace;
            return Err(refused(format!(
                "namespace {namespace:?} is not watched (serve --watch-namespaces)"
            )));
        }
        let foreign_container = self.foreign_containers.foreign_container(container).await?;
        let foreign_container =
            foreign_container.ok_or_else(|| SupervisorError::NoSuchContainer(container.clone()))?;
        if foreign_container.has_monitor() {
            return Err(refused(Refusal::Monitor.message()));
        }
        let live = self.pods.spec(&name);
        let remembered = match &foreign_container.remembered {
            Some(Remembered::Unreadable(why)) => {
                return Err(refused(Refusal::Record(why.clone()).message()));
            }
            Some(Remembered::Supervised(cared)) => Some(Box::new(cared.1.clone())),
            _ => None,
        };
        let uid = live.as_ref().map_or_else(new_uid, |live| live.uid.clone());
        let spec = foreign_container.spec(settings, true, uid).validate()?.into_inner();
        if live.is_some() {
            return self.pods.change(spec).await;
        }
        let has_started = remembered.as_ref().is_some_and(|memory| memory.started_at.is_some());
        if foreign_container.task == TaskLevel::None && !has_started {
            let memory = Memory::new(Wanted::Running, now().wall);
            let id = AttemptId::of(&spec, &container.id, memory.attempt);
            self.pods.record(&id, &spec, &memory).await?;
            self.pods.list_unmanaged(Arc::new(spec), &Refusal::NotStarted);
        } else {
            self.manage(&foreign_container, spec, remembered).await?;
        }
        self.pods.view(&name)
    }

    /// Returns where the output of the container's task goes, if it has a task.
    pub async fn output_of(
        &self,
        container: &ContainerRef,
    ) -> Result<Option<Stdio>, SupervisorError> {
        Ok(self.foreign_containers.output_of(container).await?)
    }

    /// Stops managing the container and leaves it as it is. Its labels are ignored until they
    /// change.
    pub async fn release(&self, name: &PodKey) -> Result<(), SupervisorError> {
        let view = self.pods.view(name)?;
        let _step = self.reported.lock().await;
        let container = ContainerRef::of_pod(&view.spec.key()).filter(|_| view.spec.is_adopted());
        let container = container.ok_or_else(|| SupervisorError::NotAdopted {
            pod: name.to_owned(),
            reason: "probelet created it: delete it instead".to_owned(),
        })?;
        let foreign_container = self.foreign_containers.foreign_container(&container).await?;
        self.stop_managing(&view.spec.key(), "requested by a caller").await;
        if let Some(foreign_container) = foreign_container {
            self.foreign_containers.released(&container, &foreign_container.asking()).await?;
        }
        Ok(())
    }
}

fn new_uid() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// Validates the spec from labels with the rules of manifests.
fn valid(spec: PodSpec) -> Result<PodSpec, Step> {
    spec.validate().map(|valid| valid.into_inner()).map_err(|mut errors| {
        let labels = [("liveness", LIVENESS), ("readiness", READINESS), ("startup", STARTUP)];
        for error in &mut errors.0 {
            for (kind, label) in labels {
                let field = format!("spec.containers[0].{kind}Probe");
                error.field = error.field.replace(&field, label);
            }
        }
        Step::Refuse(Refusal::Labels(errors.to_string()))
    })
}
