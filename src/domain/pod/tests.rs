use serde_json::Value;

use super::*;
use crate::domain::Incarnation;
use crate::domain::exit::{Cause, Ending};
use crate::domain::status::Terminated;

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

/// `R` running, `W` waiting, `WL<n>` waiting after exit n, `T<n>` terminated, `X` no status.
fn container(code: &str) -> ContainerStatus {
    let waiting = ContainerState::Waiting { reason: "x".into(), message: String::new() };
    let (state, last_state) = match code {
        "R" => (ContainerState::Running { started_at: SystemTime::UNIX_EPOCH }, None),
        "W" | "X" => (waiting, None),
        _ => match (code.strip_prefix("WL"), code.strip_prefix('T')) {
            (Some(code), _) => (waiting, Some(ended(code))),
            (_, Some(code)) => (ContainerState::Terminated(ended(code)), None),
            _ => panic!("unknown code {code}"),
        },
    };
    ContainerStatus {
        paused_until: None,
        shim: None,
        kill_held: None,
        name: "app".into(),
        attempt: Incarnation(0),
        ready: false,
        started: false,
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
        // Init containers, sidecars and a pod's forced end do not exist here yet.
        if ["init", "side", "terminal"].iter().any(|key| row.get(key).is_some()) {
            continue;
        }
        seen += 1;
        let containers: Vec<_> =
            row["c"].as_array().unwrap().iter().map(|c| container(c.as_str().unwrap())).collect();
        let policies: Vec<_> = (0..containers.len())
            .map(|i| policy(row.get("cpol").and_then(|p| p.get(i)).unwrap_or(&row["policy"])))
            .collect();
        assert_eq!(phase(&policies, &containers).as_str(), row["phase"], "{line}");
    }
    assert_eq!(seen, 22);
}
