//! Interactive commands in a running instance.

use std::time::Duration;

use tokio::sync::oneshot;

use super::actor::Request;
use super::{Supervisor, SupervisorError, timed_out};
use crate::runtime::session::{Order, Session};

/// The deadline for an actor to hand out its task. It awaits nothing, so this is generous.
const LENT: Duration = Duration::from_secs(10);

impl Supervisor {
    /// Starts a command. It runs in the runtime, and the container's actor does not track it.
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
