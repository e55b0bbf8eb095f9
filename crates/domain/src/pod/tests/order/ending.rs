//! Stop, end and recovery of pods of several containers.

use super::*;

#[test]
fn regular_containers_stop_together_then_sidecars_from_the_last() {
    let mut spec = pod(&["s+", "t+"], &["a", "b"]);
    let sleep = Some(HookHandler::Sleep(SECOND));
    spec.init_containers[0].lifecycle.pre_stop = sleep.clone();
    spec.containers[0].lifecycle.pre_stop = sleep;
    let mut story = running(spec);
    story.want(Wanted::Removed);
    assert_eq!(story.saw(), ["preStop s", "preStop a", "signal b 15"]);
    let hooked = |story: &mut Story, name: &str| {
        let (incarnation, kind) = (Incarnation(0), HookKind::PreStop);
        story.tell(name, InstanceEvent::Hooked { kind, result: Ok(()) }.of(incarnation));
    };
    hooked(&mut story, "s");
    hooked(&mut story, "a");
    assert_eq!(story.saw(), ["signal a 15"]);
    story.exits("b", 0);
    assert_eq!(story.saw(), [""; 0]);
    story.exits("a", 0);
    assert_eq!(story.saw(), ["signal t 15"]);
    story.exits("t", 0);
    assert_eq!(story.saw(), ["signal s 15"]);
    story.exits("s", 0);
    assert_eq!(story.saw(), [""; 0]);
}

#[test]
fn a_sidecar_that_waits_gets_its_signal_when_the_grace_is_over() {
    let mut story = running(pod(&["s+"], &["a"]));
    story.want(Wanted::Stopped);
    assert_eq!(story.saw(), ["signal a 15"]);
    story.pass(30 * SECOND);
    assert_eq!(story.saw(), ["signal s 15", "signal a 9"]);
    story.pass(2 * SECOND);
    assert_eq!(story.saw(), ["signal s 9", "signal a 9"]);
}

#[test]
fn sidecars_do_not_keep_a_finished_pod_alive() {
    let mut story = running(never(pod(&["s+"], &["a", "b"])));
    story.exits("a", 0);
    assert_eq!((story.saw(), story.phase()), (vec![], Phase::Running));
    story.exits("b", 0);
    assert_eq!((story.saw(), story.phase()), (vec!["signal s 15".into()], Phase::Running));
    story.exits("s", 2);
    assert_eq!((story.saw(), story.phase()), (vec![], Phase::Succeeded));
    let end = story.machine("s").memory().ended.clone().unwrap();
    assert_eq!(end.cause, Cause::PodOver);
    assert_eq!(story.condition("Initialized"), (true, "PodCompleted ".into()));
    // A caller restarts the container, and the sidecar starts again, too.
    story.tell("a", Event::Restart { grace: None });
    assert_eq!(story.saw(), ["start a 1", "start s 1"]);
}

#[test]
fn a_rule_restarts_all_from_the_first_init_container() {
    let mut spec = never(pod(&["i", "s+"], &["a", "b"]));
    spec.containers[0].restart_policy = Some(RestartPolicy::Never);
    spec.containers[0].restart_policy_rules = vec![RestartRule {
        action: RestartAction::RestartAllContainers,
        operator: ExitCodeOperator::In,
        values: vec![42],
    }];
    let mut story = Story::begun(spec);
    story.started("i");
    story.exits("i", 0);
    for name in ["s", "a", "b"] {
        story.started(name);
    }
    story.saw();
    assert_eq!(story.condition("AllContainersRestarting"), (false, " ".into()));
    story.exits("a", 42);
    assert_eq!(story.saw(), ["signal s 9", "signal b 9"]);
    assert_eq!(story.waiting("a"), "RestartingAllContainers");
    let text = "RestartAllContainersStarted container exited with restart policy rule";
    assert_eq!(story.condition("AllContainersRestarting"), (true, text.into()));
    story.exits("s", 1);
    assert_eq!(story.saw(), [""; 0], "b is not down yet");
    story.exits("b", 1);
    assert_eq!(story.saw(), ["start i 1"]);
    assert!(!story.condition("AllContainersRestarting").0);
    // Each container has this reason, with its exit code.
    for (name, code) in [("i", 0), ("s", 1), ("a", 42), ("b", 1)] {
        let last = story.machine(name).status().last_state.unwrap();
        assert_eq!((last.reason.as_str(), last.exit_code), ("RestartingAllContainers", code));
        let message = "The container is removed because RestartAllContainers in place";
        assert_eq!(last.message, message);
    }
    // A daemon that recovers the pod now continues the round.
    story.started("i");
    story.taken_up(&["i"]);
    assert_eq!(story.saw(), [""; 0]);
    story.exits("i", 0);
    assert_eq!(story.saw(), ["start s 1"]);
    story.started("s");
    assert_eq!(story.saw(), ["start a 1", "start b 1"]);
    // The second restart in a row waits, and the others run until then.
    story.started("a");
    story.started("b");
    story.exits("a", 42);
    assert_eq!(story.saw(), [""; 0]);
    story.pass(10 * SECOND);
    assert_eq!(story.saw(), ["signal s 9", "signal b 9"]);
}

#[test]
fn a_stopped_pod_starts_again_from_the_first_init_container() {
    let mut story = Story::begun(pod(&["i"], &["a"]));
    story.started("i");
    story.exits("i", 0);
    story.started("a");
    story.want(Wanted::Stopped);
    story.exits("a", 0);
    story.saw();
    story.want(Wanted::Running);
    assert_eq!(story.saw(), ["start i 1"]);
    story.started("i");
    story.exits("i", 0);
    assert_eq!(story.saw(), ["start a 1"]);
    // The pod is wanted again before it has stopped: no new round begins.
    story.started("a");
    story.want(Wanted::Stopped);
    story.want(Wanted::Running);
    assert_eq!(story.saw(), ["signal a 15"]);
    story.exits("a", 0);
    assert_eq!(story.saw(), ["start i 2"]);
}

#[test]
fn dependents_restart_with_their_owner() {
    let mut spec = pod(&[], &["a", "b", "c"]);
    spec.dependents = BTreeMap::from([("a".into(), vec!["b".into()])]);
    let mut story = running(spec);
    story.exits("b", 1);
    assert_eq!(story.saw(), ["start b 1"], "not the other way round");
    story.started("b");
    story.exits("a", 1);
    assert_eq!(story.saw(), ["start a 1", "signal b 15"]);
    story.exits("b", 0);
    assert_eq!(story.saw(), ["start b 2"]);
    let end = story.machine("b").memory().last_state.clone().unwrap();
    assert_eq!(end.cause.to_string(), "restarts with a");
}

#[test]
fn another_daemon_continues_the_order() {
    let mut story = Story::begun(pod(&["i", "j"], &["a"]));
    story.taken_up(&[]);
    assert_eq!(story.saw(), ["start i 0", "start i 0"], "a start that was cut short");
    story.started("i");
    story.exits("i", 0);
    story.started("j");
    story.saw();
    story.taken_up(&["j"]);
    assert_eq!(story.saw(), [""; 0]);
    story.exits("j", 0);
    story.started("a");
    assert_eq!(story.saw(), ["start a 0"]);
    story.taken_up(&["a"]);
    assert_eq!(story.saw(), [""; 0]);
    assert_eq!(story.phase(), Phase::Running);
}

#[test]
fn another_daemon_stops_sidecars_in_their_order_too() {
    let mut story = running(pod(&["s+"], &["a"]));
    story.want(Wanted::Removed);
    assert_eq!(story.saw(), ["signal a 15"]);
    story.taken_up(&["s", "a"]);
    assert_eq!(story.saw(), [""; 0]);
    story.exits("a", 0);
    assert_eq!(story.saw(), ["signal s 15"]);
}

#[test]
fn no_container_starts_after_a_stop_during_init() {
    let mut story = Story::begun(pod(&["i"], &["a"]));
    story.started("i");
    assert_eq!(story.waiting("a"), "PodInitializing");
    story.want(Wanted::Stopped);
    story.exits("i", 0);
    assert_eq!(story.saw(), ["start i 0", "signal i 15"]);
    assert_eq!(story.waiting("a"), "Created");
    assert!(!story.machine("i").is_alive());
    story.want(Wanted::Running);
    assert_eq!(story.saw(), ["start i 1"]);
}

#[test]
fn the_next_daemon_stops_a_finished_sidecar_and_no_other() {
    let mut story = running(never(pod(&["s+"], &["a"])));
    story.exits("a", 0);
    assert_eq!(story.saw(), ["signal s 15"]);
    // The process was started, and the daemon died before it recorded what follows.
    let mut memory = story.machine("s").memory();
    memory.stopping = None;
    let mut found = |held, finished| {
        let memory = crate::container::Memory { held, finished, ..memory.clone() };
        let process = Recovered::Running { pid: 7 };
        let container = story.spec.at(0).unwrap().clone();
        let (machine, actions) = Machine::recover(
            story.spec.clone(),
            container,
            memory,
            "c".into(),
            [],
            process,
            story.now,
        );
        story.note(actions.into_iter().map(|action| (0, action)).collect());
        (machine.member().is_held(), story.saw())
    };
    assert_eq!(found(true, false), (false, vec![]));
    // The pod decides when the signal is sent.
    assert_eq!(found(false, true), (false, vec![]));
    assert!(story.machine("s").member().is_finished());
}

#[test]
fn removal_in_the_middle_of_init_leaves_nothing() {
    let mut story = Story::begun(pod(&["i", "j"], &["a"]));
    story.started("i");
    story.want(Wanted::Removed);
    story.exits("i", 143);
    assert_eq!(story.saw(), ["start i 0", "signal i 15"]);
    for name in ["i", "j", "a"] {
        story.tell(name, Event::AttemptDeleted { incarnation: Incarnation(0) });
    }
    assert!(story.pod.is_gone());
}
