//! Resource versions.

/// Gives versions that grow: microseconds since 1970, or one more than the last if the clock stands
/// or goes back. They are below 2^53 until the year 2255, so JavaScript reads them exactly.
#[derive(Debug, Clone, Copy)]
pub struct ResourceVersions {
    last: u64,
}

impl ResourceVersions {
    /// Versions that are newer than `last`.
    pub fn new(last: u64) -> Self {
        Self { last }
    }

    /// The last version that was given.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// The next version, at this time in microseconds since 1970.
    pub fn next(&mut self, micros: u64) -> u64 {
        self.last = self.last.saturating_add(1).max(micros);
        self.last
    }
}
