//! Whether the runtime answers.

use std::time::Duration;

use tokio::sync::watch;

use super::clock::now;
use crate::domain::link::{Change, Link};
use crate::node::NodeError;

/// The link to the runtime, as the answers of all calls show it.
#[derive(Debug)]
pub struct RuntimeLink(watch::Sender<Link>);

impl Default for RuntimeLink {
    fn default() -> Self {
        Self(watch::Sender::new(Link::new(now())))
    }
}

impl RuntimeLink {
    pub fn subscribe(&self) -> watch::Receiver<Link> {
        self.0.subscribe()
    }

    /// Returns the pause before the next check.
    pub fn pause(&self) -> Duration {
        self.0.borrow().pause()
    }

    /// Updates the link from one answer of the runtime, or from the lack of one.
    pub fn answered(&self, error: Option<&NodeError>) -> Option<Change> {
        let answer = match error {
            Some(error) if error.is_loss() => Err(error.to_string()),
            // Any other error is an answer of the runtime.
            _ => Ok(()),
        };
        let mut change = None;
        self.0.send_if_modified(|link| {
            let failed = answer.is_err();
            change = link.heard(answer, now());
            failed || change.is_some()
        });
        change
    }

    /// Logs a change of the link after recovery. A daemon that starts logs itself what it waits
    /// for.
    pub fn log(&self, change: Option<&Change>) {
        match change {
            Some(Change::Lost) => {
                let error = &self.0.borrow().error;
                tracing::warn!(
                    error,
                    "the connection to containerd is lost; running containers continue"
                );
            }
            Some(Change::Back(away)) => {
                tracing::info!(seconds = away.as_secs(), "containerd is back");
            }
            None => {}
        }
    }
}
