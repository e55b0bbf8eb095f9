//! Measurements from outside: the size of a process, and the lateness of arrivals.

use std::fs;

use anyhow::{Context, Result};
use rustix::param::{clock_ticks_per_second, page_size};
use rustix::time::{ClockId, clock_gettime};

/// The size of a process at one moment: resident memory in bytes, open descriptors, CPU time.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    pub resident: u64,
    pub descriptors: usize,
    pub cpu_seconds: f64,
}

impl Size {
    pub fn of(pid: u32) -> Result<Self> {
        let statm = fs::read_to_string(format!("/proc/{pid}/statm"))?;
        let pages: u64 = statm.split(' ').nth(1).context("no resident size")?.parse()?;
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // The 12th and 13th fields after the name, which may contain anything, are user and system
        // time.
        let (_, fields) = stat.rsplit_once(") ").context("no stat")?;
        let ticks = fields.split(' ').skip(11).take(2).map(str::parse::<u64>);
        let ticks: u64 = ticks.sum::<Result<_, _>>()?;
        Ok(Self {
            resident: pages * page_size() as u64,
            descriptors: fs::read_dir(format!("/proc/{pid}/fd"))?.count(),
            cpu_seconds: ticks as f64 / clock_ticks_per_second() as f64,
        })
    }
}

/// The number of TCP sockets in TIME_WAIT in a process' network namespace.
pub fn time_wait(pid: u64) -> Result<usize> {
    let mut count = 0;
    for table in ["tcp", "tcp6"] {
        let table = fs::read_to_string(format!("/proc/{pid}/net/{table}"))?;
        count += table.lines().filter(|line| line.split_whitespace().nth(3) == Some("06")).count();
    }
    Ok(count)
}

/// CLOCK_MONOTONIC in microseconds, which is the same for all processes of a machine.
pub fn monotonic() -> i64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec * 1_000_000 + now.tv_nsec / 1_000
}

/// The lateness of each arrival of a probe against a grid of `period`, and the number of grid
/// points without an arrival. The grid is the latest one to which no arrival is early.
pub fn lateness(arrivals: &[i64], period: i64) -> (Vec<i64>, usize) {
    let Some(&first) = arrivals.first() else { return (Vec::new(), 0) };
    let tick = |at: i64| (at - first + period / 2).div_euclid(period);
    let offset = |at: i64| at - first - tick(at) * period;
    let grid = arrivals.iter().map(|at| offset(*at)).min().unwrap_or_default();
    let late = arrivals.iter().map(|at| offset(*at) - grid).collect();
    let mut ticks: Vec<i64> = arrivals.iter().map(|at| tick(*at)).collect();
    ticks.dedup();
    let last = ticks.last().copied().unwrap_or_default();
    let missed = usize::try_from(last + 1).unwrap_or_default().saturating_sub(ticks.len());
    (late, missed)
}

/// A quantile of sorted numbers, with `share` from 0 to 1; 0 if there are none.
pub fn quantile(sorted: &[i64], share: f64) -> i64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * share).round() as usize).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lateness_is_relative_to_the_most_punctual_arrival() {
        assert_eq!(lateness(&[105, 200, 307, 400], 100), (vec![5, 0, 7, 0], 0));
        assert_eq!(lateness(&[100, 200, 400], 100), (vec![0, 0, 0], 1));
        assert_eq!(lateness(&[], 100), (vec![], 0));
        // Arrivals with a longer period have a growing lateness.
        assert_eq!(lateness(&[0, 101, 202, 303], 100), (vec![0, 1, 2, 3], 0));
    }

    #[test]
    fn this_process_has_a_size() {
        let size = Size::of(std::process::id()).unwrap();
        assert!(size.resident > 100_000 && size.descriptors > 2, "{size:?}");
    }
}
