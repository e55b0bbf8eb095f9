//! What must not grow: samples of the daemon and of what it holds on the host.

use std::fs;
use std::path::Path;

use anyhow::Result;
use probelet_integration::measure::Size;
use probelet_integration::{Host, processes_with};

/// The names of the measures, in the order of a sample.
const NAMES: [&str; 8] = [
    "resident KiB",
    "descriptors",
    "threads",
    "shims",
    "loggers",
    "mounts",
    "logs KiB",
    "data KiB",
];
/// What each measure may grow between two windows: a share of it, and a number beside that.
const SLACK: [(f64, f64); 8] = [
    // The allocator keeps what a burst needed.
    (0.05, 2048.0),
    (0.0, 12.0),
    (0.0, 4.0),
    // Pods come and go while a sample is taken.
    (0.0, 4.0),
    (0.0, 4.0),
    (0.0, 12.0),
    // Files are rotated at sizes of their own.
    (0.25, 4096.0),
    (0.10, 512.0),
];

/// The measures at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Sample([f64; NAMES.len()]);

impl Sample {
    pub fn of(host: &Host) -> Result<Self> {
        let daemon = host.daemon_pid()?;
        let size = Size::of(daemon)?;
        let threads = fs::read_dir(format!("/proc/{daemon}/task"))?.count();
        let socket = host.containerd_socket().display().to_string();
        let shims = processes_with(&socket).iter().filter(|line| line.contains("shim")).count();
        let logs = host.path("log");
        let loggers = processes_below(&host.path("run/loggers")).len();
        let mountinfo = fs::read_to_string("/proc/self/mountinfo")?;
        let run = host.path("run").display().to_string();
        let mounts = mountinfo.lines().filter(|line| line.contains(&run)).count();
        let kib = |bytes: u64| bytes as f64 / 1024.0;
        Ok(Self([
            kib(size.resident),
            size.descriptors as f64,
            threads as f64,
            shims as f64,
            loggers as f64,
            mounts as f64,
            kib(bytes_below(&logs)),
            kib(bytes_below(&host.path("data"))),
        ]))
    }

    pub fn header() -> String {
        NAMES.map(|name| format!("{name:>13}")).concat()
    }

    pub fn line(&self) -> String {
        self.0.map(|value| format!("{value:>13.0}")).concat()
    }
}

/// The median of each measure.
fn medians(samples: &[Sample]) -> Option<Sample> {
    if samples.is_empty() {
        return None;
    }
    let mut medians = [0.0; NAMES.len()];
    for (measure, median) in medians.iter_mut().enumerate() {
        let mut values: Vec<f64> = samples.iter().map(|sample| sample.0[measure]).collect();
        values.sort_by(f64::total_cmp);
        *median = values[values.len() / 2];
    }
    Some(Sample(medians))
}

/// Compares the second fifth of the samples, in which histories and caches are full, with the last
/// fifth. Returns what has grown.
pub fn growth(samples: &[Sample]) -> Vec<String> {
    let fifth = samples.len() / 5;
    let (early, late) = (&samples[fifth..2 * fifth], &samples[samples.len() - fifth..]);
    let (Some(early), Some(late)) = (medians(early), medians(late)) else {
        return vec!["too few samples".to_owned()];
    };
    println!("second fifth {}\nlast fifth   {}", early.line(), late.line());
    let mut grown = Vec::new();
    for (measure, (share, more)) in SLACK.into_iter().enumerate() {
        let (before, after) = (early.0[measure], late.0[measure]);
        if after > before + before * share + more {
            grown.push(format!("{} grew from {before:.0} to {after:.0}", NAMES[measure]));
        }
    }
    grown
}

/// The command lines of processes that have an argument below this folder.
fn processes_below(folder: &Path) -> Vec<String> {
    let folder = folder.display().to_string();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let lines = entries.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    let words = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    words.filter(|line| line.contains(&folder)).collect()
}

fn bytes_below(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(data) if data.is_dir() => bytes_below(&entry.path()),
        Ok(data) => data.len(),
        // A file that was removed meanwhile.
        Err(_) => 0,
    });
    sizes.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(resident: impl Fn(usize) -> f64) -> Vec<Sample> {
        let mut sample = Sample([10.0; NAMES.len()]);
        let with = |number| {
            sample.0[0] = resident(number);
            sample
        };
        (0..100).map(with).collect()
    }

    #[test]
    fn a_leak_is_seen_and_a_warm_up_is_not() {
        assert_eq!(growth(&samples(|number| 20_000.0 + 100.0 * number.min(20) as f64)).len(), 0);
        assert_eq!(growth(&samples(|number| 20_000.0 + 100.0 * number as f64)).len(), 1);
        assert_eq!(growth(&[]).len(), 1);
    }
}
