//! The decisions of probelet, without any I/O.
//!
//! The domain has no I/O, no clock, no async and no protobuf: events and the time are arguments,
//! and actions are returned. One [`container::Machine`] handles all incarnations of a container:
//!
//! ```text
//!            Wanted                Started                 verdict, stop, restart
//! Created ───────────► Starting(n) ───────► Running(n) ──────────────────────────► Stopping(n)
//!                       ▲   │ Failed            │ Ended                              │ Ended
//!                       │   ▼                   ▼                                    ▼
//!                       └─ Waiting(until) ◄── restart::follows ──────────────► Terminated
//! ```
//!
//! Every timer (probe due, back-off over, grace over) is the machine's one `deadline()`.

#![warn(missing_docs)]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]
#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, reason = "tests read their own files; the library does not")
)]

pub mod admission;
pub mod adopt;
pub mod advice;
pub mod brake;
pub mod cni;
pub mod container;
pub mod descriptors;
pub mod downward;
pub mod evidence;
pub mod exit;
pub mod history;
pub mod hosts;
pub mod ids;
pub mod image;
pub mod link;
pub mod log;
pub mod network;
pub mod node;
pub mod notice;
pub mod pod;
pub mod pod_key;
pub mod probe;
pub mod quantity;
pub mod restart;
pub mod signal;
pub mod spec;
pub mod static_pods;
pub mod status;
pub mod text;
pub mod time;
pub mod user;
pub mod volume;

use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

/// One reading of the clocks: `mono` for every comparison, `wall` for times that are published and
/// for times that must outlive the daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Monotonic time.
    pub mono: Instant,
    /// Wall-clock time.
    pub wall: SystemTime,
    /// Time of the host's boot by the wall clock: it changes only if that clock is set.
    pub booted_at: SystemTime,
}

impl Now {
    /// The monotonic instant at which the wall clock showed `then`, as seen from this reading.
    /// A wall time in the future (the clock was set back) counts as now.
    pub fn instant_of(&self, then: SystemTime) -> Instant {
        let age = self.wall.duration_since(then).unwrap_or(Duration::ZERO);
        self.mono.checked_sub(age).unwrap_or(self.mono)
    }
}

/// Cuts a text that is longer than `longest` bytes, and appends an ellipsis.
pub fn shorten(text: &mut String, longest: usize) {
    if text.len() > longest {
        let end = (0..=longest).rev().find(|at| text.is_char_boundary(*at));
        text.truncate(end.unwrap_or_default());
        text.push('…');
    }
}

/// Number of an attempt of a container, from 0. Events of an older attempt are dropped.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Incarnation(pub u32);

impl Incarnation {
    /// Attempt number of the next instance; the maximum of `u32` stays as it is.
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl std::fmt::Display for Incarnation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
