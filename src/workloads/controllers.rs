//! The task that keeps all workloads.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use jiff::Timestamp;
use probelet_kube_wire::discovery::Served;
use probelet_kube_wire::feed::{Key, Stored};
use probelet_workload::Kind;
use serde_json::Value;
use tokio::time::{sleep, timeout};

use super::api::{self, Api};
use super::collector::collect;
use super::dependent::Dependent;
use super::inventory::{Differences, Inventory};
use super::ownership::Ownership;
use super::pods::Pods;
use super::queue::{Done, Queue, Seen, Work};
use super::recorder::Recorder;
use super::round::Round;
use super::unwinding::Unwinding;
use crate::kube_objects::StoredObjects;
use crate::supervisor::{Supervisor, now};

/// Pieces of work that run at once.
const ROUNDS: usize = 16;
/// The time for one piece of work. Each write in it has its own deadline.
const ROUND: Duration = Duration::from_secs(120);
/// The longest sleep: the clock may be set.
const SLEEP: Duration = Duration::from_secs(60);

/// The controllers of all kinds.
pub struct Controllers {
    supervisor: Arc<Supervisor>,
    objects: StoredObjects,
    api: Arc<dyn Api>,
    recorder: Arc<Recorder>,
}

/// What the task remembers between two steps.
#[derive(Default)]
struct Memory {
    pods: Pods,
    queue: Queue,
    inventory: Inventory,
    ownership: Ownership,
    /// Objects without an owner.
    garbage: Vec<(&'static Served, Dependent)>,
}

impl Controllers {
    pub fn new(supervisor: Arc<Supervisor>, objects: StoredObjects, api: Arc<dyn Api>) -> Self {
        let recorder = Arc::new(Recorder::new(objects.clone(), supervisor.events().clone()));
        Self { supervisor, objects, api, recorder }
    }

    /// Keeps the workloads, until it is dropped. The supervisor must have recovered its pods before:
    /// a pod that it does not know yet would be created again.
    pub async fn run(&self) {
        let mut pods = self.supervisor.changes();
        let mut objects = self.objects.changes();
        let mut memory = Memory::default();
        let mut running = FuturesUnordered::new();
        loop {
            pods.mark_unchanged();
            objects.mark_unchanged();
            self.observe(&mut memory);
            let room = ROUNDS.saturating_sub(running.len());
            for work in memory.queue.take(wall(), room) {
                running.push(self.begin(&memory, work));
            }
            let is_full = running.len() >= ROUNDS;
            let due = memory.queue.next(wall()).filter(|_| !is_full).map(until);
            tokio::select! {
                changed = pods.changed() => if changed.is_err() { return },
                changed = objects.changed() => if changed.is_err() { return },
                Some((work, done)) = running.next(), if !running.is_empty() => {
                    memory.queue.done(&work, done, wall());
                }
                () = sleep(due.unwrap_or(SLEEP)), if due.is_some() => {}
            }
        }
    }

    /// Finds what has changed.
    fn observe(&self, memory: &mut Memory) {
        let changed = memory.pods.refresh(&self.supervisor.list());
        let is_stored_changed = memory.ownership.refresh(&self.objects);
        // Pods change far more often than objects, whose texts are not read again for them.
        let Differences { is_cordon_changed, of_jobs } = match is_stored_changed {
            true => memory.inventory.refresh(&self.objects),
            false => Differences::default(),
        };
        let mut seen: Vec<Seen> = memory.inventory.workloads().collect();
        seen.extend(memory.ownership.unwound().iter().map(|it| Seen {
            work: Work::Unwind(Stored::of(it.served), it.key.clone()),
            version: text(&it.object, "/metadata/resourceVersion").to_owned(),
            cause: text(&it.object, "/metadata/uid").to_owned(),
        }));
        memory.garbage = match self.objects.health().borrow().unreadable {
            0 => memory.ownership.garbage(&memory.pods),
            // The owner may be in a file that cannot be read.
            _ => Vec::new(),
        };
        seen.extend(memory.garbage.iter().map(|(served, it)| Seen {
            work: Work::Garbage(Stored::of(served), it.key.clone()),
            version: it.uid.clone(),
            cause: it.uid.clone(),
        }));
        memory.queue.observe(seen);
        memory.queue.mark(|work| match work {
            Work::Object(Kind::CronJob, key) => of_jobs.contains(key.namespace()),
            Work::Object(_, key) => is_cordon_changed || changed.contains(key.namespace()),
            Work::Unwind(_, key) => is_stored_changed || changed.contains(key.namespace()),
            Work::Garbage(..) => false,
        });
    }

    /// Begins a piece of work with what is observed now.
    fn begin(&self, memory: &Memory, work: Work) -> BoxFuture<'static, (Work, Done)> {
        let api = self.api.clone();
        let running: BoxFuture<'static, Done> = match &work {
            Work::Object(kind, key) => match self.round(memory, *kind, key) {
                Some(round) => Box::pin(round.run()),
                None => Box::pin(async { Done::default() }),
            },
            Work::Unwind(stored, key) => match self.unwinding(memory, *stored, key) {
                Some(unwinding) => Box::pin(unwinding.run()),
                None => Box::pin(async { Done::default() }),
            },
            Work::Garbage(stored, key) => {
                let is_it = |(served, it): &&(&'static Served, Dependent)| {
                    Stored::of(served) == *stored && it.key == *key
                };
                let found = memory.garbage.iter().find(is_it).cloned();
                Box::pin(async move {
                    match found {
                        Some((served, dependent)) => collect(&*api, served, &dependent).await,
                        None => Done::default(),
                    }
                })
            }
        };
        Box::pin(async move {
            let done = timeout(ROUND, running).await;
            (work, done.unwrap_or(Done { failed: true, next: None }))
        })
    }

    fn round(&self, memory: &Memory, kind: Kind, key: &Key) -> Option<Round> {
        let stored = api::served(kind).map(Stored::of)?;
        let object = self.objects.get(stored, key)?;
        let jobs = match kind {
            Kind::CronJob => self.list(Kind::Job, Some(key.namespace())),
            _ => Vec::new(),
        };
        Some(Round {
            api: self.api.clone(),
            recorder: self.recorder.clone(),
            kind,
            pods: memory.pods.of(key.namespace()),
            jobs,
            object,
            is_cordoned: memory.inventory.is_cordoned,
            now: wall(),
        })
    }

    fn unwinding(&self, memory: &Memory, stored: Stored, key: &Key) -> Option<Unwinding> {
        let mut all = memory.ownership.unwound().iter();
        let of = all.find(|it| Stored::of(it.served) == stored && it.key == *key)?.clone();
        let uid = text(&of.object, "/metadata/uid");
        let dependents = memory.ownership.of_owner(&memory.pods, key, uid);
        Some(Unwinding {
            api: self.api.clone(),
            recorder: self.recorder.clone(),
            store: self.objects.store().clone(),
            dependents,
            of,
        })
    }

    fn list(&self, kind: Kind, namespace: Option<&str>) -> Vec<Arc<Value>> {
        let stored = api::served(kind).map(Stored::of);
        stored.map(|stored| self.objects.list(stored, namespace)).unwrap_or_default()
    }
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn wall() -> Timestamp {
    Timestamp::try_from(now().wall).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The time until then.
fn until(at: Timestamp) -> Duration {
    let rest = at.duration_since(wall());
    Duration::try_from(rest).unwrap_or_default().min(SLEEP)
}
