//! Phases of pods whose containers run, end and restart: no pod that continues has a final phase.

use super::*;

const CRASHES: u8 = 42;

fn rule(action: RestartAction) -> RestartRule {
    RestartRule { action, operator: ExitCodeOperator::In, values: vec![CRASHES.into()] }
}

/// Makes a pod of one policy in which each container restarts by a rule.
fn ruled(policy: RestartPolicy, init: &[&str], regular: &[&str]) -> PodSpec {
    let mut pod = pod(init, regular);
    pod.restart_policy = policy;
    for container in pod.init_containers.iter_mut().chain(&mut pod.containers) {
        container.restart_policy_rules = vec![rule(RestartAction::Restart)];
    }
    pod
}

#[test]
fn a_restart_by_a_rule_is_no_end() {
    let mut story = Story::begun(ruled(RestartPolicy::Never, &[], &["app"]));
    story.started("app");
    for _ in 0..3 {
        story.exits("app", CRASHES);
        assert_eq!(story.phase(), Phase::Running, "{:?}", story.machine("app").status());
        story.pass(100 * SECOND);
        assert_eq!(story.phase(), Phase::Running, "while it starts");
        story.started("app");
    }
    story.exits("app", 1);
    assert_eq!(story.phase(), Phase::Failed);
}

#[test]
fn nor_is_that_of_an_init_container_a_failure() {
    let mut story = Story::begun(ruled(RestartPolicy::Never, &["init"], &["app"]));
    story.started("init");
    for _ in 0..3 {
        story.exits("init", CRASHES);
        assert_eq!(story.phase(), Phase::Pending);
        story.pass(100 * SECOND);
        assert_eq!(story.phase(), Phase::Pending, "while it starts");
        story.started("init");
    }
    story.exits("init", 1);
    assert_eq!(story.phase(), Phase::Failed);
}

#[test]
fn a_restart_of_all_is_no_end_of_any() {
    let mut spec = ruled(RestartPolicy::Never, &[], &["app", "other"]);
    spec.containers[0].restart_policy_rules = vec![rule(RestartAction::RestartAllContainers)];
    spec.containers[1].restart_policy_rules.clear();
    let mut story = Story::begun(spec);
    story.started("app");
    story.started("other");
    story.exits("app", CRASHES);
    assert_eq!(story.phase(), Phase::Running);
    story.exits("other", 137);
    assert_eq!(story.phase(), Phase::Running);
    story.started("app");
    story.started("other");
    assert_eq!(story.phase(), Phase::Running);
}

#[test]
fn one_that_its_probe_has_killed_is_not_done() {
    for code in [0, 1] {
        let mut spec = pod(&[], &["app"]);
        spec.restart_policy = RestartPolicy::OnFailure;
        spec.containers[0].probes.liveness = Some(probe());
        let mut story = Story::begun(spec);
        story.started("app");
        for restarts in 1..4 {
            while story.machine("app").memory().stopping.is_none() {
                story.fails("app");
            }
            story.exits("app", code);
            assert_eq!(story.phase(), Phase::Running, "exit {code}, restart {restarts}");
            story.pass(100 * SECOND);
            assert_eq!(story.phase(), Phase::Running);
            story.started("app");
        }
        story.exits("app", 0);
        assert_eq!(story.phase(), Phase::Succeeded, "by itself it is");
    }
}

#[test]
fn a_restart_by_an_operator_is_no_failure() {
    let mut spec = pod(&[], &["app"]);
    spec.restart_policy = RestartPolicy::Never;
    let mut story = Story::begun(spec);
    story.started("app");
    story.tell("app", Event::Restart { grace: None });
    story.exits("app", 143);
    assert_eq!(story.phase(), Phase::Running);
    story.started("app");
    story.exits("app", 1);
    assert_eq!(story.phase(), Phase::Failed);
    story.tell("app", Event::Restart { grace: None });
    assert_eq!(story.phase(), Phase::Running);
}

#[test]
fn one_in_its_post_start_hook_is_pending_and_fails_no_pod() {
    let mut spec = pod(&[], &["app"]);
    let exec = Exec { command: vec!["true".into()] };
    spec.containers[0].lifecycle.post_start = Some(HookHandler::Exec(exec));
    let mut story = Story::begun(spec);
    story.started("app");
    assert_eq!(story.phase(), Phase::Pending);
    story.post_started("app", Err("exit 3"));
    assert_eq!(story.phase(), Phase::Pending);
    assert!(!story.condition("Ready").0);
    story.exits("app", 0);
    assert_eq!(story.phase(), Phase::Running, "waiting, and it has run");
    story.started("app");
    story.post_started("app", Ok(()));
    assert_eq!(story.phase(), Phase::Running);
    assert!(story.condition("Ready").0);
}

#[test]
fn a_deadline_that_passes_in_a_post_start_hook_fails_the_pod_once_that_has_ended() {
    let mut spec = pod(&[], &["app"]);
    spec.active_deadline = Some(60 * SECOND);
    let exec = Exec { command: vec!["true".into()] };
    spec.containers[0].lifecycle.post_start = Some(HookHandler::Exec(exec));
    let mut story = Story::begun(spec);
    story.started("app");
    story.pass(60 * SECOND);
    assert_eq!(story.saw().last().unwrap(), "signal app 15");
    assert_eq!(story.phase(), Phase::Pending, "its process lives");
    story.exits("app", 0);
    assert_eq!(story.phase(), Phase::Failed);
}
