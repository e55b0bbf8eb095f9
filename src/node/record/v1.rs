//! Version 1 of the saved state of a container beside its spec, as JSON.
//!
//! These types are the stored format. They change only by new fields with a default, while the
//! domain's types are free to change: the conversions here are the border between them. Every
//! build since 0.1 writes this version; `golden/` has records of each shape.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::domain::status::Expired;
use crate::domain::{Incarnation, container, exit, notice, restart, spec, user};

/// Defines an enum without fields, and its conversions.
macro_rules! plain {
    ($here:ident = $module:ident::$there:ident: $($variant:ident),+) => {
        #[derive(Debug, Clone, Copy, Serialize, Deserialize)]
        enum $here { $($variant),+ }

        impl From<$module::$there> for $here {
            fn from(value: $module::$there) -> Self {
                match value { $($module::$there::$variant => Self::$variant),+ }
            }
        }

        impl From<$here> for $module::$there {
            fn from(value: $here) -> Self {
                match value { $($here::$variant => Self::$variant),+ }
            }
        }
    };
}

/// Defines a struct with the fields of a type of the domain, and its conversions.
macro_rules! mirrored {
    ($here:ident = $module:ident::$there:ident {
        $($(#[$attribute:meta])* $field:ident: $type:ty),+ $(,)?
    }) => {
        #[derive(Debug, Serialize, Deserialize)]
        struct $here { $($(#[$attribute])* $field: $type),+ }

        impl From<$module::$there> for $here {
            fn from(value: $module::$there) -> Self {
                Self { $($field: value.$field.into()),+ }
            }
        }

        impl From<$here> for $module::$there {
            fn from(value: $here) -> Self {
                Self { $($field: value.$field.into()),+ }
            }
        }
    };
}

plain!(Wanted = container::Wanted: Running, Stopped, Removed);
plain!(Next = container::Next: Policy, Start);
plain!(ProbeKind = spec::ProbeKind: Startup, Readiness, Liveness);
plain!(HookKind = spec::HookKind: PostStart, PreStop);
plain!(EventType = notice::NoticeType: Normal, Warning);

#[derive(Debug, Serialize, Deserialize)]
pub struct Memory {
    wanted: Wanted,
    attempt: u32,
    restart_count: u32,
    created_at: SystemTime,
    started_at: Option<SystemTime>,
    started: bool,
    ready: bool,
    image_id: String,
    #[serde(default)]
    user: Option<User>,
    #[serde(default)]
    image_from_registry: bool,
    #[serde(default)]
    stop_signal: Option<i32>,
    ended: Option<Terminated>,
    last_state: Option<Terminated>,
    restart_at: Option<SystemTime>,
    backoff: Backoff,
    #[serde(default)]
    paused_until: Option<SystemTime>,
    #[serde(default)]
    paused_for: Option<Duration>,
    #[serde(default)]
    stopping: Option<Stopping>,
    #[serde(default)]
    condemned: Option<Cause>,
    #[serde(default)]
    round: u32,
    #[serde(default)]
    held: bool,
    #[serde(default)]
    finished: bool,
    #[serde(default)]
    oom: OomCount,
    /// Terminations, the newest first.
    #[serde(default)]
    history: Vec<Terminated>,
    #[serde(default)]
    expired: bool,
    #[serde(default)]
    evicted: Option<String>,
    #[serde(default)]
    given_up: bool,
    #[serde(default)]
    events: Vec<Event>,
    #[serde(default)]
    boot_id: Option<String>,
    #[serde(default)]
    booted_at: Option<SystemTime>,
}

impl From<container::Memory> for Memory {
    fn from(memory: container::Memory) -> Self {
        Self {
            wanted: memory.wanted.into(),
            attempt: memory.attempt.0,
            restart_count: memory.restart_count,
            created_at: memory.created_at,
            started_at: memory.started_at,
            started: memory.started,
            ready: memory.ready,
            image_id: memory.image_id,
            user: memory.user.map(Into::into),
            image_from_registry: memory.image_from_registry,
            stop_signal: memory.stop_signal,
            ended: memory.ended.map(Into::into),
            last_state: memory.last_state.map(Into::into),
            restart_at: memory.restart_at,
            backoff: Backoff { rung: memory.backoff.rung() },
            paused_until: memory.paused_until,
            paused_for: memory.paused_for,
            stopping: memory.stopping.map(Into::into),
            condemned: memory.condemned.map(Into::into),
            round: memory.round,
            held: memory.held,
            finished: memory.finished,
            oom: OomCount { before: memory.oom.before(), seen: memory.oom.seen() },
            history: memory.history.iter().cloned().map(Into::into).collect(),
            expired: memory.expired.is_some(),
            evicted: match memory.expired {
                Some(Expired::Evicted { message }) => Some(message),
                Some(Expired::Deadline) | None => None,
            },
            given_up: memory.given_up,
            events: memory.events.into_iter().map(Into::into).collect(),
            boot_id: memory.boot_id,
            booted_at: memory.booted_at,
        }
    }
}

impl From<Memory> for container::Memory {
    fn from(memory: Memory) -> Self {
        let history: Vec<exit::Terminated> = memory.history.into_iter().map(Into::into).collect();
        Self {
            wanted: memory.wanted.into(),
            attempt: Incarnation(memory.attempt),
            restart_count: memory.restart_count,
            created_at: memory.created_at,
            started_at: memory.started_at,
            started: memory.started,
            ready: memory.ready,
            image_id: memory.image_id,
            user: memory.user.map(Into::into),
            image_from_registry: memory.image_from_registry,
            stop_signal: memory.stop_signal,
            ended: memory.ended.map(Into::into),
            last_state: memory.last_state.map(Into::into),
            restart_at: memory.restart_at,
            backoff: restart::Backoff::at(memory.backoff.rung),
            paused_until: memory.paused_until,
            paused_for: memory.paused_for,
            stopping: memory.stopping.map(Into::into),
            condemned: memory.condemned.map(Into::into),
            round: memory.round,
            held: memory.held,
            finished: memory.finished,
            oom: container::OomCount::new(memory.oom.before, memory.oom.seen),
            history: history.into(),
            expired: match (memory.expired, memory.evicted) {
                (_, Some(message)) => Some(Expired::Evicted { message }),
                (true, None) => Some(Expired::Deadline),
                (false, None) => None,
            },
            given_up: memory.given_up,
            events: memory.events.into_iter().map(Into::into).collect(),
            boot_id: memory.boot_id,
            booted_at: memory.booted_at,
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Backoff {
    rung: u32,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct OomCount {
    before: u64,
    seen: u64,
}

mirrored!(User = user::User {
    uid: u32,
    gid: u32,
    groups: Vec<u32>,
});

mirrored!(
    Stopping = container::Stopping {
        cause: Cause,
        next: Next,
        grace: Duration,
        kill_at: SystemTime,
        #[serde(default)]
        signaled: bool,
        #[serde(default)]
        hooked: bool,
        #[serde(default)]
        waits: bool,
        #[serde(default)]
        killed: bool,
    }
);

#[derive(Debug, Serialize, Deserialize)]
struct Terminated {
    attempt: u32,
    container_id: String,
    ending: Ending,
    cause: Cause,
    reason: String,
    exit_code: i32,
    signal: Option<u8>,
    message: String,
    started_at: Option<SystemTime>,
    finished_at: SystemTime,
    #[serde(default)]
    sigkill: Option<Sigkill>,
    #[serde(default)]
    oom_kills: u64,
}

impl From<exit::Terminated> for Terminated {
    fn from(ended: exit::Terminated) -> Self {
        Self {
            attempt: ended.attempt.0,
            container_id: ended.container_id,
            ending: ended.ending.into(),
            cause: ended.cause.into(),
            reason: ended.reason,
            exit_code: ended.exit_code,
            signal: ended.signal,
            message: ended.message,
            started_at: ended.started_at,
            finished_at: ended.finished_at,
            sigkill: ended.sigkill.map(Into::into),
            oom_kills: ended.oom_kills,
        }
    }
}

impl From<Terminated> for exit::Terminated {
    fn from(ended: Terminated) -> Self {
        Self {
            attempt: Incarnation(ended.attempt),
            container_id: ended.container_id,
            ending: ended.ending.into(),
            cause: ended.cause.into(),
            reason: ended.reason,
            exit_code: ended.exit_code,
            signal: ended.signal,
            message: ended.message,
            started_at: ended.started_at,
            finished_at: ended.finished_at,
            sigkill: ended.sigkill.map(Into::into),
            oom_kills: ended.oom_kills,
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
enum Ending {
    Exited(u8),
    Signaled(u8),
    Reported(u32),
    Lost,
}

impl From<exit::Ending> for Ending {
    fn from(ending: exit::Ending) -> Self {
        match ending {
            exit::Ending::Exited(code) => Self::Exited(code),
            exit::Ending::Signaled(signal) => Self::Signaled(signal),
            exit::Ending::Reported(code) => Self::Reported(code),
            exit::Ending::Lost => Self::Lost,
        }
    }
}

impl From<Ending> for exit::Ending {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::Exited(code) => Self::Exited(code),
            Ending::Signaled(signal) => Self::Signaled(signal),
            Ending::Reported(code) => Self::Reported(code),
            Ending::Lost => Self::Lost,
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
enum Sigkill {
    AfterGrace(Duration),
    Outside,
}

impl From<exit::Sigkill> for Sigkill {
    fn from(sigkill: exit::Sigkill) -> Self {
        match sigkill {
            exit::Sigkill::AfterGrace(grace) => Self::AfterGrace(grace),
            exit::Sigkill::Outside => Self::Outside,
        }
    }
}

impl From<Sigkill> for exit::Sigkill {
    fn from(sigkill: Sigkill) -> Self {
        match sigkill {
            Sigkill::AfterGrace(grace) => Self::AfterGrace(grace),
            Sigkill::Outside => Self::Outside,
        }
    }
}

mirrored!(Operator = exit::Operator {
    verb: String,
    #[serde(default)]
    uid: Option<u32>,
    #[serde(default)]
    pid: Option<u32>,
    #[serde(default)]
    from: Option<SocketAddr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<String>,
});

#[derive(Debug, Serialize, Deserialize)]
enum Cause {
    Itself,
    Outside { signal: u8 },
    Probe { kind: ProbeKind, output: String },
    Operator(Operator),
    OutOfMemory,
    Crash { signal: u8 },
    Hook { kind: HookKind, output: String },
    AllRestart,
    Dependency { owner: String },
    Changed,
    PodOver,
    Deadline,
    Evicted { why: String },
    Start,
    NodeRestart,
    Unknown,
}

impl From<exit::Cause> for Cause {
    fn from(cause: exit::Cause) -> Self {
        match cause {
            exit::Cause::Itself => Self::Itself,
            exit::Cause::Outside { signal } => Self::Outside { signal },
            exit::Cause::Probe { kind, output } => Self::Probe { kind: kind.into(), output },
            exit::Cause::Operator(operator) => Self::Operator(operator.into()),
            exit::Cause::OutOfMemory => Self::OutOfMemory,
            exit::Cause::Crash { signal } => Self::Crash { signal },
            exit::Cause::Hook { kind, output } => Self::Hook { kind: kind.into(), output },
            exit::Cause::AllRestart => Self::AllRestart,
            exit::Cause::Dependency { owner } => Self::Dependency { owner },
            exit::Cause::Changed => Self::Changed,
            exit::Cause::PodOver => Self::PodOver,
            exit::Cause::Deadline => Self::Deadline,
            exit::Cause::Evicted { why } => Self::Evicted { why },
            exit::Cause::Start => Self::Start,
            exit::Cause::NodeRestart => Self::NodeRestart,
            exit::Cause::Unknown => Self::Unknown,
        }
    }
}

impl From<Cause> for exit::Cause {
    fn from(cause: Cause) -> Self {
        match cause {
            Cause::Itself => Self::Itself,
            Cause::Outside { signal } => Self::Outside { signal },
            Cause::Probe { kind, output } => Self::Probe { kind: kind.into(), output },
            Cause::Operator(operator) => Self::Operator(operator.into()),
            Cause::OutOfMemory => Self::OutOfMemory,
            Cause::Crash { signal } => Self::Crash { signal },
            Cause::Hook { kind, output } => Self::Hook { kind: kind.into(), output },
            Cause::AllRestart => Self::AllRestart,
            Cause::Dependency { owner } => Self::Dependency { owner },
            Cause::Changed => Self::Changed,
            Cause::PodOver => Self::PodOver,
            Cause::Deadline => Self::Deadline,
            Cause::Evicted { why } => Self::Evicted { why },
            Cause::Start => Self::Start,
            Cause::NodeRestart => Self::NodeRestart,
            Cause::Unknown => Self::Unknown,
        }
    }
}

mirrored!(
    Event = notice::Event {
        sequence: u64,
        namespace: String,
        pod: String,
        pod_uid: String,
        container: String,
        init: bool,
        kind: EventType,
        reason: String,
        message: String,
        count: u32,
        first: SystemTime,
        last: SystemTime,
    }
);

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json, to_value};

    use super::*;

    /// Checks the shapes of 0.1 that the golden records do not contain.
    #[test]
    fn each_cause_keeps_its_stored_shape() {
        for shape in [
            json!("Itself"),
            json!({"Outside": {"signal": 15}}),
            json!({"Probe": {"kind": "Startup", "output": "no"}}),
            json!({"Operator": {"verb": "stop", "uid": 0, "pid": 7, "from": "192.0.2.7:4711"}}),
            json!({"Operator": {
                "verb": "delete", "uid": null, "pid": null, "from": "192.0.2.7:4711", "user": "ann",
            }}),
            json!("OutOfMemory"),
            json!({"Crash": {"signal": 11}}),
            json!({"Hook": {"kind": "PreStop", "output": "no"}}),
            json!("AllRestart"),
            json!({"Dependency": {"owner": "db"}}),
            json!("Changed"),
            json!("PodOver"),
            json!("Deadline"),
            json!({"Evicted": {"why": "full"}}),
            json!("Start"),
            json!("NodeRestart"),
            json!("Unknown"),
        ] {
            let cause: exit::Cause = from_value::<Cause>(shape.clone()).unwrap().into();
            assert_eq!(to_value(Cause::from(cause)).unwrap(), shape);
        }
        let old: Cause = from_value(json!({"Operator": {"verb": "stop"}})).unwrap();
        let operator = exit::Operator::new("stop", None);
        assert_eq!(exit::Cause::from(old), exit::Cause::Operator(operator));
    }

    #[test]
    fn fields_that_came_later_may_be_missing() {
        let memory = crate::node::record::tests::memory();
        let mut json = to_value(Memory::from(memory.clone())).unwrap();
        let fields = json.as_object_mut().unwrap();
        let first = [
            "wanted",
            "attempt",
            "restart_count",
            "created_at",
            "started_at",
            "started",
            "ready",
            "image_id",
            "ended",
            "last_state",
            "restart_at",
            "backoff",
        ];
        fields.retain(|field, _| first.contains(&field.as_str()));
        let old: container::Memory = from_value::<Memory>(json).unwrap().into();
        assert_eq!((old.wanted, old.attempt, old.started), (memory.wanted, memory.attempt, true));
        assert_eq!((old.held, old.user, old.history), (false, None, Default::default()));
    }

    #[test]
    fn an_end_of_an_older_build_is_read() {
        let old = json!({
            "attempt": 2,
            "container_id": "web_2",
            "ending": {"Signaled": 9},
            "cause": {"Probe": {"kind": "Liveness", "output": "500"}},
            "reason": "Error",
            "exit_code": 137,
            "signal": 9,
            "message": "",
            "started_at": null,
            "finished_at": {"secs_since_epoch": 1, "nanos_since_epoch": 0},
        });
        let ended: exit::Terminated = from_value::<Terminated>(old).unwrap().into();
        assert_eq!((ended.attempt, ended.ending), (Incarnation(2), exit::Ending::Signaled(9)));
        assert_eq!((ended.sigkill, ended.oom_kills), (None, 0));
    }
}
