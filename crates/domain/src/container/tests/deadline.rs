//! Active deadline of a pod.

use super::*;
use crate::pod::Pod;
use crate::status::{Expired, Phase};

fn short() -> PodSpec {
    let mut pod = pod(RestartPolicy::Always);
    pod.active_deadline = Some(60 * SECOND);
    pod.containers[0].probes = Probes::default();
    pod
}

fn running(pod: PodSpec) -> Story {
    let mut story = Story::new(pod);
    story.want(Wanted::Running);
    story.started();
    story
}

const STOPPED: (&str, &str) = ("Killing", "Stopping container app");

#[test]
fn containers_that_are_active_at_the_deadline_are_stopped_for_good() {
    let mut story = running(short());
    assert_eq!(story.machine.deadline(), Some(story.now.mono + 60 * SECOND));
    story.pass(59 * SECOND);
    assert_eq!(story.tell(Event::Tick), []);
    story.pass(SECOND);
    let actions = story.tell(Event::Tick);
    assert_eq!(Story::reasons(&actions), [STOPPED]);
    assert!(actions.contains(&Action::Instance(Incarnation(0), InstanceAction::Signal(15))));
    assert!(actions.contains(&Action::Persist));
    let actions = story.ended(Ending::Exited(0));
    assert!(
        !actions.iter().any(|action| matches!(action, Action::Instance(_, InstanceAction::Start))),
        "{actions:?}"
    );
    let status = story.machine.status();
    let ContainerState::Terminated(end) = status.state else { panic!("{:?}", status.state) };
    assert_eq!(end.cause, Cause::Deadline);
    assert_eq!(story.want(Wanted::Running), []);
    assert_eq!(story.tell(Event::Restart { grace: None }), []);
}

#[test]
fn a_back_off_and_a_start_under_way_end_too() {
    let mut story = running(short());
    story.pass(59 * SECOND);
    story.ended(Ending::Exited(1));
    story.started();
    story.ended(Ending::Exited(1));
    story.pass(SECOND);
    assert_eq!(Story::reasons(&story.tell(Event::Tick)), []);
    assert_eq!(story.machine.memory().expired, Some(Expired::Deadline));
    assert_eq!(story.machine.deadline(), None);

    let mut story = Story::new(short());
    story.want(Wanted::Running);
    story.pass(60 * SECOND);
    assert_eq!(Story::reasons(&story.tell(Event::Tick)), []);
    assert!(
        story.started().contains(&Action::Instance(Incarnation(0), InstanceAction::Signal(15)))
    );
}

#[test]
fn containers_that_ended_before_the_deadline_do_not_change() {
    let mut pod = short();
    pod.restart_policy = RestartPolicy::Never;
    let mut story = running(pod);
    story.ended(Ending::Exited(0));
    assert_eq!(story.machine.deadline(), None);
    story.pass(60 * SECOND);
    assert_eq!(story.tell(Event::Tick), []);
    assert_eq!(story.machine.memory().expired, None);
}

#[test]
fn a_daemon_that_was_away_finds_the_deadline_past() {
    let story = running(short());
    let (pod, memory) = (story.machine.life.definition.pod.clone(), story.machine.memory());
    let now =
        Now { mono: story.now.mono + SECOND, wall: story.now.wall + 90 * SECOND, ..story.now };
    let found = Recovered::Running { pid: 7 };
    let container = pod.containers[0].clone();
    let (mut machine, _) = Machine::recover(pod, container, memory, "c".into(), [], found, now);
    assert!(machine.deadline().unwrap() <= now.mono);
    assert_eq!(Story::reasons(&machine.handle(Event::Tick, now)), [STOPPED]);
}

#[test]
fn one_that_had_begun_to_run_when_a_daemon_died_is_stopped_by_the_next() {
    let story = running(short());
    let mut memory = story.machine.memory();
    memory.expired = Some(Expired::Deadline);
    let (pod, found) = (story.machine.life.definition.pod.clone(), Recovered::Running { pid: 7 });
    let container = pod.containers[0].clone();
    let recovered = Machine::recover(pod, container, memory, "c".into(), [], found, story.now);
    assert!(
        recovered.1.contains(&Action::Instance(Incarnation(0), InstanceAction::Signal(15))),
        "{:?}",
        recovered.1
    );
}

#[test]
fn the_pod_fails_when_none_of_its_containers_runs() {
    let mut story = running(short());
    story.pass(60 * SECOND);
    story.tell(Event::Tick);
    let spec = story.machine.life.definition.pod.clone();
    let mut pod = Pod::new(spec, vec![story.machine], story.now);
    assert_eq!(pod.status().phase, Phase::Running);
    pod.handle(0, InstanceEvent::Ended { ending: Ending::Exited(0) }.of(Incarnation(0)), story.now);
    assert_eq!(
        (pod.status().phase, pod.status().expired.clone()),
        (Phase::Failed, Some(Expired::Deadline))
    );
    let ready = pod.status().conditions.iter().find(|c| c.kind == "Ready").unwrap();
    assert_eq!(ready.reason, "PodFailed");
}

#[test]
fn the_event_is_the_pods_and_comes_once() {
    let mut spec = short();
    spec.containers.push(ContainerSpec { name: "other".into(), ..spec.containers[0].clone() });
    let spec = Arc::new(spec);
    let story = running(short());
    let machine = |index: usize, created_later| {
        let mut memory = story.machine.memory();
        memory.created_at += created_later;
        let (container, found) = (spec.containers[index].clone(), Recovered::Running { pid: 7 });
        Machine::recover(spec.clone(), container, memory, "c".into(), [], found, story.now).0
    };
    // Two containers are not created at the same instant.
    let mut pod =
        Pod::new(spec.clone(), vec![machine(0, Duration::ZERO), machine(1, SECOND)], story.now);
    let mut published = Vec::new();
    for seconds in [60, 61] {
        let time = seconds * SECOND;
        let now = Now { mono: story.now.mono + time, wall: story.now.wall + time, ..story.now };
        let actions = pod.handle_all(&Event::Tick, now);
        published.extend(actions.into_iter().filter_map(|(_, action)| match action {
            Action::Note(notice) => Some((notice.reason, notice.of_pod)),
            _ => None,
        }));
    }
    assert_eq!(published, [("DeadlineExceeded", true), ("Killing", false), ("Killing", false)]);
}
