use proptest::prelude::*;

use super::*;
use crate::spec::{Handler, PortRef, TcpSocket};

const SECOND: Duration = Duration::from_secs(1);
const PERIOD: Duration = Duration::from_secs(10);

fn spec(success: u32, failure: u32) -> ProbeSpec {
    let handler = Handler::TcpSocket(TcpSocket { host: None, port: PortRef::Number(1) });
    ProbeSpec { success_threshold: success, failure_threshold: failure, ..ProbeSpec::new(handler) }
}

/// A tracker and the time that has passed since its instance started.
struct Watched {
    tracker: Tracker,
    start: Now,
    now: Now,
    launches: u64,
}

impl Watched {
    #[expect(clippy::disallowed_methods, reason = "a test has to start somewhere")]
    fn new(kind: ProbeKind, spec: &ProbeSpec) -> Self {
        let start = Now {
            mono: Instant::now(),
            wall: SystemTime::UNIX_EPOCH,
            booted_at: SystemTime::UNIX_EPOCH,
        };
        let tracker = Tracker::new(kind, spec, start.mono);
        Self { tracker, start, now: start, launches: 0 }
    }

    fn at(&mut self, time: Duration) -> &mut Self {
        self.now = Now { mono: self.start.mono + time, wall: self.start.wall + time, ..self.start };
        self
    }

    fn launch(&mut self) -> bool {
        self.launches += 1;
        self.tracker.launch(Launch(self.launches), self.now)
    }

    fn sees(&mut self, letter: &str, latency: Duration) -> Seen {
        let outcome = match letter {
            "S" => Outcome::Success(String::new()),
            "F" => Outcome::Failure("f".into()),
            _ => Outcome::Error("e".into()),
        };
        self.tracker.observe(Launch(self.launches), outcome, latency, self.now)
    }

    fn due(&self) -> Option<Duration> {
        self.tracker.deadline().map(|due| due - self.start.mono)
    }
}

#[test]
fn first_probe_waits_initial_delay_exactly() {
    let delay = Duration::from_secs(15);
    let probe = ProbeSpec { initial_delay: delay, ..spec(1, 3) };
    let mut watched = Watched::new(ProbeKind::Liveness, &probe);
    assert_eq!(watched.due(), Some(delay));
    assert!(!watched.at(delay - Duration::from_millis(1)).launch());
    assert!(watched.at(delay).launch());
    assert_eq!(watched.due(), None, "probes of one kind never overlap");
}

#[test]
fn missed_ticks_collapse_and_keep_the_phase() {
    let mut watched = Watched::new(ProbeKind::Liveness, &spec(1, 3));
    assert!(watched.at(35 * SECOND).launch());
    watched.sees("S", Duration::ZERO);
    assert_eq!(watched.due(), Some(40 * SECOND));
}

#[test]
fn a_failure_that_may_be_the_daemons_lateness_does_not_count() {
    // The attempt was launched late, or ended long after its timeout.
    for (launched, latency) in [(12, Duration::ZERO), (10, 3 * SECOND)] {
        let mut watched = Watched::new(ProbeKind::Liveness, &spec(1, 1));
        watched.launch();
        watched.sees("S", Duration::ZERO);
        assert!(watched.at(launched * SECOND).launch());
        assert_eq!(watched.sees("F", latency), Seen::Late);
        assert_eq!(watched.tracker.verdict(), Verdict::Success);
        assert!(watched.at(20 * SECOND).launch());
        assert_eq!(watched.sees("F", SECOND), Seen::Counted(Some(Verdict::Failure)));
    }
}

#[test]
fn an_attempt_longer_than_the_period_makes_the_next_one_not_late() {
    let probe = ProbeSpec { period: SECOND, timeout: 5 * SECOND, ..spec(1, 3) };
    let mut watched = Watched::new(ProbeKind::Liveness, &probe);
    for (launched, verdict) in [(0, None), (5, None), (10, Some(Verdict::Failure))] {
        assert!(watched.at(launched * SECOND).launch(), "as soon as the one before has ended");
        watched.at((launched + 5) * SECOND);
        assert_eq!(watched.sees("F", 5 * SECOND), Seen::Counted(verdict));
    }
}

#[test]
fn an_error_is_tried_three_times_and_moves_no_counter() {
    let mut watched = Watched::new(ProbeKind::Liveness, &spec(1, 1));
    watched.launch();
    let seen = [(); 4].map(|()| watched.sees("E", Duration::ZERO));
    assert_eq!(seen, [Seen::Again, Seen::Again, Seen::Error, Seen::Stale]);
    assert_eq!(watched.tracker.verdict(), Verdict::Success);
    assert_eq!(watched.tracker.status().errors, 3);
}

#[test]
fn a_result_of_a_dropped_attempt_is_stale() {
    let mut watched = Watched::new(ProbeKind::Liveness, &spec(1, 2));
    watched.launch();
    watched.sees("F", Duration::ZERO);
    watched.at(PERIOD).launch();
    watched.tracker.drop_evidence();
    assert_eq!(watched.sees("F", Duration::ZERO), Seen::Stale);
    watched.at(2 * PERIOD).launch();
    assert_eq!(watched.sees("F", Duration::ZERO), Seen::Counted(None), "it begins again");
}

#[test]
fn a_faster_startup_period_finds_the_start_but_spends_no_failures() {
    let ramp = Some(Duration::from_millis(100));
    let probe = ProbeSpec { startup_period: ramp, ..spec(1, 2) };
    let mut watched = Watched::new(ProbeKind::Startup, &probe);
    assert!(watched.launch());
    assert_eq!(watched.sees("F", Duration::ZERO), Seen::Counted(None));
    for step in 1..50 {
        assert_eq!(watched.due(), Some(step * Duration::from_millis(100)));
        assert!(watched.at(step * Duration::from_millis(100)).launch());
        assert_eq!(watched.sees("F", Duration::ZERO), Seen::Early);
    }
    watched.at(5 * SECOND).launch();
    assert_eq!(watched.sees("S", Duration::ZERO), Seen::Counted(Some(Verdict::Success)));
}

#[test]
fn a_faster_startup_period_ends_with_the_first_pass() {
    let probe = ProbeSpec { startup_period: Some(SECOND), ..spec(2, 1) };
    let mut watched = Watched::new(ProbeKind::Readiness, &probe);
    let mut pass = |at: u64, letter| {
        assert!(watched.at(Duration::from_secs(at)).launch());
        let seen = watched.sees(letter, Duration::ZERO);
        (seen, watched.due().unwrap().as_secs())
    };
    assert_eq!(pass(0, "S"), (Seen::Counted(None), 1));
    assert_eq!(pass(1, "F"), (Seen::Early, 2), "breaks the row all the same");
    assert_eq!(pass(2, "S"), (Seen::Counted(None), 3));
    assert_eq!(pass(3, "S"), (Seen::Counted(Some(Verdict::Success)), 10));
    assert_eq!(pass(10, "F"), (Seen::Counted(Some(Verdict::Failure)), 20));
}

#[test]
fn the_status_has_the_beginning_of_equal_results() {
    let mut watched = Watched::new(ProbeKind::Readiness, &spec(1, 3));
    for (tick, letter) in ["S", "F", "F"].into_iter().enumerate() {
        watched.at(PERIOD * tick as u32).launch();
        watched.sees(letter, Duration::ZERO);
    }
    let status = watched.tracker.status();
    assert_eq!(status.consecutive, 2);
    assert_eq!(status.since, Some(SystemTime::UNIX_EPOCH + PERIOD));
    assert_eq!((status.successes, status.failures, status.errors), (1, 2, 0));
}

proptest! {
    #[test]
    fn liveness_fails_iff_a_run_of_failures_reaches_the_threshold(
        letters in proptest::collection::vec(prop_oneof![Just("S"), Just("F"), Just("E")], 0..60),
        threshold in 1u32..6,
    ) {
        let mut watched = Watched::new(ProbeKind::Liveness, &spec(1, threshold));
        let mut verdicts = 0;
        for (tick, letter) in letters.iter().enumerate() {
            watched.at(PERIOD * tick as u32).launch();
            let mut seen = watched.sees(letter, Duration::ZERO);
            while seen == Seen::Again {
                seen = watched.sees(letter, Duration::ZERO);
            }
            verdicts += u32::from(matches!(seen, Seen::Counted(Some(_))));
        }
        let counted: String = letters.concat().replace('E', "");
        let condemned = counted.contains(&"F".repeat(threshold as usize));
        prop_assert_eq!(verdicts, u32::from(condemned));
        prop_assert_eq!(watched.tracker.verdict() == Verdict::Failure, condemned);
    }

    #[test]
    fn a_next_attempt_follows_unless_a_final_verdict_stands(
        steps in proptest::collection::vec((0u64..40, prop_oneof![Just("S"), Just("F"), Just("E")]), 0..60),
        readiness in any::<bool>(),
        ramp in any::<bool>(),
    ) {
        let kind = if readiness { ProbeKind::Readiness } else { ProbeKind::Startup };
        let startup_period = ramp.then_some(SECOND);
        let mut watched = Watched::new(kind, &ProbeSpec { startup_period, ..spec(1, 3) });
        let mut time = Duration::ZERO;
        for (pass, letter) in steps {
            time += Duration::from_secs(pass);
            if watched.at(time).launch() {
                while watched.sees(letter, Duration::ZERO) == Seen::Again {}
            }
            match watched.due() {
                Some(due) => prop_assert!(due > time && due <= time + PERIOD),
                None => prop_assert!(kind == ProbeKind::Startup && watched.tracker.counters().1),
            }
        }
    }
}
