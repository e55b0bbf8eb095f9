//! The task that keeps all workloads.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use jiff::Timestamp;
use probelet_kube_wire::feed::{Key, Stored};
use probelet_workload::Kind;
use serde_json::Value;
use tokio::time::{sleep, timeout};

use super::api::{self, Api};
use super::collector::{Owners, collect, dependent};
use super::pods::{Dependent, Pods};
use super::queue::{Done, Queue, Seen, Work};
use super::recorder::Recorder;
use super::round::Round;
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
    /// The versions of all Jobs, by which a CronJob is reconciled again.
    jobs: BTreeSet<(Key, String)>,
    /// Pods and Jobs without an owner.
    garbage: Vec<(Work, Dependent)>,
}

impl Controllers {
    pub fn new(supervisor: Arc<Supervisor>, objects: StoredObjects, api: Arc<dyn Api>) -> Self {
        let recorder = Arc::new(Recorder::new(objects.store().clone()));
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
        let (mut seen, mut owners, mut jobs) = (Vec::new(), Owners::default(), Vec::new());
        for kind in Kind::ALL {
            for object in self.list(kind, None) {
                let Ok(key) = Key::of(&object) else { continue };
                owners.insert(kind, text(&object, "/metadata/uid"));
                if kind == Kind::Job {
                    jobs.push(object.clone());
                }
                let uid = text(&object, "/metadata/uid");
                let generation = object.pointer("/metadata/generation").and_then(Value::as_u64);
                seen.push(Seen {
                    work: Work::Object(kind, key),
                    version: text(&object, "/metadata/resourceVersion").to_owned(),
                    cause: format!("{uid} {}", generation.unwrap_or_default()),
                });
            }
        }
        memory.garbage = match self.objects.health().borrow().unreadable {
            0 => Self::garbage(&memory.pods, &jobs, &owners),
            // The owner may be in a file that cannot be read.
            _ => Vec::new(),
        };
        seen.extend(memory.garbage.iter().map(|(work, it)| Seen {
            work: work.clone(),
            version: it.uid.clone(),
            cause: it.uid.clone(),
        }));
        let versions = jobs.iter().filter_map(|job| {
            Some((Key::of(job).ok()?, text(job, "/metadata/resourceVersion").to_owned()))
        });
        let versions: BTreeSet<_> = versions.collect();
        let differing = versions.symmetric_difference(&memory.jobs);
        let of_jobs: BTreeSet<_> = differing.map(|(key, _)| key.namespace().to_owned()).collect();
        memory.jobs = versions;
        memory.queue.observe(seen);
        memory.queue.mark(|work| match work {
            Work::Object(Kind::CronJob, key) => of_jobs.contains(key.namespace()),
            Work::Object(_, key) => changed.contains(key.namespace()),
            Work::Pod(_) | Work::Job(_) => false,
        });
    }

    fn garbage(pods: &Pods, jobs: &[Arc<Value>], owners: &Owners) -> Vec<(Work, Dependent)> {
        let pods = pods.dependents().map(|it| (Work::Pod(it.key.clone()), it));
        let jobs = jobs.iter().filter_map(|job| dependent(job));
        let jobs = jobs.map(|it| (Work::Job(it.key.clone()), it));
        pods.chain(jobs).filter(|(_, it)| owners.miss(it)).collect()
    }

    /// Begins a piece of work with what is observed now.
    fn begin(&self, memory: &Memory, work: Work) -> BoxFuture<'static, (Work, Done)> {
        let api = self.api.clone();
        let running: BoxFuture<'static, Done> = match &work {
            Work::Object(kind, key) => match self.round(memory, *kind, key) {
                Some(round) => Box::pin(round.run()),
                None => Box::pin(async { Done::default() }),
            },
            Work::Pod(_) | Work::Job(_) => {
                let row = match work {
                    Work::Job(_) => api::served(Kind::Job),
                    _ => api::core("pods"),
                };
                let found = memory.garbage.iter().find(|(it, _)| *it == work);
                let found = found.map(|(_, dependent)| dependent.clone());
                Box::pin(async move {
                    match row.zip(found) {
                        Some((row, dependent)) => collect(&*api, row, &dependent).await,
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
        let uid = text(&object, "/metadata/uid").to_owned();
        let is_owned = |it: &Dependent| it.owners.iter().any(|owner| owner.uid == uid);
        let jobs = match kind {
            Kind::CronJob => self.list(Kind::Job, Some(key.namespace())),
            _ => Vec::new(),
        };
        Some(Round {
            api: self.api.clone(),
            recorder: self.recorder.clone(),
            store: self.objects.store().clone(),
            kind,
            pods: memory.pods.of(key.namespace()),
            owned: memory.pods.dependents().filter(is_owned).collect(),
            jobs,
            object,
            now: wall(),
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
