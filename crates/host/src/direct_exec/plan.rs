//! The plan of a command: what its process must be, taken from the container's runtime spec. A spec
//! with a part that cannot be reproduced without runc is refused by the part's name.

use probelet_domain::spec::capability;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Why a container's commands cannot be run without the runtime.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot be run directly: {field}: {reason}")]
pub struct Refusal {
    field: String,
    reason: String,
}

fn refusal(field: &str, reason: impl Into<String>) -> Refusal {
    Refusal { field: field.to_owned(), reason: reason.into() }
}

/// A kind of namespace, by its name in runtime specs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Mounts.
    Mount,
    /// Process ids.
    Pid,
    /// Network.
    Network,
    /// System V IPC and POSIX queues.
    Ipc,
    /// Host name.
    Uts,
    /// The view of the cgroups.
    Cgroup,
    /// Clocks.
    Time,
    /// Users; never joined.
    User,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 8] = [
        Self::Mount,
        Self::Pid,
        Self::Network,
        Self::Ipc,
        Self::Uts,
        Self::Cgroup,
        Self::Time,
        Self::User,
    ];

    /// The name of the kind in `/proc/PID/ns`.
    pub fn file(self) -> &'static str {
        match self {
            Self::Mount => "mnt",
            Self::Pid => "pid",
            Self::Network => "net",
            Self::Ipc => "ipc",
            Self::Uts => "uts",
            Self::Cgroup => "cgroup",
            Self::Time => "time",
            Self::User => "user",
        }
    }
}

/// The namespaces that a container does not share with the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Namespaces(Vec<Kind>);

impl Namespaces {
    /// Reads the namespaces of a container from its runtime spec.
    ///
    /// # Errors
    ///
    /// The part of the spec that only the runtime can reproduce.
    pub fn read(spec: &Value) -> Result<Self, Refusal> {
        let linux = spec.get("linux").and_then(Value::as_object);
        let empty = Map::new();
        let linux = linux.unwrap_or(&empty);
        let is_set = |value: &&Value| match value {
            Value::Null => false,
            Value::Array(list) => !list.is_empty(),
            _ => true,
        };
        let refused = [
            ("seccomp", "a filter depends on the libseccomp that runc has"),
            ("personality", "not supported"),
            ("intelRdt", "not supported"),
            ("uidMappings", "user namespaces are not supported"),
            ("gidMappings", "user namespaces are not supported"),
        ];
        for (field, reason) in refused {
            if linux.get(field).filter(is_set).is_some() {
                return Err(refusal(&format!("linux.{field}"), reason));
            }
        }
        let listed = linux.get("namespaces").and_then(Value::as_array);
        let mut kinds = Vec::new();
        for namespace in listed.into_iter().flatten() {
            let kind = namespace.get("type").cloned().unwrap_or_default();
            let kind: Kind = serde_json::from_value(kind)
                .map_err(|error| refusal("linux.namespaces", error.to_string()))?;
            kinds.push(kind);
        }
        if kinds.contains(&Kind::User) {
            return Err(refusal("linux.namespaces", "user namespaces are not supported"));
        }
        if !kinds.contains(&Kind::Mount) {
            return Err(refusal("linux.namespaces", "the container has no mounts of its own"));
        }
        Ok(Self(kinds))
    }

    /// Whether the container has its own namespace of this kind.
    pub fn has(&self, kind: Kind) -> bool {
        self.0.contains(&kind)
    }
}

/// What the helper process carries out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The container's id, from which runc makes the name of its session keyring.
    pub container: String,
    /// Process id of the container's init.
    pub init: u32,
    /// The environment variable that only processes of this command have.
    pub mark: String,
    /// The namespaces to join.
    pub namespaces: Namespaces,
    /// The process.
    pub process: Process,
}

/// User and groups of a process.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct User {
    pub uid: u32,
    pub gid: u32,
    pub additional_gids: Vec<u32>,
}

/// The capability sets of a process, as bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Capabilities {
    pub bounding: u64,
    pub effective: u64,
    pub inheritable: u64,
    pub permitted: u64,
    pub ambient: u64,
}

/// A resource limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// Number of the resource.
    pub resource: u32,
    pub soft: u64,
    pub hard: u64,
}

/// A process of a container.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Process {
    pub(super) user: User,
    pub(super) args: Vec<String>,
    pub(super) env: Vec<String>,
    pub(super) cwd: String,
    pub(super) capabilities: Capabilities,
    pub(super) limits: Vec<Limit>,
    pub(super) no_new_privileges: bool,
    /// `None` to keep the score of the container's shim.
    pub(super) oom_score_adj: Option<i32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SpecProcess {
    #[serde(default)]
    user: SpecUser,
    args: Vec<String>,
    #[serde(default)]
    env: Vec<String>,
    cwd: String,
    capabilities: Option<SpecCapabilities>,
    rlimits: Option<Vec<SpecLimit>>,
    #[serde(default)]
    no_new_privileges: bool,
    oom_score_adj: Option<i32>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct SpecUser {
    uid: u32,
    gid: u32,
    additional_gids: Option<Vec<u32>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct SpecCapabilities {
    bounding: Option<Vec<String>>,
    effective: Option<Vec<String>>,
    inheritable: Option<Vec<String>>,
    permitted: Option<Vec<String>>,
    ambient: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct SpecLimit {
    #[serde(rename = "type")]
    kind: String,
    soft: u64,
    hard: u64,
}

/// Fields of a process that the helper reproduces, or that have no effect without a terminal.
const KNOWN: [&str; 11] = [
    "user",
    "args",
    "env",
    "cwd",
    "capabilities",
    "rlimits",
    "noNewPrivileges",
    "oomScoreAdj",
    "terminal",
    "consoleSize",
    // An empty name is no profile.
    "apparmorProfile",
];
/// Without `umask`, which some versions of runc ignore for commands.
const KNOWN_OF_USER: [&str; 3] = ["uid", "gid", "additionalGids"];

impl Process {
    /// Reads the OCI process of a command, as the runtime would get it.
    ///
    /// # Errors
    ///
    /// The field that only the runtime can reproduce.
    pub fn read(process: &[u8]) -> Result<Self, Refusal> {
        let value: Value = serde_json::from_slice(process)
            .map_err(|error| refusal("process", error.to_string()))?;
        only_known(&value, "process", &KNOWN)?;
        only_known(value.get("user").unwrap_or(&Value::Null), "process.user", &KNOWN_OF_USER)?;
        if value.get("apparmorProfile").and_then(Value::as_str).is_some_and(|name| !name.is_empty())
        {
            return Err(refusal("process.apparmorProfile", "not supported"));
        }
        if value.get("terminal") == Some(&Value::Bool(true)) {
            return Err(refusal("process.terminal", "not supported"));
        }
        let read: SpecProcess =
            serde_json::from_value(value).map_err(|error| refusal("process", error.to_string()))?;
        let SpecUser { uid, gid, additional_gids } = read.user;
        let limits =
            read.rlimits.unwrap_or_default().iter().map(limit).collect::<Result<_, _>>()?;
        Ok(Self {
            user: User { uid, gid, additional_gids: additional_gids.unwrap_or_default() },
            args: read.args,
            env: read.env,
            cwd: read.cwd,
            capabilities: capabilities(read.capabilities.unwrap_or_default())?,
            limits,
            no_new_privileges: read.no_new_privileges,
            oom_score_adj: read.oom_score_adj,
        })
    }
}

fn only_known(value: &Value, at: &str, known: &[&str]) -> Result<(), Refusal> {
    let fields = value.as_object().into_iter().flatten();
    let set = fields.filter(|(_, value)| !value.is_null() && value.as_str() != Some(""));
    let mut unknown = set.filter(|(name, _)| !known.contains(&name.as_str()));
    match unknown.next() {
        Some((name, _)) => Err(refusal(&format!("{at}.{name}"), "not supported")),
        None => Ok(()),
    }
}

fn capabilities(spec: SpecCapabilities) -> Result<Capabilities, Refusal> {
    let bits = |names: Option<Vec<String>>| {
        let mut bits = 0_u64;
        for name in names.unwrap_or_default() {
            let number = capability::number(&name)
                .ok_or_else(|| refusal("process.capabilities", format!("{name} is not known")))?;
            bits |= 1_u64.checked_shl(number).unwrap_or_default();
        }
        Ok(bits)
    };
    Ok(Capabilities {
        bounding: bits(spec.bounding)?,
        effective: bits(spec.effective)?,
        inheritable: bits(spec.inheritable)?,
        permitted: bits(spec.permitted)?,
        ambient: bits(spec.ambient)?,
    })
}

/// Names of the resources; the index of a name is the number of the resource.
const RESOURCES: [&str; 16] = [
    "RLIMIT_CPU",
    "RLIMIT_FSIZE",
    "RLIMIT_DATA",
    "RLIMIT_STACK",
    "RLIMIT_CORE",
    "RLIMIT_RSS",
    "RLIMIT_NPROC",
    "RLIMIT_NOFILE",
    "RLIMIT_MEMLOCK",
    "RLIMIT_AS",
    "RLIMIT_LOCKS",
    "RLIMIT_SIGPENDING",
    "RLIMIT_MSGQUEUE",
    "RLIMIT_NICE",
    "RLIMIT_RTPRIO",
    "RLIMIT_RTTIME",
];

/// The number of resources that have limits.
pub const RESOURCE_COUNT: usize = RESOURCES.len();

fn limit(spec: &SpecLimit) -> Result<Limit, Refusal> {
    let index = RESOURCES.iter().position(|name| *name == spec.kind);
    let resource = index.and_then(|index| u32::try_from(index).ok());
    let unknown = || refusal("process.rlimits", format!("{} is not known", spec.kind));
    let resource = resource.ok_or_else(unknown)?;
    Ok(Limit { resource, soft: spec.soft, hard: spec.hard })
}

#[cfg(test)]
#[path = "plan/tests.rs"]
mod tests;
