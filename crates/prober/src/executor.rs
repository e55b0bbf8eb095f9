//! Runs what hyper would spawn for an HTTP/2 connection inside the attempt's own future: dropped
//! with it, so that nothing of a probe outlives it.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};

type Job = Pin<Box<dyn Future<Output = ()> + Send>>;
type Spawned = Mutex<Vec<Job>>;

/// Hyper's jobs hold this themselves: a strong one would keep them alive for ever.
#[derive(Clone)]
pub(super) struct Spawner(Weak<Spawned>);

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Spawner {
    fn execute(&self, job: F) {
        if let Some(spawned) = self.0.upgrade() {
            spawned.lock().unwrap_or_else(PoisonError::into_inner).push(Box::pin(job));
        }
    }
}

/// A connection has a handful of jobs, so each is polled whenever one is woken.
#[derive(Default)]
pub(super) struct Jobs {
    spawned: Arc<Spawned>,
    running: Vec<Job>,
}

impl Jobs {
    pub(super) fn spawner(&self) -> Spawner {
        Spawner(Arc::downgrade(&self.spawned))
    }

    /// Drives a connection whose jobs these are. Errors reach the sender or the body, so the
    /// connection's own end is no news.
    pub(super) async fn drive<T>(
        mut self,
        connection: impl Future<Output = T> + Send + 'static,
    ) -> Infallible {
        // A job like the others: what it spawns is polled in the same turn, as nothing else
        // would wake it.
        self.running.push(Box::pin(async { drop(connection.await) }));
        poll_fn(|context| self.poll(context)).await
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Infallible> {
        loop {
            self.running.retain_mut(|job| job.as_mut().poll(context).is_pending());
            let mut spawned = self.spawned.lock().unwrap_or_else(PoisonError::into_inner);
            if spawned.is_empty() {
                return Poll::Pending;
            }
            self.running.append(&mut spawned);
        }
    }
}

/// The request has to be queued when the connection first looks, so `talk` goes first.
pub(super) async fn beside<T>(
    talk: impl Future<Output = T>,
    drive: impl Future<Output = Infallible>,
) -> T {
    tokio::select! {
        biased;
        reply = talk => reply,
        never = drive => match never {},
    }
}

#[cfg(test)]
mod tests {
    use hyper::rt::Executor;
    use tokio::time::{Duration, timeout};

    use super::*;

    /// Holds what hyper's jobs hold: the means to spawn more.
    async fn holding(_: Arc<()>, _: Spawner) {
        std::future::pending().await
    }

    #[tokio::test]
    async fn jobs_die_with_the_attempt_driven_or_not() {
        let alive = Arc::new(());
        let spawn = |jobs: &Jobs| jobs.spawner().execute(holding(alive.clone(), jobs.spawner()));
        let jobs = Jobs::default();
        spawn(&jobs);
        drop(jobs);
        assert_eq!(Arc::strong_count(&alive), 1, "never driven");

        let jobs = Jobs::default();
        spawn(&jobs);
        let late = jobs.spawner();
        let given_up = timeout(Duration::from_millis(10), jobs.drive(std::future::pending::<()>()));
        given_up.await.unwrap_err();
        late.execute(holding(alive.clone(), late.clone()));
        assert_eq!(Arc::strong_count(&alive), 1, "driven, or too late");
    }

    #[tokio::test]
    async fn what_a_job_spawns_runs_in_the_same_turn() {
        let jobs = Jobs::default();
        let (done, over) = tokio::sync::oneshot::channel();
        let spawner = jobs.spawner();
        let connection = async move {
            let inner = spawner.clone();
            spawner.execute(async move {
                inner.execute(async { done.send(()).unwrap() });
            });
            std::future::pending::<()>().await;
        };
        // Nothing but the first poll: there is nobody to wake it.
        let mut driven = std::pin::pin!(jobs.drive(connection));
        assert!(is_pending(driven.as_mut()).await);
        over.await.unwrap();
    }

    /// Whether it is pending.
    async fn is_pending(mut future: Pin<&mut impl Future>) -> bool {
        poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_pending())).await
    }
}
