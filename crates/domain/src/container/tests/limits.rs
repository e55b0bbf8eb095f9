//! Maximum number of restarts, and the events that reset the count.

use super::*;

#[test]
fn an_operators_restart_clears_the_back_off() {
    let mut story = Story::running(RestartPolicy::Always);
    for wait in [0, 10, 20] {
        story.ended(Ending::Exited(1));
        story.pass(Duration::from_secs(wait));
        story.tell(Event::Tick);
        story.started();
    }
    story.ended(Ending::Exited(1));
    assert!(
        story
            .tell(Event::Restart { grace: None })
            .contains(&Action::Instance(Incarnation(4), InstanceAction::Start))
    );
    story.started();
    assert!(
        story
            .ended(Ending::Exited(1))
            .contains(&Action::Instance(Incarnation(5), InstanceAction::Start)),
        "at once"
    );
}

fn limited(policy: RestartPolicy) -> Story {
    let mut pod = pod(policy);
    pod.containers[0].backoff.max_restarts = Some(1);
    let mut story = Story::new(pod);
    story.want(Wanted::Running);
    story.started();
    assert!(
        story
            .ended(Ending::Exited(1))
            .contains(&Action::Instance(Incarnation(1), InstanceAction::Start))
    );
    story.started();
    story
}

#[test]
fn a_container_at_the_limit_of_restarts_is_not_restarted() {
    let mut story = limited(RestartPolicy::OnFailure);
    let actions = story.ended(Ending::Exited(1));
    let published = "Container app was restarted 1 times in a row and is left as it is";
    assert_eq!(Story::reasons(&actions), [("BackoffLimitExceeded", published)]);
    assert!(actions.contains(&Action::Persist));
    let status = story.machine.status();
    assert!(status.given_up && matches!(status.state, ContainerState::Terminated(_)));
    assert_eq!(story.machine.deadline(), None);
}

#[test]
fn a_start_on_request_resets_the_count_of_restarts() {
    let ask =
        [Event::Restart { grace: None }, Event::Wanted { wanted: Wanted::Running, grace: None }];
    for event in ask {
        let mut story = limited(RestartPolicy::Always);
        story.ended(Ending::Exited(1));
        assert!(
            story.tell(event).contains(&Action::Instance(Incarnation(2), InstanceAction::Start))
        );
        story.started();
        assert!(!story.machine.status().given_up);
        assert!(
            story
                .ended(Ending::Exited(1))
                .contains(&Action::Instance(Incarnation(3), InstanceAction::Start))
        );
    }
}

#[test]
fn the_status_has_the_time_of_the_next_try() {
    let mut story = Story::running(RestartPolicy::Always);
    story.ended(Ending::Exited(1));
    story.started();
    assert_eq!(story.machine.status().next_try, None);
    story.ended(Ending::Exited(1));
    assert_eq!(story.machine.status().next_try, Some(story.now.wall + 10 * SECOND));
}
