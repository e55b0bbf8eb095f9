//! Consequences of a probe's final verdict.

use super::*;

/// Story of a running container with this `onFailure` of its liveness probe.
fn choosing(choice: OnFailure) -> Story {
    let mut pod = pod(RestartPolicy::Always);
    pod.containers[0].probes.liveness.as_mut().unwrap().on_failure = Some(choice);
    let mut story = Story::new(pod);
    story.want(Wanted::Running);
    story.started();
    story
}

fn passes(story: &mut Story) -> Vec<Action> {
    story.pass(SECOND);
    story.tell(Event::Tick);
    story.probed(ProbeKind::Liveness, Outcome::Success(String::new()))
}

#[test]
fn on_failure_stop_ends_the_instance_and_none_follows_without_a_request() {
    let mut story = choosing(OnFailure::Stop);
    let actions = story.condemned();
    assert!(actions.contains(&Action::Instance(Incarnation(0), InstanceAction::Signal(15))));
    let message = "Container app failed liveness probe, will be stopped";
    assert_eq!(Story::reasons(&actions)[1], ("Killing", message));
    assert_eq!(story.machine.memory().wanted, Wanted::Stopped);
    assert!(actions.contains(&Action::Persist));

    let actions = story.ended(Ending::Signaled(15));
    assert_eq!(actions, [Action::Persist, Action::DeleteTask(Incarnation(0))]);
    let ContainerState::Terminated(ended) = story.machine.status().state else { panic!("lives") };
    assert!(matches!(ended.cause, Cause::Probe { kind: ProbeKind::Liveness, .. }));
    story.pass(1000 * SECOND);
    assert_eq!(story.tell(Event::Tick), []);
    assert!(
        story
            .want(Wanted::Running)
            .contains(&Action::Instance(Incarnation(1), InstanceAction::Start))
    );
}

#[test]
fn on_failure_stop_holds_if_the_daemon_dies_during_the_stop() {
    let mut story = choosing(OnFailure::Stop);
    story.condemned();
    let (memory, spec) = (story.machine.memory(), pod(RestartPolicy::Always));
    let container = spec.containers[0].clone();
    let found = Recovered::Ended(Ending::Signaled(15), story.now.wall, Default::default());
    let (machine, actions) =
        Machine::recover(Arc::new(spec), container, memory, "c".into(), [], found, story.now);
    assert!(
        !actions.iter().any(|action| matches!(action, Action::Instance(_, InstanceAction::Start)))
    );
    let ContainerState::Terminated(ended) = machine.status().state else { panic!("lives") };
    assert!(matches!(ended.cause, Cause::Probe { .. }));
}

#[test]
fn notify_publishes_each_verdict_once_and_the_recovery() {
    let mut story = choosing(OnFailure::Notify);
    let actions = story.condemned();
    let output = "HTTP probe failed with statuscode: 500";
    let failed = format!("Container app failed liveness probe, action notify: {output}");
    assert_eq!(Story::reasons(&actions)[1], ("ProbeFailed", failed.as_str()));
    for row in 4..9 {
        story.pass(SECOND);
        let actions = story.fails_probe();
        assert!(matches!(Story::reasons(&actions)[..], [("Unhealthy", _)]), "{actions:?}");
        let probe = &story.machine.status().probes[0];
        assert_eq!((probe.verdict, probe.consecutive), (Verdict::Failure, row));
    }
    let actions = passes(&mut story);
    let recovered = "Container app passed liveness probe again";
    assert_eq!(Story::reasons(&actions), [("ProbeRecovered", recovered)]);
    assert_eq!(Story::reasons(&passes(&mut story)), []);

    story.pass(SECOND);
    assert!(Story::reasons(&story.condemned()).iter().any(|(reason, _)| *reason == "ProbeFailed"));
    assert_eq!(story.machine.status().restart_count, 0);
}

#[test]
fn a_startup_probe_that_notifies_continues_until_it_passes() {
    let mut pod = pod(RestartPolicy::Always);
    let probes = &mut pod.containers[0].probes;
    let probe = probes.liveness.clone().unwrap();
    probes.startup = Some(ProbeSpec { on_failure: Some(OnFailure::Notify), ..probe });
    let mut story = Story::new(pod);
    story.want(Wanted::Running);
    story.started();
    let fails = |story: &mut Story| {
        let launched = story.tell(Event::Tick);
        assert!(matches!(
            launched[..],
            [Action::Instance(_, InstanceAction::Probe(ProbeKind::Startup, _))]
        ));
        let actions = story.probed(ProbeKind::Startup, Outcome::Failure("no".into()));
        story.pass(SECOND);
        actions
    };
    let actions: Vec<_> = (0..6).flat_map(|_| fails(&mut story)).collect();
    let count = |actions: &[Action], reason| {
        Story::reasons(actions).iter().filter(|(own, _)| *own == reason).count()
    };
    assert_eq!(count(&actions, "ProbeFailed"), 1);
    story.tell(Event::Tick);
    let actions = story.probed(ProbeKind::Startup, Outcome::Success(String::new()));
    assert_eq!(count(&actions, "ProbeRecovered"), 1);
    assert!(story.machine.status().started);
    // From now on the liveness probe runs.
    assert!(matches!(
        story.tell(Event::Tick)[..],
        [Action::Instance(_, InstanceAction::Probe(ProbeKind::Liveness, _))]
    ));
}

#[test]
fn a_changed_choice_counts_afresh() {
    let mut story = choosing(OnFailure::Notify);
    story.condemned();
    story.tell(Event::Respec(Arc::new(pod(RestartPolicy::Always))));
    story.pass(SECOND);
    assert!(
        story.condemned().contains(&Action::Instance(Incarnation(0), InstanceAction::Signal(15)))
    );
}
