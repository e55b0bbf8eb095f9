//! Evidence before a kill: the time of its capture, and the bound of the wait for it.

use super::*;
use crate::evidence::{CAPTURE, CAPTURE_WITH_COMMAND};

const CAPTURED: Action = Action::Instance(Incarnation(0), InstanceAction::Capture);
const TERM: Action = Action::Instance(Incarnation(0), InstanceAction::Signal(15));

fn condemned(lifecycle: Lifecycle) -> (Story, Vec<Action>) {
    let mut pod = pod(RestartPolicy::Always);
    pod.containers[0].lifecycle = lifecycle;
    let mut story = Story::new(pod);
    story.captures_last = true;
    story.want(Wanted::Running);
    story.started();
    let actions = story.condemned();
    (story, actions)
}

impl Story {
    fn captured(&mut self, reading: &str) -> Vec<Action> {
        self.captured_of(self.machine.memory().attempt, reading)
    }

    fn captured_of(&mut self, incarnation: Incarnation, reading: &str) -> Vec<Action> {
        self.tell(InstanceEvent::Captured { reading: reading.into() }.of(incarnation))
    }
}

#[test]
fn the_first_signal_waits_for_the_evidence_and_its_reading_is_published() {
    let (mut story, actions) = condemned(Lifecycle::default());
    assert!(actions.contains(&CAPTURED) && !actions.contains(&TERM), "{actions:?}");
    assert!(matches!(story.machine.condemned_for(), Some(Cause::Probe { .. })));
    let actions = story.captured("looks deadlocked");
    assert!(actions.contains(&TERM));
    let published = [
        ("Evidence", "looks deadlocked"),
        ("Killing", "Container app failed liveness probe, will be restarted"),
    ];
    assert_eq!(Story::reasons(&actions), published);
    // The grace begins at the signal.
    assert_eq!(story.machine.deadline(), Some(story.now.mono + 30 * SECOND));
    let late = story.captured("once more");
    assert_eq!(Story::reasons(&late), [("Evidence", "once more")]);
    assert_eq!(late.len(), 1);
}

#[test]
fn a_capture_that_hangs_delays_the_signal_no_longer_than_its_bound() {
    let exec = Some(Exec { command: vec!["jstack".into()] });
    let with_command = Lifecycle { evidence_exec: exec, ..Lifecycle::default() };
    for (lifecycle, bound) in
        [(Lifecycle::default(), CAPTURE), (with_command, CAPTURE_WITH_COMMAND)]
    {
        let (mut story, _) = condemned(lifecycle);
        assert_eq!(story.machine.deadline(), Some(story.now.mono + bound));
        story.pass(bound - Duration::from_millis(1));
        assert!(!story.tell(Event::Tick).contains(&TERM));
        story.pass(Duration::from_millis(1));
        assert!(story.tell(Event::Tick).contains(&TERM));
        assert_eq!(story.captured(""), [], "too late to matter");
    }
}

#[test]
fn the_evidence_comes_before_the_hook_and_before_a_sigkill_without_grace() {
    let pre_stop = Some(HookHandler::Sleep(SECOND));
    let (mut story, actions) = condemned(Lifecycle { pre_stop, ..Lifecycle::default() });
    let is_hook =
        |action: &Action| matches!(action, Action::Instance(_, InstanceAction::RunHook(..)));
    assert!(actions.contains(&CAPTURED) && !actions.iter().any(is_hook));
    let actions = story.captured("");
    assert!(actions.iter().any(is_hook) && !actions.contains(&TERM));

    let mut pod = pod(RestartPolicy::Always);
    pod.termination_grace = Duration::ZERO;
    let mut story = Story::new(pod);
    story.captures_last = true;
    story.want(Wanted::Running);
    story.started();
    let kill = Action::Instance(Incarnation(0), InstanceAction::Signal(9));
    assert!(!story.condemned().contains(&kill));
    assert!(story.captured("").contains(&kill));
}

#[test]
fn a_signal_for_the_evidence_goes_before_it() {
    let lifecycle = Lifecycle { evidence_signal: Some(3), ..Lifecycle::default() };
    let (_, actions) = condemned(lifecycle);
    let quit = Action::Instance(Incarnation(0), InstanceAction::Signal(3));
    let at = |wanted: &Action| actions.iter().position(|action| action == wanted).unwrap();
    assert!(at(&quit) < at(&CAPTURED));
}

#[test]
fn an_operators_stop_captures_nothing_and_waits_for_no_capture() {
    let mut story = Story::running(RestartPolicy::Always);
    story.captures_last = true;
    assert!(!story.want(Wanted::Stopped).iter().any(is_capture));

    let (mut story, _) = condemned(Lifecycle::default());
    assert!(story.want(Wanted::Stopped).contains(&TERM));
    assert_eq!(story.captured(""), []);
    story.ended(Ending::Signaled(15));
    let ContainerState::Terminated(ended) = story.machine.status().state else { panic!() };
    assert!(matches!(ended.cause, Cause::Operator { .. }));
}

#[test]
fn a_process_that_ends_during_the_capture_has_the_cause_of_its_condemnation() {
    let (mut story, _) = condemned(Lifecycle::default());
    let actions = story.ended(Ending::Signaled(3));
    assert!(
        !actions
            .iter()
            .any(|action| matches!(action, Action::Instance(_, InstanceAction::Signal(..))))
    );
    assert_eq!(Story::reasons(&actions)[0].0, "Killing");
    story.started();
    let last = story.machine.status().last_state.unwrap();
    assert!(matches!(last.cause, Cause::Probe { .. }), "{last:?}");
    let late = story.captured_of(Incarnation(0), "looks deadlocked");
    assert_eq!(Story::reasons(&late), [("Evidence", "looks deadlocked")], "of the attempt before");
    assert_eq!(late.len(), 1);
}

#[test]
fn the_first_signal_waits_only_for_the_processes() {
    let (mut story, _) = condemned(Lifecycle::default());
    let actions = story.tell(InstanceEvent::ProcessesCaptured.of(Incarnation(0)));
    assert!(actions.contains(&TERM), "{actions:?}");
    let rest = story.captured("looks deadlocked");
    assert_eq!(Story::reasons(&rest), [("Evidence", "looks deadlocked")]);
    assert_eq!(rest.len(), 1, "no second stop");
}

#[test]
fn each_failure_before_the_last_one_takes_a_sample() {
    let samples = |actions: &[Action]| {
        let sample = Action::Instance(Incarnation(0), InstanceAction::Sample);
        actions.iter().filter(|action| **action == sample).count()
    };
    let mut story = Story::running(RestartPolicy::Always);
    for expected in [1, 1, 0] {
        assert_eq!(samples(&story.fails_probe()), expected);
        story.pass(SECOND);
    }
    let mut notifies = pod(RestartPolicy::Always);
    let liveness = notifies.containers[0].probes.liveness.as_mut().unwrap();
    liveness.on_failure = Some(OnFailure::Notify);
    let mut story = Story::new(notifies);
    story.want(Wanted::Running);
    story.started();
    assert_eq!(samples(&story.fails_probe()), 0, "no kill follows");
    story.pass(SECOND);
    story.tell(Event::Tick);
    assert_eq!(samples(&story.probed(ProbeKind::Liveness, Outcome::Success(String::new()))), 0);
}

#[test]
fn a_container_is_condemned_once() {
    let (mut story, _) = condemned(Lifecycle::default());
    let mut pod = pod(RestartPolicy::Always);
    pod.containers[0].probes.liveness.as_mut().unwrap().failure_threshold = 1;
    story.tell(Event::Respec(Arc::new(pod)));
    let probes = story.tell(Event::Tick);
    assert!(
        probes
            .iter()
            .any(|action| matches!(action, Action::Instance(_, InstanceAction::Probe(..)))),
        "{probes:?}"
    );
    let again = story.probed(ProbeKind::Liveness, Outcome::Failure(String::new()));
    assert!(!again.iter().any(is_capture), "{again:?}");
    assert!(story.captured("").contains(&TERM));
}
