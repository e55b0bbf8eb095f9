use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::*;
use crate::brake::Hold;
use crate::exit::{Cause, Ending};
use crate::probe::{Launch, Outcome, Verdict};
use crate::spec::*;
use crate::status::{ContainerState, Stage, WaitingReason};
use crate::{Incarnation, Now};

mod braking;
mod capture;
mod care;
mod clock;
mod deadline;
mod decisions;
mod eviction;
mod histories;
mod image;
mod killed;
mod lengths;
mod limits;
mod reconcile;
mod recovery;
mod replaced;
mod shown;
mod stopping;
mod truth;
mod verdict;
mod worker;

const SECOND: Duration = Duration::from_secs(1);

struct Story {
    machine: Machine,
    now: Now,
    /// Newest launch of each probe.
    launched: BTreeMap<ProbeKind, Launch>,
    /// Answer of the brake.
    brake: Option<Hold>,
    /// Times of the verdicts in the requests to the brake.
    asked: Vec<Instant>,
    /// Whether the newest request was for a verdict by timeouts.
    by_timeout: bool,
    /// True if a capture lasts until the test ends it; else it ends at once.
    captures_last: bool,
}

fn pod(policy: RestartPolicy) -> PodSpec {
    let probe = ProbeSpec {
        period: SECOND,
        ..ProbeSpec::new(Handler::TcpSocket(TcpSocket { host: None, port: PortRef::Number(80) }))
    };
    PodSpec {
        namespace: "default".into(),
        name: "web".into(),
        uid: "u".into(),
        labels: Default::default(),
        annotations: Default::default(),
        restart_policy: policy,
        termination_grace: 30 * SECOND,
        active_deadline: None,
        hostname: None,
        service_account: None,
        pull_secrets: vec![],
        init_containers: vec![],
        dependents: Default::default(),
        security: Default::default(),
        host_namespaces: Default::default(),
        network: Default::default(),
        share_process_namespace: false,
        naming: Default::default(),
        volumes: vec![],
        gates: Default::default(),
        origin: None,
        ids_of_default: false,
        submitted: None,
        stored: None,
        containers: vec![ContainerSpec {
            name: "app".into(),
            source: Source::Image("app:1".into()),
            pull_policy: None,
            command: vec![],
            args: vec![],
            env: vec![],
            working_dir: None,
            ports: vec![],
            probes: Probes { liveness: Some(probe), ..Probes::default() },
            lifecycle: Default::default(),
            restart_policy: None,
            restart_policy_rules: vec![],
            termination_message: Default::default(),
            backoff: BackoffLimits::default(),
            security: Default::default(),
            resources: Default::default(),
            devices: Default::default(),
            volume_mounts: vec![],
            log_limits: Default::default(),
            streams: Default::default(),
        }],
    }
}

fn is_capture(action: &Action) -> bool {
    matches!(action, Action::Instance(_, InstanceAction::Capture))
}

impl Story {
    #[expect(clippy::disallowed_methods, reason = "a test has to start somewhere")]
    fn new(pod: PodSpec) -> Self {
        let now = Now {
            mono: Instant::now(),
            wall: SystemTime::UNIX_EPOCH + 1000 * SECOND,
            booted_at: SystemTime::UNIX_EPOCH,
        };
        let spec = pod.containers[0].clone();
        let image = ImageFacts { id: "app@sha256:1".into(), ..ImageFacts::default() };
        let machine = Machine::new(Arc::new(pod), spec, image, now);
        Self {
            machine,
            now,
            launched: BTreeMap::new(),
            brake: None,
            asked: vec![],
            by_timeout: false,
            captures_last: false,
        }
    }

    fn running(policy: RestartPolicy) -> Self {
        let mut story = Self::new(pod(policy));
        let actions = story.want(Wanted::Running);
        assert!(actions.contains(&Action::Instance(Incarnation(0), InstanceAction::Start)));
        story.started();
        story
    }

    fn pass(&mut self, time: Duration) {
        self.now = Now { mono: self.now.mono + time, wall: self.now.wall + time, ..self.now };
    }

    fn tell(&mut self, event: Event) -> Vec<Action> {
        let mut actions = self.through_the_brake(event);
        if !self.captures_last
            && let Some(at) = actions.iter().position(is_capture)
        {
            actions.remove(at);
            let incarnation = self.machine.memory().attempt;
            let captured = InstanceEvent::Captured { reading: String::new() }.of(incarnation);
            actions.extend(self.machine.handle(captured, self.now));
        }
        for action in &actions {
            if let Action::Instance(_, InstanceAction::Probe(kind, launch)) = action {
                self.launched.insert(*kind, *launch);
            }
        }
        actions
    }

    /// Handles an event and answers requests to the brake at once, as the actor does.
    fn through_the_brake(&mut self, event: Event) -> Vec<Action> {
        let mut all = Vec::new();
        for action in self.machine.handle(event, self.now) {
            match action {
                Action::Instance(incarnation, InstanceAction::AskBrake(condemned)) => {
                    self.asked.push(condemned.since);
                    self.by_timeout = condemned.by_timeout;
                    let answer = match self.brake {
                        None => InstanceEvent::Granted.of(incarnation),
                        Some(why) => InstanceEvent::Held { why, again: self.now.mono + SECOND }
                            .of(incarnation),
                    };
                    all.extend(self.machine.handle(answer, self.now));
                }
                other => all.push(other),
            }
        }
        all
    }

    fn want(&mut self, wanted: Wanted) -> Vec<Action> {
        self.tell(Event::Wanted { wanted, grace: None })
    }

    fn started(&mut self) -> Vec<Action> {
        let incarnation = self.machine.memory().attempt;
        self.tell(InstanceEvent::Started { pid: 7, container_id: "c".into() }.of(incarnation))
    }

    fn ended(&mut self, ending: Ending) -> Vec<Action> {
        let incarnation = self.machine.memory().attempt;
        self.tell(InstanceEvent::Ended { ending }.of(incarnation))
    }

    fn fails_probe(&mut self) -> Vec<Action> {
        let incarnation = self.machine.memory().attempt;
        let probes = self.tell(Event::Tick);
        assert!(
            matches!(&probes[..], [Action::Instance(i, InstanceAction::Probe(ProbeKind::Liveness, _))] if *i == incarnation)
        );
        let outcome = Outcome::Failure("HTTP probe failed with statuscode: 500".into());
        self.probed(ProbeKind::Liveness, outcome)
    }

    fn probed(&mut self, kind: ProbeKind, outcome: Outcome) -> Vec<Action> {
        self.probed_after(kind, outcome, Duration::ZERO)
    }

    fn probed_after(
        &mut self,
        kind: ProbeKind,
        outcome: Outcome,
        latency: Duration,
    ) -> Vec<Action> {
        let incarnation = self.machine.memory().attempt;
        let launch = self.launched.get(&kind).copied().unwrap_or(Launch(u64::MAX));
        self.tell(InstanceEvent::Probed { kind, launch, outcome, latency }.of(incarnation))
    }

    fn passes_startup(&mut self) {
        self.tell(Event::Tick);
        self.probed(ProbeKind::Startup, Outcome::Success(String::new()));
    }

    fn condemned(&mut self) -> Vec<Action> {
        for _ in 0..2 {
            let actions = self.fails_probe();
            assert!(
                !actions
                    .iter()
                    .any(|a| matches!(a, Action::Instance(_, InstanceAction::Signal(..))))
            );
            self.pass(SECOND);
        }
        self.fails_probe()
    }

    fn reasons(actions: &[Action]) -> Vec<(&str, &str)> {
        actions
            .iter()
            .filter_map(|a| match a {
                Action::Note(note) => Some((note.reason, note.message.as_str())),
                _ => None,
            })
            .collect()
    }
}

#[test]
fn third_failure_kills_once() {
    let mut story = Story::running(RestartPolicy::Always);
    let actions = story.condemned();
    let signals = actions
        .iter()
        .filter(|a| matches!(a, Action::Instance(_, InstanceAction::Signal(..))))
        .count();
    assert_eq!(signals, 1);
    assert!(actions.contains(&Action::Instance(Incarnation(0), InstanceAction::Signal(15))));
    assert_eq!(
        Story::reasons(&actions),
        [
            ("Unhealthy", "Liveness probe failed: HTTP probe failed with statuscode: 500"),
            ("Killing", "Container app failed liveness probe, will be restarted"),
        ]
    );
    assert_eq!(story.tell(Event::Tick), [], "no probe and no signal within the grace");
}

#[test]
fn grace_over_sends_sigkill_and_restarts_with_137() {
    let mut story = Story::running(RestartPolicy::Always);
    story.condemned();
    assert_eq!(story.machine.deadline(), Some(story.now.mono + 30 * SECOND));
    story.pass(30 * SECOND);
    assert_eq!(
        story.tell(Event::Tick),
        [Action::Instance(Incarnation(0), InstanceAction::Signal(9))]
    );
    let actions = story.ended(Ending::Signaled(9));
    assert_eq!(
        actions,
        [
            Action::Instance(Incarnation(1), InstanceAction::Start),
            Action::DeleteTask(Incarnation(0))
        ]
    );
    story.started();
    let status = story.machine.status();
    let last = status.last_state.unwrap();
    assert_eq!((status.restart_count, last.exit_code, last.signal), (1, 137, Some(9)));
    assert_eq!(last.reason, "Error");
    assert!(matches!(last.cause, Cause::Probe { kind: ProbeKind::Liveness, .. }));
}

#[test]
fn second_crash_waits_in_crash_loop_back_off() {
    let mut story = Story::running(RestartPolicy::Always);
    assert!(
        story
            .ended(Ending::Exited(1))
            .contains(&Action::Instance(Incarnation(1), InstanceAction::Start))
    );
    story.started();
    let actions = story.ended(Ending::Exited(1));
    assert!(!actions.contains(&Action::Instance(Incarnation(2), InstanceAction::Start)));
    assert!(actions.contains(&Action::DeleteAttempt(Incarnation(0))));
    let status = story.machine.status();
    let ContainerState::Waiting { reason, message } = status.state else { panic!("not waiting") };
    assert_eq!(reason, WaitingReason::CrashLoopBackOff);
    assert_eq!(message, "back-off 10s restarting failed container=app pod=web_default(u)");
    story.pass(10 * SECOND);
    assert!(
        story.tell(Event::Tick).contains(&Action::Instance(Incarnation(2), InstanceAction::Start))
    );
}

#[test]
fn events_of_an_older_incarnation_are_dropped() {
    let mut story = Story::running(RestartPolicy::Always);
    story.ended(Ending::Exited(0));
    story.started();
    let old = InstanceEvent::Ended { ending: Ending::Exited(3) }.of(Incarnation(0));
    assert_eq!(story.tell(old), []);
    assert_eq!(story.machine.status().restart_count, 1);
}

#[test]
fn a_start_within_the_grace_of_a_stop_brings_the_next_attempt() {
    let mut story = Story::running(RestartPolicy::Never);
    story.want(Wanted::Stopped);
    story.want(Wanted::Running);
    assert!(
        story
            .ended(Ending::Signaled(15))
            .contains(&Action::Instance(Incarnation(1), InstanceAction::Start))
    );
    // The last stop has an effect again.
    story.started();
    story.want(Wanted::Stopped);
    story.want(Wanted::Running);
    story.want(Wanted::Stopped);
    assert!(
        !story
            .ended(Ending::Signaled(15))
            .contains(&Action::Instance(Incarnation(2), InstanceAction::Start))
    );
}

#[test]
fn stop_is_not_restarted_and_start_brings_the_next_attempt() {
    let mut story = Story::running(RestartPolicy::Always);
    assert!(
        story
            .want(Wanted::Stopped)
            .contains(&Action::Instance(Incarnation(0), InstanceAction::Signal(15)))
    );
    let actions = story.ended(Ending::Signaled(15));
    assert!(!actions.iter().any(|a| matches!(a, Action::Instance(_, InstanceAction::Start))));
    assert!(matches!(story.machine.status().state, ContainerState::Terminated(_)));
    assert!(
        story
            .want(Wanted::Running)
            .contains(&Action::Instance(Incarnation(1), InstanceAction::Start))
    );
}

#[test]
fn a_stop_during_the_back_off_shows_stopped_and_the_end_before_it() {
    let mut story = Story::running(RestartPolicy::OnFailure);
    story.ended(Ending::Exited(3));
    story.started();
    story.ended(Ending::Exited(4));
    story.want(Wanted::Stopped);
    let status = story.machine.status();
    let ContainerState::Waiting { reason, .. } = &status.state else { panic!("not waiting") };
    assert_eq!(*reason, WaitingReason::Stopped);
    assert_eq!(status.last_state.map(|ended| (ended.exit_code, ended.attempt.0)), Some((4, 1)));
    assert_eq!((status.restart_count, status.stage), (1, Stage::Over));
    assert!(
        story
            .want(Wanted::Running)
            .contains(&Action::Instance(Incarnation(2), InstanceAction::Start))
    );
    // The state of a container that has ended for good does not change.
    let mut story = Story::running(RestartPolicy::OnFailure);
    story.ended(Ending::Exited(0));
    story.want(Wanted::Stopped);
    assert!(matches!(story.machine.status().state, ContainerState::Terminated(_)));
}

#[test]
fn policies_decide_on_restarts() {
    for (policy, code, restarts) in [
        (RestartPolicy::Never, 1, false),
        (RestartPolicy::OnFailure, 0, false),
        (RestartPolicy::OnFailure, 42, true),
        (RestartPolicy::Always, 0, true),
    ] {
        let mut story = Story::running(policy);
        let actions = story.ended(Ending::Exited(code));
        let started = actions.contains(&Action::Instance(Incarnation(1), InstanceAction::Start));
        assert_eq!(started, restarts, "{policy:?} {code}");
    }
}

#[test]
fn removal_while_starting_waits_for_the_process_and_leaves_nothing() {
    let mut story = Story::new(pod(RestartPolicy::Always));
    story.want(Wanted::Running);
    story.want(Wanted::Removed);
    assert!(!story.machine.is_gone());
    assert!(
        story.started().contains(&Action::Instance(Incarnation(0), InstanceAction::Signal(15)))
    );
    assert!(story.ended(Ending::Exited(0)).contains(&Action::DeleteAttempt(Incarnation(0))));
    story.tell(Event::AttemptDeleted { incarnation: Incarnation(0) });
    assert!(story.machine.is_gone());
}

#[test]
fn a_grace_that_is_requested_during_a_start_is_used() {
    let mut story = Story::new(pod(RestartPolicy::Always));
    story.want(Wanted::Running);
    story.tell(Event::Wanted { wanted: Wanted::Removed, grace: Some(Duration::ZERO) });
    assert!(story.started().contains(&Action::Instance(Incarnation(0), InstanceAction::Signal(9))));
}

#[test]
fn runtime_fault_is_no_attempt() {
    let mut story = Story::new(pod(RestartPolicy::Always));
    story.want(Wanted::Running);
    let incarnation = Incarnation(0);
    let message = "containerd is not reachable".to_owned();
    story.tell(InstanceEvent::Failed { fault: Fault::Runtime, message }.of(incarnation));
    story.pass(SECOND);
    assert_eq!(story.tell(Event::Tick), [Action::Instance(Incarnation(0), InstanceAction::Start)]);
    assert_eq!(story.machine.status().restart_count, 0);
}

#[test]
fn a_forbidden_configuration_is_retried() {
    let mut story = Story::new(pod(RestartPolicy::Never));
    story.want(Wanted::Running);
    let incarnation = Incarnation(0);
    let message = "container has runAsNonRoot and image will run as root".to_owned();
    story.tell(
        InstanceEvent::Failed { fault: Fault::Config, message: message.clone() }.of(incarnation),
    );
    let reason = WaitingReason::CreateContainerConfigError;
    let status = story.machine.status();
    assert_eq!(status.state, ContainerState::Waiting { reason, message });
    story.pass(10 * SECOND);
    assert_eq!(story.tell(Event::Tick), [Action::Instance(Incarnation(0), InstanceAction::Start)]);
    assert_eq!(story.machine.status().restart_count, 0);
}
