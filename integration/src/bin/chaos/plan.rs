//! The faults of each round, drawn from the seed: the same seed gives the same faults in the same
//! order.

use std::time::Duration;

use anyhow::{Context, Result};
use fastrand::Rng;
use probelet_integration::proxy;

use crate::workload::{Role, Workload};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Restart,
    Kill,
    Pause,
    StopStart,
    DeleteApply,
    /// Pods of the name are created and deleted at once, some by a client that is killed, then one
    /// is created that stays.
    Churn,
}

/// One step of a fault. Containers are given by their index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    KillDaemon,
    StartDaemon,
    KillContainerd,
    StartContainerd,
    KillShim(usize),
    KillInit(usize),
    Do(Verb, usize),
    /// Clients write objects through the Kubernetes API, and after this time the daemon is killed.
    KillWhileWriting(Duration),
    /// The proxy harms this share of all calls to containerd, in percent, by a seed.
    Harm(proxy::Fault, u32, u64),
    Heal,
    StopContainerd,
    ContinueContainerd,
    StopShim(usize),
    ContinueShims,
}

pub(crate) struct Planned {
    pub(crate) at: Duration,
    pub(crate) step: Step,
}

#[derive(Debug, Clone, Copy)]
enum Fault {
    Daemon,
    Containerd,
    Both,
    Shim,
    Init,
    Do(Verb),
    ObjectWrite,
    Calls(proxy::Fault),
    ContainerdHangs,
    ShimHangs,
}

/// The faults by their name in `--faults`, with their weight.
const FAULTS: [(&str, usize, Fault); 12] = [
    ("daemon", 4, Fault::Daemon),
    ("containerd", 3, Fault::Containerd),
    ("both", 1, Fault::Both),
    ("shim", 3, Fault::Shim),
    ("init", 4, Fault::Init),
    ("restart", 1, Fault::Do(Verb::Restart)),
    ("kill", 1, Fault::Do(Verb::Kill)),
    ("pause", 1, Fault::Do(Verb::Pause)),
    ("stop-start", 1, Fault::Do(Verb::StopStart)),
    ("delete-apply", 1, Fault::Do(Verb::DeleteApply)),
    ("churn", 1, Fault::Do(Verb::Churn)),
    ("object-write", 2, Fault::ObjectWrite),
];

/// The further faults of a run with a proxy before containerd, which has no faults that start
/// containerd again.
const PROXY_FAULTS: [(&str, usize, Fault); 10] = [
    ("calls-delayed", 2, Fault::Calls(proxy::Fault::Delay(Duration::from_secs(1)))),
    ("calls-swallowed", 2, Fault::Calls(proxy::Fault::SwallowCall)),
    ("answers-swallowed", 2, Fault::Calls(proxy::Fault::SwallowAnswer)),
    ("calls-refused", 2, Fault::Calls(proxy::Fault::Refuse)),
    ("connection-cut", 3, Fault::Calls(proxy::Fault::Cut)),
    ("calls-reordered", 2, Fault::Calls(proxy::Fault::Reorder)),
    ("answers-garbled", 3, Fault::Calls(proxy::Fault::Garble)),
    ("answers-truncated", 3, Fault::Calls(proxy::Fault::Truncate)),
    ("containerd-hangs", 2, Fault::ContainerdHangs),
    ("shim-hangs", 2, Fault::ShimHangs),
];

/// The time within which a round's faults begin, in milliseconds.
const SPAN: u64 = 400;
/// The longest time for which clients write before the daemon is killed, in milliseconds.
const WRITES: u64 = 150;
/// The longest time that the daemon or containerd is down, in milliseconds.
const AWAY: u64 = 400;
/// The longest time for which calls are harmed, or a process hangs, in milliseconds.
const HARMED: u64 = 2000;

pub(crate) struct Planner {
    rng: Rng,
    /// Each fault as many times as its weight.
    faults: Vec<Fault>,
}

impl Planner {
    /// A planner that draws from the named faults, or from all if none is named. Fails for an
    /// unknown name.
    pub(crate) fn new(seed: u64, names: &[String], has_proxy: bool) -> Result<Self> {
        let starts_containerd = |fault: &Fault| matches!(fault, Fault::Containerd | Fault::Both);
        let plain = FAULTS.iter().filter(|(.., fault)| !has_proxy || !starts_containerd(fault));
        let all: Vec<_> = plain.chain(PROXY_FAULTS.iter().filter(|_| has_proxy)).collect();
        let find = |name: &String| {
            let found = all.iter().find(|(known, ..)| known == name).copied();
            found.with_context(|| format!("unknown fault {name:?}"))
        };
        let named = names.iter().map(find).collect::<Result<Vec<_>>>()?;
        let drawn = if named.is_empty() { all } else { named };
        let often = |(_, weight, fault): &(_, usize, _)| std::iter::repeat_n(*fault, *weight);
        let faults = drawn.into_iter().flat_map(often).collect();
        Ok(Self { rng: Rng::with_seed(seed), faults })
    }

    pub(crate) fn round(&mut self, workload: &Workload) -> Vec<Planned> {
        let mut plan = Vec::new();
        for _ in 0..self.rng.u32(1..=3) {
            self.fault(workload, &mut plan);
        }
        plan.sort_by_key(|planned| planned.at);
        plan
    }

    fn fault(&mut self, workload: &Workload, plan: &mut Vec<Planned>) {
        let at = Duration::from_millis(self.rng.u64(0..SPAN));
        let away = at + Duration::from_millis(self.rng.u64(0..AWAY));
        let any = self.rng.usize(0..workload.members.len());
        let mut add = |at, step| plan.push(Planned { at, step });
        match self.rng.choice(&self.faults).copied() {
            Some(Fault::Daemon) => {
                add(at, Step::KillDaemon);
                add(away, Step::StartDaemon);
            }
            Some(Fault::Containerd) => {
                add(at, Step::KillContainerd);
                add(away, Step::StartContainerd);
            }
            Some(Fault::Both) => {
                add(at, Step::KillDaemon);
                add(at, Step::KillContainerd);
                add(away, Step::StartContainerd);
                add(away, Step::StartDaemon);
            }
            Some(Fault::Shim) => add(at, Step::KillShim(any)),
            Some(Fault::Init) => {
                add(at, Step::KillInit(any));
                if self.rng.bool() {
                    add(at, Step::KillInit(self.rng.usize(0..workload.members.len())));
                }
            }
            Some(Fault::Do(verb)) => {
                let steady = matches!(verb, Verb::Restart | Verb::Kill);
                add(at, Step::Do(verb, if steady { self.steady(workload) } else { any }));
            }
            Some(Fault::ObjectWrite) => {
                let writes = Duration::from_millis(self.rng.u64(0..WRITES));
                add(at, Step::KillWhileWriting(writes));
                add(away, Step::StartDaemon);
            }
            Some(Fault::Calls(fault)) => {
                let (percent, seed) = (self.rng.u32(10..=100), self.rng.u64(..));
                add(at, Step::Harm(fault, percent, seed));
                add(at + Duration::from_millis(self.rng.u64(0..HARMED)), Step::Heal);
            }
            Some(Fault::ContainerdHangs) => {
                add(at, Step::StopContainerd);
                let until = at + Duration::from_millis(self.rng.u64(0..HARMED));
                add(until, Step::ContinueContainerd);
            }
            Some(Fault::ShimHangs) => {
                add(at, Step::StopShim(any));
                let until = at + Duration::from_millis(self.rng.u64(0..HARMED));
                add(until, Step::ContinueShims);
            }
            None => {}
        }
    }

    /// The index of a steady container, for verbs that need a running one.
    fn steady(&mut self, workload: &Workload) -> usize {
        let is_steady =
            |at: &usize| workload.members.get(*at).is_some_and(|m| m.role == Role::Steady);
        let steady: Vec<usize> = (0..workload.members.len()).filter(is_steady).collect();
        self.rng.choice(steady).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same_faults() {
        let workload = Workload::thirty();
        let steps = |seed| -> Vec<(Duration, Step)> {
            let mut planner = Planner::new(seed, &[], false).unwrap();
            let rounds = (0..20).flat_map(|_| planner.round(&workload));
            rounds.map(|planned| (planned.at, planned.step)).collect()
        };
        assert_eq!(steps(7), steps(7));
        assert_ne!(steps(7), steps(8));
    }

    #[test]
    fn only_named_faults_are_drawn() {
        let workload = Workload::thirty();
        let mut planner = Planner::new(7, &["restart".to_owned()], false).unwrap();
        let mut steps = (0..20).flat_map(|_| planner.round(&workload));
        assert!(steps.all(|planned| matches!(planned.step, Step::Do(Verb::Restart, _))));
        assert!(Planner::new(7, &["rain".to_owned()], true).is_err());
    }

    #[test]
    fn a_run_with_a_proxy_never_starts_containerd() {
        let workload = Workload::thirty();
        let mut planner = Planner::new(7, &[], true).unwrap();
        let steps: Vec<Step> =
            (0..200).flat_map(|_| planner.round(&workload)).map(|planned| planned.step).collect();
        assert!(!steps.contains(&Step::KillContainerd) && steps.contains(&Step::Heal));
        assert!(Planner::new(7, &["containerd".to_owned()], true).is_err());
        assert!(Planner::new(7, &["calls-delayed".to_owned()], false).is_err());
    }
}
