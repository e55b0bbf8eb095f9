//! How far the recovery of the running pods is. Calls are refused until all of them are listed:
//! otherwise a caller could create them a second time. A call that changes a pod then waits for that
//! pod, and what compares pods with other objects waits for all of them.

use std::sync::Arc;

use tokio::sync::watch;
use tonic::service::Interceptor;
use tonic::{Request, Status};

use super::error::Error;

/// The stages of the recovery.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// The records of the pods are not read yet.
    #[default]
    Reading,
    /// Each pod is listed, as its records describe it.
    Listed,
    /// Each pod has its actor, or must not have one.
    Recovered,
}

/// Refuses all calls until the pods are listed.
#[derive(Debug, Clone, Default)]
pub struct RecoveryGate(Arc<watch::Sender<Stage>>);

impl RecoveryGate {
    /// True if callers are served.
    pub fn is_open(&self) -> bool {
        *self.0.borrow() >= Stage::Listed
    }

    /// Sets the stage. An earlier stage than the current one changes nothing.
    pub fn reached(&self, stage: Stage) {
        self.0.send_if_modified(|current| {
            let is_later = stage > *current;
            *current = stage.max(*current);
            is_later
        });
    }

    /// Waits until the stage is reached.
    pub async fn until(&self, stage: Stage) {
        // The sender is this gate's, so the wait has no other end.
        drop(self.0.subscribe().wait_for(|current| *current >= stage).await);
    }
}

impl Interceptor for RecoveryGate {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        if self.is_open() {
            return Ok(request);
        }
        Err(Error::Recovering.into())
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tonic::Code;

    use super::*;

    #[test]
    fn no_call_passes_before_the_gate_is_open() {
        let gate = RecoveryGate::default();
        let mut interceptor = gate.clone();
        let refused = interceptor.call(Request::new(())).unwrap_err();
        assert_eq!(refused.code(), Code::Unavailable);
        gate.reached(Stage::Listed);
        assert!(interceptor.call(Request::new(())).is_ok());
    }

    #[test]
    fn a_stage_is_never_lost() {
        let gate = RecoveryGate::default();
        gate.reached(Stage::Recovered);
        gate.reached(Stage::Listed);
        assert!(gate.until(Stage::Recovered).now_or_never().is_some());
    }
}
