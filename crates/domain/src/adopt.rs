//! Foreign containers: which of them ask for supervision, and the beginning and end of it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::container::Memory;
use super::exit::Cause;
use super::pod_key::{ADOPTED_NAMESPACE, PodKey};
use super::spec::{
    Adopted, BackoffLimits, ContainerSpec, OwnLabels, PodSpec, Probes, RestartPolicy, Source,
    SpecErrors,
};
use super::user::User;

mod image_labels;
mod output;
#[cfg(test)]
mod tests;

pub use image_labels::{Document, ImageLabels};
pub use output::{LogLabels, Output, Stdio, log_file};

/// Label with the liveness probe: a short form such as `http://:8080/healthz`, or a Kubernetes
/// probe as JSON.
pub const LIVENESS: &str = "probelet/liveness";
/// Label with the readiness probe, in the forms of [`LIVENESS`].
pub const READINESS: &str = "probelet/readiness";
/// Label with the startup probe, in the forms of [`LIVENESS`].
pub const STARTUP: &str = "probelet/startup";
/// Label with the restart policy: `always` (the default), `on-failure`, `on-failure:N` or `never`.
pub const RESTART: &str = "probelet/restart";
/// Label with the time from the stop signal to SIGKILL, such as `10`, `10s` or `1m30s`; 30 s by
/// default.
pub const GRACE: &str = "probelet/grace";
/// Labels that ask for supervision. Attempts that probelet made have other labels with the same
/// prefix.
pub const LABELS: [&str; 5] = [LIVENESS, READINESS, STARTUP, RESTART, GRACE];
/// Prefix of all labels of probelet.
pub const PREFIX: &str = "probelet/";

/// Labels of containerd's restart monitor, which nerdctl's `--restart` uses.
const MONITOR: [&str; 2] = ["containerd.io/restart.status", "containerd.io/restart.policy"];
/// Labels in which the restart monitor and nerdctl name the destination of the output.
const LOG_URIS: [&str; 2] = ["containerd.io/restart.loguri", "nerdctl/log-uri"];

/// Time for which a restart waits for the owner to act after an end that probelet did not cause:
/// `ctr task rm -f`, for example, kills the task first and then deletes it.
const OWNERS_TURN: Duration = Duration::from_millis(300);

/// Reference to a container in containerd. Its pod is called `NAMESPACE/ID`, a name that no pod
/// made by probelet can have, in the namespace [`ADOPTED_NAMESPACE`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContainerRef {
    /// Namespace of containerd.
    pub namespace: String,
    /// Id of the container in that namespace.
    pub id: String,
}

impl ContainerRef {
    /// Container of an adopted container's pod; `None` for a pod that probelet made.
    pub fn of_pod(pod: &PodKey) -> Option<Self> {
        let (namespace, id) = pod.name().split_once('/').filter(|_| pod.is_adopted())?;
        Some(Self { namespace: namespace.to_owned(), id: id.to_owned() })
    }

    /// Key of the container's pod.
    pub fn pod(&self) -> PodKey {
        PodKey::new(ADOPTED_NAMESPACE, self.to_string())
    }
}

impl std::fmt::Display for ContainerRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.id)
    }
}

/// Settings of the supervision that is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Liveness, readiness and startup probes.
    pub probes: Probes,
    /// Restart policy; `Always` by default.
    pub restart_policy: RestartPolicy,
    /// Number of restarts in a row at most; no limit if unset.
    pub max_restarts: Option<u32>,
    /// Time from the stop signal to SIGKILL; 30 s by default.
    pub grace: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            probes: Probes::default(),
            restart_policy: RestartPolicy::Always,
            max_restarts: None,
            grace: Duration::from_secs(30),
        }
    }
}

/// Data that probelet stores in a foreign container's record.
#[derive(Debug, Clone, PartialEq)]
pub enum Remembered {
    /// Spec and state of a container that probelet supervises.
    Supervised(Box<(PodSpec, Memory)>),
    /// The container was released by name while it had these labels: the same labels have no
    /// effect.
    Released(BTreeMap<String, String>),
    /// The data cannot be read, so it is not overwritten either.
    Unreadable(String),
}

/// State of a foreign container's task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskLevel {
    /// The container has no task, or its owner has not started the task.
    None,
    /// A task that was started. It may have ended since.
    Started,
}

/// A foreign container as it is now.
#[derive(Debug, Clone, PartialEq)]
pub struct ForeignContainer {
    /// Namespace and id of the container.
    pub place: ContainerRef,
    /// Name of its image, as containerd's record has it; empty for a container without an image.
    pub image: String,
    /// All of its labels, including those of its image.
    pub labels: BTreeMap<String, String>,
    /// Labels that the container's image defines, or the reason why they are unknown.
    pub image_labels: ImageLabels,
    /// Data that probelet stored in the container's record; `None` if there is none.
    pub remembered: Option<Remembered>,
    /// State of the container's task.
    pub task: TaskLevel,
    /// User of the container's spec.
    pub user: Option<User>,
}

/// Next step for a foreign container, as [`ForeignContainer::next`] decides it.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Leave everything as it is.
    Nothing,
    /// Start the supervision, or resume it from the recorded memory.
    TakeUp(Box<PodSpec>, Option<Box<Memory>>),
    /// Replace the spec of the current supervision by this one.
    Change(Box<PodSpec>),
    /// End the supervision and leave the container as it is, for the given reason.
    LetGo(&'static str),
    /// The supervision is asked for, but is refused or has to wait.
    Refuse(Refusal),
}

/// Reason why a container is not supervised although its labels or the user ask for it.
#[derive(Debug, Clone, PartialEq)]
pub enum Refusal {
    /// containerd's restart monitor restarts the container already.
    Monitor,
    /// The labels are invalid, with the errors.
    Labels(String),
    /// The labels may be those of the image, whose labels are unknown for the given reason.
    ImageUnknown(String),
    /// The data that probelet stored in the container's record cannot be read, with the error.
    Record(String),
    /// The owner has not started the container yet.
    NotStarted,
}

impl Refusal {
    /// Reason in the container's waiting state, such as `InvalidLabels`.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Monitor => "RestartMonitorConflict",
            Self::Labels(_) => "InvalidLabels",
            Self::ImageUnknown(_) => "ImageUnknown",
            Self::Record(_) => "InvalidRecord",
            Self::NotStarted => "NotStarted",
        }
    }

    /// Message in the container's waiting state, for the user.
    pub fn message(&self) -> String {
        match self {
            Self::Monitor => format!(
                "containerd's restart monitor restarts this container (label {:?}, as nerdctl's \
                 --restart sets it), so probelet leaves it alone",
                MONITOR[0]
            ),
            Self::Labels(why) => format!("{why}; the container is left alone"),
            Self::ImageUnknown(why) => format!(
                "its {PREFIX} labels may be defined by its image, so they have no effect: {why}; \
                 `probelet adopt` supervises it by name"
            ),
            Self::Record(why) => {
                format!(
                    "the data that probelet stored in its record cannot be read: {why}; the \
                         container is left alone"
                )
            }
            Self::NotStarted => "waits for its owner to start it".to_owned(),
        }
    }
}

impl ForeignContainer {
    /// Returns all labels with probelet's prefix, including invalid ones and those of the image.
    fn written(&self) -> BTreeMap<String, String> {
        let ours = self.labels.iter().filter(|(key, _)| key.starts_with(PREFIX));
        ours.map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// Returns the labels of the image, or the reason why they are unknown.
    fn own_labels(&self) -> Result<OwnLabels, &str> {
        let cared = match &self.remembered {
            Some(Remembered::Supervised(cared)) => Some(&cared.0),
            _ => None,
        };
        let remembered = cared.and_then(|pod| pod.adopted()?.image_labels.as_ref());
        self.image_labels.or_remembered(remembered)
    }

    /// Returns the labels that ask for supervision, including invalid ones. The labels of the image
    /// never ask for it, and no label does while those of the image are unknown.
    pub fn asking(&self) -> BTreeMap<String, String> {
        let Ok(own) = self.own_labels() else { return BTreeMap::new() };
        let mut written = self.written();
        written.retain(|name, value| !own.has(name, value));
        written
    }

    /// Returns the labels with probelet's prefix that have no effect because the image defines
    /// them.
    pub fn without_effect(&self) -> Vec<&str> {
        let Ok(own) = self.own_labels() else { return Vec::new() };
        let own = self.labels.iter().filter(|(name, value)| own.has(name, value));
        own.map(|(name, _)| name.as_str()).filter(|name| name.starts_with(PREFIX)).collect()
    }

    /// True if the container has a label of containerd's restart monitor, as nerdctl's `--restart`
    /// sets it.
    pub fn has_monitor(&self) -> bool {
        MONITOR.iter().any(|label| self.labels.contains_key(*label))
    }

    fn is_named(&self) -> bool {
        matches!(&self.remembered, Some(Remembered::Supervised(cared))
            if cared.0.adopted().is_some_and(|adopted| adopted.named))
    }

    /// True if the container was released with these labels. Records of earlier versions have all
    /// labels, including those of the image.
    fn is_released(&self, asking: Option<&BTreeMap<String, String>>) -> bool {
        matches!(&self.remembered, Some(Remembered::Released(labels))
            if Some(labels) == asking || *labels == self.written())
    }

    /// Returns the next step, from the container as it is and the spec of the current supervision
    /// (`live`). `read` converts labels into settings, and `uid` makes the UID of a new pod.
    pub fn next(
        &self,
        live: Option<&PodSpec>,
        read: impl Fn(&BTreeMap<String, String>) -> Result<Settings, SpecErrors>,
        uid: impl FnOnce() -> String,
    ) -> Step {
        let asking = self.asking();
        let named = self.is_named();
        let unknown = self.own_labels().err().filter(|_| !self.written().is_empty());
        let is_released = self.is_released(unknown.is_none().then_some(&asking));
        if !named && unknown.is_none() && (asking.is_empty() || is_released) {
            return match live {
                Some(_) if self.written().is_empty() => Step::LetGo("its labels were removed"),
                Some(_) => {
                    Step::LetGo("its labels are defined by its image, so they have no effect")
                }
                None => Step::Nothing,
            };
        }
        if self.has_monitor() {
            return Step::Refuse(Refusal::Monitor);
        }
        if let Some(Remembered::Unreadable(why)) = &self.remembered {
            return Step::Refuse(Refusal::Record(why.clone()));
        }
        if let (Some(why), false) = (unknown, named) {
            return if is_released {
                Step::Nothing
            } else {
                Step::Refuse(Refusal::ImageUnknown(why.to_owned()))
            };
        }
        let is_same =
            |was: &Adopted| was.named || (was.labels == asking && was.image_labels.is_some());
        if live.and_then(PodSpec::adopted).is_some_and(is_same) {
            return Step::Nothing;
        }
        let cared = match &self.remembered {
            Some(Remembered::Supervised(cared)) => Some(cared.as_ref()),
            _ => None,
        };
        let uid = match (live, cared) {
            (Some(live), _) => live.uid.clone(),
            (None, Some((pod, _))) => pod.uid.clone(),
            (None, None) => uid(),
        };
        let known = cared.filter(|(pod, _)| pod.adopted().is_some_and(is_same));
        let spec = match known {
            Some((pod, _)) => pod.clone(),
            None => match read(&asking) {
                Ok(settings) => self.spec(settings, false, uid),
                Err(errors) => return Step::Refuse(Refusal::Labels(errors.to_string())),
            },
        };
        if live.is_some() {
            return Step::Change(Box::new(spec));
        }
        let memory = cared.map(|(_, memory)| memory);
        // A container that has not been started is not started by probelet either.
        let began =
            memory.is_some_and(|memory| memory.started_at.is_some() || memory.attempt.0 > 0);
        if self.task == TaskLevel::None && !began {
            return Step::Refuse(Refusal::NotStarted);
        }
        Step::TakeUp(Box::new(spec), memory.cloned().map(Box::new))
    }

    /// Returns the spec of a pod that has this container alone.
    pub fn spec(&self, settings: Settings, named: bool, uid: String) -> PodSpec {
        let own = self.own_labels().ok().map(|own| own.on(&self.labels));
        let adopted =
            Adopted { image: self.image.clone(), labels: self.asking(), named, image_labels: own };
        let by = if named { "name" } else { "labels" };
        let container = ContainerSpec {
            probes: settings.probes,
            backoff: BackoffLimits { max_restarts: settings.max_restarts, ..Default::default() },
            ..ContainerSpec::bare(self.place.id.clone(), Source::Adopted(adopted))
        };
        PodSpec {
            namespace: self.place.namespace.clone(),
            labels: self.labels.clone(),
            annotations: BTreeMap::from([("probelet.io/adopted-by".to_owned(), by.to_owned())]),
            restart_policy: settings.restart_policy,
            termination_grace: settings.grace,
            ..PodSpec::bare(self.place.to_string(), uid, vec![container])
        }
    }
}

/// Time that a start gives the owner to delete the task that has ended; zero if probelet has
/// stopped the task.
pub fn owners_turn(memory: &Memory) -> Duration {
    match memory.last_state.as_ref().map(|last| &last.cause) {
        Some(Cause::Probe { .. } | Cause::Operator(_)) => Duration::ZERO,
        _ => OWNERS_TURN,
    }
}
