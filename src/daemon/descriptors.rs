//! Reports that the daemon is about to run out of descriptors: in the log, and as the health service
//! `descriptors`.

use std::time::Duration;

use tokio::time::interval;
use tokio_util::sync::CancellationToken;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::domain::descriptors::{Level, Standing};
use crate::process::descriptors::{Counter, limit};

const SERVICE: &str = "descriptors";
const EVERY: Duration = Duration::from_secs(5);

/// Reports until `cancel`.
pub async fn watch(reporter: HealthReporter, cancel: CancellationToken) {
    let mut counter = match Counter::new() {
        Ok(counter) => counter,
        Err(error) => return tracing::warn!(%error, "open descriptors are not counted"),
    };
    let mut standing = Standing::default();
    let mut ticks = interval(EVERY);
    loop {
        tokio::select! {
            () = cancel.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let (open, limit) = match counter.count() {
            Ok(open) => (open, limit()),
            Err(error) => {
                tracing::debug!(%error, "open descriptors were not counted");
                continue;
            }
        };
        match standing.observe(open, limit) {
            None => {}
            Some(Level::Few) => {
                tracing::error!(open, limit, "file descriptors are running out");
                reporter.set_service_status(SERVICE, ServingStatus::NotServing).await;
            }
            Some(Level::Enough) => {
                tracing::info!(open, limit, "file descriptors are enough");
                reporter.set_service_status(SERVICE, ServingStatus::Serving).await;
            }
        }
    }
}
