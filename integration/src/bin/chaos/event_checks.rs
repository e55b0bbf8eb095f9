//! The checks of events: they are in order, each number occurs once, and an event that was reported
//! once is reported again unchanged, unless a documented limit dropped it.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use probelet_integration::{Host, now};

use crate::inject::Done;
use crate::observe;
use crate::status::{self, EventIdentity, Reported, Table};
use crate::workload::{Role, Workload};

/// The most events in the daemon's memory, and in a container's record.
const IN_MEMORY: usize = 2048;
const IN_RECORD: usize = 20;
/// A record is written with each of these events. It has all earlier events too.
const WRITTEN_WITH: [&str; 2] = ["Started", "Killing"];
/// The longest time until such a record is written.
const WRITTEN: Duration = Duration::from_secs(3);

/// All events at one moment.
struct Snapshot {
    at: Instant,
    /// By sequence number, each with the time at which it was observed first.
    reported: BTreeMap<u64, (Reported, Instant)>,
}

pub(crate) struct EventChecks {
    before: Snapshot,
    restarts: Table,
}

impl EventChecks {
    /// Begins with the events so far, which are not checked and count as written.
    pub(crate) fn begin(host: &Host, table: Table) -> Result<Self> {
        let first = Snapshot::new(status::events(host)?, &BTreeMap::new());
        thread::sleep(WRITTEN);
        Ok(Self { before: Snapshot::new(status::events(host)?, &first.reported), restarts: table })
    }

    pub(crate) fn judge(
        &mut self,
        workload: &Workload,
        done: &Done,
        table: &Table,
        events: Vec<(u64, Reported)>,
    ) -> Vec<String> {
        let mut faults = Vec::new();
        let numbers: Vec<u64> = events.iter().map(|(number, _)| *number).collect();
        if !numbers.is_sorted_by(|one, next| one < next) {
            faults.push(format!("events are out of order: {numbers:?}"));
        }
        let snapshot = Snapshot::new(events, &self.before.reported);
        faults.extend(self.before.reported.iter().filter_map(|(number, (event, _))| {
            if let Some((again, _)) = snapshot.reported.get(number) {
                return (again != event)
                    .then(|| format!("event {number} was {event:?} and is reported as {again:?}"));
            }
            let kept = if done.daemon_died {
                self.before.is_in_record(*number, &event.identity)
                    && snapshot.newer_of(*number, &event.identity) < IN_RECORD
                    && table.values().any(|shown| shown.uid == event.identity.uid)
            } else {
                !snapshot.is_full()
                    || snapshot.newer_of(*number, &event.identity) < snapshot.share()
            };
            let lost = kept && !snapshot.counted_up(*number, event);
            lost.then(|| format!("events were lost: {number}, {event:?}"))
        }));
        // Counts are only comparable if no event was dropped.
        if !done.daemon_died && !snapshot.is_full() {
            faults.extend(self.restarts(workload, done, table, &snapshot));
        }
        (self.before, self.restarts) = (snapshot, table.clone());
        faults
    }

    /// Each restart has its event `Started`, and a stop by probelet the event `Killing`.
    fn restarts(
        &self,
        workload: &Workload,
        done: &Done,
        table: &Table,
        snapshot: &Snapshot,
    ) -> Vec<String> {
        let mut faults = Vec::new();
        for (at, member) in workload.members.iter().enumerate() {
            let name = member.path();
            let (Some(then), Some(now)) = (self.restarts.get(&name), table.get(&name)) else {
                continue;
            };
            if member.role != Role::Steady || then.uid != now.uid {
                continue;
            }
            let more = |reason: &str| {
                let count = |snapshot: &Snapshot| snapshot.count(&now.uid, &member.name, reason);
                count(snapshot).saturating_sub(count(&self.before))
            };
            let (restarts, started) = (now.restarts.saturating_sub(then.restarts), more("Started"));
            if restarts != started {
                faults.push(format!("{name}: {restarts} restarts, but {started} Started events"));
            }
            let times = |all: &[usize]| all.iter().filter(|one| **one == at).count();
            let alone = times(&done.asked) == times(&done.stopped)
                && done.killed.iter().all(|id| observe::key(id) != member.key());
            if restarts > 0 && alone && more("Killing") == 0 {
                faults.push(format!("{name}: it was stopped, but there is no Killing event"));
            }
        }
        faults
    }
}

impl Snapshot {
    fn new(events: Vec<(u64, Reported)>, earlier: &BTreeMap<u64, (Reported, Instant)>) -> Self {
        let at = now();
        let since = |number| earlier.get(&number).map_or(at, |(_, since)| *since);
        let reported =
            events.into_iter().map(|(number, reported)| (number, (reported, since(number))));
        Self { at, reported: reported.collect() }
    }

    fn is_full(&self) -> bool {
        self.reported.len() >= IN_MEMORY
    }

    /// The number of newer events of the same container that an event may have without being
    /// dropped.
    fn share(&self) -> usize {
        let identities = self.reported.values().map(|(reported, _)| &reported.identity);
        let owners: BTreeSet<_> =
            identities.map(|identity| (&identity.uid, &identity.about)).collect();
        (IN_MEMORY / owners.len().max(1)).saturating_sub(1)
    }

    fn of<'a>(&'a self, uid: &'a str, about: &'a str) -> impl Iterator<Item = (u64, &'a Reported)> {
        let events = self.reported.iter().map(|(number, (reported, _))| (*number, reported));
        events.filter(move |(_, reported)| {
            reported.identity.uid == uid && reported.identity.about == about
        })
    }

    /// Whether the event is in a container's record: an event that is certainly written by now came
    /// with it or after it.
    fn is_in_record(&self, number: u64, identity: &EventIdentity) -> bool {
        let surely = |since: &Instant| self.at.duration_since(*since) >= WRITTEN;
        let written =
            |reported: &Reported| WRITTEN_WITH.contains(&reported.identity.reason.as_str());
        !identity.about.is_empty()
            && self.of(&identity.uid, &identity.about).any(|(other, reported)| {
                let since = self.reported.get(&other).map(|(_, since)| since);
                other >= number && written(reported) && since.is_some_and(surely)
            })
    }

    fn newer_of(&self, number: u64, identity: &EventIdentity) -> usize {
        self.of(&identity.uid, &identity.about).filter(|(other, _)| *other > number).count()
    }

    fn counted_up(&self, number: u64, event: &Reported) -> bool {
        self.of(&event.identity.uid, &event.identity.about).any(|(other, reported)| {
            other > number && reported.identity == event.identity && reported.count > event.count
        })
    }

    fn count(&self, uid: &str, container: &str, reason: &str) -> u64 {
        let about = format!("{{{container}}}");
        let events = self.reported.values().map(|(reported, _)| reported).filter(|reported| {
            reported.identity.uid == uid
                && reported.identity.reason == reason
                && reported.identity.about.ends_with(&about)
        });
        events.map(|reported| reported.count).sum()
    }
}
