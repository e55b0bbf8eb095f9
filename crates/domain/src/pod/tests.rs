use serde_json::Value;

use super::*;
use crate::Incarnation;
use crate::exit::{Cause, Ending, Terminated};
use crate::spec::{ContainerSpec, RestartPolicy, sample};
use crate::status::{ContainerState, Stage, WaitingReason};

mod allocations;
mod order;

fn ended(code: &str) -> Terminated {
    let code: u8 = code.parse().unwrap();
    let ending = Ending::Exited(code);
    Terminated {
        attempt: Incarnation(0),
        container_id: String::new(),
        ending,
        cause: Cause::Itself,
        reason: ending.reason().into(),
        exit_code: code.into(),
        signal: None,
        message: String::new(),
        started_at: None,
        finished_at: SystemTime::UNIX_EPOCH,
        sigkill: None,
        oom_kills: 0,
    }
}

fn spec_of(name: &str, restart_policy: Option<RestartPolicy>) -> ContainerSpec {
    let spec = sample::pod().containers.remove(0);
    ContainerSpec { name: name.into(), restart_policy, ..spec }
}

/// Makes a pod of containers with these names; a name that ends in `+` is a sidecar.
fn pod(init: &[&str], regular: &[&str]) -> PodSpec {
    let spec = |name: &&str| match name.strip_suffix('+') {
        Some(name) => spec_of(name, Some(RestartPolicy::Always)),
        None => spec_of(name, None),
    };
    PodSpec {
        restart_policy: RestartPolicy::Always,
        init_containers: init.iter().map(spec).collect(),
        containers: regular.iter().map(spec).collect(),
        ..sample::pod()
    }
}

/// `R` running (`R+` started), `W` waiting, `WL<n>` waiting after exit n, `T<n>` terminated, `X` no status.
fn container(code: &str) -> ContainerStatus {
    let waiting =
        ContainerState::Waiting { reason: WaitingReason::Created, message: String::new() };
    let (state, last_state) = match code {
        "R" | "R+" | "R-" => (ContainerState::Running { started_at: SystemTime::UNIX_EPOCH }, None),
        "W" | "X" => (waiting, None),
        _ => match (code.strip_prefix("WL"), code.strip_prefix('T')) {
            (Some(code), _) => (waiting, Some(ended(code))),
            (_, Some(code)) => (ContainerState::Terminated(ended(code)), None),
            _ => panic!("unknown code {code}"),
        },
    };
    ContainerStatus {
        user: None,
        next_try: None,
        given_up: false,
        paused_until: None,
        shim: None,
        kill_held: None,
        name: "app".into(),
        attempt: Incarnation(0),
        instance: Incarnation(0),
        // The policy decides what follows.
        stage: Stage::Over,
        ready: false,
        started: code == "R+",
        restart_count: 0,
        image: String::new(),
        image_id: String::new(),
        container_id: String::new(),
        pid: None,
        state,
        last_state,
        history: Default::default(),
        probes: Vec::new(),
    }
}

fn policy(name: &Value) -> RestartPolicy {
    match name.as_str().unwrap() {
        "Always" => RestartPolicy::Always,
        "OnFailure" => RestartPolicy::OnFailure,
        "Never" => RestartPolicy::Never,
        other => panic!("unknown policy {other}"),
    }
}

#[test]
fn phases_match_the_vectors() {
    let mut seen = 0;
    for line in include_str!("../vectors/pod-phase.jsonl").lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let statuses = |key: &str| -> Vec<ContainerStatus> {
            let codes = row.get(key).and_then(Value::as_array).into_iter().flatten();
            codes.map(|code| container(code.as_str().unwrap())).collect()
        };
        let (init, regular) = ([statuses("init"), statuses("side")].concat(), statuses("c"));
        let mut spec = pod(&[], &[]);
        spec.restart_policy = policy(&row["policy"]);
        let plain = statuses("init").len();
        spec.init_containers = (0..init.len())
            .map(|i| spec_of(&format!("i{i}"), (i >= plain).then_some(RestartPolicy::Always)))
            .collect();
        let own = |i: usize| row.get("cpol").and_then(|p| p.get(i)).map(policy);
        spec.containers = (0..regular.len()).map(|i| spec_of(&format!("c{i}"), own(i))).collect();
        let ended = row.get("terminal").is_some();
        assert_eq!(phase(&spec, &init, &regular, ended).as_str(), row["phase"], "{line}");
        seen += 1;
    }
    assert_eq!(seen, 33);
}

#[test]
fn a_later_deletion_can_only_shorten_the_grace() {
    let wall = SystemTime::UNIX_EPOCH;
    let now = Now { mono: Instant::now(), wall, booted_at: wall };
    let later = Now { wall: now.wall + Duration::from_secs(10), ..now };
    let spec = Arc::new(pod(&[], &["a"]));
    let image = crate::container::ImageFacts::default();
    let machine = Machine::new(spec.clone(), spec.containers[0].clone(), image, now);
    let mut pod = Pod::new(spec, vec![machine], now);
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    for (grace, expected) in [
        (seconds(100), (now, 100)),
        (None, (now, 100)),
        (seconds(90), (now, 100)),
        (seconds(89), (later, 89)),
        (seconds(0), (later, 0)),
        (seconds(50), (later, 0)),
    ] {
        let at = if pod.deletion.is_none() { now } else { later };
        pod.ask(Wanted::Removed, grace, at);
        let (asked, length) = pod.status().deletion.unwrap();
        assert_eq!((asked, length.as_secs()), (expected.0.wall, expected.1), "{grace:?}");
    }
}
