//! Limit of the processor time of one container's probes. The daemon spends time on reading a
//! container's answers, so a container could otherwise make it spend all of it.

use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::time::{Instant, sleep_until};

/// The probes of a container may use one tenth of a processor.
const PARTS: u32 = 10;
/// Processor time that may be used at once after a pause, enough for hundreds of ordinary attempts.
const BURST: Duration = Duration::from_millis(300);

/// Processor time of one container's probes.
#[derive(Debug, Default)]
pub struct Share {
    /// Time at which the used time is within the share again; `None` if none was used.
    even: Mutex<Option<Instant>>,
}

impl Share {
    /// Runs `work`, and pauses it while the container's probes have used more than their share. The
    /// caller bounds the duration.
    pub(super) async fn spend<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        loop {
            if let Some(until) = self.pause(Instant::now()) {
                sleep_until(until).await;
            }
            let done = std::future::poll_fn(|context| {
                let before = processor_time();
                let polled = work.as_mut().poll(context);
                let now = Instant::now();
                self.use_up(processor_time().saturating_sub(before), now);
                match polled {
                    Poll::Ready(done) => Poll::Ready(Some(done)),
                    Poll::Pending if self.pause(now).is_some() => Poll::Ready(None),
                    Poll::Pending => Poll::Pending,
                }
            });
            if let Some(done) = done.await {
                return done;
            }
        }
    }

    fn use_up(&self, used: Duration, now: Instant) {
        let mut even = self.even.lock().unwrap_or_else(PoisonError::into_inner);
        let rested = now.checked_sub(BURST.saturating_mul(PARTS)).unwrap_or(now);
        let before = even.unwrap_or(rested).max(rested);
        *even = before.checked_add(used.saturating_mul(PARTS));
    }

    /// Returns the end of the pause; `None` if processor time may be used now.
    fn pause(&self, now: Instant) -> Option<Instant> {
        let even = *self.even.lock().unwrap_or_else(PoisonError::into_inner);
        even.filter(|even| *even > now)
    }
}

/// Returns the processor time of this thread. Time in which other processes run does not count.
fn processor_time() -> Duration {
    let used = clock_gettime(ClockId::ThreadCPUTime);
    let nanoseconds = u32::try_from(used.tv_nsec).unwrap_or_default();
    Duration::new(u64::try_from(used.tv_sec).unwrap_or_default(), nanoseconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn busy_probes_use_no_more_than_their_share() {
        let share = Share::default();
        let began = Instant::now();
        let mut used = Duration::ZERO;
        let busy = std::future::poll_fn(|context| {
            context.waker().wake_by_ref();
            let step = Duration::from_millis(2);
            let until = processor_time() + step;
            while processor_time() < until {}
            used += step;
            if used < 2 * BURST { Poll::Pending } else { Poll::Ready(()) }
        });
        share.spend(busy).await;
        // After the burst, the work takes ten times its processor time.
        assert!(began.elapsed() > BURST * (PARTS - 1), "{:?}", began.elapsed());
    }

    #[tokio::test]
    async fn a_deadline_ends_a_pause() {
        let share = Share::default();
        share.use_up(BURST * 10, Instant::now());
        let limit = Duration::from_millis(10);
        let given_up = tokio::time::timeout(limit, share.spend(std::future::ready(())));
        given_up.await.unwrap_err();
    }

    #[tokio::test(start_paused = true)]
    async fn unused_time_allows_one_burst() {
        let share = Share::default();
        let now = Instant::now() + Duration::from_secs(3600);
        share.use_up(BURST - Duration::from_millis(1), now);
        assert_eq!(share.pause(now), None);
        share.use_up(Duration::from_millis(2), now);
        assert_eq!(share.pause(now), Some(now + Duration::from_millis(10)));
        assert_eq!(share.pause(now + Duration::from_millis(10)), None);
    }
}
