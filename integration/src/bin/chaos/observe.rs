//! The processes of the containers, observed by cgroups and /proc, without probelet or containerd.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// A process, by its id and its start time in clock ticks since boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Incarnation {
    pub(crate) pid: u32,
    pub(crate) began: u64,
}

/// The init processes of all containers by the id of their attempt.
pub(crate) type Live = BTreeMap<String, Incarnation>;

const PAUSE: Duration = Duration::from_millis(25);

/// `POD_CONTAINER_N` → `POD_CONTAINER`
pub(crate) fn key(id: &str) -> &str {
    id.rsplit_once('_').map_or(id, |(key, _)| key)
}

pub(crate) fn attempt(id: &str) -> Option<u32> {
    id.rsplit_once('_')?.1.parse().ok()
}

/// The folder in which runc creates the cgroups of a containerd namespace, in one hierarchy.
fn cgroups(namespace: &str) -> PathBuf {
    let root = Path::new("/sys/fs/cgroup");
    let unified = root.join("cgroup.controllers").exists();
    if unified { root.join(namespace) } else { root.join("pids").join(namespace) }
}

pub(crate) fn live(namespace: &str) -> Live {
    let groups = fs::read_dir(cgroups(namespace)).into_iter().flatten().flatten();
    let mut live = Live::new();
    for group in groups {
        let procs = fs::read_to_string(group.path().join("cgroup.procs")).unwrap_or_default();
        let init = procs.lines().filter_map(|pid| init(pid.parse().ok()?)).next();
        if let Some(init) = init {
            live.insert(group.file_name().to_string_lossy().into_owned(), init);
        }
    }
    live
}

/// The process, if it is the first of a pid namespace and runs the container's own program.
fn init(pid: u32) -> Option<Incarnation> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.map(str::trim).unwrap_or_default()
    };
    let is_first = field("NSpid:").split_whitespace().skip(1).last() == Some("1");
    // Not started yet, or a zombie.
    let waits = field("Name:").starts_with("runc") || field("State:").starts_with(['Z', 'X']);
    if !is_first || waits {
        return None;
    }
    Some(Incarnation { pid, began: began(pid)? })
}

fn began(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The fields are counted after the name, which may contain spaces and parentheses.
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

/// The process id of a container's shim, by its command line.
pub(crate) fn shim(socket: &Path, id: &str) -> Option<u32> {
    shims(socket).into_iter().find(|(_, held)| held == id).map(|(pid, _)| pid)
}

/// The process ids of all shims of this containerd, with the containers that they were started for.
pub(crate) fn shims(socket: &Path) -> Vec<(u32, String)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let one = |pid: u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).into_owned();
        let words: Vec<&str> = line.split('\0').collect();
        let is_ours = words.first()?.ends_with("containerd-shim-runc-v2")
            && words.iter().any(|word| Path::new(word) == socket);
        let id = words.iter().skip_while(|word| **word != "-id").nth(1)?;
        is_ours.then(|| (pid, (*id).to_owned()))
    };
    pids.filter_map(one).collect()
}

/// All processes that were observed in this run.
#[derive(Default)]
pub(crate) struct Ledger {
    pub(crate) seen: BTreeMap<String, BTreeSet<Incarnation>>,
    /// Two live processes of one container.
    pub(crate) doubles: Vec<String>,
}

impl Ledger {
    fn note(&mut self, live: &Live) {
        for (id, process) in live {
            self.seen.entry(id.clone()).or_default().insert(*process);
        }
        let mut earlier: Option<(&String, &Incarnation)> = None;
        for (id, process) in live {
            if let Some((other, twin)) = earlier.filter(|(other, _)| key(other) == key(id))
                // One of the two may have ended while the list was made.
                && began(twin.pid) == Some(twin.began)
                && init(twin.pid).is_some()
                && init(process.pid).is_some()
            {
                self.doubles
                    .push(format!("{other} (pid {}) and {id} (pid {})", twin.pid, process.pid));
            }
            earlier = Some((id, process));
        }
    }
}

/// Observes the processes each 25 ms, so that short-lived ones are seen too.
pub(crate) struct Watcher {
    ledger: Arc<Mutex<Ledger>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    namespace: String,
}

impl Watcher {
    pub(crate) fn start(namespace: &str) -> Self {
        let (ledger, stop) = (Arc::<Mutex<Ledger>>::default(), Arc::<AtomicBool>::default());
        let (notes, ends, name) = (ledger.clone(), stop.clone(), namespace.to_owned());
        let thread = thread::spawn(move || {
            while !ends.load(Ordering::Relaxed) {
                lock(&notes).note(&live(&name));
                thread::sleep(PAUSE);
            }
        });
        Self { ledger, stop, thread: Some(thread), namespace: namespace.to_owned() }
    }

    pub(crate) fn observe(&self) -> Live {
        let live = live(&self.namespace);
        self.ledger().note(&live);
        live
    }

    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // Its result is in the ledger, so a panic changes nothing.
            let _ = thread.join();
        }
    }
}

fn lock(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}
