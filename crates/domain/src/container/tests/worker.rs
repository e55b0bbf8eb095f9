//! Vectors of the kubelet's probe worker.

use serde_json::Value;

use super::super::phase::Phase;
use super::*;

/// Rows that differ on purpose: in the kubelet, failures of an old process count against the new
/// one; here the counters of each incarnation begin at zero.
const DIFFERENT: [&str; 3] = ["L11", "L12", "S05"];
const PERIOD: Duration = Duration::from_secs(10);

#[test]
fn worker_vectors_hold() {
    let mut differed = 0;
    for line in include_str!("../../vectors/probe-worker.jsonl").lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        if DIFFERENT.contains(&row["id"].as_str().unwrap()) {
            differed += 1;
            continue;
        }
        Worker::of(&row).check();
    }
    assert_eq!(differed, DIFFERENT.len());
}

/// A machine that gets the input of the kubelet's worker.
struct Worker<'a> {
    row: &'a Value,
    kind: ProbeKind,
    story: Story,
    cid: String,
    has_run: bool,
    /// Newest counters of a running instance.
    counters: (u32, bool),
}

impl<'a> Worker<'a> {
    fn of(row: &'a Value) -> Self {
        let kind = match row["kind"].as_str().unwrap() {
            "liveness" => ProbeKind::Liveness,
            "readiness" => ProbeKind::Readiness,
            _ => ProbeKind::Startup,
        };
        let story = match row.get("kubelet_age") {
            None => Story::new(spec(row, kind)),
            // The daemon was started after the container.
            Some(_) => recovered(row, kind),
        };
        let has_run = false;
        Self { row, kind, story, cid: "A".into(), has_run, counters: (0, false) }
    }

    fn at<'b>(&'b self, key: &str, tick: usize) -> Option<&'b Value> {
        self.row.get(key).map(|values| &values[tick])
    }

    fn check(mut self) {
        let id = self.row["id"].as_str().unwrap();
        for tick in 0..self.row["in"].as_array().unwrap().len() {
            self.arrange(tick);
            let mut probed = 0;
            let mut actions = self.story.tell(Event::Tick);
            let ours = |a: &Action| matches!(a, Action::Instance(_, InstanceAction::Probe(kind, _)) if *kind == self.kind);
            while actions.iter().any(ours) {
                probed += 1;
                let outcome = outcome(self.at("in", tick).unwrap().as_str().unwrap());
                actions = self.story.probed(self.kind, outcome);
            }
            let lives = self.lives();
            let published = self.published();
            if lives && let Some(counters) = self.tracker().map(|t| t.counters()) {
                self.counters = counters;
            }
            let expected = |key: &str| self.at(key, tick).unwrap();
            assert_eq!(Value::from(probed), *expected("probed"), "{id} probed at {tick}");
            assert_eq!(published, *expected("pub"), "{id} published at {tick}");
            assert_eq!(u64::from(lives), *expected("go"), "{id} lives at {tick}");
            assert_eq!(u64::from(self.counters.1), *expected("hold"), "{id} on hold at {tick}");
            // In the kubelet the count of successes is kept after the instance, the same difference
            // as above.
            if id != "R05" || tick < 2 {
                assert_eq!(self.counters.0, *expected("run"), "{id} run at {tick}");
            }
        }
    }

    /// Makes the state that the worker observes at this tick.
    fn arrange(&mut self, tick: usize) {
        let cid = self.at("cid", tick).map_or("A", |cid| cid.as_str().unwrap()).to_owned();
        let state = self.at("st", tick).map_or("R", |state| state.as_str().unwrap()).to_owned();
        let age = self.at("age", tick).and_then(Value::as_u64).map(Duration::from_secs);
        match (&state[..1], age) {
            _ if self.row.get("kubelet_age").is_some() && tick == 0 => {}
            ("R", Some(age)) => {
                self.run(&cid);
                let since = self.since();
                let now = since + age;
                self.story.pass(now.saturating_duration_since(self.story.now.mono));
            }
            ("R", None) => {
                self.story.pass(PERIOD);
                self.run(&cid);
            }
            ("-", _) => {}
            ("C", _) => drop(self.story.want(Wanted::Running)),
            ("P", _) => {
                self.run(&cid);
                self.story.ended(Ending::Exited(1));
                self.has_run = false;
            }
            (_, _) => {
                let code = state[1..].parse().unwrap_or(1);
                self.story.ended(Ending::Exited(code));
            }
        }
        if self.at("del", tick).is_some_and(|del| del == true) {
            self.story.want(Wanted::Removed);
        }
        if self.kind != ProbeKind::Startup && self.at("started", tick).is_some_and(|s| s == true) {
            self.story.probed(ProbeKind::Startup, Outcome::Success(String::new()));
        }
    }

    /// Runs the container with this id: the same instance, or a new one.
    fn run(&mut self, cid: &str) {
        if self.cid != cid && self.story.machine.life.phase.process().is_some() {
            self.story.ended(Ending::Exited(1));
        }
        self.cid = cid.to_owned();
        if self.story.machine.life.phase.process().is_none() {
            self.story.want(Wanted::Running);
            self.story.started();
        }
        self.has_run = true;
    }

    fn since(&self) -> Instant {
        self.story.machine.life.phase.process().unwrap().since
    }

    fn tracker(&self) -> Option<&crate::probe::Tracker> {
        self.story.machine.life.phase.process().and_then(|it| it.probing.tracker(self.kind))
    }

    fn lives(&self) -> bool {
        match &self.story.machine.life.phase {
            Phase::Ended => false,
            Phase::Stopping(..) => self.kind == ProbeKind::Readiness || !self.is_deleted(),
            _ => true,
        }
    }

    fn is_deleted(&self) -> bool {
        self.story.machine.memory().wanted == Wanted::Removed
    }

    fn published(&self) -> Value {
        match (
            self.story.machine.life.phase.process(),
            self.tracker().map(|tracker| tracker.verdict()),
        ) {
            (None, _) if self.has_run => "F".into(),
            (None, _) | (_, None) => Value::Null,
            // The kubelet reports a success for a deleted container.
            _ if self.is_deleted() && self.kind != ProbeKind::Readiness => "S".into(),
            (_, Some(Verdict::Success)) => "S".into(),
            (_, Some(Verdict::Failure)) => "F".into(),
            (_, Some(Verdict::Unknown)) if self.kind == ProbeKind::Startup => "U".into(),
            (_, Some(Verdict::Unknown)) => Value::Null,
        }
    }
}

fn spec(row: &Value, kind: ProbeKind) -> PodSpec {
    let number = |key: &str| u32::try_from(row[key].as_u64().unwrap()).unwrap();
    let over = row["st"][0] == "P";
    let mut pod = pod(match row.get("policy") {
        Some(policy) => decisions::policy(policy),
        None if over => RestartPolicy::Never,
        None => RestartPolicy::Always,
    });
    let container = &mut pod.containers[0];
    container.restart_policy = row.get("cpolicy").map(decisions::policy);
    container.restart_policy_rules = decisions::rules(row);
    // A container that always restarts stands for a sidecar.
    if row["sidecar"] == true {
        container.restart_policy = Some(RestartPolicy::Always);
    }
    let probe = ProbeSpec {
        period: PERIOD,
        initial_delay: Duration::from_secs(row["delay"].as_u64().unwrap_or(0)),
        success_threshold: number("ok"),
        failure_threshold: number("fail"),
        ..container.probes.liveness.take().unwrap()
    };
    let gate =
        ProbeSpec { failure_threshold: 1000, initial_delay: Duration::ZERO, ..probe.clone() };
    match kind {
        ProbeKind::Startup => container.probes.startup = Some(probe),
        ProbeKind::Readiness => container.probes.readiness = Some(probe),
        ProbeKind::Liveness => container.probes.liveness = Some(probe),
    }
    if kind != ProbeKind::Startup && row["started"][0] == false {
        container.probes.startup = Some(gate);
    }
    pod
}

fn recovered(row: &Value, kind: ProbeKind) -> Story {
    let pod = spec(row, kind);
    let mut story = Story::new(pod.clone());
    let age = Duration::from_secs(row["age"][0].as_u64().unwrap());
    let started_at = Some(story.now.wall - age);
    let started = kind != ProbeKind::Startup || row["started"][0] == true;
    let memory = Memory { started_at, started, ..Memory::new(Wanted::Running, story.now.wall) };
    let container = pod.containers[0].clone();
    let found = Recovered::Running { pid: 7 };
    story.machine =
        Machine::recover(Arc::new(pod), container, memory, "c".into(), [], found, story.now).0;
    story
}

fn outcome(letter: &str) -> Outcome {
    match letter {
        "S" => Outcome::Success(String::new()),
        "W" => Outcome::Warning("w".into()),
        // The kubelet's `Unknown` result, which no handler here makes, is tested as a failure.
        "F" | "U" => Outcome::Failure("f".into()),
        "E" => Outcome::Error("e".into()),
        other => panic!("unknown outcome {other}"),
    }
}
