//! The handling of one event.

use super::{Action, InstanceAction};
use crate::notice::Notice;
use crate::{Incarnation, Now};

/// Time at which an event is handled, and the actions that it has led to so far.
#[derive(Debug)]
pub(super) struct Turn {
    pub now: Now,
    pub actions: Vec<Action>,
}

impl Turn {
    pub(super) fn new(now: Now) -> Self {
        Self { now, actions: Vec::new() }
    }

    pub(super) fn push(&mut self, action: Action) {
        self.actions.push(action);
    }

    pub(super) fn instance(&mut self, incarnation: Incarnation, action: InstanceAction) {
        self.push(Action::Instance(incarnation, action));
    }

    pub(super) fn note(&mut self, notice: Notice) {
        self.push(Action::Note(notice));
    }

    pub(super) fn persist(&mut self) {
        self.push(Action::Persist);
    }
}
