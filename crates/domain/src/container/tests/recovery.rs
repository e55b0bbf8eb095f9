//! Recovery of a container by a later daemon.

use super::*;

#[test]
fn recovered_running_container_keeps_its_incarnation_and_counts_afresh() {
    let mut story = Story::running(RestartPolicy::Always);
    story.fails_probe();
    let memory = story.machine.memory();
    let spec = pod(RestartPolicy::Always);
    let container = spec.containers[0].clone();
    let found = Recovered::Running { pid: 7 };
    let (machine, actions) =
        Machine::recover(Arc::new(spec), container, memory, "c".into(), [], found, story.now);
    story.machine = machine;
    assert_eq!(actions, []);
    assert_eq!(story.machine.status().attempt, Incarnation(0));
    story.condemned();
}

impl Story {
    /// Replaces the machine by one that another daemon recovers from the memory and from `found`.
    pub fn recovered(&mut self, found: Recovered) -> Vec<Action> {
        self.recovered_from(self.machine.memory(), found)
    }

    pub fn recovered_from(&mut self, memory: Memory, found: Recovered) -> Vec<Action> {
        let spec = self.machine.life.definition.pod.clone();
        let container = self.machine.container().clone();
        let (machine, actions) =
            Machine::recover(spec, container, memory, "c".into(), [], found, self.now);
        self.machine = machine;
        actions
    }
}

#[test]
fn the_record_of_the_removal_is_deleted_last() {
    let mut story = Story::running(RestartPolicy::Always);
    story.ended(Ending::Exited(1));
    story.started();
    let forgotten = |actions: Vec<Action>| -> Vec<u32> {
        let forgets = actions.into_iter().filter_map(|action| match action {
            Action::DeleteAttempt(attempt) => Some(attempt.0),
            _ => None,
        });
        forgets.collect()
    };
    story.want(Wanted::Removed);
    assert_eq!(forgotten(story.ended(Ending::Exited(0))), [0]);
    let gone = Event::AttemptDeleted { incarnation: Incarnation(0) };
    assert_eq!(forgotten(story.tell(gone)), [1]);
}

#[test]
fn no_record_is_deleted_before_the_next_one_exists() {
    let mut story = Story::running(RestartPolicy::Always);
    story.ended(Ending::Exited(1));
    let (incarnation, message) = (Incarnation(1), "containerd is not reachable".to_owned());
    let actions =
        story.tell(InstanceEvent::Failed { fault: Fault::Runtime, message }.of(incarnation));
    assert!(!actions.contains(&Action::DeleteAttempt(Incarnation(0))), "{actions:?}");
    story.pass(2 * SECOND);
    assert_eq!(story.tell(Event::Tick), [Action::Instance(Incarnation(1), InstanceAction::Start)]);
    story.started();
    let actions = story.ended(Ending::Exited(1));
    assert!(actions.contains(&Action::DeleteAttempt(Incarnation(0))), "{actions:?}");
}

#[test]
fn an_attempt_without_a_record_is_forgotten_with_its_neighbours() {
    let mut story = Story::running(RestartPolicy::Always);
    for _ in 0..3 {
        story.ended(Ending::Exited(1));
        story.pass(60 * SECOND);
        story.tell(Event::Tick);
        story.started();
    }
    let (spec, memory) = (story.machine.life.definition.pod.clone(), story.machine.memory());
    let container = story.machine.container().clone();
    let found = Recovered::Running { pid: 7 };
    let records = [Incarnation(0), Incarnation(3)];
    let (_, actions) =
        Machine::recover(spec, container, memory, "c".into(), records, found, story.now);
    let forgets = actions.iter().filter(|action| matches!(action, Action::DeleteAttempt(_)));
    let forgets: Vec<_> = forgets.cloned().collect();
    assert_eq!(forgets, [0, 1].map(|attempt| Action::DeleteAttempt(Incarnation(attempt))));
}

#[test]
fn an_end_by_a_restart_of_the_node_has_that_cause() {
    let mut story = Story::running(RestartPolicy::Always);
    let actions = story.recovered(Recovered::NodeRestarted);
    assert!(actions.contains(&Action::Instance(Incarnation(1), InstanceAction::Start)));
    story.started();
    let last = story.machine.status().last_state.unwrap();
    assert_eq!((last.reason.as_str(), last.exit_code), ("ContainerStatusUnknown", 137));
    assert_eq!(last.cause, Cause::NodeRestart);
    let message = "The node was shut down or restarted while the container was running";
    assert_eq!(last.message, message);
}

#[test]
fn only_a_known_boot_id_that_differs_is_another_boot() {
    let memory = |boot_id: Option<&str>| Memory {
        boot_id: boot_id.map(str::to_owned),
        ..Memory::new(Wanted::Running, SystemTime::UNIX_EPOCH)
    };
    assert!(memory(Some("a")).is_of_another_boot(Some("b")));
    assert!(!memory(Some("a")).is_of_another_boot(Some("a")));
    assert!(!memory(None).is_of_another_boot(Some("b")), "an older version's record");
    assert!(!memory(Some("a")).is_of_another_boot(None));
}

#[test]
fn a_task_of_unknown_state_is_killed_before_the_next_attempt() {
    let mut story = Story::running(RestartPolicy::Never);
    let actions = story.recovered(Recovered::Unknown);
    assert!(actions.contains(&Action::Instance(Incarnation(0), InstanceAction::Destroy)));
    assert!(
        !actions.iter().any(|action| matches!(action, Action::Instance(_, InstanceAction::Start)))
    );
    assert!(
        story
            .ended(Ending::Lost)
            .contains(&Action::Instance(Incarnation(1), InstanceAction::Start))
    );

    let mut story = Story::running(RestartPolicy::Always);
    story.want(Wanted::Stopped);
    let actions = story.recovered(Recovered::Unknown);
    assert!(actions.contains(&Action::Instance(Incarnation(0), InstanceAction::Destroy)));
    let actions = story.ended(Ending::Lost);
    assert!(
        !actions.iter().any(|action| matches!(action, Action::Instance(_, InstanceAction::Start)))
    );
}

#[test]
fn a_process_that_ended_meanwhile_is_reported_and_restarted() {
    let story = Story::running(RestartPolicy::Always);
    let spec = pod(RestartPolicy::Always);
    let container = spec.containers[0].clone();
    let memory = story.machine.memory();
    let (machine, actions) = Machine::recover(
        Arc::new(spec),
        container,
        memory,
        "c".into(),
        [],
        Recovered::Nothing,
        story.now,
    );
    assert!(actions.contains(&Action::Instance(Incarnation(1), InstanceAction::Start)));
    assert_eq!(machine.memory().last_state.as_ref().unwrap().reason, "ContainerStatusUnknown");
}

#[test]
fn a_stop_of_a_task_of_unknown_state_continues() {
    let mut story = Story::running(RestartPolicy::Always);
    story.want(Wanted::Stopped);
    let actions = story.recovered(Recovered::Unknown);
    assert!(actions.contains(&Action::Instance(Incarnation(0), InstanceAction::Destroy)));
    story.ended(Ending::Lost);
    let ContainerState::Terminated(ended) = story.machine.status().state else { panic!("lives") };
    assert!(matches!(ended.cause, Cause::Operator(_)), "{ended:?}");
}

#[test]
fn before_the_runtime_answers_the_status_is_as_recorded() {
    let mut story = Story::running(RestartPolicy::Always);
    let memory = Memory { started: true, ready: true, ..story.machine.memory() };
    story.recovered_from(memory, Recovered::Unanswered);
    let status = story.machine.status();
    assert!(matches!(status.state, ContainerState::Running { .. }));
    assert!(status.ready && status.started && status.pid.is_none());
    story.recovered(Recovered::Running { pid: 7 });
    story.ended(Ending::Exited(1));
    let ended = story.machine.memory();
    story.recovered_from(ended.clone(), Recovered::Unanswered);
    assert_eq!(story.machine.memory().ended, ended.ended);
}
