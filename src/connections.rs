//! Slots of connections and calls, shared by the tasks that have one: `crates/domain/src/admission.rs`
//! decides, this module counts them, notifies displaced tasks, and logs refusals.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::domain::admission::{Admission, Slot};
pub use crate::domain::admission::{Full, Limits, Peer};
use crate::domain::time::Later;

/// Refusals within this time are counted into one line of the log.
const QUIET: Duration = Duration::from_secs(10);

/// The slots of one kind of connection or call.
#[derive(Debug, Clone)]
pub struct Slots {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    name: &'static str,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    admission: Admission,
    holders: BTreeMap<Slot, CancellationToken>,
    closed: u64,
    logged: Option<Instant>,
    unlogged: u64,
}

/// A slot, which is free again when this is dropped.
#[derive(Debug)]
pub struct SlotGuard {
    shared: Arc<Shared>,
    slot: Slot,
    displaced: CancellationToken,
}

/// The counts of `Slots`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    pub name: &'static str,
    pub open: usize,
    /// The number of refused and displaced connections or calls since the daemon started.
    pub closed: u64,
}

impl Slots {
    /// `name` is what the log and the metrics call the slots.
    pub fn new(name: &'static str, limits: Limits) -> Self {
        let state = State {
            admission: Admission::new(limits),
            holders: BTreeMap::new(),
            closed: 0,
            logged: None,
            unlogged: 0,
        };
        Self { shared: Arc::new(Shared { name, state: Mutex::new(state) }) }
    }

    /// Takes a slot that does not give way, see [`SlotGuard::give_way`]. It may displace another one,
    /// whose task is notified.
    ///
    /// # Errors
    ///
    /// `Full` if no slot is free.
    pub fn take(&self, peer: Peer) -> Result<SlotGuard, Full> {
        self.admit(peer, now(), None)
    }

    /// Takes a slot as [`Self::take`] does, but the slot gives way from the start. Connections that are
    /// accepted faster than their tasks run would otherwise lock out the next one.
    ///
    /// # Errors
    ///
    /// `Full` if no slot is free.
    pub fn take_giving_way(&self, peer: Peer) -> Result<SlotGuard, Full> {
        let now = now();
        self.admit(peer, now, Some(now))
    }

    fn admit(
        &self,
        peer: Peer,
        now: Instant,
        gives_way: Option<Instant>,
    ) -> Result<SlotGuard, Full> {
        let mut state = self.shared.lock();
        let admitted = state.admission.admit(peer, gives_way);
        match admitted {
            Ok(admitted) => {
                let displaced = CancellationToken::new();
                state.holders.insert(admitted.slot, displaced.clone());
                if let Some(holder) =
                    admitted.displaced.and_then(|slot| state.holders.remove(&slot))
                {
                    holder.cancel();
                    self.shared.report(&mut state, now, peer, "a silent one was closed for it");
                }
                let shared = self.shared.clone();
                Ok(SlotGuard { shared, slot: admitted.slot, displaced })
            }
            Err(full) => {
                self.shared.report(&mut state, now, peer, &full.to_string());
                Err(full)
            }
        }
    }

    pub fn usage(&self) -> Usage {
        let state = self.shared.lock();
        Usage { name: self.shared.name, open: state.admission.len(), closed: state.closed }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn report(&self, state: &mut State, now: Instant, peer: Peer, cause: &str) {
        state.closed = state.closed.saturating_add(1);
        state.unlogged = state.unlogged.saturating_add(1);
        if state.logged.is_some_and(|then| now.saturating_duration_since(then) < QUIET) {
            return;
        }
        let (slots, count) = (self.name, state.unlogged);
        tracing::warn!(slots, %peer, cause, count, "no free slot for a new one");
        state.logged = Some(now);
        state.unlogged = 0;
    }

    fn set_gives_way(&self, slot: Slot, time: Option<Instant>) {
        self.lock().admission.set_gives_way(slot, time);
    }
}

impl SlotGuard {
    /// Allows a new connection to take this slot. Slots that give way within `ahead` from now are taken
    /// before it.
    pub fn give_way(&self, ahead: Duration) {
        self.shared.set_gives_way(self.slot, Some(now().later(ahead)));
    }

    /// Allows no other connection to take this slot.
    pub fn keep(&self) {
        self.shared.set_gives_way(self.slot, None);
    }

    /// Ends when a new connection has taken this slot.
    pub async fn displaced(&self) {
        self.displaced.cancelled().await;
    }
}

impl Drop for SlotGuard {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.admission.release(self.slot);
        state.holders.remove(&self.slot);
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_displaced_task_is_notified_and_a_dropped_guard_frees_its_slot() {
        let slots = Slots::new("test", Limits { total: 2, each: 2 });
        let silent = slots.take_giving_way(Peer::User(1)).unwrap();
        let busy = slots.take(Peer::User(1)).unwrap();
        let third = slots.take(Peer::User(1)).unwrap();
        silent.displaced().await;
        assert_eq!(slots.take(Peer::User(2)).err(), Some(Full::Total(2)));
        // The end of the displaced task frees no second slot.
        drop(silent);
        assert_eq!(slots.usage(), Usage { name: "test", open: 2, closed: 2 });
        drop((busy, third));
        assert_eq!(slots.usage().open, 0);
    }
}
