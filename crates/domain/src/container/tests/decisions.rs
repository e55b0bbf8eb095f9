//! Vectors of Kubernetes' restart decisions, each with all ends of a process after a stop signal:
//! the exit code does not change the decision.

use super::*;

#[test]
fn decisions_match_the_vectors() {
    let mut seen = 0;
    for line in include_str!("../../vectors/restart-decisions.jsonl").lines() {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        killed::ENDINGS.into_iter().for_each(|ending| holds(line, &row, ending));
        seen += 1;
    }
    assert_eq!(seen, 24);
}

fn holds(line: &str, row: &serde_json::Value, ending: Ending) {
    let mut spec = pod(policy(&row["policy"]));
    spec.containers[0].restart_policy = row.get("cpolicy").map(policy);
    spec.containers[0].restart_policy_rules = rules(row);
    let probes = &mut spec.containers[0].probes;
    probes.startup = probes.liveness.clone();
    probes.readiness = probes.liveness.clone();
    let mut fresh = Story::new(spec.clone());
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
        while !actions.iter().any(|a| matches!(a, Action::Instance(_, InstanceAction::Signal(..))))
        {
            story.pass(SECOND);
            story.tell(Event::Tick);
            actions = story.probed(kind, Outcome::Failure("no".into()));
        }
        let message = Story::reasons(&actions).last().unwrap().1.to_owned();
        actions.extend(story.ended(ending));
        (message, actions)
    };
    let (message, actions) = match row["state"].as_str().unwrap() {
        "exited" => {
            let code = u8::try_from(row["exit"].as_u64().unwrap()).unwrap();
            (None, story.ended(Ending::Exited(code)))
        }
        "none" | "created" => (None, fresh.want(Wanted::Running)),
        "running" => (None, story.tell(Event::Tick)),
        "readiness_failed" => {
            story.passes_startup();
            let fail = |story: &mut Story| {
                story.pass(SECOND);
                let mut actions = story.tell(Event::Tick);
                let failure = Outcome::Failure("no".into());
                actions.extend(story.probed(ProbeKind::Readiness, failure));
                actions
            };
            (None, (0..5).flat_map(|_| fail(&mut story)).collect())
        }
        // If both had failed, the startup probe would have failed first.
        "liveness_failed" | "both_failed" => {
            let (message, actions) = failed(ProbeKind::Liveness, &mut story);
            (Some(message), actions)
        }
        "startup_failed" => {
            let (message, actions) = failed(ProbeKind::Startup, &mut story);
            (Some(message), actions)
        }
        "unknown" => {
            let mut actions = story.recovered(Recovered::Unknown);
            let message = Story::reasons(&actions).last().unwrap().1.to_owned();
            actions.extend(story.ended(Ending::Lost));
            (Some(message), actions)
        }
        "spec_changed" => {
            let mut spec = PodSpec::clone(&story.machine.life.definition.pod);
            spec.containers[0].source = Source::Image("app:2".into());
            let mut actions = story.tell(Event::Respec(Arc::new(spec)));
            let message = Story::reasons(&actions).last().unwrap().1.to_owned();
            actions.extend(story.ended(ending));
            // The other image is on the machine.
            let image = Some(ImageFacts { id: "app@sha256:2".into(), ..ImageFacts::default() });
            let volumes = BTreeMap::new();
            let checked = InstanceEvent::ImagesChecked { image, volumes };
            actions.extend(story.tell(checked.of(story.machine.attempt())));
            (Some(message), actions)
        }
        other => panic!("unknown state {other}"),
    };
    let decision = row["do"].as_str().unwrap();
    let starts =
        actions.iter().any(|action| matches!(action, Action::Instance(_, InstanceAction::Start)));
    assert_eq!(starts, decision.contains("start"), "{line} {ending:?}");
    let kills = actions
        .iter()
        .any(|action| matches!(action, Action::Instance(_, InstanceAction::Signal(..))));
    assert!(!kills || decision.contains("kill"), "{line}");
    if let Some(message) = message {
        assert_eq!(message, row["msg"].as_str().unwrap(), "{line}");
    }
}

pub fn rules(row: &serde_json::Value) -> Vec<RestartRule> {
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

pub fn policy(name: &serde_json::Value) -> RestartPolicy {
    match name.as_str().unwrap() {
        "Always" => RestartPolicy::Always,
        "OnFailure" => RestartPolicy::OnFailure,
        _ => RestartPolicy::Never,
    }
}
