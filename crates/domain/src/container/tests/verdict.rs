//! What follows from a probe's final word.

use super::*;

/// Running, with this choice for its liveness probe.
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
fn stop_ends_the_instance_and_none_follows_until_one_is_wanted() {
    let mut story = choosing(OnFailure::Stop);
    let actions = story.condemned();
    assert!(actions.contains(&Action::Instance(Incarnation(0), InstanceAction::Signal(15))));
    let message = "Container app failed liveness probe, will be stopped";
    assert_eq!(Story::reasons(&actions)[1], ("Killing", message));
    assert_eq!(story.machine.memory().wanted, Wanted::Stopped);
    assert!(actions.contains(&Action::Persist));

    let actions = story.ended(Ending::Signaled(15));
    assert_eq!(actions, [Action::Persist, Action::Reap(Incarnation(0))]);
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
fn a_daemon_that_dies_in_such_a_stop_leaves_it_a_stop() {
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
fn notify_tells_once_a_verdict_and_tells_the_recovery() {
    let mut story = choosing(OnFailure::Notify);
    let told = story.condemned();
    let output = "HTTP probe failed with statuscode: 500";
    let failed = format!("Container app failed liveness probe, action notify: {output}");
    assert_eq!(Story::reasons(&told)[1], ("ProbeFailed", failed.as_str()));
    for row in 4..9 {
        story.pass(SECOND);
        let told = story.fails_probe();
        assert!(matches!(Story::reasons(&told)[..], [("Unhealthy", _)]), "{told:?}");
        let probe = &story.machine.status().probes[0];
        assert_eq!((probe.verdict, probe.consecutive), (Verdict::Failure, row));
    }
    let told = passes(&mut story);
    let recovered = "Container app passed liveness probe again";
    assert_eq!(Story::reasons(&told), [("ProbeRecovered", recovered)]);
    assert_eq!(Story::reasons(&passes(&mut story)), []);

    story.pass(SECOND);
    assert!(Story::reasons(&story.condemned()).iter().any(|(reason, _)| *reason == "ProbeFailed"));
    assert_eq!(story.machine.status().restart_count, 0);
}

#[test]
fn a_startup_probe_that_notifies_goes_on_until_it_passes() {
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
        let told = story.probed(ProbeKind::Startup, Outcome::Failure("no".into()));
        story.pass(SECOND);
        told
    };
    let told: Vec<_> = (0..6).flat_map(|_| fails(&mut story)).collect();
    let count = |told: &[Action], reason| {
        Story::reasons(told).iter().filter(|(own, _)| *own == reason).count()
    };
    assert_eq!(count(&told, "ProbeFailed"), 1);
    story.tell(Event::Tick);
    let told = story.probed(ProbeKind::Startup, Outcome::Success(String::new()));
    assert_eq!(count(&told, "ProbeRecovered"), 1);
    assert!(story.machine.status().started);
    // From now on the liveness probe has the word.
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
