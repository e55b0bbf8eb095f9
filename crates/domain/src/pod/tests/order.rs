//! Order of starts and stops in pods of several containers, as stories.

use std::collections::BTreeMap;

use super::*;
use crate::container::{Fault, ImageFacts, InstanceAction, InstanceEvent, Recovered};
use crate::exit::Cause;
use crate::probe::Outcome;
use crate::spec::*;
use crate::status::Phase;

mod ending;
mod phases;

const SECOND: Duration = Duration::from_secs(1);

struct Story {
    pod: Pod,
    spec: Arc<PodSpec>,
    now: Now,
    /// Starts, signals and events since the last call of `saw`.
    done: Vec<String>,
    launched: BTreeMap<usize, (ProbeKind, crate::probe::Launch)>,
}

impl Story {
    #[expect(clippy::disallowed_methods, reason = "a test has to start somewhere")]
    fn new(spec: PodSpec) -> Self {
        let now = Now {
            mono: Instant::now(),
            wall: SystemTime::UNIX_EPOCH + 1000 * SECOND,
            booted_at: SystemTime::UNIX_EPOCH,
        };
        let spec = Arc::new(spec);
        let image = ImageFacts { id: "app@sha256:1".into(), ..ImageFacts::default() };
        let machine = |c: &ContainerSpec| Machine::new(spec.clone(), c.clone(), image.clone(), now);
        let machines = spec.all().map(machine).collect();
        let pod = Pod::new(spec.clone(), machines, now);
        Self { pod, spec, now, done: Vec::new(), launched: BTreeMap::new() }
    }

    /// Story of a pod that is wanted running from the start.
    fn begun(spec: PodSpec) -> Self {
        let mut story = Self::new(spec);
        story.want(Wanted::Running);
        story
    }

    fn index(&self, name: &str) -> usize {
        self.spec.place_of(name).unwrap()
    }

    fn machine(&self, name: &str) -> &Machine {
        self.pod.machine(self.index(name)).unwrap()
    }

    fn note(&mut self, actions: Vec<(usize, Action)>) {
        for (index, action) in actions {
            let name = self.spec.at(index).unwrap().name.clone();
            match action {
                Action::Instance(n, InstanceAction::Start) => {
                    self.done.push(format!("start {name} {n}"))
                }
                Action::Instance(_, InstanceAction::Signal(signal)) => {
                    self.done.push(format!("signal {name} {signal}"))
                }
                Action::Instance(_, InstanceAction::RunHook(kind, _)) => {
                    self.done.push(format!("{} {name}", kind.as_str()));
                }
                Action::Instance(_, InstanceAction::Probe(kind, launch)) => {
                    self.launched.insert(index, (kind, launch));
                }
                Action::Instance(incarnation, InstanceAction::AskBrake(_)) => {
                    self.answer(index, InstanceEvent::Granted.of(incarnation))
                }
                Action::Instance(incarnation, InstanceAction::Capture) => {
                    self.answer(
                        index,
                        InstanceEvent::Captured { reading: String::new() }.of(incarnation),
                    );
                }
                _ => {}
            }
        }
    }

    fn answer(&mut self, index: usize, event: Event) {
        let actions = self.pod.handle(index, event, self.now);
        self.note(actions);
    }

    fn want(&mut self, wanted: Wanted) {
        let actions = self.pod.handle_all(&Event::Wanted { wanted, grace: None }, self.now);
        self.note(actions);
    }

    fn ask(&mut self, wanted: Wanted) {
        let actions = self.pod.ask(wanted, None, self.now);
        self.note(actions);
    }

    fn tell(&mut self, name: &str, event: Event) {
        let actions = self.pod.handle(self.index(name), event, self.now);
        self.note(actions);
    }

    fn started(&mut self, name: &str) {
        let incarnation = self.machine(name).memory().attempt;
        self.tell(
            name,
            InstanceEvent::Started { pid: 7, container_id: name.into() }.of(incarnation),
        );
    }

    fn post_started(&mut self, name: &str, result: Result<(), &str>) {
        let incarnation = self.machine(name).memory().attempt;
        let (kind, result) = (HookKind::PostStart, result.map_err(Into::into));
        self.tell(name, InstanceEvent::Hooked { kind, result }.of(incarnation));
    }

    fn exits(&mut self, name: &str, code: u8) {
        let incarnation = self.machine(name).memory().attempt;
        self.tell(name, InstanceEvent::Ended { ending: Ending::Exited(code) }.of(incarnation));
    }

    fn pass(&mut self, time: Duration) {
        self.now = Now { mono: self.now.mono + time, wall: self.now.wall + time, ..self.now };
        let actions = self.pod.handle_all(&Event::Tick, self.now);
        self.note(actions);
    }

    fn passes_startup(&mut self, name: &str) {
        self.probed(name, Outcome::Success(String::new()));
    }

    fn fails(&mut self, name: &str) {
        self.probed(name, Outcome::Failure("no".into()));
    }

    fn probed(&mut self, name: &str, outcome: Outcome) {
        self.pass(SECOND);
        let incarnation = self.machine(name).memory().attempt;
        let (kind, launch) = self.launched[&self.index(name)];
        let latency = Duration::ZERO;
        self.tell(name, InstanceEvent::Probed { kind, launch, outcome, latency }.of(incarnation));
    }

    fn saw(&mut self) -> Vec<String> {
        std::mem::take(&mut self.done)
    }

    fn phase(&self) -> Phase {
        self.pod.status().phase
    }

    fn waiting(&self, name: &str) -> String {
        match &self.machine(name).status().state {
            ContainerState::Waiting { reason, .. } => reason.to_string(),
            other => panic!("{name} does not wait: {other:?}"),
        }
    }

    fn condition(&self, kind: &str) -> (bool, String) {
        let status = self.pod.status();
        let condition = status.conditions.iter().find(|c| c.kind == kind).unwrap().clone();
        (condition.is_true, format!("{} {}", condition.reason, condition.message))
    }

    /// Recovers the pod as another daemon; the containers in `running` still run.
    fn taken_up(&mut self, running: &[&str]) {
        let mut machines = Vec::new();
        let mut first = Vec::new();
        for (index, container) in self.spec.all().enumerate() {
            let machine = self.pod.machine(index).unwrap();
            let found = if running.contains(&container.name.as_str()) {
                Recovered::Running { pid: 7 }
            } else {
                Recovered::Nothing
            };
            // The wanted level was recorded with the start request.
            let memory = machine.memory();
            let (machine, actions) = Machine::recover(
                self.spec.clone(),
                container.clone(),
                memory,
                "c".into(),
                [],
                found,
                self.now,
            );
            machines.push(machine);
            first.extend(actions.into_iter().map(|action| (index, action)));
        }
        self.pod = Pod::new(self.spec.clone(), machines, self.now);
        first.extend(self.pod.resume(self.now));
        self.note(first);
    }
}

fn never(mut spec: PodSpec) -> PodSpec {
    spec.restart_policy = RestartPolicy::Never;
    spec
}

fn probe() -> ProbeSpec {
    let exec = Exec { command: vec!["true".into()] };
    ProbeSpec { period: SECOND, ..ProbeSpec::new(Handler::Exec(exec)) }
}

/// Adds a startup probe to a container.
fn gated(mut spec: PodSpec, name: &str) -> PodSpec {
    let place = spec.place_of(name).unwrap();
    spec.at_mut(place).unwrap().probes.startup = Some(probe());
    spec
}

/// Story in which all containers have started.
fn running(spec: PodSpec) -> Story {
    let mut story = Story::begun(spec);
    let names: Vec<_> = story.spec.all().map(|c| c.name.clone()).collect();
    for name in names {
        story.started(&name);
    }
    story.saw();
    story
}

#[test]
fn init_containers_run_one_by_one_and_the_regular_ones_together_after_them() {
    let mut story = Story::begun(pod(&["i", "j"], &["a", "b"]));
    assert_eq!(story.saw(), ["start i 0"]);
    assert_eq!(story.waiting("a"), "PodInitializing");
    let text = "ContainersNotInitialized containers with incomplete status: [i j]";
    assert_eq!(story.condition("Initialized"), (false, text.into()));
    story.started("i");
    assert_eq!((story.saw(), story.phase()), (vec![], Phase::Pending));
    story.exits("i", 0);
    assert_eq!(story.saw(), ["start j 0"]);
    let text = "ContainersNotInitialized containers with incomplete status: [j]";
    assert_eq!(story.condition("Initialized"), (false, text.into()));
    story.started("j");
    story.exits("j", 0);
    assert_eq!(story.saw(), ["start a 0", "start b 0"]);
    assert!(story.condition("Initialized").0);
    story.started("a");
    story.started("b");
    assert_eq!(story.phase(), Phase::Running);
    assert!(story.condition("Ready").0);
}

#[test]
fn a_failing_init_container_backs_off_and_blocks_later_ones() {
    let mut story = Story::begun(pod(&["i"], &["a"]));
    story.started("i");
    story.exits("i", 1);
    assert_eq!(story.saw(), ["start i 0", "start i 1"]);
    story.started("i");
    story.exits("i", 1);
    assert_eq!((story.saw(), story.waiting("i")), (vec![], "CrashLoopBackOff".into()));
    assert_eq!(story.phase(), Phase::Pending);
    story.pass(10 * SECOND);
    assert_eq!(story.saw(), ["start i 2"]);
    story.started("i");
    story.exits("i", 0);
    assert_eq!(story.saw(), ["start a 0"]);
}

#[test]
fn without_restarts_a_failed_init_container_fails_the_pod_and_ends_its_sidecars() {
    let mut story = Story::begun(never(pod(&["s+", "i"], &["a"])));
    story.started("s");
    story.started("i");
    story.exits("i", 3);
    assert_eq!(story.saw(), ["start s 0", "start i 0", "signal s 15"]);
    assert_eq!(story.phase(), Phase::Failed);
    story.exits("s", 0);
    assert_eq!((story.saw(), story.phase()), (vec![], Phase::Failed));
    assert!(story.machine("s").member().is_over());
}

#[test]
fn a_pod_that_has_ended_runs_again_on_request() {
    for (codes, phase) in [([0, 0], Phase::Succeeded), ([0, 4], Phase::Failed)] {
        let mut story = Story::begun(never(pod(&["i"], &["a"])));
        for (name, code) in ["i", "a"].into_iter().zip(codes) {
            story.started(name);
            story.exits(name, code);
        }
        assert_eq!(
            (story.saw(), story.phase()),
            (vec!["start i 0".into(), "start a 0".into()], phase)
        );
        // The level that is wanted already does not start it again.
        story.want(Wanted::Running);
        assert_eq!(story.saw(), Vec::<String>::new());
        story.ask(Wanted::Running);
        assert_eq!(story.saw(), ["start i 1"]);
        // A container that runs is not restarted.
        story.started("i");
        story.ask(Wanted::Running);
        assert_eq!(story.saw(), Vec::<String>::new());
        story.exits("i", 3);
        assert_eq!((story.saw(), story.phase()), (vec![], Phase::Failed));
        // A container that has never started does not prevent it.
        story.ask(Wanted::Running);
        assert_eq!(story.saw(), ["start i 2"]);
    }
}

#[test]
fn later_containers_start_once_a_sidecar_has_started() {
    let mut story = Story::begun(gated(pod(&["s+", "i"], &["a"]), "s"));
    story.started("s");
    assert_eq!((story.saw(), story.phase()), (vec!["start s 0".into()], Phase::Pending));
    story.passes_startup("s");
    assert_eq!(story.saw(), ["start i 0"]);
    // The sidecar ends meanwhile: it restarts, and later containers wait for it again.
    story.started("i");
    story.exits("s", 0);
    story.exits("i", 0);
    assert_eq!(story.saw(), ["start s 1"]);
    story.started("s");
    story.passes_startup("s");
    assert_eq!(story.saw(), ["start a 0"]);
    story.started("a");
    story.exits("s", 1);
    assert_eq!(story.phase(), Phase::Running);
}

#[test]
fn a_deadline_ends_all_in_order_and_none_starts_after_it() {
    let mut spec = pod(&["s+", "i"], &["a"]);
    spec.active_deadline = Some(60 * SECOND);
    let mut story = Story::begun(spec);
    story.started("s");
    story.started("i");
    story.saw();
    story.pass(60 * SECOND);
    assert_eq!(story.saw(), ["signal i 15"]);
    story.exits("i", 0);
    assert_eq!(story.saw(), ["signal s 15"]);
    assert_eq!(story.phase(), Phase::Pending);
    story.exits("s", 0);
    story.pass(SECOND);
    assert_eq!((story.saw(), story.phase()), (vec![], Phase::Failed));
    story.want(Wanted::Stopped);
    story.want(Wanted::Running);
    assert_eq!((story.saw(), story.machine("i").member().is_over()), (vec![], true));
}

#[test]
fn a_container_that_its_probe_stops_stays_stopped_and_does_not_wait() {
    let mut spec = gated(pod(&["s+"], &["a"]), "s");
    let probe = spec.init_containers[0].probes.startup.take();
    let probe = probe.map(|probe| ProbeSpec { failure_threshold: 1, ..probe });
    let probe = probe.map(|probe| ProbeSpec { on_failure: Some(OnFailure::Stop), ..probe });
    spec.init_containers[0].probes.liveness = probe;
    let mut story = running(spec);
    story.fails("s");
    assert_eq!(story.saw(), ["signal s 15"]);
    story.exits("s", 0);
    story.taken_up(&["a"]);
    assert_eq!(story.saw(), [""; 0]);
    story.want(Wanted::Running);
    assert_eq!(story.saw(), ["start s 1"]);
}

#[test]
fn one_container_restarts_without_the_others() {
    let mut story = running(pod(&[], &["a", "b"]));
    story.exits("a", 1);
    assert_eq!(story.saw(), ["start a 1"]);
    assert_eq!(story.machine("b").memory().attempt, Incarnation(0));
    story.started("a");
    story.tell("b", Event::Restart { grace: None });
    story.exits("b", 0);
    assert_eq!(story.saw(), ["signal b 15", "start b 1"]);
}

#[test]
fn a_pod_is_ready_to_start_containers_once_its_surroundings_are_made() {
    let ready = |story: &Story| story.condition("PodReadyToStartContainers").0;
    let mut story = Story::begun(never(pod(&[], &["a", "b"])));
    let kinds: Vec<_> = story.pod.status().conditions.iter().map(|c| c.kind).collect();
    let all = ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady"];
    assert_eq!(kinds, [&all[..], &["PodScheduled"]].concat(), "without a rule no other");
    assert!(!ready(&story));
    let failed =
        |fault| InstanceEvent::Failed { fault, message: "no bridge".into() }.of(Incarnation(0));
    story.tell("a", failed(Fault::Network));
    assert!(!ready(&story));
    story.pass(SECOND);
    story.started("b");
    assert!(ready(&story), "b runs, and a is tried again");
    story.tell("a", failed(Fault::Container));
    assert!(ready(&story), "what cannot run had its surroundings");
    story.exits("b", 0);
    assert_eq!((story.phase(), ready(&story)), (Phase::Failed, false));
}

#[test]
fn a_pod_that_has_lost_its_network_is_not_ready_to_start_containers() {
    let ready = |story: &Story| story.condition("PodReadyToStartContainers").0;
    let mut story = running(pod(&[], &["a"]));
    assert!(ready(&story));
    story.exits("a", 1);
    let failed = InstanceEvent::Failed { fault: Fault::Network, message: "no bridge".into() };
    story.tell("a", failed.of(Incarnation(1)));
    assert!(!ready(&story));
    story.pass(SECOND);
    story.started("a");
    assert!(ready(&story));
}
