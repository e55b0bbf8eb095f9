//! How much of a processor one container's probes may use. What a container answers costs the
//! daemon time to read, so an answer could be made to cost all of it.

use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::time::{Instant, sleep_until};

/// One part in ten of a processor.
const PARTS: u32 = 10;
/// As much may be used at once after a rest: some hundred ordinary attempts.
const BURST: Duration = Duration::from_millis(300);

/// The processor time of one container's probes.
#[derive(Debug, Default)]
pub struct Share {
    /// When all that was used so far has been made up for; `None` if nothing was.
    even: Mutex<Option<Instant>>,
}

impl Share {
    /// Runs `work`, which pauses while the container's probes have used more than their share.
    /// The caller bounds its time.
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

    /// Until when nothing may be used.
    fn pause(&self, now: Instant) -> Option<Instant> {
        let even = *self.even.lock().unwrap_or_else(PoisonError::into_inner);
        even.filter(|even| *even > now)
    }
}

/// Of this thread, so that a busy host is not taken for a busy probe.
fn processor_time() -> Duration {
    let used = clock_gettime(ClockId::ThreadCPUTime);
    let nanoseconds = u32::try_from(used.tv_nsec).unwrap_or_default();
    Duration::new(u64::try_from(used.tv_sec).unwrap_or_default(), nanoseconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn probes_that_always_have_something_to_do_keep_to_their_share() {
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
        // The burst is free; what came after it took ten times as long as it used.
        assert!(began.elapsed() > BURST * (PARTS - 1), "{:?}", began.elapsed());
    }

    #[tokio::test]
    async fn a_pause_is_no_obstacle_to_a_deadline() {
        let share = Share::default();
        share.use_up(BURST * 10, Instant::now());
        let limit = Duration::from_millis(10);
        let given_up = tokio::time::timeout(limit, share.spend(std::future::ready(())));
        given_up.await.unwrap_err();
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_not_used_for_a_while_is_a_burst_and_no_more() {
        let share = Share::default();
        let now = Instant::now() + Duration::from_secs(3600);
        share.use_up(BURST - Duration::from_millis(1), now);
        assert_eq!(share.pause(now), None);
        share.use_up(Duration::from_millis(2), now);
        assert_eq!(share.pause(now), Some(now + Duration::from_millis(10)));
        assert_eq!(share.pause(now + Duration::from_millis(10)), None);
    }
}
