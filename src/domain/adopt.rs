//! Containers that somebody else made: who asks for their care, when it begins and when it ends.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::container::Memory;
use super::exit::Cause;
use super::spec::{
    BackoffLimits, ContainerSpec, PodSpec, Probes, RestartPolicy, Source, SpecErrors,
};
use super::user::User;

#[cfg(test)]
mod tests;

pub const LIVENESS: &str = "probelet/liveness";
pub const READINESS: &str = "probelet/readiness";
pub const STARTUP: &str = "probelet/startup";
pub const RESTART: &str = "probelet/restart";
pub const GRACE: &str = "probelet/grace";
/// What asks for care; on an attempt of probelet's own are others with the same prefix.
pub const LABELS: [&str; 5] = [LIVENESS, READINESS, STARTUP, RESTART, GRACE];
pub const PREFIX: &str = "probelet/";

/// Of containerd's restart monitor, which nerdctl's `--restart` uses.
const MONITOR: [&str; 2] = ["containerd.io/restart.status", "containerd.io/restart.policy"];
/// Where the restart monitor and nerdctl say that the output goes.
const LOG_URIS: [&str; 2] = ["containerd.io/restart.loguri", "nerdctl/log-uri"];

/// How long a restart waits for the owner's own hand after an end that was not probelet's doing:
/// `ctr task rm -f`, for one, kills first and deletes then.
const OWNERS_TURN: Duration = Duration::from_millis(300);

/// Where a container is in containerd. As a pod it is called `NAMESPACE/ID`, which no pod of
/// probelet's own can be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    pub namespace: String,
    pub id: String,
}

impl Place {
    pub fn of_pod(name: &str) -> Option<Self> {
        let (namespace, id) = name.split_once('/')?;
        Some(Self { namespace: namespace.to_owned(), id: id.to_owned() })
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.id)
    }
}

/// The source of an adopted container.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Adopted {
    pub image: String,
    /// The labels that ask for the care, as they were read; not looked at where it is `named`.
    pub labels: BTreeMap<String, String>,
    /// Asked for by name, which beats the labels.
    pub named: bool,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Care {
    pub probes: Probes,
    pub restart_policy: RestartPolicy,
    /// How often in a row it is restarted at most.
    pub max_restarts: Option<u32>,
    pub grace: Duration,
}

impl Default for Care {
    fn default() -> Self {
        Self {
            probes: Probes::default(),
            restart_policy: RestartPolicy::Always,
            max_restarts: None,
            grace: Duration::from_secs(30),
        }
    }
}

/// What rides on a stranger's record.
#[derive(Debug, Clone, PartialEq)]
pub enum Remembered {
    Cared(Box<(PodSpec, Memory)>),
    /// Released by name while it carried these labels: the same ones ask in vain.
    Released(BTreeMap<String, String>),
    /// Not ours to read, so not ours to overwrite either.
    Unreadable(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskLevel {
    /// None, or one that its owner has not started.
    None,
    Started,
}

/// A container of somebody else's as it is now.
#[derive(Debug, Clone, PartialEq)]
pub struct Stranger {
    pub place: Place,
    pub image: String,
    /// All of its labels.
    pub labels: BTreeMap<String, String>,
    pub remembered: Option<Remembered>,
    pub task: TaskLevel,
    /// The user of its spec.
    pub user: Option<User>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    Nothing,
    /// Begin to care for it, or go on with what is remembered.
    TakeUp(Box<PodSpec>, Option<Box<Memory>>),
    /// The care that goes on is to be like this.
    Change(Box<PodSpec>),
    /// End the care and leave the container as it is.
    LetGo(&'static str),
    /// It is asked for and cannot be, or not yet.
    Refuse(Refusal),
}

#[derive(Debug, Clone, PartialEq)]
pub enum Refusal {
    Monitor,
    Labels(String),
    Record(String),
    NotStarted,
}

impl Refusal {
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Monitor => "RestartMonitorConflict",
            Self::Labels(_) => "InvalidLabels",
            Self::Record(_) => "InvalidRecord",
            Self::NotStarted => "NotStarted",
        }
    }

    pub fn message(&self) -> String {
        match self {
            Self::Monitor => format!(
                "containerd's restart monitor looks after this container (label {:?}, as nerdctl's \
                 --restart sets it): two that restart it would fight, so it is left alone",
                MONITOR[0]
            ),
            Self::Labels(why) => format!("{why}; the container is left alone"),
            Self::Record(why) => {
                format!("what is remembered of it is not readable, so it is left alone: {why}")
            }
            Self::NotStarted => "waits for its owner to start it".to_owned(),
        }
    }
}

impl Stranger {
    /// The labels that ask for care, wrong ones too.
    pub fn asking(&self) -> BTreeMap<String, String> {
        let ours = self.labels.iter().filter(|(key, _)| key.starts_with(PREFIX));
        ours.map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    pub fn has_monitor(&self) -> bool {
        MONITOR.iter().any(|label| self.labels.contains_key(*label))
    }

    /// Where its output goes by its owner's word.
    pub fn log_uri(labels: &BTreeMap<String, String>) -> Option<&String> {
        LOG_URIS.iter().find_map(|label| labels.get(*label)).filter(|uri| uri.contains("://"))
    }

    fn is_named(&self) -> bool {
        matches!(&self.remembered, Some(Remembered::Cared(cared))
            if cared.0.adopted().is_some_and(|adopted| adopted.named))
    }

    fn is_released(&self) -> bool {
        matches!(&self.remembered, Some(Remembered::Released(labels)) if *labels == self.asking())
    }

    /// The next step, from the container as it is and the care that goes on (`live`).
    pub fn next(
        &self,
        live: Option<&PodSpec>,
        read: impl Fn(&BTreeMap<String, String>) -> Result<Care, SpecErrors>,
        uid: impl FnOnce() -> String,
    ) -> Step {
        let asking = self.asking();
        let named = self.is_named();
        if !named && (asking.is_empty() || self.is_released()) {
            return if live.is_some() {
                Step::LetGo("its labels were removed")
            } else {
                Step::Nothing
            };
        }
        if self.has_monitor() {
            return Step::Refuse(Refusal::Monitor);
        }
        if let Some(Remembered::Unreadable(why)) = &self.remembered {
            return Step::Refuse(Refusal::Record(why.clone()));
        }
        if let Some(live) = live {
            let same = live.adopted().is_some_and(|was| was.named || was.labels == asking);
            if same {
                return Step::Nothing;
            }
        }
        let cared = match &self.remembered {
            Some(Remembered::Cared(cared)) => Some(cared.as_ref()),
            _ => None,
        };
        let uid = match (live, cared) {
            (Some(live), _) => live.uid.clone(),
            (None, Some((pod, _))) => pod.uid.clone(),
            (None, None) => uid(),
        };
        let known = cared
            .filter(|(pod, _)| pod.adopted().is_some_and(|was| was.named || was.labels == asking));
        let spec = match known {
            Some((pod, _)) => pod.clone(),
            None => match read(&asking) {
                Ok(care) => self.spec(care, false, uid),
                Err(errors) => return Step::Refuse(Refusal::Labels(errors.to_string())),
            },
        };
        if live.is_some() {
            return Step::Change(Box::new(spec));
        }
        let memory = cared.map(|(_, memory)| memory);
        // What nobody has started yet is not probelet's to start.
        let began =
            memory.is_some_and(|memory| memory.started_at.is_some() || memory.attempt.0 > 0);
        if self.task == TaskLevel::None && !began {
            return Step::Refuse(Refusal::NotStarted);
        }
        Step::TakeUp(Box::new(spec), memory.cloned().map(Box::new))
    }

    /// As a pod of one.
    pub fn spec(&self, care: Care, named: bool, uid: String) -> PodSpec {
        let adopted = Adopted { image: self.image.clone(), labels: self.asking(), named };
        let by = if named { "name" } else { "labels" };
        let container = ContainerSpec {
            probes: care.probes,
            backoff: BackoffLimits { max_restarts: care.max_restarts, ..Default::default() },
            ..ContainerSpec::bare(self.place.id.clone(), Source::Adopted(adopted))
        };
        PodSpec {
            namespace: self.place.namespace.clone(),
            labels: self.labels.clone(),
            annotations: BTreeMap::from([("probelet.io/adopted-by".to_owned(), by.to_owned())]),
            restart_policy: care.restart_policy,
            termination_grace: care.grace,
            ..PodSpec::bare(self.place.to_string(), uid, vec![container])
        }
    }
}

impl PodSpec {
    pub fn adopted(&self) -> Option<&Adopted> {
        match self.containers.as_slice() {
            [ContainerSpec { source: Source::Adopted(adopted), .. }] => Some(adopted),
            _ => None,
        }
    }

    pub fn is_adopted(&self) -> bool {
        self.adopted().is_some()
    }
}

/// How long a start gives the owner to delete the task that has ended.
pub fn owners_turn(memory: &Memory) -> Duration {
    match memory.last_state.as_ref().map(|last| &last.cause) {
        Some(Cause::Probe { .. } | Cause::Operator(_)) => Duration::ZERO,
        _ => OWNERS_TURN,
    }
}

/// Where a task's output goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stdio {
    pub stdout: String,
    pub stderr: String,
    pub terminal: bool,
}

impl Stdio {
    /// What the next task gets, from the ended one's, the labels, and a file of ours. A pipe has
    /// lost its reader with whoever made it.
    pub fn next(old: Option<&Self>, labels: &BTreeMap<String, String>, own: &str) -> (Self, bool) {
        let both =
            |uri: &str, terminal| Self { stdout: uri.to_owned(), stderr: uri.to_owned(), terminal };
        let terminal = old.is_some_and(|old| old.terminal);
        match (Stranger::log_uri(labels), old) {
            (Some(uri), _) => (both(uri, terminal), false),
            (None, Some(old)) if old.stdout.contains("://") => {
                let stderr = if old.stderr.contains("://") { &old.stderr } else { &old.stdout };
                let (stdout, stderr) = (old.stdout.clone(), stderr.clone());
                (Self { stdout, stderr, terminal }, false)
            }
            (None, Some(old)) if old.stdout.is_empty() && old.stderr.is_empty() && !terminal => {
                (Self::default(), false)
            }
            _ => (both(own, terminal), true),
        }
    }
}
