//! Commands that somebody talks to, in a running instance.

use std::time::Duration;

use tokio::sync::oneshot;

use super::actor::Request;
use super::{Supervisor, SupervisorError, timed_out};
use crate::runtime::session::{Order, Session};

/// How long an actor may take to hand its task out; it has no reason to take any time.
const LENT: Duration = Duration::from_secs(10);

impl Supervisor {
    /// Starts a command. It goes on in the runtime, and its container's actor knows nothing of it.
    pub async fn exec(
        &self,
        name: &str,
        container: &str,
        order: &Order,
    ) -> Result<Session, SupervisorError> {
        let (reply, answer) = oneshot::channel();
        let container = self.with(name, |handle| {
            let index = handle.index(name, container)?;
            let spec = handle.view.borrow().spec.clone();
            handle.send(name, Request::Lend(index, reply))?;
            Ok::<_, SupervisorError>(spec.at(index).map(|one| one.name.clone()).unwrap_or_default())
        })??;
        match tokio::time::timeout(LENT, answer).await {
            Ok(Ok(task)) => Ok(task.open(order).await?),
            Ok(Err(_)) => Err(SupervisorError::NotRunning { pod: name.to_owned(), container }),
            Err(_) => Err(timed_out(name, "the container's task", LENT)),
        }
    }
}
