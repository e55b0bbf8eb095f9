//! Admission of connections and calls: it bounds the total and the number of each peer, and decides
//! which slot is freed for a new one when a bound is reached.

#[cfg(test)]
mod tests;

use core::net::{IpAddr, Ipv6Addr};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Instant;

/// Number of descriptors from which the limits are granted in full. A process that may have fewer
/// of them grants less, so that callers' connections use at most an eighth of its descriptors.
const ENOUGH: u64 = 8192;

/// Upper bounds, of all peers together and of each one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Upper bound of the slots of all peers together.
    pub total: usize,
    /// Upper bound of the slots of one peer.
    pub each: usize,
}

impl Limits {
    /// The limits of a process that may have this many descriptors; never below 2.
    #[must_use]
    pub fn within(self, descriptors: u64) -> Self {
        let share = |limit: usize| {
            let scaled = (limit as u64).saturating_mul(descriptors.min(ENOUGH)) / ENOUGH;
            usize::try_from(scaled).unwrap_or(limit).max(2)
        };
        Self { total: share(self.total), each: share(self.each) }
    }
}

/// The owner of a connection, as far as the kernel knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Peer {
    /// An IPv4 address, or the first 64 bits of an IPv6 one: a host has all addresses below them.
    Address(IpAddr),
    /// The user of the process at the other end of a Unix socket.
    User(u32),
    /// The kernel does not know the user.
    Unknown,
}

impl From<IpAddr> for Peer {
    fn from(address: IpAddr) -> Self {
        Self::Address(match address.to_canonical() {
            IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
            v4 => v4,
        })
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address @ IpAddr::V6(_)) => write!(f, "{address}/64"),
            Self::Address(address) => address.fmt(f),
            Self::User(uid) => write!(f, "uid {uid}"),
            Self::Unknown => f.write_str("unknown user"),
        }
    }
}

/// Identifier of an admitted connection or call, never assigned twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot(u64);

/// Result of an admission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admitted {
    /// Slot of the admitted connection or call.
    pub slot: Slot,
    /// Slot that was freed for it.
    pub displaced: Option<Slot>,
}

/// The bound that was reached while no slot could be taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// The bound of all peers together was reached; the number is that bound.
    #[error("{0} open already")]
    Total(usize),
    /// The bound of one peer was reached; the number is that bound.
    #[error("{0} open already from this peer")]
    Peer(usize),
}

#[derive(Debug)]
struct Entry {
    peer: Peer,
    /// Time by which the slots that give way are ordered, earliest first; a slot with `None` never
    /// gives way.
    gives_way: Option<Instant>,
}

/// Slots in use, with the peer of each, and the limits that bound them.
#[derive(Debug)]
pub struct Admission {
    limits: Limits,
    entries: BTreeMap<Slot, Entry>,
    next: u64,
}

impl Admission {
    /// An admission without any slot in use.
    pub fn new(limits: Limits) -> Self {
        Self { limits, entries: BTreeMap::new(), next: 0 }
    }

    /// Number of slots in use, those of all peers together.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True if no slot is in use.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Admits a connection or call, see [`Self::set_gives_way`]. A peer at its bound displaces one
    /// of that peer's slots. At the total bound the peer with the most slots loses one.
    ///
    /// # Errors
    ///
    /// `Full` where a bound is reached and none of those in question gives way.
    pub fn admit(&mut self, peer: Peer, gives_way: Option<Instant>) -> Result<Admitted, Full> {
        let displaced = if self.count(peer) >= self.limits.each {
            let own = self.first_to_go(|entry| usize::from(entry.peer == peer));
            Some(own.ok_or(Full::Peer(self.limits.each))?)
        } else if self.entries.len() >= self.limits.total {
            let most = self.first_to_go(|entry| self.count(entry.peer));
            Some(most.ok_or(Full::Total(self.limits.total))?)
        } else {
            None
        };
        if let Some(displaced) = displaced {
            self.entries.remove(&displaced);
        }
        let slot = Slot(self.next);
        self.next = self.next.wrapping_add(1);
        self.entries.insert(slot, Entry { peer, gives_way });
        Ok(Admitted { slot, displaced })
    }

    /// Sets the time by which a slot gives way: of several slots, the one with the earliest time is
    /// freed first. A slot with `None` never gives way. Has no effect on a slot that is free
    /// already.
    pub fn set_gives_way(&mut self, slot: Slot, time: Option<Instant>) {
        if let Some(entry) = self.entries.get_mut(&slot) {
            entry.gives_way = time;
        }
    }

    /// Frees a slot. Has no effect on a slot that is free already.
    pub fn release(&mut self, slot: Slot) {
        self.entries.remove(&slot);
    }

    fn count(&self, peer: Peer) -> usize {
        self.entries.values().filter(|entry| entry.peer == peer).count()
    }

    /// Returns the earliest of the slots that give way and have the highest rank above 0.
    fn first_to_go(&self, rank: impl Fn(&Entry) -> usize) -> Option<Slot> {
        let giving_way = self
            .entries
            .iter()
            .filter_map(|(slot, entry)| Some((Reverse(rank(entry)), entry.gives_way?, *slot)));
        let first = giving_way.filter(|(Reverse(rank), ..)| *rank > 0).min();
        first.map(|(.., slot)| slot)
    }
}
