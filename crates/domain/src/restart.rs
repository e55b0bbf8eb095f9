//! Whether a container starts again, and when.

use std::time::Duration;

use super::exit::{Cause, Terminated};
use super::spec::{BackoffLimits, ContainerSpec, PodSpec, RestartAction, RestartPolicy, Role};

/// Returns whether another instance follows one that ended so. The machine, the phase and the
/// conditions of a pod all call this function, so they cannot differ.
///
/// As in the kubelet, a container that a probe has killed restarts whatever its exit code, unless
/// its policy is `Never`. Under `Never`, and after any other end, the first rule that matches
/// decides, then the policy.
pub fn follows(pod: &PodSpec, container: &ContainerSpec, ended: &Terminated) -> bool {
    let policy = pod.policy_of(container);
    let killed = is_by_probe(ended) && follows_probe_kill(policy);
    killed
        || deciding_rule(pod, container, ended).is_some()
        || match policy {
            RestartPolicy::Always => true,
            RestartPolicy::OnFailure => ended.exit_code != 0,
            RestartPolicy::Never => false,
        }
}

/// Returns whether another instance certainly follows a probe's kill. It is known before the end,
/// and the event of the kill announces it.
pub fn follows_probe_kill(policy: RestartPolicy) -> bool {
    policy != RestartPolicy::Never
}

/// The action of the rule that decides what follows an end; `None` where the policy does.
pub fn deciding_rule(
    pod: &PodSpec,
    container: &ContainerSpec,
    ended: &Terminated,
) -> Option<RestartAction> {
    // An init container that has succeeded does not run again, whatever its rules say.
    let is_done = pod.role_of(&container.name) == Role::Init && ended.exit_code == 0;
    let is_decided = is_by_probe(ended) && follows_probe_kill(pod.policy_of(container));
    let mut rules = container.restart_policy_rules.iter();
    let matching = rules.find(|rule| rule.matches(ended.exit_code));
    matching.filter(|_| !is_done && !is_decided).map(|rule| rule.action)
}

fn is_by_probe(ended: &Terminated) -> bool {
    matches!(ended.cause, Cause::Probe { .. })
}

/// Grace from SIGTERM to SIGKILL: that of the request, else of the failed probe, else of the pod.
pub fn grace(asked: Option<Duration>, probe: Option<Duration>, pod: Duration) -> Duration {
    asked.or(probe).unwrap_or(pod)
}

/// Number of restarts in a row that the back-off counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Backoff {
    rung: u32,
}

impl Backoff {
    /// Returns the back-off after this many restarts in a row.
    pub fn at(rung: u32) -> Self {
        Self { rung }
    }

    /// Number of restarts in a row.
    pub fn rung(self) -> u32 {
        self.rung
    }

    /// Returns the whole wait of the next restart, counted from the end of an instance that ran for
    /// `ran`, and counts the restart. After a probe kill `credit` is true: the time that the
    /// instance ran is part of its wait. `None` after the maximum number of restarts in a row.
    pub fn step(
        &mut self,
        limits: &BackoffLimits,
        ran: Duration,
        credit: bool,
    ) -> Option<Duration> {
        if ran >= limits.reset {
            self.rung = 0;
        }
        if limits.max_restarts.is_some_and(|most| self.rung >= most) {
            return None;
        }
        let wait = match self.rung.checked_sub(1) {
            None => Duration::ZERO,
            Some(doublings) => {
                let factor = 1u32.checked_shl(doublings).unwrap_or(u32::MAX);
                limits.base.saturating_mul(factor).min(limits.cap)
            }
        };
        self.rung = self.rung.saturating_add(1);
        Some(if credit { wait.saturating_sub(ran) } else { wait })
    }
}

/// Rounds to the second, or to the millisecond below one second, since the rest of a wait is not a
/// round number.
pub fn rounded(duration: Duration) -> Duration {
    let unit: u64 = if duration < Duration::from_secs(1) { 1_000_000 } else { 1_000_000_000 };
    let units = (duration.as_nanos() + u128::from(unit / 2)) / u128::from(unit);
    let nanoseconds = units.saturating_mul(u128::from(unit));
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use serde_json::Value;

    use super::*;
    use crate::Incarnation;
    use crate::exit::Ending;
    use crate::spec::{ExitCodeOperator, ProbeKind, RestartRule, sample};
    use crate::text::go_duration;

    fn seconds(value: &Value) -> Duration {
        Duration::try_from_secs_f64(value.as_f64().unwrap()).unwrap()
    }

    #[test]
    fn the_rest_of_a_wait_is_printed_in_round_numbers() {
        let shown = |nanoseconds| go_duration(rounded(Duration::from_nanos(nanoseconds)));
        assert_eq!(shown(34_912_345_678), "35s");
        assert_eq!(shown(300_000_000_001), "5m0s");
        assert_eq!(shown(1_499_999_999), "1s");
        assert_eq!(shown(250_400_001), "250ms");
        assert_eq!(shown(0), "0s");
    }

    /// Rows in which the kubelet differs: its collector cuts waits (B03, B06), and it measures the
    /// time of probe kills from the previous instance. Other rows have the results of this crate.
    const NOT_OURS: [&str; 5] = ["B03", "B06", "P01", "P03", "P04"];

    #[test]
    fn waits_match_the_vectors_and_our_own() {
        let theirs = include_str!("vectors/backoff.jsonl").lines();
        let ours = include_str!("vectors/backoff-own.jsonl").lines();
        for line in theirs.chain(ours) {
            let row: Value = serde_json::from_str(line).unwrap();
            if NOT_OURS.contains(&row["id"].as_str().unwrap()) {
                continue;
            }
            let limits = BackoffLimits {
                base: seconds(&row["initial"]),
                cap: seconds(&row["max"]),
                ..BackoffLimits::default()
            };
            let by_probe = row["mode"] == "probe";
            let mut backoff = Backoff::default();
            let runs = row["run"].as_array().unwrap().iter();
            for (run, delay) in runs.zip(row["delay"].as_array().unwrap()) {
                let wait = backoff.step(&limits, seconds(run), by_probe);
                assert_eq!(wait, Some(seconds(delay)), "{}", row["id"]);
            }
        }
    }

    #[test]
    fn restarts_in_a_row_are_counted_until_one_ran_long_enough() {
        let limits = BackoffLimits { max_restarts: Some(2), ..BackoffLimits::default() };
        let mut backoff = Backoff::default();
        let mut step = |ran| backoff.step(&limits, Duration::from_secs(ran), false).is_some();
        assert_eq!([step(1), step(1), step(1), step(1)], [true, true, false, false]);
        assert_eq!([step(600), step(1), step(1)], [true, true, false]);
    }

    #[test]
    fn graces_match_the_vectors() {
        let mut seen = 0;
        for line in include_str!("vectors/grace.jsonl").lines() {
            let row: Value = serde_json::from_str(line).unwrap();
            let given = |key: &str| row[key].as_u64().map(Duration::from_secs);
            let probe = match row["reason"].as_str().unwrap() {
                "LivenessProbe" => given("liveness"),
                "StartupProbe" => given("startup"),
                _ => None,
            };
            // A pod in this crate always has a grace.
            let Some(pod) = given("pod") else { continue };
            seen += 1;
            assert_eq!(Some(grace(given("deletion"), probe, pod)), given("grace"), "{line}");
        }
        assert_eq!(seen, 10);
    }

    fn ended(code: u8, cause: Cause) -> Terminated {
        let ending = Ending::Exited(code);
        Terminated {
            attempt: Incarnation(0),
            container_id: String::new(),
            ending,
            cause,
            reason: ending.reason().into(),
            exit_code: code.into(),
            signal: None,
            message: String::new(),
            started_at: None,
            finished_at: SystemTime::UNIX_EPOCH,
            sigkill: None,
            oom_kills: 0,
        }
    }

    fn rule(operator: ExitCodeOperator, values: &[i32]) -> RestartRule {
        RestartRule { action: RestartAction::Restart, operator, values: values.into() }
    }

    #[test]
    fn policies_rules_and_probes_decide_as_in_kubernetes() {
        use ExitCodeOperator::{In, NotIn};
        use RestartPolicy::{Always, Never, OnFailure};
        let killed = || Cause::Probe { kind: ProbeKind::Liveness, output: "500".into() };
        let none: &[RestartRule] = &[];
        let kills = &[rule(In, &[137, 143])];
        let others = &[rule(NotIn, &[0])];
        for (policy, rules, code, after_exit, after_kill) in [
            (Always, none, 0, true, true),
            (Always, none, 1, true, true),
            (OnFailure, none, 0, false, true),
            (OnFailure, none, 137, true, true),
            (Never, none, 0, false, false),
            (Never, none, 1, false, false),
            (Never, kills, 137, true, true),
            (Never, kills, 143, true, true),
            (Never, kills, 0, false, false),
            (Never, others, 3, true, true),
            (Never, others, 0, false, false),
            (OnFailure, kills, 0, false, true),
        ] {
            let mut pod = sample::pod();
            pod.restart_policy = policy;
            pod.containers[0].restart_policy_rules = rules.to_vec();
            let decided = |cause| follows(&pod, &pod.containers[0], &ended(code, cause));
            assert_eq!(decided(Cause::Itself), after_exit, "{policy:?} {rules:?} exits {code}");
            assert_eq!(decided(killed()), after_kill, "{policy:?} {rules:?} killed, {code}");
            assert_eq!(follows_probe_kill(policy), policy != Never);
        }
    }

    #[test]
    fn an_init_container_that_succeeded_is_done_whatever_its_rules_name() {
        let mut pod = sample::pod();
        let init = ContainerSpec {
            name: "init".into(),
            restart_policy_rules: vec![rule(ExitCodeOperator::NotIn, &[42])],
            ..pod.containers[0].clone()
        };
        pod.restart_policy = RestartPolicy::Never;
        pod.init_containers.push(init.clone());
        assert!(!follows(&pod, &init, &ended(0, Cause::Itself)));
        assert!(follows(&pod, &init, &ended(1, Cause::Itself)));
        assert!(!follows(&pod, &init, &ended(42, Cause::Itself)));
    }
}
