//! The TCP handler.

use std::sync::Arc;

use tokio::time::{Instant, timeout_at};

use super::dial::Host;
use crate::Target;
use probelet_domain::probe::Outcome;
use probelet_domain::spec::TcpSocket;

/// Makes an attempt that succeeds when the connection opens. The connection is closed at once;
/// nothing is sent or read.
pub(super) async fn attempt(
    task: &Arc<dyn Target>,
    probe: &TcpSocket,
    port: u16,
    deadline: Instant,
) -> Outcome {
    let host = Host::new(probe.host.as_deref());
    let destination = match timeout_at(deadline, host.resolve(task)).await {
        Ok(Ok(destination)) => destination,
        Ok(Err(error)) => return error.outcome(|text| text),
        Err(_) => {
            return Outcome::Failure(format!("dial tcp: lookup {}: i/o timeout", host.hostname()));
        }
    };
    match destination.connect(task.as_ref(), port, deadline).await {
        Ok(_connection) => Outcome::Success(String::new()),
        Err(error) => error.outcome(|text| text),
    }
}
