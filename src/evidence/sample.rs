//! The CPU time of the threads of a container at one moment. What has run is the difference of two
//! such samples.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::cgroup::Cgroup;
use super::threads::{Ran, THREADS, schedstat, tids};

/// One sample. A capture compares it with an earlier one.
#[derive(Debug, Clone)]
pub struct Sample {
    at: Instant,
    threads: HashMap<u32, Ran>,
    /// Whether the sample has all threads, so that a thread which it lacks is younger.
    is_whole: bool,
    /// Periods in which the CPU limit has throttled the cgroup.
    pub throttled: Option<u64>,
}

impl Sample {
    /// Samples the threads of these processes. The sample counts as whole if `pids` are all.
    pub fn take(pids: &[u32], has_all_pids: bool, cgroup: &Cgroup) -> Self {
        let mut ids =
            pids.iter().flat_map(|pid| tids(*pid).into_iter().map(move |tid| (*pid, tid)));
        let threads = ids.by_ref().take(THREADS);
        let threads = threads.filter_map(|(pid, tid)| Some((tid, schedstat(pid, tid)?))).collect();
        let is_whole = has_all_pids && ids.next().is_none();
        Self { at: Instant::now(), threads, is_whole, throttled: cgroup.throttled() }
    }

    /// The time since an earlier sample.
    pub fn since(&self, earlier: &Self) -> Duration {
        self.at.saturating_duration_since(earlier.at)
    }

    /// What a thread has run and waited since an earlier sample; zero if that is not known.
    pub fn ran(&self, tid: u32, earlier: &Self) -> Ran {
        let Some(now) = self.threads.get(&tid).copied() else { return Ran::default() };
        match earlier.threads.get(&tid) {
            Some(then) => Ran {
                ran: now.ran.saturating_sub(then.ran),
                waited: now.waited.saturating_sub(then.waited),
            },
            // The thread began after the earlier sample.
            None if earlier.is_whole => now,
            None => Ran::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(is_whole: bool, threads: &[(u32, u64)]) -> Sample {
        let ran = |(tid, ran): &(u32, u64)| (*tid, Ran { ran: *ran, waited: 2 * ran });
        let threads = threads.iter().map(ran).collect();
        Sample { at: Instant::now(), threads, is_whole, throttled: None }
    }

    #[test]
    fn a_thread_that_began_after_a_whole_sample_has_run_all_its_time_since() {
        let now = sample(true, &[(1, 7), (2, 5)]);
        for (is_whole, of_the_new) in [(true, 5), (false, 0)] {
            let earlier = sample(is_whole, &[(1, 3), (9, 9)]);
            assert_eq!(now.ran(1, &earlier), Ran { ran: 4, waited: 8 });
            assert_eq!(now.ran(2, &earlier), Ran { ran: of_the_new, waited: 2 * of_the_new });
            assert_eq!(now.ran(9, &earlier), Ran::default(), "it has ended");
        }
    }
}
