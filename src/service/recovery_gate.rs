//! Calls are refused until the running pods are recovered: otherwise a caller could create them a
//! second time.

use std::sync::Arc;

use tokio::sync::watch;
use tonic::service::Interceptor;
use tonic::{Request, Status};

use super::error::Error;

/// Refuses all calls until it is opened; it stays open.
#[derive(Debug, Clone, Default)]
pub struct RecoveryGate(Arc<watch::Sender<bool>>);

impl RecoveryGate {
    /// True if callers are served.
    pub fn is_open(&self) -> bool {
        *self.0.borrow()
    }

    pub fn open(&self) {
        self.0.send_replace(true);
    }

    /// Waits until it is open.
    pub async fn opened(&self) {
        // The sender is this gate's, so the wait has no other end.
        drop(self.0.subscribe().wait_for(|is_open| *is_open).await);
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
    use tonic::Code;

    use super::*;

    #[test]
    fn no_call_passes_before_the_gate_is_open() {
        let gate = RecoveryGate::default();
        let mut interceptor = gate.clone();
        let refused = interceptor.call(Request::new(())).unwrap_err();
        assert_eq!(refused.code(), Code::Unavailable);
        gate.open();
        assert!(interceptor.call(Request::new(())).is_ok());
    }
}
