//! Durations that no clock can add, as a record of an older version may have them.

use super::*;

fn longest(policy: RestartPolicy) -> PodSpec {
    let mut pod = pod(policy);
    (pod.termination_grace, pod.active_deadline) = (Duration::MAX, Some(Duration::MAX));
    let container = &mut pod.containers[0];
    container.backoff = BackoffLimits {
        base: Duration::MAX,
        cap: Duration::MAX,
        reset: Duration::MAX,
        max_restarts: None,
    };
    let probe = container.probes.liveness.as_mut().unwrap();
    (probe.period, probe.timeout) = (Duration::MAX, Duration::MAX);
    probe.termination_grace = Some(Duration::MAX);
    let first = ProbeSpec { initial_delay: Duration::MAX, ..probe.clone() };
    container.probes.startup = Some(first);
    container.lifecycle.pre_stop = Some(HookHandler::Sleep(Duration::MAX));
    pod
}

#[test]
fn they_end_no_machine() {
    let [year, max] = [Duration::from_secs(365 * 86_400), Duration::MAX];
    let ends = [
        Event::Wanted { wanted: Wanted::Stopped, grace: Some(max) },
        Event::Wanted { wanted: Wanted::Removed, grace: Some(max) },
        Event::Restart { grace: Some(max) },
        Event::Wanted { wanted: Wanted::Stopped, grace: None },
    ];
    for end in ends {
        let mut story = Story::new(longest(RestartPolicy::Always));
        story.want(Wanted::Running);
        story.started();
        story.tell(Event::Pause { length: max });
        story.tell(Event::Resume);
        story.tell(end);
        story.pass(year);
        story.tell(Event::Tick);
        assert!(
            matches!(story.machine.status().state, ContainerState::Running { .. }),
            "waits for it"
        );
        let shorter = Event::Wanted { wanted: Wanted::Removed, grace: Some(Duration::ZERO) };
        let mut actions = story.tell(shorter);
        actions.extend(story.tell(Event::Tick));
        assert!(
            actions.iter().any(|it| matches!(it, Action::Instance(_, InstanceAction::Signal(9))))
        );
        story.ended(Ending::Signaled(9));
        story.tell(Event::Tick);
    }
    // The first restart follows at once, the second waits for the longest back-off.
    let mut story = Story::new(longest(RestartPolicy::Always));
    story.want(Wanted::Running);
    for _ in 0..2 {
        story.started();
        story.ended(Ending::Exited(1));
    }
    story.pass(year);
    assert_eq!(story.tell(Event::Tick), []);
}

#[test]
fn long_durations_in_a_record_do_not_end_the_machine() {
    let mut story = Story::new(longest(RestartPolicy::Always));
    story.want(Wanted::Running);
    story.started();
    story.tell(Event::Pause { length: Duration::MAX });
    story.tell(Event::Wanted { wanted: Wanted::Stopped, grace: Some(Duration::MAX) });
    let pod = Arc::new(longest(RestartPolicy::Always));
    let (spec, memory) = (pod.containers[0].clone(), story.machine.memory());
    let found = Recovered::Running { pid: 7 };
    let (machine, _) =
        Machine::recover(pod, spec, memory, "c".into(), vec![Incarnation(0)], found, story.now);
    assert!(machine.deadline().is_some_and(|at| at > story.now.mono));
}
