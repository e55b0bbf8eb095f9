//! Hooks, stop signal and grace.

use super::*;

fn hooked(lifecycle: Lifecycle) -> Story {
    let mut pod = pod(RestartPolicy::Always);
    pod.containers[0].lifecycle = lifecycle;
    let mut story = Story::new(pod);
    story.want(Wanted::Running);
    story
}

fn pre_stop() -> Lifecycle {
    let pre_stop = Some(HookHandler::Sleep(5 * SECOND));
    Lifecycle { pre_stop, stop_signal: Some(3), ..Lifecycle::default() }
}

fn post_start() -> Lifecycle {
    Lifecycle { post_start: Some(HookHandler::Sleep(SECOND)), ..Lifecycle::default() }
}

impl Story {
    fn hook_ends(&mut self, kind: HookKind, result: Result<(), &str>) -> Vec<Action> {
        let incarnation = self.machine.memory().attempt;
        self.tell(
            InstanceEvent::Hooked { kind, result: result.map_err(Into::into) }.of(incarnation),
        )
    }
}

fn signals(actions: &[Action]) -> Vec<i32> {
    let signal = |action: &Action| match action {
        Action::Instance(_, InstanceAction::Signal(signal)) => Some(*signal),
        _ => None,
    };
    actions.iter().filter_map(signal).collect()
}

fn hooks(actions: &[Action]) -> Vec<(HookKind, u64)> {
    let hook = |action: &Action| match action {
        Action::Instance(_, InstanceAction::RunHook(kind, bound)) => Some((*kind, bound.as_secs())),
        _ => None,
    };
    actions.iter().filter_map(hook).collect()
}

#[test]
fn the_signal_waits_for_the_pre_stop_hook_within_the_grace() {
    let mut story = hooked(pre_stop());
    story.started();
    let actions = story.want(Wanted::Stopped);
    assert_eq!((hooks(&actions), signals(&actions)), (vec![(HookKind::PreStop, 30)], vec![]));
    assert_eq!(Story::reasons(&actions), [("Killing", "Stopping container app")]);
    story.pass(6 * SECOND);
    assert_eq!(signals(&story.hook_ends(HookKind::PreStop, Ok(()))), [3]);
    assert_eq!(story.machine.deadline(), Some(story.now.mono + 24 * SECOND));
    story.pass(24 * SECOND);
    assert_eq!(signals(&story.tell(Event::Tick)), [9]);
}

#[test]
fn a_hook_that_hangs_is_abandoned_and_leaves_two_seconds() {
    let mut story = hooked(pre_stop());
    story.started();
    story.want(Wanted::Stopped);
    story.pass(30 * SECOND);
    let actions = story.tell(Event::Tick);
    assert_eq!(signals(&actions), [3]);
    assert_eq!(Story::reasons(&actions), [("FailedPreStopHook", "PreStopHook failed")]);
    assert_eq!(story.hook_ends(HookKind::PreStop, Ok(())), [], "too late to matter");
    story.pass(2 * SECOND);
    assert_eq!(signals(&story.tell(Event::Tick)), [9]);
}

#[test]
fn a_failed_pre_stop_hook_is_published_without_output_and_the_stop_continues() {
    let mut story = hooked(pre_stop());
    story.started();
    story.want(Wanted::Stopped);
    let actions = story.hook_ends(HookKind::PreStop, Err("password=1"));
    assert_eq!(signals(&actions), [3]);
    assert_eq!(Story::reasons(&actions), [("FailedPreStopHook", "PreStopHook failed")]);
}

#[test]
fn no_grace_means_no_hook() {
    let mut story = hooked(pre_stop());
    story.started();
    let now = Event::Wanted { wanted: Wanted::Removed, grace: Some(Duration::ZERO) };
    let actions = story.tell(now.clone());
    assert_eq!((hooks(&actions), signals(&actions)), (vec![], vec![9]));
    // A removal without grace does not wait for a hook that runs.
    let mut story = hooked(pre_stop());
    story.started();
    story.want(Wanted::Stopped);
    story.tell(now);
    assert_eq!(signals(&story.tell(Event::Tick)), [9]);
}

#[test]
fn the_stop_signal_is_the_specs_then_the_images_then_sigterm() {
    for (own, image, expected) in [(Some(1), Some(3), 1), (None, Some(3), 3), (None, None, 15)] {
        let mut pod = pod(RestartPolicy::Always);
        pod.containers[0].lifecycle.stop_signal = own;
        let mut story = Story::new(pod.clone());
        let facts =
            ImageFacts { id: "app@sha256:1".into(), from_registry: false, stop_signal: image };
        let container = pod.containers[0].clone();
        story.machine = Machine::new(Arc::new(pod), container, facts, story.now);
        story.want(Wanted::Running);
        story.started();
        assert_eq!(signals(&story.want(Wanted::Stopped)), [expected]);
    }
}

#[test]
fn probes_wait_for_the_post_start_hook() {
    let mut story = hooked(post_start());
    assert_eq!(hooks(&story.started()), [(HookKind::PostStart, 30)]);
    assert!(!story.machine.status().started);
    story.pass(10 * SECOND);
    assert_eq!(story.tell(Event::Tick), []);
    story.hook_ends(HookKind::PostStart, Ok(()));
    assert!(story.machine.status().started && story.machine.status().ready);
    story.fails_probe();
}

#[test]
fn a_failed_post_start_hook_ends_the_instance() {
    let mut story = hooked(Lifecycle { post_start: post_start().post_start, ..pre_stop() });
    story.started();
    let actions = story.hook_ends(HookKind::PostStart, Err("exit 1"));
    let published =
        [("FailedPostStartHook", "PostStartHook failed"), ("Killing", "FailedPostStartHook")];
    assert_eq!(Story::reasons(&actions), published);
    assert_eq!(hooks(&actions), [(HookKind::PreStop, 30)]);
    story.hook_ends(HookKind::PreStop, Ok(()));
    assert!(
        story
            .ended(Ending::Exited(0))
            .contains(&Action::Instance(Incarnation(1), InstanceAction::Start))
    );
    story.started();
    let cause = story.machine.status().last_state.unwrap().cause;
    assert_eq!(cause.to_string(), "postStart hook failed: exit 1");
}

#[test]
fn a_daemon_that_died_in_a_pre_stop_hook_sends_the_signal() {
    let mut story = hooked(pre_stop());
    story.started();
    story.want(Wanted::Stopped);
    story.pass(29 * SECOND);
    let pod = PodSpec::clone(&story.machine.life.definition.pod);
    let container = pod.containers[0].clone();
    let memory = story.machine.memory();
    let found = Recovered::Running { pid: 7 };
    let (machine, actions) =
        Machine::recover(Arc::new(pod), container, memory, "c".into(), [], found, story.now);
    assert_eq!(signals(&actions), [3]);
    assert_eq!(machine.deadline(), Some(story.now.mono + 2 * SECOND));
}

#[test]
fn a_stop_while_the_post_start_hook_runs_does_not_wait_for_it() {
    let mut story = hooked(post_start());
    story.started();
    assert_eq!(signals(&story.want(Wanted::Stopped)), [15]);
    assert_eq!(story.hook_ends(HookKind::PostStart, Err("cut short")), []);
}

#[test]
fn an_order_to_restart_with_another_changes_neither_a_back_off_nor_a_stop() {
    let restart = || PodSignal::Restart { owner: "db".into() }.into();
    let mut story = Story::running(RestartPolicy::Always);
    story.ended(Ending::Exited(1));
    story.started();
    story.ended(Ending::Exited(1));
    assert_eq!(story.tell(restart()), []);
    assert_eq!(story.machine.status().stage, Stage::Waiting);
    story.pass(10 * SECOND);
    story.tell(Event::Tick);
    story.started();
    story.condemned();
    assert_eq!(story.tell(restart()), []);
    story.ended(Ending::Signaled(15));
    assert_eq!(story.machine.status().restart_count, 2);
}
