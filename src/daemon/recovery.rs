//! The recovery of the pods at the start, which waits for containerd: first all of them are listed as
//! their records describe them, then each is recovered as soon as containerd reports its tasks.

use std::path::Path;
use std::time::Duration;

use tokio::time::Instant;

use super::error::Error;
use super::namespace_lock::{LockError, NamespaceLock};
use crate::node::deadline_in;
use crate::supervisor::{Supervisor, SupervisorError};

/// The pause between attempts to reach containerd at the start.
const RETRY: Duration = Duration::from_secs(1);
/// The interval of the reports that the daemon still waits for containerd.
const REPORT: Duration = Duration::from_secs(60);

/// Recovers the pods as soon as containerd answers and its namespace is locked. Calls `on_listed` when
/// all of them are listed, again if containerd does not answer in between.
pub async fn recover(
    supervisor: &Supervisor,
    containerd: &Path,
    lock: &mut NamespaceLock,
    on_listed: impl AsyncFn(),
) -> Result<(), Error> {
    let mut report_at = Instant::now();
    let mut report = |error: &dyn std::error::Error| {
        if report_at <= Instant::now() {
            report_at = deadline_in(REPORT);
            let address = containerd.display();
            tracing::warn!(%address, %error, "waiting for containerd (--containerd-address)");
        }
    };
    loop {
        match lock.acquire().await {
            Ok(()) => {}
            Err(error @ LockError::NoContainerd { .. }) => {
                report(&error);
                tokio::time::sleep(RETRY).await;
                continue;
            }
            Err(error) => return Err(error.into()),
        }
        let recovered = async {
            let recorded = supervisor.list_recorded().await?;
            let ((), recovered) = tokio::join!(on_listed(), recorded.recover());
            recovered
        };
        match recovered.await {
            Ok(0) => return Ok(()),
            Ok(pods) => {
                tracing::info!(pods, "pods recovered");
                return Ok(());
            }
            Err(SupervisorError::Runtime(error)) if error.is_loss() => {
                report(&error);
                tokio::time::sleep(RETRY).await;
            }
            Err(error) => {
                return Err(Error::Recovery { address: containerd.to_owned(), error });
            }
        }
    }
}
