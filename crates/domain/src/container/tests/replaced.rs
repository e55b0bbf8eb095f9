//! Containers whose definition changes, and deleted ones that wait for finalizers.

use super::*;
use crate::container::Fault;
use crate::spec::Submitted;
use crate::status::ContainerStatus;

/// A container that runs and is stopped because it has another image from now on.
fn stopping() -> Story {
    let mut story = Story::running(RestartPolicy::Always);
    story.pass(SECOND);
    let actions = story.tell(other());
    assert!(actions.contains(&Action::Instance(Incarnation(0), InstanceAction::Signal(15))));
    story
}

/// What clients see of the instance.
fn seen(status: &ContainerStatus) -> (bool, bool, u32, bool) {
    let runs = matches!(status.state, ContainerState::Running { .. });
    (runs, status.ready && status.started, status.restart_count, status.serves())
}

fn fail(story: &mut Story, fault: Fault) {
    let incarnation = story.machine.memory().attempt;
    story.tell(InstanceEvent::Failed { fault, message: "x".into() }.of(incarnation));
}

/// A pod with another image.
fn other() -> Event {
    let mut changed = pod(RestartPolicy::Always);
    changed.containers[0].source = Source::Image("app:2".into());
    Event::Respec(Arc::new(changed))
}

fn starts(actions: &[Action], attempt: u32) -> bool {
    actions.contains(&Action::Instance(Incarnation(attempt), InstanceAction::Start))
}

fn checks(actions: &[Action], attempt: u32) -> bool {
    actions.contains(&Action::Instance(Incarnation(attempt), InstanceAction::CheckImages))
}

fn image_is_there(story: &mut Story) -> Vec<Action> {
    let incarnation = story.machine.memory().attempt;
    let image = Some(ImageFacts { id: "app@sha256:2".into(), ..ImageFacts::default() });
    let volumes = BTreeMap::new();
    story.tell(InstanceEvent::ImagesChecked { image, volumes }.of(incarnation))
}

#[test]
fn a_changed_container_does_not_wait_for_its_back_off() {
    let mut story = Story::running(RestartPolicy::Always);
    // The first restart is at once, the next ones wait longer and longer.
    for attempt in 1..=4 {
        let actions = story.ended(Ending::Exited(1));
        if !starts(&actions, attempt) {
            story.pass(300 * SECOND);
            assert!(starts(&story.tell(Event::Tick), attempt));
        }
        story.started();
    }
    story.ended(Ending::Exited(1));
    assert!(matches!(story.machine.status().state, ContainerState::Waiting { .. }));
    story.tell(other());
    assert!(checks(&story.tell(Event::Tick), 5));
    assert!(starts(&image_is_there(&mut story), 5));
    assert_eq!(story.machine.status().image_id, "app@sha256:2");
    story.started();
    assert!(starts(&story.ended(Ending::Exited(1)), 6), "the back-off begins again");
}

#[test]
fn a_start_of_the_old_definition_is_followed_by_one_of_the_new() {
    // The process of the old image is being started.
    let mut story = Story::new(pod(RestartPolicy::Always));
    assert!(starts(&story.want(Wanted::Running), 0));
    story.tell(other());
    let stop = Action::Instance(Incarnation(0), InstanceAction::Signal(15));
    assert!(story.started().contains(&stop));
    assert!(checks(&story.ended(Ending::Signaled(15)), 1));
    // The runtime is still looking for the old image, and then does it again for the new one.
    let mut third = pod(RestartPolicy::Always);
    third.containers[0].source = Source::Image("app:3".into());
    story.tell(Event::Respec(Arc::new(third)));
    assert!(checks(&image_is_there(&mut story), 1));
    assert!(starts(&image_is_there(&mut story), 1));
    assert!(
        !story.started().contains(&Action::Instance(Incarnation(1), InstanceAction::Signal(15)))
    );
}

#[test]
fn the_old_instance_is_published_until_the_new_one_has_begun() {
    let mut story = stopping();
    assert_eq!(seen(&story.machine.status()), (true, true, 0, true));
    story.ended(Ending::Signaled(15));
    assert_eq!(seen(&story.machine.status()), (true, true, 0, false));
    image_is_there(&mut story);
    assert_eq!(seen(&story.machine.status()), (true, true, 0, false));
    story.started();
    let status = story.machine.status();
    assert_eq!(seen(&status), (true, true, 1, true));
    assert!(status.last_state.is_some_and(|last| last.cause == Cause::Changed));
    // A restart for another reason shows the end.
    story.ended(Ending::Exited(1));
    assert_eq!(seen(&story.machine.status()), (false, false, 1, false));
}

#[test]
fn a_new_instance_that_cannot_start_is_published() {
    for fault in [Fault::Runtime, Fault::Config, Fault::Container] {
        let mut story = stopping();
        story.ended(Ending::Signaled(15));
        image_is_there(&mut story);
        fail(&mut story, fault);
        let (runs, ready, _, serves) = seen(&story.machine.status());
        assert_eq!((runs, ready, serves), (false, false, false), "{fault:?}");
        story.pass(60 * SECOND);
        story.tell(Event::Tick);
        let (runs, ready, _, serves) = seen(&story.machine.status());
        assert_eq!((runs, ready, serves), (false, false, false), "{fault:?}");
    }
}

#[test]
fn a_deleted_container_stays_until_the_last_finalizer_is_removed() {
    let with = |finalizers: &[&str]| {
        let finalizers = finalizers.iter().map(|&name| name.to_owned()).collect();
        let (object, managers) = (String::new(), String::new());
        let submitted = Submitted { object, managers, generation: 1, finalizers };
        PodSpec { submitted: Some(Box::new(submitted)), ..pod(RestartPolicy::Always) }
    };
    let mut story = Story::running(RestartPolicy::Always);
    story.tell(Event::Respec(Arc::new(with(&["a.b/c", "a.b/d"]))));
    story.want(Wanted::Removed);
    let forget = Action::DeleteAttempt(Incarnation(0));
    assert!(!story.ended(Ending::Exited(0)).contains(&forget));
    assert!(matches!(story.machine.status().state, ContainerState::Terminated(_)));
    // Another request for the deletion does not remove it either.
    assert!(!story.want(Wanted::Removed).contains(&forget));
    assert!(!story.tell(Event::Respec(Arc::new(with(&["a.b/d"])))).contains(&forget));
    assert!(!story.machine.is_gone());
    assert!(story.tell(Event::Respec(Arc::new(with(&[])))).contains(&forget));
    story.tell(Event::AttemptDeleted { incarnation: Incarnation(0) });
    assert!(story.machine.is_gone());
}
