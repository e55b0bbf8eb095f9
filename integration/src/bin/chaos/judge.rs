//! The checks after each round, made from outside.

use std::collections::BTreeSet;
use std::time::Duration;

use probelet_integration::{Host, eventually};

use crate::inject::Done;
use crate::observe::{self, Live, Watcher};
use crate::status::{self, End, Status, Table};
use crate::workload::{Member, Role, Workload};

/// The state at one moment, by probelet and by the kernel.
#[derive(Clone, Default)]
pub(crate) struct Picture {
    pub(crate) table: Table,
    live: Live,
}

/// What the checks remember of all rounds.
#[derive(Default)]
pub(crate) struct Judge {
    before: Picture,
    /// Whether containerd drops ended tasks when it starts, as 1.7 and newer do.
    drops_ended: bool,
    /// Attempts that a fault or an operator ended.
    accounted: BTreeSet<String>,
    /// Attempts whose end may be unknown: they existed when the daemon was killed together with
    /// their shim, or with a containerd that drops ended tasks when it starts.
    clouded: BTreeSet<String>,
    /// Attempts whose shim was killed, in this round or an earlier one. containerd may not have
    /// reported yet how they ended.
    orphaned: BTreeSet<String>,
}

/// The observed state of a container if it is not the expected one.
fn unsettled(member: &Member, picture: &Picture) -> Option<String> {
    let Some(shown) = picture.table.get(&member.path()) else {
        return Some(format!("{} is not shown", member.path()));
    };
    let is = match member.role {
        Role::Steady => shown.is_running && shown.ready && picture.live.contains_key(&shown.id),
        Role::Ends(_) => shown.terminated.is_some(),
        Role::Loops(_) | Role::Condemned => true,
    };
    (!is).then(|| format!("{}: {shown:?}", member.path()))
}

impl Judge {
    /// Waits until all containers are in their expected state. Returns those that are not.
    pub(crate) fn settle(
        host: &Host,
        workload: &Workload,
        watcher: &Watcher,
        bound: Duration,
    ) -> (Picture, Vec<String>) {
        let mut picture = Picture::default();
        let mut faults = Vec::new();
        // A timeout is not an error here: `faults` has what is missing.
        let _ = eventually("all containers are in their expected state", bound, || {
            picture = match status::table(host) {
                Ok(table) => Picture { table, live: watcher.observe() },
                Err(error) => {
                    faults = vec![format!("probelet does not answer: {error:#}")];
                    return None;
                }
            };
            faults = workload.members.iter().filter_map(|m| unsettled(m, &picture)).collect();
            faults.is_empty().then_some(())
        });
        let unexpected = |fault: String| format!("is not in its expected state: {fault}");
        (picture, faults.into_iter().map(unexpected).collect())
    }

    /// Begins with a first state, which is not checked.
    pub(crate) fn begin(picture: Picture, drops_ended: bool) -> Self {
        Self { before: picture, drops_ended, ..Self::default() }
    }

    pub(crate) fn judge(
        &mut self,
        workload: &Workload,
        watcher: &Watcher,
        done: &Done,
        now: Picture,
    ) -> Vec<String> {
        self.account(workload, watcher, done, &now);
        let mut faults = std::mem::take(&mut watcher.ledger().doubles);
        for fault in &mut faults {
            fault.insert_str(0, "two live processes of one container: ");
        }
        for (at, member) in workload.members.iter().enumerate() {
            let (Some(then), Some(shown)) =
                (self.before.table.get(&member.path()), now.table.get(&member.path()))
            else {
                continue;
            };
            let asked = done.asked.iter().filter(|asked| **asked == at).count();
            let case = Case { judge: self, member, then, shown, asked, done, now: &now };
            faults.extend(case.faults(watcher));
        }
        self.before = now;
        faults
    }

    fn account(&mut self, workload: &Workload, watcher: &Watcher, done: &Done, now: &Picture) {
        self.accounted.extend(done.killed.iter().cloned());
        // The watcher may not have seen an attempt that was ended as soon as it began.
        for member in done.asked.iter().filter_map(|at| workload.members.get(*at)) {
            let restarts =
                |of: &Picture| of.table.get(&member.path()).map_or(0, |shown| shown.restarts);
            let attempts = restarts(&self.before)..=restarts(now);
            self.accounted.extend(attempts.map(|attempt| format!("{}_{attempt}", member.key())));
        }
        let asked = done.asked.iter().filter_map(|at| Some(workload.members.get(*at)?.key()));
        let asked: BTreeSet<String> = asked.collect();
        let ledger = watcher.ledger();
        let ids = ledger.seen.keys();
        self.accounted.extend(ids.filter(|id| asked.contains(observe::key(id))).cloned());
        self.orphaned.extend(done.orphaned.iter().cloned());
        if done.daemon_died {
            self.clouded.extend(self.orphaned.iter().cloned());
        }
        if done.daemon_died && done.containerd_died && self.drops_ended {
            let before = self.before.table.values().map(|shown| shown.id.clone());
            self.clouded.extend(before.chain(ledger.seen.keys().cloned()));
        }
    }
}

struct Case<'a> {
    judge: &'a Judge,
    member: &'a Member,
    then: &'a Status,
    shown: &'a Status,
    asked: usize,
    done: &'a Done,
    now: &'a Picture,
}

impl Case<'_> {
    fn faults(&self, watcher: &Watcher) -> Vec<String> {
        let mut faults = Vec::new();
        let mut fault = |text: String| faults.push(format!("{}: {text}", self.member.path()));
        let is_remade = self.then.uid != self.shown.uid;
        if is_remade && !self.done.remade.contains(&self.member.pod) {
            fault("has become another pod".to_owned());
        }
        if !is_remade {
            if self.shown.restarts < self.then.restarts {
                let (then, now) = (self.then.restarts, self.shown.restarts);
                fault(format!("restart count fell from {then} to {now}"));
            }
            self.untouched(&mut fault);
            self.counted(watcher, &mut fault);
        }
        let newest = self.shown.restarts;
        // While the container waits for a restart, its newest attempt is the last one that ended.
        let waits = !self.shown.is_running && self.shown.terminated.is_none();
        let last = if waits { newest } else { newest.saturating_sub(1) };
        for (end, attempt) in [(&self.shown.terminated, newest), (&self.shown.last, last)] {
            if let Some(end) = end {
                // An end without an id is of the attempt that the restart count gives.
                let counted = format!("{}_{attempt}", self.member.key());
                let id = if end.id.is_empty() { counted } else { end.id.clone() };
                self.end(&End { id, ..end.clone() }, &mut fault);
            }
        }
        faults
    }

    fn hits(&self) -> usize {
        let key = self.member.key();
        // A verb that the daemon carried out but did not record before it died is sent again.
        let asked = self.asked * (1 + usize::from(self.done.daemon_died));
        asked + self.done.killed.iter().filter(|id| observe::key(id) == key).count()
    }

    fn is_steady(&self) -> bool {
        self.member.role == Role::Steady
    }

    /// A steady container that no fault was aimed at is the same process as before.
    fn untouched(&self, fault: &mut impl FnMut(String)) {
        if !self.is_steady() || self.hits() > 0 {
            return;
        }
        let (then, now) =
            (self.judge.before.live.get(&self.then.id), self.now.live.get(&self.shown.id));
        if then != now {
            fault(format!(
                "healthy and not aimed at, but {} {then:?} became {} {now:?}, last end {:?}",
                self.then.id, self.shown.id, self.shown.last
            ));
        }
    }

    /// The restart count of a steady container grows by its deaths only, is the number of its
    /// newest attempt, and each counted attempt ran.
    fn counted(&self, watcher: &Watcher, fault: &mut impl FnMut(String)) {
        let (then, now) = (self.then.restarts, self.shown.restarts);
        if self.is_steady() && now - then.min(now) > self.hits() as u64 {
            fault(format!("{} deaths, but restarts went from {then} to {now}", self.hits()));
        }
        if self.is_steady() && observe::attempt(&self.shown.id).map(u64::from) != Some(now) {
            fault(format!("{now} restarts, but {} runs", self.shown.id));
        }
        if !self.is_steady() {
            return;
        }
        let ledger = watcher.ledger();
        let key = self.member.key();
        for attempt in then..=now {
            let id = format!("{key}_{attempt}");
            // The watcher may not have seen an attempt that an operator ended as soon as it began.
            if self.asked == 0 && !ledger.seen.contains_key(&id) {
                fault(format!("restart {attempt} was counted, but {id} never ran"));
            }
        }
    }

    /// An end was caused by the container itself, a fault or an operator, and has the true exit
    /// code.
    fn end(&self, end: &End, fault: &mut impl FnMut(String)) {
        if end.reason == "ContainerStatusUnknown" {
            if !self.judge.clouded.contains(&end.id) {
                fault(format!(
                    "the end of {} is reported as unknown, but the daemon or its shim was alive",
                    end.id
                ));
            }
            return;
        }
        let accounted = self.judge.accounted.contains(&end.id);
        let own = match self.member.role {
            Role::Steady => None,
            Role::Loops(code) | Role::Ends(code) => Some(code),
            Role::Condemned => Some(137),
        };
        if own == Some(end.code) || (accounted && end.code == 137) {
            return;
        }
        let why = if accounted { "was killed" } else { "was not aimed at" };
        fault(format!("{} {why}, but ended with {} ({})", end.id, end.code, end.reason));
    }
}
