//! Number of allocations of a probe's two turns: the tick that launches it, and its success. A pod has
//! hundreds of them in a second, and a count does not depend on how busy the machine is.

use allocation_counter::measure;

use super::*;
use crate::container::{ImageFacts, InstanceAction, InstanceEvent};
use crate::probe::Outcome;
use crate::spec::{Handler, PortRef, ProbeKind, ProbeSpec, TcpSocket};

const PERIOD: Duration = Duration::from_secs(10);

/// A running container with a liveness probe.
struct Probed {
    pod: Pod,
    now: Now,
}

impl Probed {
    #[expect(clippy::disallowed_methods, reason = "a test has to start somewhere")]
    fn new() -> Self {
        let mut spec = pod(&[], &["a"]);
        let tcp = TcpSocket { port: PortRef::Number(80), host: None };
        let probe = ProbeSpec { period: PERIOD, ..ProbeSpec::new(Handler::TcpSocket(tcp)) };
        spec.containers[0].probes.liveness = Some(probe);
        let spec = Arc::new(spec);
        let wall = SystemTime::UNIX_EPOCH;
        let now = Now { mono: Instant::now(), wall, booted_at: wall };
        let image = ImageFacts { id: "a@sha256:1".into(), ..ImageFacts::default() };
        let machine = Machine::new(spec.clone(), spec.containers[0].clone(), image, now);
        let mut probed = Self { pod: Pod::new(spec, vec![machine], now), now };
        probed.pod.ask(Wanted::Running, None, now);
        let started = InstanceEvent::Started { pid: 1, container_id: "a".into() };
        probed.pod.handle(0, started.of(Incarnation(0)), now);
        probed
    }

    fn attempt(&mut self) {
        self.now = Now { mono: self.now.mono + PERIOD, wall: self.now.wall + PERIOD, ..self.now };
        for (_, action) in self.pod.handle_all(&Event::Tick, self.now) {
            let Action::Instance(_, InstanceAction::Probe(kind, launch)) = action else { continue };
            let (outcome, latency) = (Outcome::Success(String::new()), Duration::ZERO);
            let probed = InstanceEvent::Probed { kind, launch, outcome, latency };
            self.pod.handle(0, probed.of(Incarnation(0)), self.now);
        }
    }

    fn successes(&self) -> u64 {
        let probes = &self.pod.status().containers[0].probes;
        probes.iter().find(|it| it.kind == ProbeKind::Liveness).unwrap().successes
    }
}

#[test]
fn an_attempt_of_a_probe_allocates_little() {
    let mut probed = Probed::new();
    (0..3).for_each(|_| probed.attempt());
    let count = measure(|| probed.attempt()).count_total;
    assert_eq!(probed.successes(), 4);
    assert!(count <= 22, "{count} allocations");
}
