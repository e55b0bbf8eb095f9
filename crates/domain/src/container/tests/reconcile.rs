//! Changes by other clients of the runtime, and the reactions to them.

use super::*;

fn look(story: &Story, attempts: &[(u32, SeenTask)]) -> Event {
    let attempts = attempts.iter().map(|(n, task)| (Incarnation(*n), *task)).collect();
    Event::Found(Observation { at: story.now.mono, attempts })
}

fn reasons(actions: &[Action]) -> Vec<&'static str> {
    let published = actions.iter().filter_map(|action| match action {
        Action::Note(notice) => Some(notice.reason),
        _ => None,
    });
    published.collect()
}

fn ended(policy: RestartPolicy) -> Story {
    let mut story = Story::running(policy);
    story.pass(SECOND);
    story.tell(InstanceEvent::Ended { ending: Ending::Exited(0) }.of(Incarnation(0)));
    story.pass(SECOND);
    story
}

#[test]
fn an_expected_state_causes_no_action() {
    let mut story = Story::running(RestartPolicy::Always);
    story.pass(SECOND);
    let event = look(&story, &[(0, SeenTask::Alive)]);
    assert_eq!(story.tell(event), vec![]);
}

#[test]
fn a_missing_record_is_written_again_and_nothing_is_killed() {
    let mut story = Story::running(RestartPolicy::Always);
    story.pass(SECOND);
    let event = look(&story, &[]);
    let actions = story.tell(event);
    assert_eq!(reasons(&actions), ["RecordMissing"]);
    assert!(actions.contains(&Action::RestoreRecord(Incarnation(0))));
    let actions = story.tell(Event::RecordMissing { incarnation: Incarnation(0) });
    assert!(actions.contains(&Action::RestoreRecord(Incarnation(0))), "a write finds it too");
    story.want(Wanted::Removed);
    let actions = story.tell(Event::RecordMissing { incarnation: Incarnation(0) });
    assert_eq!(actions, vec![], "what is removed needs none");
}

#[test]
fn an_observation_from_before_the_last_change_is_ignored() {
    let mut story = Story::running(RestartPolicy::Always);
    let event = look(&story, &[]);
    assert_eq!(story.tell(event), vec![]);
}

#[test]
fn a_process_whose_task_is_lost_runs_on_and_is_published_once() {
    let mut story = Story::running(RestartPolicy::Always);
    story.pass(SECOND);
    let event = look(&story, &[(0, SeenTask::None)]);
    assert_eq!(reasons(&story.tell(event.clone())), ["TaskLost"]);
    assert_eq!(story.tell(event), vec![]);
}

#[test]
fn an_ended_task_that_was_left_is_deleted() {
    let mut story = ended(RestartPolicy::Never);
    let event = look(&story, &[(0, SeenTask::Ended)]);
    assert_eq!(story.tell(event), vec![Action::DeleteTask(Incarnation(0))]);
}

#[test]
fn a_task_of_another_client_is_ended() {
    let mut story = ended(RestartPolicy::Never);
    let event = look(&story, &[(0, SeenTask::Alive)]);
    let actions = story.tell(event);
    assert_eq!(reasons(&actions), ["StrayTask"]);
    assert!(actions.contains(&Action::EndStrayTask(Incarnation(0))));
}

#[test]
fn records_of_older_attempts_are_cleared_but_for_the_last() {
    let mut story = ended(RestartPolicy::Always);
    story.started();
    story.pass(11 * SECOND);
    story.tell(InstanceEvent::Ended { ending: Ending::Exited(1) }.of(Incarnation(1)));
    story.pass(11 * SECOND);
    story.tell(Event::Tick);
    story.started();
    story.tell(Event::AttemptDeleted { incarnation: Incarnation(0) });
    story.pass(SECOND);
    assert_eq!(story.machine.memory().attempt, Incarnation(2));
    let all = [(0, SeenTask::None), (1, SeenTask::None), (2, SeenTask::Alive)];
    let event = look(&story, &all);
    assert_eq!(story.tell(event.clone()), vec![Action::DeleteAttempt(Incarnation(0))]);
    story.pass(SECOND);
    assert_eq!(story.tell(event), vec![], "it is being cleared");
}

#[test]
fn higher_attempts_belong_to_the_pod_that_replaces_this_one() {
    for seen in [SeenTask::Alive, SeenTask::Ended] {
        let mut story = Story::running(RestartPolicy::Always);
        story.pass(SECOND);
        let event = look(&story, &[(0, SeenTask::Alive), (10, seen)]);
        assert_eq!(story.tell(event), vec![], "{seen:?}");
    }
}

#[test]
fn a_container_that_waits_for_its_image_needs_no_record() {
    let mut story = Story::new(pod(RestartPolicy::Always));
    story.machine.life.course.image.id.clear();
    story.want(Wanted::Running);
    story.pass(SECOND);
    let event = look(&story, &[]);
    assert_eq!(story.tell(event), vec![]);
}

#[test]
fn retries_slow_down_while_the_runtime_is_away_and_resume_at_once() {
    let mut story = Story::new(pod(RestartPolicy::Always));
    story.want(Wanted::Running);
    let away = || {
        InstanceEvent::Failed {
            fault: Fault::Runtime,
            message: "containerd is not reachable".into(),
        }
        .of(Incarnation(0))
    };
    assert_eq!(reasons(&story.tell(away())), ["Failed"]);
    let mut waits = vec![];
    for _ in 0..7 {
        let wait = story.machine.deadline().unwrap() - story.now.mono;
        waits.push(wait.as_secs());
        story.pass(wait);
        assert_eq!(
            story.tell(Event::Tick),
            vec![Action::Instance(Incarnation(0), InstanceAction::Start)]
        );
        assert_eq!(reasons(&story.tell(away())), [""; 0], "published once");
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30]);
    story.tell(Event::RuntimeBack);
    assert_eq!(
        story.tell(Event::Tick),
        vec![Action::Instance(Incarnation(0), InstanceAction::Start)]
    );
}

#[test]
fn a_back_off_does_not_end_with_the_runtimes_return() {
    let mut story = ended(RestartPolicy::Always);
    story.started();
    story.tell(InstanceEvent::Ended { ending: Ending::Exited(1) }.of(Incarnation(1)));
    story.tell(Event::RuntimeBack);
    assert_eq!(story.tell(Event::Tick), vec![]);
}

#[test]
fn a_record_that_cannot_be_written_is_published_once_and_so_is_the_recovery() {
    let mut story = Story::running(RestartPolicy::Always);
    let full = || Event::PendingRecord { error: "no space left on device".into() };
    assert_eq!(reasons(&story.tell(full())), ["RecordNotWritten"]);
    assert_eq!(story.tell(full()), vec![]);
    assert_eq!(reasons(&story.tell(Event::Written)), ["RecordWritten"]);
    assert_eq!(story.tell(Event::Written), vec![]);
}
