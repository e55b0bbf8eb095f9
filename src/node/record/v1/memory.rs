//! The state of a container that a record has beside its spec.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::convert::{Convert, choice, plain, record};
use crate::domain::status::Expired;
use crate::domain::{Incarnation, container, exit, notice, restart, spec, user};

impl Convert<u32> for Incarnation {
    fn convert(self) -> u32 {
        self.0
    }
}

impl Convert<Incarnation> for u32 {
    fn convert(self) -> Incarnation {
        Incarnation(self)
    }
}

plain!(Wanted = container::Wanted: Running, Stopped, Removed);
plain!(Next = container::Next: Policy, Start);
plain!(ProbeKind = spec::ProbeKind: Startup, Readiness, Liveness);
plain!(HookKind = spec::HookKind: PostStart, PreStop);
plain!(EventType = notice::NoticeType: Normal, Warning);

#[derive(Serialize, Deserialize)]
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

impl Convert<Memory> for container::Memory {
    fn convert(self) -> Memory {
        let memory = self;
        Memory {
            wanted: memory.wanted.convert(),
            attempt: memory.attempt.0,
            restart_count: memory.restart_count,
            created_at: memory.created_at,
            started_at: memory.started_at,
            started: memory.started,
            ready: memory.ready,
            image_id: memory.image_id,
            user: memory.user.convert(),
            image_from_registry: memory.image_from_registry,
            stop_signal: memory.stop_signal,
            ended: memory.ended.convert(),
            last_state: memory.last_state.convert(),
            restart_at: memory.restart_at,
            backoff: Backoff { rung: memory.backoff.rung() },
            paused_until: memory.paused_until,
            paused_for: memory.paused_for,
            stopping: memory.stopping.convert(),
            condemned: memory.condemned.convert(),
            round: memory.round,
            held: memory.held,
            finished: memory.finished,
            oom: OomCount { before: memory.oom.before(), seen: memory.oom.seen() },
            history: memory.history.iter().cloned().map(Convert::convert).collect(),
            expired: memory.expired.is_some(),
            evicted: match memory.expired {
                Some(Expired::Evicted { message }) => Some(message),
                Some(Expired::Deadline) | None => None,
            },
            given_up: memory.given_up,
            events: memory.events.convert(),
            boot_id: memory.boot_id,
            booted_at: memory.booted_at,
        }
    }
}

impl Convert<container::Memory> for Memory {
    fn convert(self) -> container::Memory {
        let memory = self;
        let history: Vec<exit::Terminated> = memory.history.convert();
        container::Memory {
            wanted: memory.wanted.convert(),
            attempt: Incarnation(memory.attempt),
            restart_count: memory.restart_count,
            created_at: memory.created_at,
            started_at: memory.started_at,
            started: memory.started,
            ready: memory.ready,
            image_id: memory.image_id,
            user: memory.user.convert(),
            image_from_registry: memory.image_from_registry,
            stop_signal: memory.stop_signal,
            ended: memory.ended.convert(),
            last_state: memory.last_state.convert(),
            restart_at: memory.restart_at,
            backoff: restart::Backoff::at(memory.backoff.rung),
            paused_until: memory.paused_until,
            paused_for: memory.paused_for,
            stopping: memory.stopping.convert(),
            condemned: memory.condemned.convert(),
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
            events: memory.events.convert(),
            boot_id: memory.boot_id,
            booted_at: memory.booted_at,
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Backoff {
    rung: u32,
}

#[derive(Default, Serialize, Deserialize)]
struct OomCount {
    before: u64,
    seen: u64,
}

record!(User = user::User {
    uid: u32,
    gid: u32,
    groups: Vec<u32>,
});

record!(
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

record!(Terminated = exit::Terminated {
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
});

choice!(Ending = exit::Ending {
    Exited(code: u8),
    Signaled(signal: u8),
    Reported(code: u32),
    Lost,
});

choice!(Sigkill = exit::Sigkill {
    AfterGrace(grace: Duration),
    Outside,
});

record!(Operator = exit::Operator {
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

choice!(Cause = exit::Cause {
    Itself,
    Outside { signal: u8 },
    Probe { kind: ProbeKind, output: String },
    Operator(operator: Operator),
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
});

record!(
    Event = notice::Event {
        sequence: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        object: Option<ObjectType>,
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

record!(ObjectType = notice::ObjectType { api_version: String, kind: String });

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
            let cause: exit::Cause = from_value::<Cause>(shape.clone()).unwrap().convert();
            assert_eq!(to_value(Convert::<Cause>::convert(cause)).unwrap(), shape);
        }
        let old: Cause = from_value(json!({"Operator": {"verb": "stop"}})).unwrap();
        let operator = exit::Operator::new("stop", None);
        let old: exit::Cause = old.convert();
        assert_eq!(old, exit::Cause::Operator(operator));
    }

    #[test]
    fn fields_that_came_later_may_be_missing() {
        let memory = crate::node::record::tests::memory();
        let mut json = to_value(Convert::<Memory>::convert(memory.clone())).unwrap();
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
        let old: container::Memory = from_value::<Memory>(json).unwrap().convert();
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
        let ended: exit::Terminated = from_value::<Terminated>(old).unwrap().convert();
        assert_eq!((ended.attempt, ended.ending), (Incarnation(2), exit::Ending::Signaled(9)));
        assert_eq!((ended.sigkill, ended.oom_kills), (None, 0));
    }
}
