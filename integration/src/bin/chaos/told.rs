//! The checks of events: they are in order, each number occurs once, and an event that was reported
//! once is reported again unchanged, unless a documented limit dropped it.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use probelet_integration::{Host, now};

use crate::cast::{Cast, Role};
use crate::shown::{self, Saying, Table, Told};
use crate::sight;
use crate::strike::Done;

/// The most events in the daemon's memory, and in a container's record.
const IN_MEMORY: usize = 2048;
const IN_RECORD: usize = 20;
/// A record is written with each of these events. It has all earlier events too.
const WRITTEN_WITH: [&str; 2] = ["Started", "Killing"];
/// The longest time until such a record is written.
const WRITTEN: Duration = Duration::from_secs(3);

/// All events at one moment.
struct Look {
    at: Instant,
    /// By sequence number, each with the time at which it was observed first.
    told: BTreeMap<u64, (Told, Instant)>,
}

pub(crate) struct Telling {
    before: Look,
    restarts: Table,
}

impl Telling {
    /// Begins with the events so far, which are not checked and count as written.
    pub(crate) fn begin(host: &Host, table: Table) -> Result<Self> {
        let first = Look::new(shown::events(host)?, &BTreeMap::new());
        thread::sleep(WRITTEN);
        Ok(Self { before: Look::new(shown::events(host)?, &first.told), restarts: table })
    }

    pub(crate) fn judge(
        &mut self,
        cast: &Cast,
        done: &Done,
        table: &Table,
        events: Vec<(u64, Told)>,
    ) -> Vec<String> {
        let mut faults = Vec::new();
        let numbers: Vec<u64> = events.iter().map(|(number, _)| *number).collect();
        if !numbers.is_sorted_by(|one, next| one < next) {
            faults.push(format!("events are out of order: {numbers:?}"));
        }
        let look = Look::new(events, &self.before.told);
        faults.extend(self.before.told.iter().filter_map(|(number, (event, _))| {
            if let Some((again, _)) = look.told.get(number) {
                return (again != event)
                    .then(|| format!("event {number} was {event:?} and is reported as {again:?}"));
            }
            let kept = if done.daemon_died {
                self.before.is_in_record(*number, &event.saying)
                    && look.newer_of(*number, &event.saying) < IN_RECORD
                    && table.values().any(|shown| shown.uid == event.saying.uid)
            } else {
                !look.is_full() || look.newer_of(*number, &event.saying) < look.share()
            };
            let lost = kept && !look.counted_up(*number, event);
            lost.then(|| format!("events were lost: {number}, {event:?}"))
        }));
        // Counts are only comparable if no event was dropped.
        if !done.daemon_died && !look.is_full() {
            faults.extend(self.restarts(cast, done, table, &look));
        }
        (self.before, self.restarts) = (look, table.clone());
        faults
    }

    /// Each restart has its event `Started`, and a stop by probelet the event `Killing`.
    fn restarts(&self, cast: &Cast, done: &Done, table: &Table, look: &Look) -> Vec<String> {
        let mut faults = Vec::new();
        for (at, member) in cast.members.iter().enumerate() {
            let name = member.path();
            let (Some(then), Some(now)) = (self.restarts.get(&name), table.get(&name)) else {
                continue;
            };
            if member.role != Role::Steady || then.uid != now.uid {
                continue;
            }
            let more = |reason: &str| {
                let count = |look: &Look| look.count(&now.uid, &member.name, reason);
                count(look).saturating_sub(count(&self.before))
            };
            let (restarts, started) = (now.restarts.saturating_sub(then.restarts), more("Started"));
            if restarts != started {
                faults.push(format!("{name}: {restarts} restarts, but {started} Started events"));
            }
            let times = |all: &[usize]| all.iter().filter(|one| **one == at).count();
            let alone = times(&done.asked) == times(&done.stopped)
                && done.killed.iter().all(|id| sight::key(id) != member.key());
            if restarts > 0 && alone && more("Killing") == 0 {
                faults.push(format!("{name}: it was stopped, but there is no Killing event"));
            }
        }
        faults
    }
}

impl Look {
    fn new(events: Vec<(u64, Told)>, earlier: &BTreeMap<u64, (Told, Instant)>) -> Self {
        let at = now();
        let since = |number| earlier.get(&number).map_or(at, |(_, since)| *since);
        let told = events.into_iter().map(|(number, told)| (number, (told, since(number))));
        Self { at, told: told.collect() }
    }

    fn is_full(&self) -> bool {
        self.told.len() >= IN_MEMORY
    }

    /// The number of newer events of the same container that an event may have without being
    /// dropped.
    fn share(&self) -> usize {
        let sayings = self.told.values().map(|(told, _)| &told.saying);
        let owners: BTreeSet<_> = sayings.map(|saying| (&saying.uid, &saying.about)).collect();
        (IN_MEMORY / owners.len().max(1)).saturating_sub(1)
    }

    fn of<'a>(&'a self, uid: &'a str, about: &'a str) -> impl Iterator<Item = (u64, &'a Told)> {
        let events = self.told.iter().map(|(number, (told, _))| (*number, told));
        events.filter(move |(_, told)| told.saying.uid == uid && told.saying.about == about)
    }

    /// Whether the event is in a container's record: an event that is certainly written by now came
    /// with it or after it.
    fn is_in_record(&self, number: u64, saying: &Saying) -> bool {
        let surely = |since: &Instant| self.at.duration_since(*since) >= WRITTEN;
        let written = |told: &Told| WRITTEN_WITH.contains(&told.saying.reason.as_str());
        !saying.about.is_empty()
            && self.of(&saying.uid, &saying.about).any(|(other, told)| {
                let since = self.told.get(&other).map(|(_, since)| since);
                other >= number && written(told) && since.is_some_and(surely)
            })
    }

    fn newer_of(&self, number: u64, saying: &Saying) -> usize {
        self.of(&saying.uid, &saying.about).filter(|(other, _)| *other > number).count()
    }

    fn counted_up(&self, number: u64, event: &Told) -> bool {
        self.of(&event.saying.uid, &event.saying.about).any(|(other, told)| {
            other > number && told.saying == event.saying && told.count > event.count
        })
    }

    fn count(&self, uid: &str, container: &str, reason: &str) -> u64 {
        let about = format!("{{{container}}}");
        let events = self.told.values().map(|(told, _)| told).filter(|told| {
            told.saying.uid == uid
                && told.saying.reason == reason
                && told.saying.about.ends_with(&about)
        });
        events.map(|told| told.count).sum()
    }
}
