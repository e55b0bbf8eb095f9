//! Reading of captured evidence: sentences on the data that stands out.

use super::{Captured, Count, Process, Thread};

/// Share of the sample up to which a thread that ran counts as idle.
const IDLE: f64 = 0.01;
/// Share of the sample from which a thread that ran, or was ready to run, counts as spinning.
const BUSY: f64 = 0.8;
/// Share of the sample that a ready thread must have run to count as spinning. A thread that ran
/// less may have waited for a CPU only once.
const RAN: f64 = 0.05;
/// Maximum number of threads or listeners of one kind that are named; the others are counted.
const NAMED: usize = 3;
/// Maximum number of sentences, which fit into one event.
const SENTENCES: usize = 12;
/// Share of a limit from which a resource counts as exhausted.
const FULL: f64 = 0.95;
/// Number of connections in CLOSE_WAIT from which the process counts as leaking them.
const CLOSE_WAIT: u64 = 50;
/// Pressure in percent from which it is reported.
const STALLED: f64 = 20.0;

/// Returns one sentence for each finding, the most specific ones first, or one sentence on the
/// threads if nothing stands out.
pub fn reading(seen: &Captured) -> Vec<String> {
    let mut sentences = Vec::new();
    if seen.frozen {
        sentences.push("the container is frozen (paused): none of it runs".to_owned());
    }
    sentences.extend(memory(seen));
    let sample = seen.sample_milliseconds as f64 * 1000.0;
    let spinning = spinning(seen, sample);
    sentences.extend(seen.processes.iter().filter_map(stopped));
    sentences.extend(spinning);
    sentences.extend(uninterruptible(seen));
    sentences.extend(seen.processes.iter().filter_map(|process| locked(process, sample)));
    sentences.extend(listeners(seen));
    sentences.extend(seen.processes.iter().filter_map(descriptors));
    sentences.extend(closing(&seen.sockets));
    if seen.cpu.throttled_in_sample > 0 {
        let periods = seen.cpu.throttled_in_sample;
        sentences.push(format!("the CPU limit held it back in {periods} periods of the sample"));
    }
    sentences.extend(pressure(seen));
    sentences.extend(zombies(seen));
    if sentences.is_empty() {
        sentences.push(nothing(seen, sample));
    }
    let left = sentences.len().saturating_sub(SENTENCES);
    if left > 0 {
        sentences.truncate(SENTENCES);
        sentences.push(format!("{left} more things stand out"));
    }
    sentences
}

fn memory(seen: &Captured) -> Option<String> {
    let memory = &seen.memory;
    let (usage, limit) = (memory.usage_bytes?, memory.limit_bytes?);
    let in_use = usage.saturating_sub(memory.inactive_file_bytes.unwrap_or_default());
    if limit == 0 || (in_use as f64) < limit as f64 * FULL {
        return None;
    }
    let shown = format!("memory {} of {} MiB", mebi(in_use), mebi(limit));
    Some(match memory.failures.unwrap_or_default() {
        0 => format!("{shown} in use: nearly exhausted"),
        failures => format!("{shown}, {failures} failures to allocate: heap exhausted"),
    })
}

fn spinning(seen: &Captured, sample: f64) -> Vec<String> {
    if sample <= 0.0 {
        return Vec::new();
    }
    let able = |thread: &Thread| (thread.ran_microseconds + thread.waited_microseconds) as f64;
    let mut busy: Vec<(&Process, &Thread)> = threads(seen)
        .filter(|(_, thread)| {
            let ran = thread.ran_microseconds as f64;
            let kept_waiting = thread.state == "R" && ran >= sample * RAN;
            ran >= sample * BUSY || kept_waiting && able(thread) >= sample * BUSY
        })
        .collect();
    busy.sort_by_key(|(_, thread)| std::cmp::Reverse(thread.ran_microseconds));
    let mut sentences: Vec<String> = busy
        .iter()
        .take(NAMED)
        .map(|(process, thread)| {
            let used = thread.ran_microseconds as f64 / sample * 100.0;
            let subject = format!("{} of {}", thread.shown(), process.shown());
            if used >= BUSY * 100.0 {
                format!("{subject} used {:.0} % of a core: looks spinning", used.min(100.0))
            } else {
                // On a busy host or under a CPU limit, no thread gets a whole core.
                format!("{subject} never slept and got {used:.0} % of a core: looks spinning")
            }
        })
        .collect();
    sentences.extend(more(busy.len(), "threads look spinning"));
    sentences
}

/// Sentence on a process of which no thread ran and at least one waits for a lock.
fn locked(process: &Process, sample: f64) -> Option<String> {
    let all = &process.threads;
    let still = |thread: &&Thread| thread.ran_microseconds as f64 <= sample * IDLE;
    let waiting = all.iter().filter(|thread| thread.waits_for_a_lock()).filter(still).count();
    if waiting == 0 || sample <= 0.0 || all.iter().filter(still).count() < all.len() {
        return None;
    }
    let (count, subject) = (all.len(), process.shown());
    if waiting == count {
        let is_partial = u64::from(process.thread_count) > count as u64;
        let of = if is_partial { format!("{count} examined") } else { count.to_string() };
        return Some(format!(
            "{waiting} of {of} threads of {subject} wait in {} and used no CPU: looks deadlocked",
            all.first().map_or("futex", Thread::place)
        ));
    }
    let rest = all.iter().filter(|thread| !thread.waits_for_a_lock());
    let elsewhere = count_by_place(rest.map(Thread::place));
    Some(format!(
        "{waiting} of {count} threads of {subject} wait for a lock (futex), the others in {}; none \
         used CPU: idle or deadlocked",
        elsewhere.join(", ")
    ))
}

fn stopped(process: &Process) -> Option<String> {
    let is_stopped = |thread: &Thread| matches!(thread.state.as_str(), "T" | "t");
    let all = !process.threads.is_empty() && process.threads.iter().all(is_stopped);
    all.then(|| format!("{} is stopped by a signal or a debugger", process.shown()))
}

fn uninterruptible(seen: &Captured) -> Vec<String> {
    if seen.frozen {
        return Vec::new();
    }
    let stuck: Vec<_> = threads(seen)
        .filter(|(_, thread)| thread.state == "D" && thread.ran_microseconds == 0)
        .collect();
    let mut sentences: Vec<String> = stuck
        .iter()
        .take(NAMED)
        .map(|(process, thread)| {
            let subject = format!("{} of {}", thread.shown(), process.shown());
            format!("{subject} sleeps in {} and can't be interrupted (D)", thread.place())
        })
        .collect();
    sentences.extend(more(stuck.len(), "threads can't be interrupted (D)"));
    sentences
}

fn listeners(seen: &Captured) -> Vec<String> {
    let waiting = || seen.listeners.iter().filter(|listener| listener.waiting > 0);
    let mut sentences: Vec<String> = waiting()
        .take(NAMED)
        .map(|listener| {
            let (at, waiting) = (&listener.address, listener.waiting);
            match listener.backlog {
                // The kernel queues one connection more than the backlog.
                Some(most) if waiting >= most => format!(
                    "listener {at} has {waiting} of {most} connections waiting: accept queue full"
                ),
                Some(most) => {
                    format!("listener {at} has {waiting} of {most} connections waiting")
                }
                None => format!("listener {at} has {waiting} connections waiting"),
            }
        })
        .collect();
    sentences.extend(more(waiting().count(), "listeners have connections waiting"));
    sentences
}

fn descriptors(process: &Process) -> Option<String> {
    let (open, limit) = (process.descriptors.open, process.descriptors.limit?);
    let subject = process.shown();
    if limit == 0 || (open as f64) < limit as f64 * FULL {
        None
    } else if open >= limit {
        Some(format!("{subject} has {open} of {limit} descriptors open: none is left"))
    } else {
        Some(format!("{subject} has {open} of {limit} descriptors open: nearly exhausted"))
    }
}

fn closing(sockets: &[Count]) -> Option<String> {
    let of = |count: &&Count| count.what.ends_with("CLOSE_WAIT");
    let count: u64 = sockets.iter().filter(of).map(|count| count.count).sum();
    (count >= CLOSE_WAIT).then(|| {
        format!("{count} connections in CLOSE_WAIT: the process does not close what its peers have")
    })
}

fn pressure(seen: &Captured) -> Vec<String> {
    let stalled = seen.pressure.iter().filter(|one| one.some >= STALLED || one.full >= STALLED);
    stalled
        .map(|one| {
            let whose = if one.host { "of the host" } else { "of the container" };
            let (share, of) = (one.some.max(one.full), &one.of);
            format!("tasks {whose} stood still for {of} in {share:.0} % of the last 10 s")
        })
        .collect()
}

fn zombies(seen: &Captured) -> Option<String> {
    let count = seen.processes.iter().filter(|process| process.state == "Z").count();
    (count > 1).then(|| format!("{count} processes have ended and nobody reaps them"))
}

fn nothing(seen: &Captured, sample: f64) -> String {
    let all: Vec<_> = threads(seen).map(|(_, thread)| thread).collect();
    if all.is_empty() {
        return "nothing could be seen of its processes".to_owned();
    }
    let ran: u64 = all.iter().map(|thread| thread.ran_microseconds).sum();
    let share = if sample > 0.0 { ran as f64 / sample * 100.0 } else { 0.0 };
    let asleep = all.iter().filter(|thread| thread.state == "S").map(|thread| thread.place());
    let places = count_by_place(asleep);
    let asleep = if places.is_empty() {
        String::new()
    } else {
        format!("; asleep in {}", places.join(", "))
    };
    let count = |count: usize, one: &str| {
        if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") }
    };
    let processes = seen.processes.len();
    let subject = format!("{} of {}", count(all.len(), "thread"), plural(processes));
    format!("nothing stands out: {subject} used {share:.0} % of a core{asleep}")
}

fn plural(processes: usize) -> String {
    if processes == 1 { "1 process".to_owned() } else { format!("{processes} processes") }
}

fn threads(seen: &Captured) -> impl Iterator<Item = (&Process, &Thread)> {
    seen.processes.iter().flat_map(|process| process.threads.iter().map(move |t| (process, t)))
}

fn more(count: usize, what: &str) -> Option<String> {
    (count > NAMED).then(|| format!("{} more {what}", count - NAMED))
}

/// Counts equal texts, the most frequent first: `do_epoll_wait (3)`, `pipe_read (1)`.
fn count_by_place<'a>(places: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for place in places {
        match counts.iter_mut().find(|(known, _)| *known == place) {
            Some((_, count)) => *count += 1,
            None => counts.push((place, 1)),
        }
    }
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts.into_iter().map(|(place, count)| format!("{place} ({count})")).collect()
}

fn mebi(bytes: u64) -> String {
    let tenths = format!("{:.1}", bytes as f64 / f64::from(1 << 20));
    tenths.strip_suffix(".0").map_or(tenths.clone(), str::to_owned)
}

impl Thread {
    fn shown(&self) -> String {
        format!("thread {} '{}'", self.tid, self.name)
    }

    fn waits_for_a_lock(&self) -> bool {
        self.state == "S" && (self.syscall.starts_with("futex") || self.wchan.contains("futex"))
    }

    /// Returns the kernel function that the thread sleeps in, else its system call.
    pub fn place(&self) -> &str {
        match (self.wchan.as_str(), self.syscall.as_str()) {
            ("", "") => "an unknown place",
            ("", syscall) => syscall,
            (wchan, _) => wchan,
        }
    }
}

impl Process {
    fn shown(&self) -> String {
        format!("process {} '{}'", self.pid, self.name)
    }
}
