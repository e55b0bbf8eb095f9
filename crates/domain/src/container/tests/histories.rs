//! Properties that hold after every sequence of events.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone, Copy)]
enum Step {
    Start,
    Fail,
    End(u8),
    Want(Wanted),
    Restart,
    Pass(u64),
    Probe(ProbeKind, bool),
    Pause(u64),
    Resume,
    /// Takes over a spec with or without its probes.
    Respec(bool),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        Just(Step::Start),
        Just(Step::Fail),
        (0u8..3).prop_map(Step::End),
        prop_oneof![Just(Wanted::Running), Just(Wanted::Stopped)].prop_map(Step::Want),
        Just(Step::Restart),
        (0u64..400).prop_map(Step::Pass),
        (prop_oneof![Just(ProbeKind::Liveness), Just(ProbeKind::Readiness)], any::<bool>())
            .prop_map(|(kind, passes)| Step::Probe(kind, passes)),
        (1u64..100).prop_map(Step::Pause),
        Just(Step::Resume),
        any::<bool>().prop_map(Step::Respec),
    ];
    proptest::collection::vec(step, 0..80)
}

proptest! {
    #[test]
    fn never_two_live_incarnations_and_every_restart_is_counted(steps in steps()) {
        let mut story = Story::new(pod(RestartPolicy::Always));
        let (mut starts, mut begun) = (0u32, 0u32);
        let mut alive: Option<Incarnation> = None;
        let mut launched: Option<Incarnation> = None;
        let mut actions = story.want(Wanted::Running);
        for step in std::iter::once(Step::Pass(0)).chain(steps) {
            let current = story.machine.memory().attempt;
            actions.extend(match step {
                Step::Start if launched == Some(current) && alive.is_none() => {
                    alive = launched.take();
                    begun += 1;
                    story.started()
                }
                Step::Fail if launched == Some(current) && alive.is_none() => {
                    launched = None;
                    begun += 1;
                    let message = String::new();
                    story.tell(InstanceEvent::Failed { fault: Fault::Container, message }.of(current))
                }
                Step::End(code) if alive.is_some() => {
                    alive = None;
                    story.ended(Ending::Exited(code))
                }
                Step::Want(wanted) => story.want(wanted),
                Step::Restart => story.tell(Event::Restart { grace: None }),
                Step::Pass(seconds) => {
                    story.pass(Duration::from_secs(seconds));
                    let actions = story.tell(Event::Tick);
                    let next = story.machine.deadline();
                    prop_assert!(next.is_none_or(|next| next > story.now.mono), "no turning in place");
                    actions
                }
                Step::Pause(seconds) => {
                    story.tell(Event::Pause { length: Duration::from_secs(seconds) })
                }
                Step::Resume => story.tell(Event::Resume),
                Step::Respec(readiness) => {
                    let mut pod = pod(RestartPolicy::Always);
                    let probes = &mut pod.containers[0].probes;
                    probes.readiness = probes.liveness.clone().filter(|_| readiness);
                    story.tell(Event::Respec(Arc::new(pod)))
                }
                Step::Probe(kind, true) => story.probed(kind, Outcome::Success(String::new())),
                Step::Probe(kind, false) => story.probed(kind, Outcome::Failure(String::new())),
                _ => Vec::new(),
            });
            let status = story.machine.status();
            prop_assert_eq!(status.restart_count, begun.saturating_sub(1), "counted with its instance");
            let creating = matches!(&status.state, ContainerState::Waiting { reason, .. } if *reason == WaitingReason::ContainerCreating);
            prop_assert!(!creating || status.last_state.is_none(), "what is shown is of one instance");
            let paused = story.machine.status().paused_until.is_some();
            for action in actions.drain(..) {
                prop_assert!(!paused || !matches!(action, Action::Instance(_, InstanceAction::Probe(..))));
                if let Action::Instance(incarnation, InstanceAction::Start) = action {
                    prop_assert!(alive.is_none() && launched.is_none());
                    prop_assert_eq!(incarnation, story.machine.memory().attempt);
                    launched = Some(incarnation);
                    starts += 1;
                }
            }
        }
        prop_assert_eq!(story.machine.memory().restart_count, starts - 1);
    }
}
