use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::domain::spec::{Handler, PortRef, TcpSocket};

fn spec(success: u32, failure: u32) -> ProbeSpec {
    let handler = Handler::TcpSocket(TcpSocket { host: None, port: PortRef::Number(1) });
    ProbeSpec { success_threshold: success, failure_threshold: failure, ..ProbeSpec::new(handler) }
}

#[expect(clippy::disallowed_methods, reason = "a test has to start somewhere")]
fn origin() -> Instant {
    Instant::now()
}

fn outcome(letter: &str) -> Outcome {
    match letter {
        "S" => Outcome::Success(String::new()),
        "W" => Outcome::Warning("w".into()),
        "F" => Outcome::Failure("f".into()),
        "E" => Outcome::Error("e".into()),
        other => panic!("unknown outcome {other}"),
    }
}

fn letter(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Unknown => "U",
        Verdict::Success => "S",
        Verdict::Failure => "F",
    }
}

#[test]
fn worker_vectors_hold_for_one_incarnation() {
    // Rows about another container id, state or age are the machine's, not the tracker's.
    let others = ["cid", "st", "del", "age", "started", "delay", "kubelet_age", "policy"];
    let mut seen = 0;
    for line in include_str!("../vectors/probe-worker.jsonl").lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let inputs = row["in"].as_array().unwrap();
        if others.iter().any(|key| row.get(key).is_some()) || inputs.contains(&"U".into()) {
            continue;
        }
        seen += 1;
        let kind = match row["kind"].as_str().unwrap() {
            "liveness" => ProbeKind::Liveness,
            "readiness" => ProbeKind::Readiness,
            _ => ProbeKind::Startup,
        };
        let number = |key: &str| u32::try_from(row[key].as_u64().unwrap()).unwrap();
        let start = origin();
        let mut tracker = Tracker::new(kind, &spec(number("ok"), number("fail")), start);
        for (tick, input) in inputs.iter().enumerate() {
            let now = start + Duration::from_secs(10 * tick as u64);
            let probed = tracker.launch(now, SystemTime::UNIX_EPOCH);
            assert_eq!(probed, row["probed"][tick] != 0, "{line} tick {tick}");
            tracker.observe(outcome(input.as_str().unwrap()), Duration::ZERO);
            assert_eq!(letter(tracker.verdict()), row["pub"][tick], "{line} tick {tick}");
            assert_eq!(tracker.run, row["run"][tick].as_u64().unwrap() as u32, "{line} {tick}");
            assert_eq!(tracker.on_hold, row["hold"][tick] == 1, "{line} tick {tick}");
        }
    }
    assert_eq!(seen, 12);
}

#[test]
fn first_probe_waits_initial_delay_exactly() {
    let start = origin();
    let delay = Duration::from_secs(15);
    let mut tracker =
        Tracker::new(ProbeKind::Liveness, &ProbeSpec { initial_delay: delay, ..spec(1, 3) }, start);
    assert_eq!(tracker.deadline(), Some(start + delay));
    assert!(!tracker.launch(start + delay - Duration::from_millis(1), SystemTime::UNIX_EPOCH));
    assert!(tracker.launch(start + delay, SystemTime::UNIX_EPOCH));
    assert_eq!(tracker.deadline(), None, "probes of one kind never overlap");
}

#[test]
fn missed_ticks_collapse_and_keep_the_phase() {
    let start = origin();
    let mut tracker = Tracker::new(ProbeKind::Liveness, &spec(1, 3), start);
    assert!(tracker.launch(start + Duration::from_secs(35), SystemTime::UNIX_EPOCH));
    tracker.observe(outcome("S"), Duration::ZERO);
    assert_eq!(tracker.deadline(), Some(start + Duration::from_secs(40)));
}

#[test]
fn a_failure_of_a_late_probe_does_not_count() {
    let start = origin();
    let mut tracker = Tracker::new(ProbeKind::Liveness, &spec(1, 1), start);
    assert!(tracker.launch(start + Duration::from_secs(11), SystemTime::UNIX_EPOCH));
    assert_eq!(tracker.observe(outcome("F"), Duration::ZERO), None);
    assert_eq!(tracker.verdict(), Verdict::Success);
}

proptest! {
    #[test]
    fn liveness_fails_iff_a_run_of_failures_reaches_the_threshold(
        letters in proptest::collection::vec(prop_oneof![Just("S"), Just("F"), Just("E")], 0..60),
        threshold in 1u32..6,
    ) {
        let start = origin();
        let mut tracker = Tracker::new(ProbeKind::Liveness, &spec(1, threshold), start);
        let mut verdicts = 0;
        for (tick, input) in letters.iter().enumerate() {
            tracker.launch(start + Duration::from_secs(10 * tick as u64), SystemTime::UNIX_EPOCH);
            verdicts += u32::from(tracker.observe(outcome(input), Duration::ZERO).is_some());
        }
        let told: String = letters.concat().replace('E', "");
        let condemned = told.contains(&"F".repeat(threshold as usize));
        prop_assert_eq!(verdicts, u32::from(condemned));
        prop_assert_eq!(tracker.verdict() == Verdict::Failure, condemned);
    }
}
