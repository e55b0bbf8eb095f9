//! Whether the runtime answers.

use std::time::Duration;

use tokio::sync::watch;

use super::clock::now;
use crate::domain::link::{Change, Link, Report};
use crate::node::NodeError;

/// The link to the runtime, as the answers of all calls show it.
#[derive(Debug)]
pub struct RuntimeLink {
    link: watch::Sender<Link>,
    /// The runtime's address, for the log.
    address: String,
}

impl RuntimeLink {
    pub fn new(address: String) -> Self {
        Self { link: watch::Sender::new(Link::new(now())), address }
    }

    pub fn subscribe(&self) -> watch::Receiver<Link> {
        self.link.subscribe()
    }

    /// Returns the pause before the next check.
    pub fn pause(&self) -> Duration {
        self.link.borrow().pause()
    }

    /// Updates the link from one answer of the runtime, or from the lack of one.
    pub fn answered(&self, error: Option<&NodeError>) -> Option<Change> {
        let answer = match error {
            Some(error) if error.is_loss() => Err(error.to_string()),
            // Any other error is an answer of the runtime.
            _ => Ok(()),
        };
        let mut change = None;
        self.link.send_if_modified(|link| {
            let failed = answer.is_err();
            change = link.heard(answer, now());
            failed || change.is_some()
        });
        change
    }

    /// Logs a loss, each minute as long as it lasts, and the return. It is called after recovery: a daemon
    /// that starts logs itself what it waits for.
    pub fn log(&self) {
        let (mut report, address) = (None, &self.address);
        self.link.send_if_modified(|link| {
            report = link.report(now()).map(|report| (report, link.error.clone()));
            false
        });
        match report {
            Some((Report::Lost, error)) => {
                tracing::warn!(
                    address,
                    error,
                    "the connection to containerd is lost; running containers continue"
                );
            }
            Some((Report::StillLost(away), error)) => {
                let seconds = away.as_secs();
                tracing::warn!(address, error, seconds, "containerd still does not answer");
            }
            Some((Report::Back(away), _)) => {
                tracing::info!(address, seconds = away.as_secs(), "containerd is back");
            }
            None => {}
        }
    }
}
