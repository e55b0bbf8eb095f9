//! Restarts after a kill by a probe. The policy and the rules decide on them, not the way in which
//! the process ends.

use super::*;
use crate::status::Stage;

/// Ends of processes after a stop signal: with exit code 0 or another one, by the signal, and by
/// SIGKILL after the grace; as the kernel and as containerd report them.
pub const ENDINGS: [Ending; 10] = [
    Ending::Exited(0),
    Ending::Exited(1),
    Ending::Exited(137),
    Ending::Exited(143),
    Ending::Signaled(15),
    Ending::Signaled(9),
    Ending::Reported(0),
    Ending::Reported(137),
    Ending::Reported(143),
    Ending::Lost,
];

fn of(policy: RestartPolicy, kind: ProbeKind) -> PodSpec {
    let mut pod = pod(policy);
    let probes = &mut pod.containers[0].probes;
    if kind == ProbeKind::Startup {
        probes.startup = probes.liveness.take();
    }
    pod
}

fn running(pod: PodSpec) -> Story {
    let mut story = Story::new(pod);
    story.want(Wanted::Running);
    story.started();
    story
}

/// Fails the only probe until the stop signal comes.
fn killed(story: &mut Story, kind: ProbeKind) -> Vec<Action> {
    for _ in 0..10 {
        story.pass(SECOND);
        story.tell(Event::Tick);
        let actions = story.probed(kind, Outcome::Failure("500".into()));
        if actions
            .iter()
            .any(|action| matches!(action, Action::Instance(_, InstanceAction::Signal(..))))
        {
            return actions;
        }
    }
    panic!("not killed");
}

fn starts(actions: &[Action]) -> bool {
    actions.iter().any(|action| matches!(action, Action::Instance(_, InstanceAction::Start)))
}

fn rule(values: &[i32]) -> RestartRule {
    let (action, operator) = (RestartAction::Restart, ExitCodeOperator::In);
    RestartRule { action, operator, values: values.to_vec() }
}

#[test]
fn after_a_kill_only_the_policy_never_prevents_a_restart() {
    for kind in [ProbeKind::Liveness, ProbeKind::Startup] {
        for ending in ENDINGS {
            for policy in [RestartPolicy::Always, RestartPolicy::OnFailure, RestartPolicy::Never] {
                let mut story = running(of(policy, kind));
                let actions = killed(&mut story, kind);
                let announced =
                    Story::reasons(&actions).iter().any(|(_, text)| text.ends_with("restarted"));
                let restarts = starts(&story.ended(ending));
                let case = format!("{policy:?} {kind:?} {ending:?}");
                assert_eq!(restarts, policy != RestartPolicy::Never, "{case}");
                assert_eq!(announced, restarts, "{case}");
            }
        }
    }
}

#[test]
fn an_exit_with_0_by_itself_is_final_under_on_failure() {
    let mut story = Story::running(RestartPolicy::OnFailure);
    assert!(!starts(&story.ended(Ending::Exited(0))));
    assert_eq!(story.machine.status().stage, Stage::Over);
}

#[test]
fn under_never_the_rules_decide_by_the_code_of_the_killed_one() {
    for (ending, expected) in [
        (Ending::Signaled(15), true),
        (Ending::Signaled(9), true),
        (Ending::Exited(143), true),
        (Ending::Reported(137), true),
        (Ending::Exited(0), false),
        (Ending::Exited(1), false),
    ] {
        let mut pod = pod(RestartPolicy::Never);
        pod.containers[0].restart_policy_rules = vec![rule(&[137, 143])];
        let mut story = running(pod);
        let actions = killed(&mut story, ProbeKind::Liveness);
        // The message announces no restart, because the exit code decides on it.
        assert_eq!(Story::reasons(&actions)[1].1, "Container app failed liveness probe");
        assert_eq!(starts(&story.ended(ending)), expected, "{ending:?}");
    }
}

#[test]
fn an_adopted_container_that_exits_with_0_restarts_up_to_the_limit() {
    let mut pod = pod(RestartPolicy::OnFailure);
    let container = &mut pod.containers[0];
    container.source = Source::Adopted(Adopted {
        image: "app:1".into(),
        labels: BTreeMap::new(),
        image_labels: None,
        named: true,
    });
    container.backoff.max_restarts = Some(1);
    let mut story = running(pod);
    killed(&mut story, ProbeKind::Liveness);
    assert!(starts(&story.ended(Ending::Exited(0))));
    story.started();
    killed(&mut story, ProbeKind::Liveness);
    let actions = story.ended(Ending::Exited(0));
    assert_eq!(Story::reasons(&actions)[0].0, "BackoffLimitExceeded");
    assert_eq!(story.machine.status().stage, Stage::Over);
}

/// The daemon dies during the stop, and the container ends meanwhile.
#[test]
fn a_kill_keeps_its_cause_if_the_daemon_dies_during_the_stop() {
    for ending in ENDINGS {
        let mut story = running(of(RestartPolicy::OnFailure, ProbeKind::Startup));
        killed(&mut story, ProbeKind::Startup);
        let found = Recovered::Ended(ending, story.now.wall, Default::default());
        assert!(starts(&story.recovered(found)), "{ending:?}");
        let last = story.machine.memory().last_state.clone().unwrap();
        assert!(matches!(last.cause, Cause::Probe { kind: ProbeKind::Startup, .. }), "{last:?}");
    }
    // No task was left.
    for found in [Recovered::Nothing, Recovered::NodeRestarted] {
        let mut story = running(of(RestartPolicy::OnFailure, ProbeKind::Liveness));
        killed(&mut story, ProbeKind::Liveness);
        assert!(starts(&story.recovered(found)));
        let last = story.machine.memory().last_state.clone().unwrap();
        assert!(matches!(last.cause, Cause::Probe { .. }), "{last:?}");
    }
}

/// The daemon dies between the verdict and the stop signal, when the container may handle the
/// evidence signal.
#[test]
fn a_kill_keeps_its_cause_if_the_daemon_dies_before_the_stop_signal() {
    let mut story = running(pod(RestartPolicy::OnFailure));
    story.captures_last = true;
    let actions = story.condemned();
    let at = |wanted: fn(&Action) -> bool| actions.iter().position(wanted).unwrap();
    assert!(at(|a| *a == Action::Persist) < at(is_capture), "the reason is on its way first");
    let before = story.machine.memory();
    let found = Recovered::Ended(Ending::Exited(0), story.now.wall, Default::default());
    assert!(starts(&story.recovered(found)));
    let last = story.machine.memory().last_state.clone().unwrap();
    assert!(matches!(last.cause, Cause::Probe { .. }), "{last:?}");

    // An instance that runs on is probed again, and a later end has its own cause.
    story.recovered_from(before, Recovered::Running { pid: 7 });
    assert!(!starts(&story.ended(Ending::Exited(0))));
    assert_eq!(story.machine.status().history.iter().next().unwrap().cause, Cause::Itself);
}

#[test]
fn a_choice_to_stop_holds_over_such_a_death() {
    let mut pod = pod(RestartPolicy::Always);
    pod.containers[0].probes.liveness.as_mut().unwrap().on_failure = Some(OnFailure::Stop);
    let mut story = running(pod);
    story.captures_last = true;
    story.condemned();
    let found = Recovered::Ended(Ending::Exited(0), story.now.wall, Default::default());
    assert!(!starts(&story.recovered(found)));
    assert_eq!(story.machine.memory().wanted, Wanted::Stopped);
    assert!(story.machine.member().is_stopped_by_probe());
}
