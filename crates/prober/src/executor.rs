//! Executor for hyper's HTTP/2 connections. It runs the futures that hyper would spawn inside the
//! attempt's own future, so that they are dropped with it.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};

type Job = Pin<Box<dyn Future<Output = ()> + Send>>;
type Spawned = Mutex<Vec<Job>>;

/// Adds futures to the jobs of an attempt. The reference is weak, because hyper's jobs hold it
/// themselves and would never be dropped.
#[derive(Clone)]
pub struct Spawner(Weak<Spawned>);

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Spawner {
    fn execute(&self, job: F) {
        if let Some(spawned) = self.0.upgrade() {
            spawned.lock().unwrap_or_else(PoisonError::into_inner).push(Box::pin(job));
        }
    }
}

/// Jobs of one connection. There are only a few, so all of them are polled when one is woken.
#[derive(Default)]
pub struct Jobs {
    spawned: Arc<Spawned>,
    running: Vec<Job>,
}

impl Jobs {
    pub fn spawner(&self) -> Spawner {
        Spawner(Arc::downgrade(&self.spawned))
    }

    /// Drives the connection and its jobs, and never ends. The end of the connection is ignored,
    /// because its errors reach the sender or the body.
    pub async fn drive<T>(
        mut self,
        connection: impl Future<Output = T> + Send + 'static,
    ) -> Infallible {
        // The connection is a job like the others, so that its new jobs are polled at once. Nothing
        // else would wake them.
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

/// Runs `talk` while `drive` runs. `talk` is polled first, so that the request is queued when the
/// connection is polled for the first time.
pub async fn beside<T>(
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

    /// Job that holds a spawner, as hyper's jobs do.
    async fn holding(_: Arc<()>, _: Spawner) {
        std::future::pending().await
    }

    #[tokio::test]
    async fn jobs_are_dropped_with_the_attempt() {
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
    async fn a_job_of_a_job_is_polled_at_once() {
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
        // Only the first poll happens, because nothing wakes the task.
        let mut driven = std::pin::pin!(jobs.drive(connection));
        assert!(is_pending(driven.as_mut()).await);
        over.await.unwrap();
    }

    /// Polls a future once, and returns whether it is pending.
    async fn is_pending(mut future: Pin<&mut impl Future>) -> bool {
        poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_pending())).await
    }
}
