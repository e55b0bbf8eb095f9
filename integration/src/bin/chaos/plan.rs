//! What is done to them, drawn from the seed: the same seed, the same faults in the same order.

use std::time::Duration;

use fastrand::Rng;

use crate::cast::{Cast, Role};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Restart,
    Kill,
    Pause,
    StopStart,
    DeleteApply,
}

/// Members by their place in the cast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    KillDaemon,
    StartDaemon,
    KillContainerd,
    StartContainerd,
    KillShim(usize),
    KillInit(usize),
    Do(Verb, usize),
}

pub(crate) struct Planned {
    pub(crate) at: Duration,
    pub(crate) step: Step,
}

/// Within which a round's faults begin.
const SPAN: u64 = 400;
/// How long the daemon or containerd stays away at most.
const AWAY: u64 = 400;

pub(crate) struct Planner {
    rng: Rng,
}

impl Planner {
    pub(crate) fn new(seed: u64) -> Self {
        Self { rng: Rng::with_seed(seed) }
    }

    pub(crate) fn round(&mut self, cast: &Cast) -> Vec<Planned> {
        let mut plan = Vec::new();
        for _ in 0..self.rng.u32(1..=3) {
            self.fault(cast, &mut plan);
        }
        plan.sort_by_key(|planned| planned.at);
        plan
    }

    fn fault(&mut self, cast: &Cast, plan: &mut Vec<Planned>) {
        let at = Duration::from_millis(self.rng.u64(0..SPAN));
        let away = at + Duration::from_millis(self.rng.u64(0..AWAY));
        let any = self.rng.usize(0..cast.members.len());
        let mut add = |at, step| plan.push(Planned { at, step });
        match self.rng.u32(0..20) {
            0..=3 => {
                add(at, Step::KillDaemon);
                add(away, Step::StartDaemon);
            }
            4..=6 => {
                add(at, Step::KillContainerd);
                add(away, Step::StartContainerd);
            }
            7 => {
                add(at, Step::KillDaemon);
                add(at, Step::KillContainerd);
                add(away, Step::StartContainerd);
                add(away, Step::StartDaemon);
            }
            8..=10 => add(at, Step::KillShim(any)),
            11..=14 => {
                add(at, Step::KillInit(any));
                if self.rng.bool() {
                    add(at, Step::KillInit(self.rng.usize(0..cast.members.len())));
                }
            }
            15 => add(at, Step::Do(Verb::Restart, self.steady(cast))),
            16 => add(at, Step::Do(Verb::Kill, self.steady(cast))),
            17 => add(at, Step::Do(Verb::Pause, any)),
            18 => add(at, Step::Do(Verb::StopStart, any)),
            _ => add(at, Step::Do(Verb::DeleteApply, any)),
        }
    }

    /// One that surely runs, for verbs that are refused otherwise.
    fn steady(&mut self, cast: &Cast) -> usize {
        let is_steady = |at: &usize| cast.members.get(*at).is_some_and(|m| m.role == Role::Steady);
        let steady: Vec<usize> = (0..cast.members.len()).filter(is_steady).collect();
        self.rng.choice(steady).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_its_faults() {
        let cast = Cast::of_thirty();
        let steps = |seed| -> Vec<(Duration, Step)> {
            let mut planner = Planner::new(seed);
            let rounds = (0..20).flat_map(|_| planner.round(&cast));
            rounds.map(|planned| (planned.at, planned.step)).collect()
        };
        assert_eq!(steps(7), steps(7));
        assert_ne!(steps(7), steps(8));
    }
}
