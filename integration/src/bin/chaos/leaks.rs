//! The check for leaks: everything that probelet, containerd and runc create belongs to a container
//! that exists.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::Result;
use probelet_integration::{Host, eventually, now};

use crate::inject::Done;
use crate::observe::{self, Watcher};
use crate::status;
use crate::workload::Workload;

type Names = BTreeSet<String>;

pub(crate) struct Leaks {
    /// The number of the daemon's descriptors before the first fault.
    descriptors: Option<usize>,
    /// Bundles that existed when containerd was killed. containerd cleans those up itself.
    excused: Names,
}

/// The descriptors that starting and ending containers may hold at the moment of the check.
const SLACK: usize = 12;

/// Something that stays for this time, while no start waits for a retry, is a leak: while
/// containerd runs, a failed cleanup is retried within seconds.
const STILL: Duration = Duration::from_secs(20);
/// The longest time of a check. A start that failed because containerd died is retried after up to
/// 30 s, and earlier attempts stay until then.
const LONG: Duration = Duration::from_secs(75);
/// The same two times in a run whose calls are harmed: a call without an answer takes its deadline
/// of up to 60 s, and is then retried.
const STILL_HARMED: Duration = Duration::from_secs(90);
const LONG_HARMED: Duration = Duration::from_secs(240);

impl Leaks {
    pub(crate) fn begin(host: &Host) -> Self {
        Self { descriptors: descriptors(host), excused: Names::new() }
    }

    pub(crate) fn excuse(&mut self, done: &Done) {
        self.excused.extend(done.bundles.iter().cloned());
    }

    /// Observes until nothing was left at every observation, within a bound: containers start and
    /// end all the time. Returns the leaks.
    pub(crate) fn find(
        &mut self,
        host: &Host,
        workload: &Workload,
        watcher: &Watcher,
    ) -> Vec<String> {
        let is_harmed = host.proxy().is_some();
        let (longest, stays) = if is_harmed { (LONG_HARMED, STILL_HARMED) } else { (LONG, STILL) };
        let mut left: Option<Names> = None;
        let (mut still, mut waiting) = (now(), Names::new());
        // A timeout is not an error here: `left` has the leaks.
        let _ = eventually("nothing is left behind", longest, || {
            let seen = find_once(host, workload, watcher, &self.excused);
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
            (is_clean || still.elapsed() > stays).then_some(())
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

/// The attempts that wait for their start, with their number: one that is listed twice in a row
/// waits for a retry.
fn starts_that_wait(host: &Host) -> Names {
    let table = status::table(host).unwrap_or_default();
    let waits = table.iter().filter(|(_, shown)| {
        let waits = !shown.is_running && shown.terminated.is_none();
        waits && ["ContainerCreating", "Error"].iter().any(|word| shown.state.contains(word))
    });
    waits.map(|(name, shown)| format!("{name} {}", shown.restarts)).collect()
}

/// The lowest of 40 counts of the daemon's descriptors, so that those of running probes do not
/// count.
fn descriptors(host: &Host) -> Option<usize> {
    let folder = format!("/proc/{}/fd", host.daemon_pid().ok()?);
    let counts = (0..40).filter_map(|_| {
        thread::sleep(Duration::from_millis(20));
        Some(fs::read_dir(&folder).ok()?.count())
    });
    counts.min()
}

/// What exists at this moment without a container that it belongs to.
fn find_once(
    host: &Host,
    workload: &Workload,
    watcher: &Watcher,
    excused: &Names,
) -> Result<Vec<String>> {
    let before = watcher.observe();
    let table = status::table(host)?;
    let namespace = host.namespace();
    // The newest attempt and the one before it.
    let mut kept = Names::new();
    let mut logs = Names::new();
    for member in &workload.members {
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
    // Committed snapshots are layers of images.
    let rows = snapshots.lines().skip(1);
    let active = rows.filter(|line| !line.trim_end().ends_with("Committed"));
    let active: Names = active.filter_map(|line| Some(line.split(' ').next()?.into())).collect();
    let leases = lines(&host.ctr(["leases", "ls", "-q"])?);
    let shims = observe::shims(&host.containerd_socket()).into_iter().map(|(_, id)| id);
    let shims: Names = shims.collect();
    // A container that ran at the beginning or at the end of the check may have its things.
    let live: Vec<_> = before.into_iter().chain(watcher.observe()).collect();
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
    compare("mount", &mounts(host), &allowed_mounts(host, &running, &table, workload));
    compare("process of", &processes(namespace), &inits);
    compare("FIFO", &names(&host.path("run/exec")), &Names::new());
    let log_files: Names = files(&host.path("log"));
    compare("log file", &log_files, &logs);
    compare("logger of", &loggers(host), &running);
    compare("claim of pod", &names(&host.path("run/claims")), &uids);
    compare("files of pod", &names(&host.path("run/pods")), &uids);
    compare("volumes in memory of pod", &names(&host.path("run/volumes")), &uids);
    compare("volumes of pod", &names(&host.path("data/pods")), &uids);
    compare(
        "pending record of",
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
        // In a cgroup only folders are containers.
        !folder.starts_with("/sys/fs/cgroup") || entry.path().is_dir()
    });
    let names = folders.map(|entry| entry.file_name().to_string_lossy().into_owned());
    // containerd renames a bundle like this before it deletes it; the bundle stays if containerd
    // is killed then.
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

/// All processes in cgroups of this run's containers. Only init processes are expected, because
/// none of them has children.
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

/// The attempts that have a logger, by the log file in the logger's arguments.
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

/// The mounts in the run's folder, and the folder's own.
fn mounts(host: &Host) -> Names {
    let folder = host.path("");
    let mountinfo = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let points = mountinfo.lines().filter_map(|line| line.split(' ').nth(4));
    points.filter(|at| Path::new(at).starts_with(&folder)).map(str::to_owned).collect()
}

/// The mounts that running containers and existing pods have.
fn allowed_mounts(
    host: &Host,
    running: &Names,
    table: &status::Table,
    workload: &Workload,
) -> Names {
    let rootfs = |id: &String| bundles(host).join(id).join("rootfs").display().to_string();
    let mut allowed: Names = running.iter().map(rootfs).collect();
    for member in &workload.members {
        let uid = table.get(&member.path()).map(|shown| &shown.uid);
        if let Some(uid) = uid {
            let pod = host.path("data/pods").join(uid);
            let message = format!("messages/{}", member.name);
            let places = ["etc", message.as_str()].map(|place| pod.join(place));
            allowed.extend(places.map(|place| place.display().to_string()));
        }
        let several = workload.members.iter().filter(|other| other.pod == member.pod).count() > 1;
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

/// The log that a file is of: `POD/CONTAINER/N.log` for the rotated `POD/CONTAINER/N.log.TIME.M`.
fn unrotated(file: &str) -> &str {
    file.find(".log.").and_then(|at| file.get(..at + ".log".len())).unwrap_or(file)
}

/// Relative paths of all files below a folder; a rotated file counts as its log.
fn files(root: &Path) -> Names {
    let (mut found, mut folders) = (Names::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            // Evidence is kept as long as its container.
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
