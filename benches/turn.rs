//! What the core costs: one turn of a probe (due, attempted, observed, shown) without its I/O,
//! and one restart, beside the cheapest thing that a probe can do, a TCP connection on loopback.
//!
//!     cargo bench --bench turn

#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "a benchmark reads the clock")]

use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use probelet::domain::Now;
use probelet::domain::container::{
    Action, Event, ImageFacts, InstanceAction, InstanceEvent, Machine, Wanted,
};
use probelet::domain::exit::Ending;
use probelet::domain::probe::{Launch, Outcome};
use probelet::domain::spec::ProbeKind;
use probelet::manifest;

const TURNS: u32 = 100_000;
const MANIFEST: &str = include_str!("../examples/kubia-liveness.yaml");

struct Bench {
    machine: Machine,
    now: Now,
    launch: Launch,
}

impl Bench {
    /// What the machine wants cleared away is cleared at once.
    fn tell(&mut self, event: Event) {
        for action in self.machine.handle(event, self.now) {
            match std::hint::black_box(action) {
                Action::DeleteAttempt(incarnation) => {
                    self.tell(Event::AttemptDeleted { incarnation })
                }
                Action::Instance(_, InstanceAction::Probe(_, launch)) => self.launch = launch,
                _ => {}
            }
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now = Now { mono: self.now.mono + time, wall: self.now.wall + time, ..self.now };
    }

    fn start(&mut self) {
        let incarnation = self.machine.attempt();
        self.tell(InstanceEvent::Started { pid: 1, container_id: "c".into() }.of(incarnation));
    }

    fn probe(&mut self) {
        let incarnation = self.machine.attempt();
        let (kind, outcome) = (ProbeKind::Liveness, Outcome::Success(String::new()));
        self.pass(Duration::from_secs(10));
        self.tell(Event::Tick);
        let (launch, latency) = (self.launch, Duration::ZERO);
        self.tell(InstanceEvent::Probed { kind, launch, outcome, latency }.of(incarnation));
        std::hint::black_box(self.machine.status());
    }

    fn crash(&mut self) {
        // Long enough alive to be started again at once.
        self.pass(Duration::from_secs(600));
        let incarnation = self.machine.attempt();
        self.tell(InstanceEvent::Ended { ending: Ending::Exited(1) }.of(incarnation));
        self.start();
    }
}

fn nanoseconds(mut turn: impl FnMut()) -> f64 {
    let start = Instant::now();
    (0..TURNS).for_each(|_| turn());
    start.elapsed().as_secs_f64() * 1e9 / f64::from(TURNS)
}

fn main() {
    let spec = Arc::new(manifest::parse(MANIFEST, "uid".into()).unwrap().spec);
    let now =
        Now { mono: Instant::now(), wall: SystemTime::now(), booted_at: SystemTime::UNIX_EPOCH };
    let container = spec.containers.first().unwrap().clone();
    let machine = Machine::new(spec, container, ImageFacts::default(), now);
    let mut bench = Bench { machine, now, launch: Launch(0) };
    bench.tell(Event::Wanted { wanted: Wanted::Running, grace: None });
    bench.start();
    let probe = nanoseconds(|| bench.probe());
    let crash = nanoseconds(|| bench.crash());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let connect = nanoseconds(|| {
        let client = TcpStream::connect(address).unwrap();
        drop((listener.accept().unwrap(), client));
    });
    println!("connection on loopback  {connect:>8.0} ns");
    println!("probe turn in the core  {probe:>8.0} ns  ratio {:.3}", probe / connect);
    println!("restart in the core     {crash:>8.0} ns  ratio {:.3}", crash / connect);
}
