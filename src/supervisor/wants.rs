//! Requests of callers to a pod: the wanted state, or a single action.

use std::time::Duration;

use super::actor::{Desired, Request};
use super::{Supervisor, SupervisorError};
use crate::domain::container::{Event, Wanted};
use crate::domain::exit::Caller;

impl Supervisor {
    /// Sets the wanted state; the actor works towards it.
    pub fn want(
        &self,
        name: &str,
        wanted: Wanted,
        grace: Option<Duration>,
        by: Option<Caller>,
    ) -> Result<(), SupervisorError> {
        if wanted == Wanted::Removed {
            self.not_kept(name)?;
        }
        self.set_wanted(name, wanted, grace, by)
    }

    pub(super) fn set_wanted(
        &self,
        name: &str,
        wanted: Wanted,
        grace: Option<Duration>,
        by: Option<Caller>,
    ) -> Result<(), SupervisorError> {
        if wanted == Wanted::Removed {
            self.abandon_successor(name);
        }
        self.with(name, |handle| {
            let expired = handle.view.borrow().status.expired.clone();
            if wanted == Wanted::Running
                && let Some(why) = expired
            {
                return Err(SupervisorError::Expired(name.to_owned(), why.reason()));
            }
            if wanted == Wanted::Removed && handle.view.borrow().spec.is_adopted() {
                return Err(SupervisorError::NotOurs(name.to_owned()));
            }
            handle.desired.send_modify(|desired| {
                // Removal is final.
                if desired.wanted != Wanted::Removed || wanted == Wanted::Removed {
                    *desired = Desired { wanted, grace, by };
                }
            });
            Ok(())
        })?
    }

    /// Sends one request (`Event::Restart`, `Event::Kill`) to a container. An empty name means the
    /// only container.
    pub fn request(
        &self,
        name: &str,
        container: &str,
        event: Event,
        by: Option<Caller>,
    ) -> Result<(), SupervisorError> {
        self.with(name, |handle| {
            let index = handle.index(name, container)?;
            let starts = matches!(event, Event::Restart { .. });
            let expired = handle.view.borrow().status.expired.clone();
            if starts && let Some(why) = expired {
                return Err(SupervisorError::Expired(name.to_owned(), why.reason()));
            }
            handle.send(name, Request::Ask(index, by, event))
        })?
    }
}
