//! Kubernetes' restart decisions, row by row.

use super::*;

#[test]
fn decisions_match_the_vectors() {
    let mut seen = 0;
    for line in include_str!("../../vectors/restart-decisions.jsonl").lines() {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        let mut spec = pod(policy(&row["policy"]));
        spec.containers[0].restart_policy = row.get("cpolicy").map(policy);
        spec.containers[0].restart_policy_rules = rules(&row);
        spec.containers[0].probes.startup = spec.containers[0].probes.liveness.clone();
        let mut story = Story::new(spec);
        story.want(Wanted::Running);
        story.started();
        if row["deleted"] == true {
            story.want(Wanted::Removed);
        }
        let failed = |kind, story: &mut Story| {
            if kind == ProbeKind::Liveness {
                story.passes_startup();
            }
            let mut actions = Vec::new();
            while !actions.iter().any(|a| matches!(a, Action::Signal(..))) {
                story.pass(SECOND);
                story.tell(Event::Tick);
                actions = story.probed(kind, Outcome::Failure("no".into()));
            }
            let message = Story::reasons(&actions).last().unwrap().1.to_owned();
            actions.extend(story.ended(Ending::Signaled(15)));
            (message, actions)
        };
        let (message, actions) = match row["state"].as_str().unwrap() {
            "exited" => {
                let code = u8::try_from(row["exit"].as_u64().unwrap()).unwrap();
                (None, story.ended(Ending::Exited(code)))
            }
            "liveness_failed" => {
                let (message, actions) = failed(ProbeKind::Liveness, &mut story);
                (Some(message), actions)
            }
            "startup_failed" => {
                let (message, actions) = failed(ProbeKind::Startup, &mut story);
                (Some(message), actions)
            }
            _ => continue,
        };
        seen += 1;
        let starts = actions.contains(&Action::Start(Incarnation(1)));
        assert_eq!(starts, row["do"].as_str().unwrap().contains("start"), "{line}");
        if let Some(message) = message {
            assert_eq!(message, row["msg"].as_str().unwrap(), "{line}");
        }
    }
    assert_eq!(seen, 17);
}

pub(super) fn rules(row: &serde_json::Value) -> Vec<RestartRule> {
    let rule = |rule: &serde_json::Value| RestartRule {
        action: match rule["action"].as_str().unwrap() {
            "Restart" => RestartAction::Restart,
            _ => RestartAction::RestartAllContainers,
        },
        operator: match rule["op"].as_str().unwrap() {
            "In" => ExitCodeOperator::In,
            _ => ExitCodeOperator::NotIn,
        },
        values: serde_json::from_value(rule["values"].clone()).unwrap(),
    };
    row.get("rules")
        .map(|rules| rules.as_array().unwrap().iter().map(rule).collect())
        .unwrap_or_default()
}

pub(super) fn policy(name: &serde_json::Value) -> RestartPolicy {
    match name.as_str().unwrap() {
        "Always" => RestartPolicy::Always,
        "OnFailure" => RestartPolicy::OnFailure,
        _ => RestartPolicy::Never,
    }
}
