//! Nothing is answered before what runs is known: a caller must not create it twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tonic::service::Interceptor;
use tonic::{Code, Request, Status};

use super::error::refuse;

/// Closed until opened, for good.
#[derive(Debug, Clone, Default)]
pub struct Gate(Arc<AtomicBool>);

impl Gate {
    pub fn open(&self) {
        self.0.store(true, Ordering::Release);
    }
}

impl Interceptor for Gate {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        if self.0.load(Ordering::Acquire) {
            return Ok(request);
        }
        let why = "probelet is still taking up what runs: containerd does not answer yet";
        Err(refuse(Code::Unavailable, why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_passes_until_it_is_open_and_then_everything_does() {
        let gate = Gate::default();
        let mut door = gate.clone();
        let refused = door.call(Request::new(())).unwrap_err();
        assert_eq!(refused.code(), Code::Unavailable);
        gate.open();
        assert!(door.call(Request::new(())).is_ok());
    }
}
