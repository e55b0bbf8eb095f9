//! A simulation of days of many containers in seconds. The supervisor runs over a world in which
//! processes end, shims hang, containerd is lost and the daemon itself dies, as drawn from a seed.
//!
//! `SIMULATION_SEEDS=100..200` and `SIMULATION_HOURS` make it longer. A violation names its seed.
//! tokio's random choices, such as the branch of a `select!`, may differ in another run.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::atomic::AtomicU32;

use super::*;
use crate::domain::container::Event;
use crate::node::AttemptId;
use crate::supervisor::clock::simulated;

mod world;

use world::{SimulatedRuntime, World};

const PODS: u64 = 8;
const THRESHOLD: u32 = 2;
const PERIOD: Duration = Duration::from_secs(60);
/// A time longer than any back-off and any retry.
const QUIET: Duration = Duration::from_secs(3600);

/// The generator splitmix64.
#[derive(Clone)]
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    fn seconds(&mut self, range: Range<u64>) -> Duration {
        let length = range.end - range.start;
        Duration::from_secs(range.start + self.below(length))
    }
}

fn name(number: u64) -> String {
    format!("web-{number}")
}

fn pod_of(number: u64) -> Validated<PodSpec> {
    let mut spec = pod("app").into_inner();
    (spec.name, spec.uid) = (name(number), format!("uid-{number}"));
    let probe = spec.containers[0].probes.liveness.as_mut().unwrap();
    (probe.period, probe.failure_threshold) = (PERIOD, THRESHOLD);
    spec.validate().unwrap()
}

/// One run of the daemon.
struct Daemon {
    supervisor: Arc<Supervisor>,
    reconciling: tokio::task::JoinSet<()>,
    counts: BTreeMap<String, u32>,
}

impl Daemon {
    fn start(world: &Arc<World>) -> Self {
        let runtime = Arc::new(SimulatedRuntime(world.clone()));
        let supervisor = Arc::new(Supervisor::new(runtime.clone(), runtime));
        let reconciler = supervisor.clone();
        let mut reconciling = tokio::task::JoinSet::new();
        reconciling.spawn(async move { reconciler.run().await });
        Self { supervisor, reconciling, counts: BTreeMap::new() }
    }

    async fn die(self) {
        self.supervisor.stop().await;
        self.reconciling.join_all().await;
    }
}

/// The simulation, with what was observed from outside over all daemons.
struct Simulation {
    world: Arc<World>,
    random: Random,
    daemon: Daemon,
    /// The highest restart count of each pod.
    most: BTreeMap<String, u32>,
    events: BTreeMap<u64, String>,
    stopped: BTreeSet<String>,
    violations: Vec<String>,
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let world = Arc::new(World::new(Random(!seed)));
        let daemon = Daemon::start(&world);
        Self {
            world,
            random: Random(seed),
            daemon,
            most: BTreeMap::new(),
            events: BTreeMap::new(),
            stopped: BTreeSet::new(),
            violations: Vec::new(),
        }
    }

    /// Observes the daemon's events and views.
    fn observe(&mut self) {
        let newest = self.events.last_key_value().map_or(0, |(number, _)| *number);
        for event in self.daemon.supervisor.events().after(newest, &Subject::All) {
            let text = format!("{} {} {}", event.pod, event.reason, event.message);
            self.events.insert(event.sequence, text);
        }
        for view in self.daemon.supervisor.list() {
            let (pod, count) = (view.spec.name.clone(), view.status.containers[0].restart_count);
            for end in view.status.containers[0].history.iter() {
                let id = AttemptId::of(&view.spec, &view.spec.containers[0].name, end.attempt);
                if !self.world.ended_with(&id, end.ending) {
                    self.violations
                        .push(format!("{id}: reported as {:?}, {}", end.ending, end.reason));
                }
            }
            let before = self.daemon.counts.insert(pod.clone(), count).unwrap_or_default();
            if count < before {
                self.violations.push(format!("{pod}: the count fell from {before} to {count}"));
            }
            let most = self.most.entry(pod).or_default();
            *most = count.max(*most);
        }
    }

    /// Ends the daemon, whatever it is doing, and starts another one.
    async fn crash(&mut self) {
        self.observe();
        let next = Daemon::start(&self.world);
        std::mem::replace(&mut self.daemon, next).die().await;
        while let Err(error) = self.daemon.supervisor.recover().await {
            assert!(matches!(error, SupervisorError::Runtime(_)), "{error}");
            tokio::time::sleep(Duration::from_secs(1)).await;
            self.maybe_return_containerd();
        }
        // An event with a known number is the event that was reported.
        let newest = self.events.last_key_value().map_or(0, |(number, _)| *number);
        for event in self.daemon.supervisor.events().after(0, &Subject::All) {
            let text = format!("{} {} {}", event.pod, event.reason, event.message);
            let known = self.events.get(&event.sequence);
            if event.sequence <= newest && known.is_some_and(|known| *known != text) {
                self.violations.push(format!("number {} is used twice", event.sequence));
            }
        }
    }

    /// Lets containerd return at some time, because a daemon that starts waits for it without end.
    fn maybe_return_containerd(&mut self) {
        if self.random.below(20) == 0 {
            self.world.away.store(false, Relaxed);
        }
    }

    /// Stops containerd for at least that many seconds.
    async fn stop_containerd(&mut self, least: u64) {
        self.world.away.store(true, Relaxed);
        tokio::time::sleep(self.random.seconds(least..120)).await;
        if self.random.below(2) == 0 {
            self.crash().await;
        }
        self.world.away.store(false, Relaxed);
    }

    /// Injects a random fault.
    async fn inject_fault(&mut self) {
        let alive = self.world.alive();
        let at = self.random.below(u64::try_from(alive.len().max(1)).unwrap());
        let victim = alive.get(usize::try_from(at).unwrap()).cloned();
        let pod = name(self.random.below(PODS));
        match (self.random.below(10), victim) {
            (0..3, Some(victim)) => {
                let code = u8::try_from(self.random.below(3)).unwrap();
                let ending = match self.random.below(2) {
                    0 => Ending::Exited(code),
                    _ => Ending::Signaled(9),
                };
                if self.random.below(2) == 0 {
                    self.world.fill_run_folder();
                }
                victim.end(ending);
                // The next fault comes while the daemon handles this one.
                tokio::time::sleep(Duration::from_millis(self.random.below(1000))).await;
                match self.random.below(3) {
                    0 => self.crash().await,
                    1 => self.stop_containerd(0).await,
                    _ => {}
                }
                self.world.full.store(false, Relaxed);
            }
            (3..5, Some(victim)) => {
                victim.fails_probes.store(true, Relaxed);
                // Some recover by themselves, in time or too late.
                if self.random.below(2) == 0 {
                    tokio::time::sleep(self.random.seconds(1..200)).await;
                    victim.fails_probes.store(false, Relaxed);
                }
            }
            (5, _) => {
                self.world.away.store(true, Relaxed);
                let mut least = 0;
                if let Some(victim) = alive.first().filter(|_| self.random.below(2) == 0) {
                    victim.end(Ending::Signaled(9));
                    if self.random.below(2) == 0 {
                        self.world.lose(&victim.id);
                        // Only the daemon knows of the end, and it may take this long to record it.
                        least = 5;
                    }
                }
                self.stop_containerd(least).await;
            }
            (6, _) => self.crash().await,
            (7, Some(victim)) => {
                self.world.hang(&victim.id);
                if self.random.below(2) == 0 {
                    self.crash().await;
                }
                tokio::time::sleep(self.random.seconds(1..100)).await;
                self.world.recover();
            }
            (8, _) => {
                self.world.request(&pod);
                let wanted = match self.stopped.remove(&pod) {
                    true => Wanted::Running,
                    false => {
                        self.stopped.insert(pod.clone());
                        Wanted::Stopped
                    }
                };
                self.daemon.supervisor.requests().want(&key(&pod), wanted, None, None).unwrap();
                // The daemon may die once the stop is recorded, or pending.
                tokio::time::sleep(Duration::from_secs(15)).await;
            }
            (9, _) if !self.stopped.contains(&pod) => {
                self.world.request(&pod);
                let restart = Event::Restart { grace: None };
                self.daemon.supervisor.requests().request(&key(&pod), "", restart, None).unwrap();
            }
            _ => {}
        }
    }

    /// Checks that the wanted containers run, that no others do, and that each counted restart
    /// happened.
    fn check(&mut self) {
        let alive = self.world.alive();
        for view in self.daemon.supervisor.list() {
            let (pod, status) = (&view.spec.name, &view.status.containers[0]);
            let running = matches!(status.state, ContainerState::Running { .. });
            let own = alive.iter().filter(|process| process.id.pod == key(pod)).count();
            let wanted = usize::from(!self.stopped.contains(pod));
            if (usize::from(running), own) != (wanted, wanted) {
                let state = &status.state;
                self.violations
                    .push(format!("{pod}: {own} run, wanted {wanted}, reported {state:?}"));
            }
            // An attempt that has not begun is not counted yet.
            if status.restart_count != status.instance.0 {
                self.violations.push(format!("{pod}: {status:?}"));
            }
            let deaths = self.world.deaths_of(pod);
            if deaths < usize::try_from(status.restart_count).unwrap() {
                let count = status.restart_count;
                self.violations.push(format!("{pod}: {count} restarts of {deaths} deaths"));
            }
            let most = self.most.get(pod).copied().unwrap_or_default();
            if status.restart_count < most {
                self.violations.push(format!("{pod}: {most} restarts are lost"));
            }
        }
        let count = self.daemon.supervisor.list().len();
        if count != usize::try_from(PODS).unwrap() {
            self.violations.push(format!("{count} pods exist"));
        }
    }
}

async fn simulate(seed: u64, length: Duration) -> Vec<String> {
    simulated::set();
    let mut simulation = Simulation::new(seed);
    for number in 0..PODS {
        simulation.daemon.supervisor.apply(pod_of(number), Wanted::Running).await.unwrap();
    }
    let end = tokio::time::Instant::now() + length;
    while tokio::time::Instant::now() < end && simulation.violations.is_empty() {
        let pause = simulation.random.seconds(1..600);
        tokio::time::sleep(pause).await;
        simulation.inject_fault().await;
        simulation.observe();
    }
    simulation.world.recover();
    tokio::time::sleep(QUIET).await;
    simulation.observe();
    simulation.check();
    simulation.violations.extend(simulation.world.violations());
    let Simulation { daemon, violations, .. } = simulation;
    daemon.die().await;
    violations
}

fn seeds() -> Range<u64> {
    let Ok(text) = std::env::var("SIMULATION_SEEDS") else { return 0..4 };
    let (first, end) = text.split_once("..").expect("SIMULATION_SEEDS=FIRST..END");
    first.parse().unwrap()..end.parse().unwrap()
}

#[test]
fn after_any_faults_the_wanted_containers_run_and_all_counts_are_true() {
    let hours = std::env::var("SIMULATION_HOURS").map_or(10, |text| text.parse().unwrap());
    let mut violations = Vec::new();
    for seed in seeds() {
        println!("seed {seed}: {} container-hours", PODS * hours);
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build().unwrap();
        let length = Duration::from_secs(hours * 3600);
        let found = runtime.block_on(simulate(seed, length));
        violations.extend(found.into_iter().map(|fault| format!("seed {seed}: {fault}")));
    }
    assert!(violations.is_empty(), "{violations:#?}");
}
