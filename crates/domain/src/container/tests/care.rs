//! Pauses, changed probes, termination, lateness, and the shim's memory.

use super::*;
use crate::spec::Exec;

fn failure() -> Outcome {
    Outcome::Failure("no".into())
}

fn kinds(actions: &[Action]) -> Vec<ProbeKind> {
    let kind = |action: &Action| match action {
        Action::Instance(_, InstanceAction::Probe(kind, _)) => Some(*kind),
        _ => None,
    };
    actions.iter().filter_map(kind).collect()
}

fn with(change: impl FnOnce(&mut Probes)) -> PodSpec {
    let mut pod = pod(RestartPolicy::Always);
    change(&mut pod.containers[0].probes);
    pod
}

fn running(pod: PodSpec) -> Story {
    let mut story = Story::new(pod);
    story.want(Wanted::Running);
    story.started();
    story
}

fn recovered(story: &Story, pod: PodSpec) -> Story {
    let container = pod.containers[0].clone();
    let memory = story.machine.memory();
    let found = Recovered::Running { pid: 7 };
    let mut after = Story::new(pod.clone());
    after.now = story.now;
    after.machine =
        Machine::recover(Arc::new(pod), container, memory, "c".into(), [], found, story.now).0;
    after
}

#[test]
fn a_pause_stops_probes_and_ends_by_itself() {
    let mut story = Story::running(RestartPolicy::Always);
    story.fails_probe();
    story.pass(SECOND);
    story.fails_probe();
    let actions = story.tell(Event::Pause { length: 600 * SECOND });
    assert_eq!(Story::reasons(&actions), [("ProbesPaused", "Probes paused for 10m0s")]);
    assert!(actions.contains(&Action::Persist));
    assert_eq!(story.machine.deadline(), Some(story.now.mono + 600 * SECOND));
    assert_eq!(story.machine.status().paused_until, Some(story.now.wall + 600 * SECOND));
    story.pass(599 * SECOND);
    assert_eq!(story.tell(Event::Tick), []);
    story.pass(SECOND);
    let actions = story.tell(Event::Tick);
    assert_eq!(Story::reasons(&actions), [("ProbesResumed", "Probes resumed")]);
    assert_eq!(kinds(&actions), [ProbeKind::Liveness]);
    assert_eq!(story.machine.status().paused_until, None);
    // Failures from before the pause do not count.
    let mut killed = vec![story.probed(ProbeKind::Liveness, failure())];
    for _ in 0..2 {
        story.pass(SECOND);
        killed.push(story.fails_probe());
    }
    let killed = killed.iter().map(|actions| Story::reasons(actions).len() > 1);
    assert_eq!(killed.collect::<Vec<_>>(), [false, false, true]);
}

#[test]
fn a_result_from_before_a_pause_is_ignored() {
    let mut story = running(with(|p| p.liveness.as_mut().unwrap().failure_threshold = 1));
    story.tell(Event::Tick);
    story.tell(Event::Pause { length: 60 * SECOND });
    assert_eq!(story.probed(ProbeKind::Liveness, failure()), []);
    story.tell(Event::Resume);
    assert_eq!(story.probed(ProbeKind::Liveness, failure()), []);
    story.pass(SECOND);
    assert_eq!(kinds(&story.tell(Event::Tick)), [ProbeKind::Liveness]);
}

#[test]
fn a_pause_survives_the_daemon_and_new_instances() {
    let pod = pod(RestartPolicy::Always);
    let mut story = running(pod.clone());
    story.tell(Event::Pause { length: 60 * SECOND });
    story.pass(20 * SECOND);
    let mut after = recovered(&story, pod);
    assert_eq!(after.machine.deadline(), Some(after.now.mono + 40 * SECOND));
    after.ended(Ending::Exited(1));
    after.started();
    assert_eq!(after.tell(Event::Tick), []);
    after.pass(40 * SECOND);
    assert_eq!(kinds(&after.tell(Event::Tick)), [ProbeKind::Liveness]);
}

#[test]
fn a_changed_probe_begins_at_zero_and_an_unchanged_one_continues() {
    let old = with(|p| p.readiness = p.liveness.clone());
    let mut story = running(old.clone());
    let fail_both = |story: &mut Story| {
        story.pass(SECOND);
        story.tell(Event::Tick);
        let mut actions = story.probed(ProbeKind::Readiness, failure());
        actions.extend(story.probed(ProbeKind::Liveness, failure()));
        actions
    };
    fail_both(&mut story);
    fail_both(&mut story);
    let mut new = old.clone();
    new.containers[0].probes.liveness.as_mut().unwrap().timeout = 2 * SECOND;
    let actions = story.tell(Event::Respec(Arc::new(new)));
    let published = ("ProbesChanged", "Probes changed without a restart: liveness");
    assert_eq!(Story::reasons(&actions), [published]);
    assert!(actions.contains(&Action::Persist));
    let status = story.machine.status();
    let run = |kind| status.probes.iter().find(|p| p.kind == kind).unwrap().consecutive;
    assert_eq!((run(ProbeKind::Liveness), run(ProbeKind::Readiness)), (0, 2));
    let killed = |actions: &[Action]| {
        actions.iter().any(|a| matches!(a, Action::Instance(_, InstanceAction::Signal(..))))
    };
    assert!(!killed(&fail_both(&mut story)) && !killed(&fail_both(&mut story)));
    assert!(killed(&fail_both(&mut story)));
}

#[test]
fn started_and_ready_stay_when_probes_change() {
    let bare = with(|p| *p = Probes::default());
    let mut story = running(bare.clone());
    assert!(story.machine.status().ready);
    let probe = pod(RestartPolicy::Always).containers[0].probes.liveness.clone();
    let all = with(|p| (p.startup, p.readiness) = (probe.clone(), probe.clone()));
    story.tell(Event::Respec(Arc::new(all)));
    let status = story.machine.status();
    assert!(status.ready && status.started, "no flap");
    let due = kinds(&story.tell(Event::Tick));
    assert_eq!(due, [ProbeKind::Readiness, ProbeKind::Liveness], "it has started long ago");
    for _ in 0..3 {
        story.probed(ProbeKind::Readiness, failure());
        story.pass(SECOND);
        story.tell(Event::Tick);
    }
    assert!(!story.machine.status().ready);
    story.tell(Event::Respec(Arc::new(bare)));
    assert!(story.machine.status().ready);
    assert_eq!(kinds(&story.tell(Event::Tick)), []);
}

#[test]
fn readiness_is_probed_to_the_end_and_nothing_else() {
    let mut story = running(with(|p| p.readiness = p.liveness.clone()));
    story.tell(Event::Tick);
    story.probed(ProbeKind::Readiness, Outcome::Success(String::new()));
    story.want(Wanted::Stopped);
    assert!(story.machine.status().ready);
    assert_eq!(story.probed(ProbeKind::Liveness, failure()), [], "launched before");
    for _ in 0..3 {
        story.pass(SECOND);
        assert_eq!(kinds(&story.tell(Event::Tick)), [ProbeKind::Readiness]);
        story.probed(ProbeKind::Readiness, failure());
    }
    assert!(!story.machine.status().ready);
}

#[test]
fn readiness_does_not_flap_over_a_restart_of_the_daemon() {
    let pod = with(|p| p.readiness = p.liveness.clone());
    let mut story = running(pod.clone());
    story.tell(Event::Tick);
    story.probed(ProbeKind::Readiness, Outcome::Success(String::new()));
    let after = recovered(&story, pod);
    assert!(after.machine.status().ready);
}

#[test]
fn an_error_is_published_once_and_never_kills() {
    let mut story = running(with(|p| p.liveness.as_mut().unwrap().failure_threshold = 1));
    story.tell(Event::Tick);
    let error = || Outcome::Error("no such file".into());
    assert_eq!(kinds(&story.probed(ProbeKind::Liveness, error())), [ProbeKind::Liveness]);
    assert_eq!(kinds(&story.probed(ProbeKind::Liveness, error())), [ProbeKind::Liveness]);
    let actions = story.probed(ProbeKind::Liveness, error());
    let text = "Liveness probe errored and resulted in unknown state: no such file";
    assert_eq!(Story::reasons(&actions), [("Unhealthy", text)]);
    assert_eq!(actions.len(), 1);
}

#[test]
fn a_late_failure_is_published_as_late() {
    let mut story = running(with(|p| p.liveness.as_mut().unwrap().failure_threshold = 1));
    story.tell(Event::Tick);
    let actions = story.probed_after(ProbeKind::Liveness, failure(), 20 * SECOND);
    let text = "Liveness probe failed while probelet itself was late, not counted: no";
    assert_eq!(Story::reasons(&actions), [("ProbeLate", text)]);
    assert_eq!(actions[1..], [Action::ReportLate]);
}

#[test]
fn growth_of_the_shim_under_exec_probes_is_published_at_each_doubling() {
    let exec = Handler::Exec(Exec { command: vec!["true".into()] });
    let mut story = running(with(|p| p.liveness.as_mut().unwrap().handler = exec));
    let measure = |actions: &[Action]| {
        actions.contains(&Action::Instance(Incarnation(0), InstanceAction::MeasureShim))
    };
    assert!(measure(&story.tell(Event::Tick)));
    let mut published = Vec::new();
    for mib in [10, 30, 42, 60, 80, 300] {
        let incarnation = Incarnation(0);
        let actions = story.tell(InstanceEvent::ShimMeasured { bytes: mib << 20 }.of(incarnation));
        published.extend((!actions.is_empty()).then_some(mib));
    }
    assert_eq!(published, [42, 80, 300]);
    let shim = story.machine.status().shim.unwrap();
    assert_eq!((shim.first, shim.latest), (10 << 20, 300 << 20));
    story.pass(59 * SECOND);
    assert!(!measure(&story.tell(Event::Tick)));
    story.pass(SECOND);
    assert!(measure(&story.tell(Event::Tick)));
}

#[test]
fn a_shim_without_exec_probes_is_left_alone() {
    let mut story = Story::running(RestartPolicy::Always);
    assert!(
        !story
            .tell(Event::Tick)
            .contains(&Action::Instance(Incarnation(0), InstanceAction::MeasureShim))
    );
}

#[test]
fn a_kill_under_way_is_finished_by_the_next_daemon_with_its_cause() {
    let pod = pod(RestartPolicy::Always);
    let mut story = running(pod.clone());
    assert!(story.condemned().contains(&Action::Persist));
    story.pass(20 * SECOND);
    let mut after = recovered(&story, pod);
    assert_eq!(after.machine.deadline(), Some(after.now.mono + 10 * SECOND), "of 30 s of grace");
    after.pass(10 * SECOND);
    assert!(
        after
            .tell(Event::Tick)
            .contains(&Action::Instance(Incarnation(0), InstanceAction::Signal(9)))
    );
    after.ended(Ending::Signaled(9));
    after.started();
    let last = after.machine.status().last_state.unwrap();
    assert!(matches!(last.cause, Cause::Probe { .. }), "{:?}", last.cause);
}

#[test]
fn an_operators_restart_outlives_the_daemon() {
    let pod = pod(RestartPolicy::Never);
    let mut story = running(pod.clone());
    story.tell(Event::Restart { grace: None });
    let mut after = recovered(&story, pod);
    let actions = after.ended(Ending::Signaled(15));
    assert!(
        actions.contains(&Action::Instance(Incarnation(1), InstanceAction::Start)),
        "{actions:?}"
    );
}

#[test]
fn a_failed_cleanup_is_retried_one_at_a_time() {
    let mut story = Story::running(RestartPolicy::Always);
    let mut forgets = Vec::new();
    for _ in 0..4 {
        let mut actions = story.ended(Ending::Exited(1));
        story.pass(600 * SECOND);
        actions.extend(story.tell(Event::Tick));
        story.started();
        let forget = |a: Action| if let Action::DeleteAttempt(i) = a { Some(i.0) } else { None };
        forgets.extend(actions.into_iter().filter_map(forget));
    }
    assert_eq!(forgets, [0, 1, 2]);
    story.tell(Event::Leftovers { incarnation: Incarnation(1) });
    story.pass(SECOND);
    assert!(story.tell(Event::Tick).contains(&Action::DeleteAttempt(Incarnation(1))));
}

#[test]
fn a_failed_cleanup_before_a_round_is_retried_in_it() {
    let mut story = Story::running(RestartPolicy::Always);
    for _ in 0..2 {
        story.ended(Ending::Exited(1));
        story.pass(600 * SECOND);
        story.tell(Event::Tick);
        story.started();
    }
    story.tell(Event::AttemptDeleted { incarnation: Incarnation(0) });
    story.want(Wanted::Stopped);
    assert!(story.ended(Ending::Signaled(15)).contains(&Action::DeleteAttempt(Incarnation(1))));
    story.tell(Event::Leftovers { incarnation: Incarnation(1) });
    story.tell(PodSignal::Hold { round: 1, grace: None }.into());
    story.pass(SECOND);
    // Until the next attempt has a record, the two newest ones stay.
    assert!(!story.tell(Event::Tick).contains(&Action::DeleteAttempt(Incarnation(1))));
    story.want(Wanted::Running);
    let actions = story.tell(PodSignal::Start.into());
    assert!(actions.contains(&Action::DeleteAttempt(Incarnation(1))), "{actions:?}");
}
