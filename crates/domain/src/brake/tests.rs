use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

struct Host {
    brake: Brake,
    now: Instant,
    pressure: Pressure,
}

impl Host {
    #[expect(clippy::disallowed_methods, reason = "a test has to start somewhere")]
    fn new(limits: Limits, probed: usize) -> Self {
        let mut brake = Brake::new(Some(limits));
        for pod in 0..probed {
            brake.count(&name(pod), 1);
        }
        Self { brake, now: Instant::now(), pressure: Pressure::default() }
    }

    /// Asks for a kill whose verdict came from timeouts, at `since`.
    fn asks(&mut self, who: usize, since: Instant) -> Ruling {
        let pressure = self.pressure;
        let condemned = KillRequest { since, by_timeout: true };
        self.brake.ask(&name(who), condemned, self.now, || pressure)
    }

    /// Asks for a kill whose verdict came from answers, now; returns the hold if there is one.
    fn answers_badly(&mut self, who: usize) -> Option<Hold> {
        let pressure = self.pressure;
        let condemned = KillRequest { since: self.now, by_timeout: false };
        match self.brake.ask(&name(who), condemned, self.now, || pressure) {
            Ruling::Granted => None,
            Ruling::Held { why, .. } => Some(why),
        }
    }

    /// Asks for a kill whose verdict came from timeouts, now; returns the hold if there is one.
    fn fails(&mut self, who: usize) -> Option<Hold> {
        match self.asks(who, self.now) {
            Ruling::Granted => None,
            Ruling::Held { why, .. } => Some(why),
        }
    }
}

fn name(who: usize) -> String {
    format!("pod-{who:02}")
}

/// Number of kills that are granted to `failing` verdicts at one instant on a host with `probed`
/// containers, and the hold of the others.
fn at_once(limits: Limits, probed: usize, failing: usize) -> (usize, Option<Hold>) {
    let mut host = Host::new(limits, probed);
    let held: Vec<_> = (0..failing).map(|who| host.fails(who)).collect();
    let killed = held.iter().filter(|why| why.is_none()).count();
    assert!(held[killed..].iter().all(Option::is_some), "nobody overtakes");
    (killed, held.get(killed).copied().flatten())
}

#[test]
fn a_storm_is_both_many_and_a_large_share() {
    let storm = |failed, probed| {
        Some(Hold::Storm { failed, probed, window: Limits::default().storm_window })
    };
    let budget = Some(Hold::Budget { burst: 10, refill: 6 * SECOND });
    for (probed, failing, killed, why) in [
        (1, 1, 1, None),
        (4, 4, 4, None),
        (5, 5, 4, storm(5, 5)),
        (8, 8, 4, storm(5, 8)),
        (20, 20, 9, storm(10, 20)),
        (40, 8, 8, None),
        (40, 15, 10, budget),
        // The containers are not counted as probed yet.
        (0, 6, 4, storm(5, 5)),
    ] {
        assert_eq!(
            at_once(Limits::default(), probed, failing),
            (killed, why),
            "{probed} {failing}"
        );
    }
    let limits = Limits { storm_share: 0.2, ..Limits::default() };
    assert_eq!(at_once(limits, 40, 20), (7, storm(8, 40)));
    let limits = Limits { storm_containers: 3, burst: 1, ..Limits::default() };
    assert_eq!(at_once(limits, 4, 4).0, 1);
}

#[test]
fn without_limits_everything_is_granted() {
    let mut brake = Brake::new(None);
    let now = Host::new(Limits::default(), 0).now;
    for who in 0..1000 {
        let never = || panic!("nobody looks at the pressure");
        let condemned = KillRequest { since: now, by_timeout: true };
        assert_eq!(brake.ask(&name(who), condemned, now, never), Ruling::Granted);
    }
}

#[test]
fn one_alone_is_killed_each_time_whatever_the_host_is_like() {
    let mut host = Host::new(Limits { burst: 1, ..Limits::default() }, 30);
    host.pressure = Pressure { memory: Some(99.0), io: Some(99.0) };
    for who in 20..30 {
        host.brake.late(&name(who), host.now);
    }
    for _ in 0..20 {
        assert_eq!(host.fails(0), None);
        host.now += SECOND;
    }
}

#[test]
fn two_kills_wait_while_the_host_is_starved() {
    let limits = Limits::default();
    let starved = [
        Pressure { memory: Some(60.1), ..Pressure::default() },
        Pressure { memory: Some(60.0), io: Some(99.0) },
    ];
    for (pressure, of) in starved.into_iter().zip(["memory", "io"]) {
        let mut host = Host::new(limits, 30);
        assert_eq!(host.fails(0), None);
        host.pressure = pressure;
        let why = host.fails(1);
        assert!(matches!(why, Some(Hold::Pressure { of: own, .. }) if own == of), "{why:?}");
        host.pressure = Pressure { io: Some(60.0), ..Pressure::default() };
        assert_eq!(host.fails(1), None);
    }
}

#[test]
fn a_starved_host_explains_no_answer_and_a_storm_holds_all() {
    let mut host = Host::new(Limits::default(), 12);
    host.pressure = Pressure { memory: Some(99.0), io: Some(99.0) };
    for who in 20..30 {
        host.brake.late(&name(who), host.now);
    }
    assert_eq!(host.fails(0), None, "alone");
    assert!(matches!(host.fails(1), Some(Hold::Late { .. })));
    for who in 2..5 {
        assert_eq!(host.answers_badly(who), None, "an answer is evidence");
    }
    assert!(matches!(host.answers_badly(5), Some(Hold::Storm { failed: 6, .. })));
}

#[test]
fn lateness_of_the_daemon_holds_kills_unless_only_one_container_is_late() {
    let mut host = Host::new(Limits::default(), 30);
    assert_eq!(host.fails(0), None);
    host.brake.late(&name(7), host.now);
    host.brake.late(&name(7), host.now);
    assert_eq!(host.fails(1), None);
    host.brake.late(&name(8), host.now);
    assert_eq!(host.fails(2), Some(Hold::Late { containers: 2 }));
    host.now += 11 * SECOND;
    assert_eq!(host.fails(2), None);
}

#[test]
fn after_a_storm_the_oldest_verdict_is_first_and_the_budget_rules() {
    let mut host = Host::new(Limits { burst: 3, refill: 6 * SECOND, ..Limits::default() }, 12);
    let start = host.now;
    let mut since = Vec::new();
    // The highest number has the oldest verdict.
    for who in (0..12).rev() {
        since.push((who, host.now));
        host.fails(who);
        host.now += Duration::from_millis(10);
    }
    let mut waiting = since.split_off(3);
    let mut killed = Vec::new();
    for _ in 0..1000 {
        host.now += Duration::from_millis(100);
        // The containers ask in the opposite order.
        let (brake, now) = (&mut host.brake, host.now);
        for (who, since) in waiting.clone().into_iter().rev() {
            let condemned = KillRequest { since, by_timeout: true };
            if brake.ask(&name(who), condemned, now, Pressure::default) == Ruling::Granted {
                killed.push((who, (now - start).as_secs()));
                waiting.retain(|(other, _)| *other != who);
            }
        }
    }
    assert_eq!(killed.iter().map(|(who, _)| *who).collect::<Vec<_>>(), [8, 7, 6, 5, 4, 3, 2, 1, 0]);
    let times: Vec<_> = killed.iter().map(|(_, at)| *at).collect();
    assert!(times[0] >= 6 && times.windows(2).all(|two| two[1] - two[0] <= 7), "{times:?}");
}

#[test]
fn a_request_that_is_not_repeated_delays_no_other() {
    let mut host = Host::new(Limits { burst: 2, ..Limits::default() }, 30);
    let start = host.now;
    for who in 0..4 {
        host.fails(who);
    }
    for _ in 0..6 {
        assert!(matches!(host.asks(3, start), Ruling::Held { .. }));
        host.now += SECOND;
    }
    assert_eq!(host.asks(3, start), Ruling::Granted, "2 had recovered");
}

#[test]
fn the_last_waiting_kill_is_not_alone_right_after_another_kill() {
    let mut host = Host::new(Limits { burst: 1, ..Limits::default() }, 30);
    let start = host.now;
    (0..3).map(|who| host.fails(who).is_some()).for_each(drop);
    // The order is kept until the verdicts are out of the window.
    let mut killed = Vec::new();
    while killed.len() < 2 {
        host.now += Duration::from_millis(500);
        for who in [2, 1] {
            let waits = !killed.iter().any(|(other, _)| *other == who);
            if waits && host.asks(who, start) == Ruling::Granted {
                killed.push((who, (host.now - start).as_secs()));
            }
        }
    }
    assert_eq!(killed, [(1, 6), (2, 12)]);
}

#[test]
fn a_lasting_condition_is_no_storm() {
    let mut host = Host::new(Limits::default(), 2);
    let start = host.now;
    host.fails(0);
    host.pressure.io = Some(100.0);
    let mut held = 0;
    while host.asks(1, start) != Ruling::Granted {
        held += 1;
        host.now += SECOND;
        // Another container always fails, too.
        host.fails(2);
    }
    assert_eq!(held, LONGEST.as_secs());
}

#[test]
fn a_hold_has_a_text_with_its_reason() {
    let window = 10 * SECOND;
    let shown = [
        (
            Hold::Storm { failed: 10, probed: 20, window },
            "10 of 20 probed containers failed within 10s",
        ),
        (Hold::Late { containers: 3 }, "probelet itself was late with the probes of 3 containers"),
        (
            Hold::Pressure { of: "io", percent: 91.26, limit: 60.0 },
            "the host's full io pressure is 91%, above 60%",
        ),
        (
            Hold::Budget { burst: 10, refill: 6 * SECOND },
            "the budget of 10 probe kills is used up, one more every 6s",
        ),
    ];
    for (why, text) in shown {
        assert_eq!(why.to_string(), text);
    }
}

/// Step of the story below.
#[derive(Debug, Clone, Copy)]
enum Turn {
    Fails(usize),
    Recovers(usize),
    Passes(u64),
    Pressure(bool),
    Late(usize),
}

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let turn = prop_oneof![
        4 => (0usize..12).prop_map(Turn::Fails),
        1 => (0usize..12).prop_map(Turn::Recovers),
        3 => (0u64..4000).prop_map(Turn::Passes),
        1 => any::<bool>().prop_map(Turn::Pressure),
        1 => (0usize..12).prop_map(Turn::Late),
    ];
    proptest::collection::vec(turn, 0..120)
}

/// A host with containers that ask the brake as the machine does.
struct Story {
    host: Host,
    limits: Limits,
    /// Time of the verdict and of the next request, by container.
    waiting: BTreeMap<usize, (Instant, Instant)>,
    /// Times of the kills of containers that did not fail alone.
    kills: Vec<Instant>,
}

impl Story {
    fn ask(&mut self, who: usize, since: Instant) {
        let alone = {
            let brake = &self.host.brake;
            let recent = brake.failed.iter().chain(&brake.killed);
            let recent = recent.filter(|(_, at)| self.host.now - **at <= self.limits.storm_window);
            // A container that has recovered stays in the queue for a while, because the brake
            // cannot tell it from one that is slow to ask.
            let placed = brake.waiting.iter();
            let placed = placed.filter(|(_, place)| self.host.now - place.asked <= LEASE);
            let mut others = recent.map(|(other, _)| other).chain(placed.map(|(other, _)| other));
            let own = name(who);
            others.all(|other| *other == own)
        };
        match self.host.asks(who, since) {
            Ruling::Granted => {
                self.waiting.remove(&who);
                if !alone {
                    self.kills.push(self.host.now);
                }
            }
            Ruling::Held { again, .. } => {
                assert!(!alone, "a lone failing container is never held");
                assert!(again > self.host.now && again <= self.host.now + LATEST);
                self.waiting.insert(who, (since, again));
            }
        }
    }

    fn pass(&mut self, time: Duration) {
        let end = self.host.now + time;
        loop {
            let next = self.waiting.iter().map(|(who, (since, at))| (*at, *who, *since)).min();
            let Some((at, who, since)) = next.filter(|(at, ..)| *at <= end) else { break };
            self.host.now = at;
            self.ask(who, since);
        }
        self.host.now = end;
    }
}

proptest! {
    #[test]
    fn kills_stay_within_the_budget_and_each_wait_ends(
        turns in turns(),
        burst in 1u32..6,
        refill in 200u64..5000,
        probed in 0usize..14,
    ) {
        let refill = Duration::from_millis(refill);
        let limits = Limits { burst, refill, storm_containers: 3, ..Limits::default() };
        let host = Host::new(limits, probed);
        let mut story = Story { host, limits, waiting: BTreeMap::new(), kills: Vec::new() };
        for turn in turns {
            match turn {
                Turn::Fails(who) if !story.waiting.contains_key(&who) => {
                    story.ask(who, story.host.now);
                }
                Turn::Fails(_) => {}
                Turn::Recovers(who) => drop(story.waiting.remove(&who)),
                Turn::Passes(millis) => story.pass(Duration::from_millis(millis)),
                Turn::Pressure(high) => story.host.pressure.memory = high.then_some(95.0),
                Turn::Late(who) => story.host.brake.late(&name(who), story.host.now),
            }
            prop_assert!(story.host.brake.credit <= full(&limits));
        }
        // The pressure does not change.
        story.pass(LONGEST + refill * 20 + 60 * SECOND);
        prop_assert!(story.waiting.is_empty(), "every held one is killed in the end");
        let kills = &story.kills;
        for (first, start) in kills.iter().enumerate() {
            for (last, end) in kills.iter().enumerate().skip(first) {
                let saved = (*end - *start).as_nanos() / refill.as_nanos();
                let count = (last - first + 1) as u128;
                prop_assert!(count <= u128::from(burst) + saved, "{kills:?}");
            }
        }
    }
}

#[test]
fn changed_limits_keep_the_kills_that_are_left() {
    let kills = |brake: &Brake| {
        brake.limits.map_or(0.0, |limits| brake.credit.div_duration_f64(limits.refill))
    };
    let of = |burst, seconds| Limits { burst, refill: seconds * SECOND, ..Limits::default() };
    let mut host = Host::new(of(10, 6), 100);
    for who in 0..4 {
        // The budget pays for each, since fewer than five containers are no storm.
        assert_eq!(host.asks(who, host.now), Ruling::Granted);
    }
    for (limits, left) in [(of(10, 60), 6.0), (of(20, 1), 6.0), (of(3, 1), 3.0), (of(9, 1), 3.0)] {
        host.brake.set_limits(Some(limits));
        assert_eq!(kills(&host.brake), left, "{limits}");
    }
    host.brake.set_limits(None);
    assert_eq!(host.asks(50, host.now), Ruling::Granted);
    host.brake.set_limits(Some(of(7, 2)));
    assert_eq!(kills(&host.brake), 7.0);
}
