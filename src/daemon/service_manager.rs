//! Notifications of the service manager that started the daemon, by systemd's protocol. Without one
//! they have no effect.

use std::pin::pin;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::domain::link::Link;
use crate::supervisor::Supervisor;

/// The longest pause between two checks of the status.
const STATUS: Duration = Duration::from_secs(5);

/// Reports that the daemon serves.
pub fn ready(status: &str) {
    notify(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// Reports what the daemon does, in one line.
pub fn status(status: &str) {
    notify(&[NotifyState::Status(status)]);
}

/// Feeds the watchdog while there are no pods yet.
pub fn alive() {
    notify(&[NotifyState::Watchdog]);
}

/// Reports that the daemon reads its configuration again. [`ready`] ends it.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => notify(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!(%error, "the clock cannot be read"),
    }
}

/// Reports that the daemon ends.
pub fn stopping() {
    notify(&[
        NotifyState::Stopping,
        NotifyState::Status("stopping; the containers continue to run"),
    ]);
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager was not notified");
    }
}

/// Keeps the status up to date, and feeds the watchdog while all actors of pods answer. Without an
/// answer the service manager ends the daemon, and the next one recovers the pods.
pub async fn watch(supervisor: &Supervisor, cancel: CancellationToken) {
    // The service manager recommends to feed its watchdog twice in the time that it allows.
    let watchdog = sd_notify::watchdog_enabled();
    let pause = watchdog.map_or(STATUS, |time| STATUS.min(time / 3));
    let mut reported = String::new();
    let mut cancelled = pin!(cancel.cancelled());
    loop {
        if let Some(time) = watchdog {
            if supervisor.requests().all_answer(time / 3).await {
                notify(&[NotifyState::Watchdog]);
            } else {
                tracing::error!("the actors of some pods do not answer");
            }
        }
        let current = description(supervisor);
        if current != reported {
            status(&current);
            reported = current;
        }
        tokio::select! {
            () = &mut cancelled => return,
            () = sleep(pause) => {}
        }
    }
}

/// What the daemon does, in one line.
pub fn description(supervisor: &Supervisor) -> String {
    describe(supervisor.list().len(), &supervisor.link().borrow())
}

fn describe(pods: usize, link: &Link) -> String {
    let plural = if pods == 1 { "" } else { "s" };
    match link.up {
        true => format!("serving {pods} pod{plural}"),
        false => format!("serving {pods} pod{plural}; containerd does not answer: {}", link.error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervisor::now;

    #[test]
    fn the_status_names_the_pods_and_a_containerd_that_is_away() {
        let mut link = Link::new(now());
        assert_eq!(describe(1, &link), "serving 1 pod");
        link.heard(Err("connection refused".to_owned()), now());
        let expected = "serving 2 pods; containerd does not answer: connection refused";
        assert_eq!(describe(2, &link), expected);
    }
}
