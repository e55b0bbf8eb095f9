//! What is left behind, where nothing should be: looked for in all places that are touched.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::Result;
use probelet_integration::{Host, eventually, now};

use crate::cast::Cast;
use crate::shown;
use crate::sight::{self, Watcher};
use crate::strike::Done;

type Names = BTreeSet<String>;

pub(crate) struct Leaks {
    /// The daemon's before the first fault; later ones may be a few more.
    descriptors: Option<usize>,
    /// Bundles that were there when containerd died: those that it was at are its own to clear.
    excused: Names,
}

/// What a container that comes and goes may be holding at the moment.
const SLACK: usize = 12;

/// What is left for so long, while no start waits, stays: with containerd here what failed to be
/// cleared is tried again within seconds.
const STILL: Duration = Duration::from_secs(20);
/// A start that meets a containerd that dies each time is tried again after up to 30 s, and the
/// attempts before it stay till then.
const LONG: Duration = Duration::from_secs(75);

impl Leaks {
    pub(crate) fn begin(host: &Host) -> Self {
        Self { descriptors: descriptors(host), excused: Names::new() }
    }

    pub(crate) fn excuse(&mut self, done: &Done) {
        self.excused.extend(done.bundles.iter().cloned());
    }

    /// Looks until nothing is there at every look, bounded: some come and go all the time.
    pub(crate) fn find(&mut self, host: &Host, cast: &Cast, watcher: &Watcher) -> Vec<String> {
        let mut left: Option<Names> = None;
        let (mut still, mut waiting) = (now(), Names::new());
        // What is still there is in `left`.
        let _ = eventually("nothing is left behind", LONG, || {
            let seen = look(host, cast, watcher, &self.excused);
            let seen = seen.unwrap_or_else(|error| vec![format!("{error:#}")]);
            let seen: Names = seen.into_iter().collect();
            let both = left.take().map(|left| left.intersection(&seen).cloned().collect());
            left = Some(both.unwrap_or(seen));
            let wait_now = starts_that_wait(host);
            if !waiting.is_disjoint(&wait_now) {
                still = now();
            }
            waiting = wait_now;
            let is_clean = left.as_ref().is_some_and(BTreeSet::is_empty);
            (is_clean || still.elapsed() > STILL).then_some(())
        });
        let mut left: Vec<String> = left.into_iter().flatten().collect();
        left.extend(self.descriptors(host));
        left
    }

    fn descriptors(&self, host: &Host) -> Option<String> {
        let (first, now) = (self.descriptors?, descriptors(host)?);
        (now > first + SLACK).then(|| format!("the daemon's descriptors: {first}, now {now}"))
    }
}

/// By the attempt: one that waits at two looks does not just begin.
fn starts_that_wait(host: &Host) -> Names {
    let table = shown::table(host).unwrap_or_default();
    let waits = table.iter().filter(|(_, shown)| {
        let waits = !shown.is_running && shown.terminated.is_none();
        waits && ["ContainerCreating", "Error"].iter().any(|word| shown.state.contains(word))
    });
    waits.map(|(name, shown)| format!("{name} {}", shown.restarts)).collect()
}

/// Between probes: what is open for one that is under way is no leak.
fn descriptors(host: &Host) -> Option<usize> {
    let folder = format!("/proc/{}/fd", host.daemon_pid().ok()?);
    let counts = (0..40).filter_map(|_| {
        thread::sleep(Duration::from_millis(20));
        Some(fs::read_dir(&folder).ok()?.count())
    });
    counts.min()
}

fn look(host: &Host, cast: &Cast, watcher: &Watcher, excused: &Names) -> Result<Vec<String>> {
    let before = watcher.look();
    let table = shown::table(host)?;
    let namespace = host.namespace();
    // The newest attempt and the one before it.
    let mut kept = Names::new();
    let mut logs = Names::new();
    for member in &cast.members {
        let shown = table.get(&member.path());
        let newest = shown.map_or(0, |shown| shown.restarts);
        for attempt in newest.saturating_sub(1)..=newest {
            kept.insert(format!("{}_{attempt}", member.key()));
            logs.insert(format!("{}/{}/{attempt}.log", member.pod, member.name));
            logs.insert(format!("{}/{}/{attempt}.message", member.pod, member.name));
        }
    }
    let records = lines(&host.ctr(["containers", "ls", "-q"])?);
    let tasks = lines(&host.ctr(["task", "ls", "-q"])?);
    let snapshots = host.ctr(["snapshots", "ls"])?;
    // An image's layers are committed.
    let rows = snapshots.lines().skip(1);
    let active = rows.filter(|line| !line.trim_end().ends_with("Committed"));
    let active: Names = active.filter_map(|line| Some(line.split(' ').next()?.into())).collect();
    let leases = lines(&host.ctr(["leases", "ls", "-q"])?);
    let shims = sight::shims(&host.containerd_socket()).into_iter().map(|(_, id)| id);
    let shims: Names = shims.collect();
    // Who was there at one of the two looks may be there.
    let live: Vec<_> = before.into_iter().chain(watcher.look()).collect();
    let running: Names = live.iter().map(|(id, _)| id.clone()).collect();
    let inits: Names = live.iter().map(|(id, init)| process(id, init.pid)).collect();

    let uids: Names = table.values().map(|shown| shown.uid.clone()).collect();

    let mut left = Vec::new();
    let mut compare = |what: &str, found: &Names, allowed: &Names| {
        left.extend(found.difference(allowed).map(|one| format!("{what} {one}")));
    };
    compare("record", &records, &kept);
    compare("task", &tasks, &running);
    compare("snapshot", &active, &kept);
    compare("lease", &leases, &Names::new());
    compare("shim of", &shims, &running);
    for (what, folder) in cgroups(namespace) {
        compare(&format!("{what} cgroup of"), &names(&folder), &running);
    }
    compare("runc state of", &names(&Path::new("/run/containerd/runc").join(namespace)), &running);
    compare("bundle of", &names(&bundles(host)), &running.union(excused).cloned().collect());
    compare("mount", &mounts(host), &allowed_mounts(host, &running, &table, cast));
    compare("process of", &processes(namespace), &inits);
    compare("FIFO", &names(&host.path("run/exec")), &Names::new());
    let log_files: Names = files(&host.path("log"));
    compare("log file", &log_files, &logs);
    compare("logger of", &loggers(host), &running);
    compare("files of pod", &names(&host.path("run/pods")), &uids);
    compare("volumes in memory of pod", &names(&host.path("run/volumes")), &uids);
    compare("volumes of pod", &names(&host.path("data/pods")), &uids);
    compare(
        "unwritten record of",
        &names(&host.path("run/unwritten").join(namespace)),
        &Names::new(),
    );
    for folder in ["netns", "ipcns", "utsns"] {
        compare(&format!("{folder} pin of pod"), &names(&host.path("run").join(folder)), &uids);
    }
    Ok(left)
}

fn lines(text: &str) -> Names {
    text.lines().map(str::to_owned).collect()
}

pub(crate) fn names(folder: &Path) -> Names {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| {
        // A cgroup's own files are none of the containers.
        !folder.starts_with("/sys/fs/cgroup") || entry.path().is_dir()
    });
    let names = folders.map(|entry| entry.file_name().to_string_lossy().into_owned());
    // A bundle that containerd was at deleting when it was killed stays under such a name.
    names.filter(|name| !name.starts_with('.')).collect()
}

fn cgroups(namespace: &str) -> Vec<(String, std::path::PathBuf)> {
    let root = Path::new("/sys/fs/cgroup");
    let hierarchies = names(root).into_iter().map(|name| (name.clone(), root.join(name)));
    let all = hierarchies.chain([("the".to_owned(), root.to_owned())]);
    all.map(|(name, path)| (name, path.join(namespace))).filter(|(_, at)| at.exists()).collect()
}

pub(crate) fn bundles(host: &Host) -> std::path::PathBuf {
    host.path("state/io.containerd.runtime.v2.task").join(host.namespace())
}

fn process(id: &str, pid: u32) -> String {
    format!("{id}, pid {pid}")
}

/// All that are in one of our containers' cgroups. None of the cast has children.
fn processes(namespace: &str) -> Names {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let of_ours = pids.filter_map(|pid: u32| {
        let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
        let (_, rest) = groups.split_once(&format!("/{namespace}/"))?;
        Some(process(rest.lines().next()?.split('/').next()?, pid))
    });
    of_ours.collect()
}

/// The containers whose logs are being written, by the log file that each logger is told of.
fn loggers(host: &Host) -> Names {
    let folder = host.path("log").display().to_string();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let lines = entries.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    let id = |line: Vec<u8>| {
        let line = String::from_utf8_lossy(&line).into_owned();
        let (_, order) = line.split_once("container-log\0")?;
        let (_, log) = order.split_once(folder.as_str())?;
        let (path, _) = log.trim_start_matches('/').split_once(".log")?;
        let (pod, rest) = path.split_once('/')?;
        let (container, attempt) = rest.split_once('/')?;
        let key = if pod == container { pod.to_owned() } else { format!("{pod}_{container}") };
        Some(format!("{key}_{attempt}"))
    };
    lines.filter_map(id).collect()
}

/// Below our folder, our own included.
fn mounts(host: &Host) -> Names {
    let folder = host.path("");
    let mountinfo = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let points = mountinfo.lines().filter_map(|line| line.split(' ').nth(4));
    points.filter(|at| Path::new(at).starts_with(&folder)).map(str::to_owned).collect()
}

/// Root filesystems of what runs, and namespaces of pods of several.
fn allowed_mounts(host: &Host, running: &Names, table: &shown::Table, cast: &Cast) -> Names {
    let rootfs = |id: &String| bundles(host).join(id).join("rootfs").display().to_string();
    let mut allowed: Names = running.iter().map(rootfs).collect();
    for member in &cast.members {
        let uid = table.get(&member.path()).map(|shown| &shown.uid);
        if let Some(uid) = uid {
            let pod = host.path("data/pods").join(uid);
            let message = format!("messages/{}", member.name);
            let places = ["etc", message.as_str()].map(|place| pod.join(place));
            allowed.extend(places.map(|place| place.display().to_string()));
        }
        let several = cast.members.iter().filter(|other| other.pod == member.pod).count() > 1;
        let memory = "volumes/UID/volumes/memory";
        for place in ["netns/UID", "ipcns/UID", "utsns/UID", "pods/UID/shm", memory] {
            if let Some(uid) = uid.filter(|_| several) {
                let place = host.path("run").join(place.replace("UID", uid));
                allowed.insert(place.display().to_string());
            }
        }
    }
    allowed
}

/// `POD/CONTAINER/N.log.TIME.M` is part of `POD/CONTAINER/N.log`.
fn unrotated(file: &str) -> &str {
    file.find(".log.").and_then(|at| file.get(..at + ".log".len())).unwrap_or(file)
}

/// Relative paths of all files below, of a log that was rotated the one.
fn files(root: &Path) -> Names {
    let (mut found, mut folders) = (Names::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            // What condemned containers did is kept as long as they are.
            let is_evidence = path.to_string_lossy().ends_with(".evidence.json");
            if path.is_dir() {
                folders.push(path);
            } else if !is_evidence && let Ok(relative) = path.strip_prefix(root) {
                found.insert(unrotated(&relative.display().to_string()).to_owned());
            }
        }
    }
    found
}
