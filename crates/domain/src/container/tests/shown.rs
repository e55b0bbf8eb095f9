//! Published status during a start: it does not change until the new instance has begun.

use super::*;
use crate::exit::Terminated;
use crate::status::{ContainerStatus, Stage};

/// Restart count, state, and exit code of the last state.
fn seen(story: &Story) -> (u32, String, Option<i32>) {
    let status = story.machine.status();
    let code = |ended: &Terminated| ended.exit_code;
    (status.restart_count, state(&status), status.last_state.as_ref().map(code))
}

fn state(status: &ContainerStatus) -> String {
    match &status.state {
        ContainerState::Waiting { reason, .. } => reason.to_string(),
        ContainerState::Running { .. } => "Running".into(),
        ContainerState::Terminated(ended) => format!("Terminated {}", ended.exit_code),
    }
}

fn of(restarts: u32, state: &str, last: Option<i32>) -> (u32, String, Option<i32>) {
    (restarts, state.into(), last)
}

fn hook() -> PodSpec {
    let mut pod = pod(RestartPolicy::Always);
    let exec = Exec { command: vec!["true".into()] };
    pod.containers[0].lifecycle.post_start = Some(HookHandler::Exec(exec));
    pod
}

fn hooked(story: &mut Story, result: Result<(), &str>) -> Vec<Action> {
    let incarnation = story.machine.memory().attempt;
    let kind = HookKind::PostStart;
    story.tell(InstanceEvent::Hooked { kind, result: result.map_err(Into::into) }.of(incarnation))
}

#[test]
fn a_restart_counts_when_the_next_instance_runs() {
    let mut story = Story::new(pod(RestartPolicy::Always));
    story.want(Wanted::Running);
    assert_eq!(seen(&story), of(0, "ContainerCreating", None));
    story.started();
    assert_eq!(seen(&story), of(0, "Running", None));
    story.ended(Ending::Exited(3));
    let status = story.machine.status();
    assert_eq!((status.stage, status.attempt), (Stage::Starting, Incarnation(1)));
    assert_eq!(status.instance, Incarnation(0), "whose log there is");
    assert_eq!(seen(&story), of(0, "Terminated 3", None));
    story.started();
    assert_eq!(seen(&story), of(1, "Running", Some(3)));
    story.ended(Ending::Exited(4));
    assert_eq!(seen(&story), of(1, "CrashLoopBackOff", Some(4)));
    story.pass(10 * SECOND);
    assert!(
        story.tell(Event::Tick).contains(&Action::Instance(Incarnation(2), InstanceAction::Start))
    );
    assert_eq!(seen(&story), of(1, "CrashLoopBackOff", Some(4)));
    assert_eq!(story.machine.status().stage, Stage::Starting);
    story.started();
    assert_eq!(seen(&story), of(2, "Running", Some(4)));
    // The status before an earlier start is not published again.
    story.tell(Event::Restart { grace: None });
    story.ended(Ending::Exited(0));
    assert_eq!(seen(&story), of(2, "Terminated 0", Some(4)));
}

#[test]
fn a_failed_start_counts_as_an_instance_unless_the_runtime_failed() {
    let mut story = Story::running(RestartPolicy::Always);
    story.ended(Ending::Exited(3));
    let failed = |story: &mut Story, fault| {
        let incarnation = story.machine.memory().attempt;
        story.tell(InstanceEvent::Failed { fault, message: "no".into() }.of(incarnation));
    };
    failed(&mut story, Fault::Runtime);
    assert_eq!(seen(&story), of(0, "CreateContainerError", Some(3)));
    story.pass(2 * SECOND);
    story.tell(Event::Tick);
    assert_eq!(seen(&story), of(0, "CreateContainerError", Some(3)), "tried once more");
    failed(&mut story, Fault::Container);
    assert_eq!(seen(&story), of(1, "CrashLoopBackOff", Some(128)));
}

#[test]
fn another_daemon_publishes_the_same_status_of_a_start() {
    let mut story = Story::running(RestartPolicy::Always);
    for code in [3, 4] {
        story.ended(Ending::Exited(code));
        story.pass(60 * SECOND);
        story.tell(Event::Tick);
        story.started();
    }
    story.tell(Event::Restart { grace: None });
    story.ended(Ending::Exited(5));
    let before = seen(&story);
    assert_eq!(before, of(2, "Terminated 5", Some(4)));
    story.recovered(Recovered::Nothing);
    assert_eq!(seen(&story), before);
}

#[test]
fn an_instance_in_its_post_start_hook_has_not_begun() {
    let mut story = Story::new(hook());
    story.want(Wanted::Running);
    story.started();
    let status = story.machine.status();
    assert_eq!(seen(&story), of(0, "ContainerCreating", None));
    assert_eq!((status.stage, status.pid), (Stage::Running, Some(7)));
    assert!(!status.ready && !status.started);
    hooked(&mut story, Ok(()));
    assert_eq!(seen(&story), of(0, "Running", None));
    story.ended(Ending::Exited(3));
    story.started();
    assert_eq!(seen(&story), of(0, "Terminated 3", None));
    assert_eq!(story.machine.status().instance, Incarnation(1), "it writes a log");
    hooked(&mut story, Ok(()));
    assert_eq!(seen(&story), of(1, "Running", Some(3)));
}

#[test]
fn one_whose_post_start_hook_has_failed_is_never_ready() {
    let mut pod = hook();
    pod.containers[0].probes.readiness = pod.containers[0].probes.liveness.clone();
    let mut story = Story::new(pod);
    story.want(Wanted::Running);
    story.started();
    hooked(&mut story, Err("exit 3"));
    let dying = |story: &Story, restarts, last| {
        let status = story.machine.status();
        assert_eq!(seen(story), of(restarts, "PostStartHookError", last));
        assert!(!status.ready && !status.started && status.pid.is_some(), "{status:?}");
        let ContainerState::Waiting { message, .. } = status.state else { panic!("runs") };
        assert_eq!(message, "postStart hook failed: exit 3");
    };
    dying(&story, 0, None);
    story.pass(20 * SECOND);
    assert_eq!(story.tell(Event::Tick), [], "nor is it probed");
    dying(&story, 0, None);
    // Another daemon does not publish it as begun either.
    story.recovered(Recovered::Running { pid: 7 });
    dying(&story, 0, None);
    story.ended(Ending::Exited(0));
    assert_eq!(seen(&story), of(0, "PostStartHookError", Some(0)));
    story.started();
    assert_eq!(seen(&story), of(0, "PostStartHookError", Some(0)));
    hooked(&mut story, Err("exit 3"));
    dying(&story, 0, Some(0));
    story.ended(Ending::Exited(0));
    assert_eq!(seen(&story), of(1, "CrashLoopBackOff", Some(0)));
}

#[test]
fn a_container_that_stays_ended_has_its_end_in_the_status() {
    let mut pod = hook();
    pod.restart_policy = RestartPolicy::Never;
    let mut story = Story::new(pod);
    story.want(Wanted::Running);
    story.started();
    hooked(&mut story, Err("exit 3"));
    story.ended(Ending::Signaled(15));
    assert_eq!(seen(&story), of(0, "Terminated 143", None));
    assert_eq!(story.machine.status().stage, Stage::Over);
}
