//! Kills that the brake holds.

use super::*;

const WHY: Hold = Hold::Late { containers: 2 };

/// Story of a condemned container whose kill is held.
fn held() -> Story {
    let mut story = Story::running(RestartPolicy::Always);
    story.brake = Some(WHY);
    let actions = story.condemned();
    assert!(
        !actions
            .iter()
            .any(|action| matches!(action, Action::Instance(_, InstanceAction::Signal(..)))),
        "{actions:?}"
    );
    assert!(story.machine.status().kill_held.is_some());
    story
}

fn kills(actions: &[Action]) -> bool {
    actions.contains(&Action::Instance(Incarnation(0), InstanceAction::Signal(15)))
}

/// Passes a second, after which the brake is asked again and the probe runs.
fn tick(story: &mut Story) -> Vec<Action> {
    story.pass(SECOND);
    story.tell(Event::Tick)
}

fn passes(story: &mut Story) -> Vec<Action> {
    tick(story);
    story.probed(ProbeKind::Liveness, Outcome::Success(String::new()))
}

#[test]
fn a_hold_is_published_once_and_is_in_the_status_while_it_lasts() {
    let mut story = Story::running(RestartPolicy::Always);
    story.brake = Some(WHY);
    let actions = story.condemned();
    let message = format!("Container app failed liveness probe, its kill is held: {WHY}");
    assert_eq!(Story::reasons(&actions)[1], ("KillHeld", message.as_str()));
    let verdict_at = story.now;
    for _ in 0..5 {
        story.pass(SECOND);
        let actions = story.fails_probe();
        assert!(matches!(Story::reasons(&actions)[..], [("Unhealthy", _)]), "{actions:?}");
        let shown = story.machine.status().kill_held.unwrap();
        assert_eq!((shown.probe, shown.since), (ProbeKind::Liveness, verdict_at.wall));
        assert_eq!(shown.reason, WHY.to_string());
    }
    assert_eq!(story.asked, [verdict_at.mono; 6], "asked each second, for the verdict's time");
    let budget = Hold::Budget { burst: 1, refill: SECOND };
    story.brake = Some(budget);
    assert_eq!(Story::reasons(&tick(&mut story)), []);
    assert_eq!(story.machine.status().kill_held.unwrap().reason, budget.to_string());
}

#[test]
fn a_kill_that_is_granted_later_is_like_any_other() {
    let mut story = held();
    story.brake = None;
    let actions = tick(&mut story);
    assert!(kills(&actions));
    let reasons = [("Killing", "Container app failed liveness probe, will be restarted")];
    assert_eq!(Story::reasons(&actions), reasons);
    assert_eq!(story.machine.status().kill_held, None);
    story.ended(Ending::Signaled(15));
    story.started();
    let status = story.machine.status();
    assert_eq!(status.restart_count, 1);
    assert!(matches!(status.last_state.unwrap().cause, Cause::Probe { .. }));
}

#[test]
fn one_success_clears_the_mark_and_the_counters() {
    let mut story = held();
    let actions = passes(&mut story);
    assert!(matches!(Story::reasons(&actions)[..], [("ProbeRecovered", _)]), "{actions:?}");
    assert_eq!(story.machine.status().kill_held, None);
    story.brake = None;
    assert!(!kills(&tick(&mut story)));
    story.probed(ProbeKind::Liveness, Outcome::Success(String::new()));
    story.pass(SECOND);
    assert!(kills(&story.condemned()), "three new failures");
}

#[test]
fn late_failures_and_errors_do_not_clear_it() {
    let mut story = held();
    tick(&mut story);
    let outcome = Outcome::Failure("late".into());
    let actions = story.probed_after(ProbeKind::Liveness, outcome, 60 * SECOND);
    assert!(actions.contains(&Action::ReportLate), "{actions:?}");
    tick(&mut story);
    for _ in 0..3 {
        story.probed(ProbeKind::Liveness, Outcome::Error("away".into()));
    }
    assert!(story.machine.status().kill_held.is_some());
}

#[test]
fn a_pause_or_a_changed_probe_withdraws_the_kill() {
    let pause: fn(&mut Story) = |story| {
        story.tell(Event::Pause { length: SECOND });
    };
    let change: fn(&mut Story) = |story| {
        let mut pod = pod(RestartPolicy::Always);
        pod.containers[0].probes.liveness.as_mut().unwrap().timeout = 2 * SECOND;
        story.tell(Event::Respec(Arc::new(pod)));
    };
    for pardons in [pause, change] {
        let mut story = held();
        pardons(&mut story);
        assert_eq!(story.machine.status().kill_held, None);
        story.brake = None;
        let fails = |story: &mut Story| {
            tick(story);
            kills(&story.probed(ProbeKind::Liveness, Outcome::Failure("no".into())))
        };
        assert_eq!([(); 3].map(|()| fails(&mut story)), [false, false, true]);
    }
}

#[test]
fn a_change_of_something_else_leaves_it() {
    let mut story = held();
    let mut pod = pod(RestartPolicy::Always);
    pod.termination_grace = SECOND;
    story.tell(Event::Respec(Arc::new(pod)));
    assert!(story.machine.status().kill_held.is_some());
}

#[test]
fn an_operator_is_never_braked() {
    for verb in [
        Event::Restart { grace: None },
        Event::Wanted { wanted: Wanted::Stopped, grace: None },
        Event::Kill { signal: 15 },
    ] {
        let mut story = held();
        let signal_alone = matches!(verb, Event::Kill { .. });
        assert!(kills(&story.tell(verb)));
        assert_eq!(story.machine.status().kill_held.is_some(), signal_alone);
        story.ended(Ending::Signaled(15));
        assert_eq!(story.machine.status().kill_held, None);
        story.brake = None;
        assert!(!kills(&tick(&mut story)), "the next instance is not meant");
    }
}

#[test]
fn an_answer_of_an_older_instance_is_dropped() {
    let mut story = held();
    story.ended(Ending::Exited(1));
    story.started();
    assert_eq!(story.tell(InstanceEvent::Granted.of(Incarnation(0))), []);
    assert_eq!(story.tell(InstanceEvent::Granted.of(Incarnation(1))), []);
}

#[test]
fn only_containers_that_a_probe_may_end_count_as_probed() {
    let mut story = Story::running(RestartPolicy::Always);
    assert!(story.machine.may_be_ended_by_probe());
    story.tell(Event::Pause { length: SECOND });
    assert!(!story.machine.may_be_ended_by_probe());
    story.tell(Event::Resume);
    let mut notifies = pod(RestartPolicy::Always);
    let probes = &mut notifies.containers[0].probes;
    probes.liveness.as_mut().unwrap().on_failure = Some(OnFailure::Notify);
    probes.readiness = pod(RestartPolicy::Always).containers[0].probes.liveness.clone();
    story.tell(Event::Respec(Arc::new(notifies)));
    assert!(!story.machine.may_be_ended_by_probe());
    story.tell(Event::Respec(Arc::new(pod(RestartPolicy::Always))));
    story.condemned();
    assert!(story.machine.may_be_ended_by_probe(), "one that is being killed");
    story.want(Wanted::Stopped);
    story.ended(Ending::Signaled(15));
    assert!(!story.machine.may_be_ended_by_probe());
}

/// Fails the probe after `latency`; its timeout is a second.
fn fails_after(story: &mut Story, latency: Duration) {
    story.tell(Event::Tick);
    let outcome = Outcome::Failure("bad".into());
    story.probed_after(ProbeKind::Liveness, outcome, latency);
    story.pass(SECOND);
}

#[test]
fn the_brake_learns_whether_the_verdict_needs_a_timeout() {
    let (answer, timeout) = (Duration::ZERO, SECOND);
    for (failures, by_timeout) in [
        ([answer, answer, answer], false),
        ([timeout, timeout, timeout], true),
        ([timeout, answer, answer], true),
        ([answer, answer, timeout], true),
    ] {
        let mut story = Story::running(RestartPolicy::Always);
        story.brake = Some(WHY);
        failures.into_iter().for_each(|latency| fails_after(&mut story, latency));
        assert_eq!((!story.asked.is_empty(), story.by_timeout), (true, by_timeout), "{failures:?}");
        // While the kill is held, three failures that were answers are a new verdict.
        for _ in 0..3 {
            fails_after(&mut story, answer);
        }
        story.tell(Event::Tick);
        assert!(!story.by_timeout, "{failures:?}");
    }
}
