//! Level of the process's open descriptors against its limit.

/// Tenths of the limit from which on descriptors are few.
const FEW_FROM: u64 = 9;
const ENOUGH_UP_TO: u64 = 8;

/// Number of open descriptors of the process, compared with its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Fewer than nine tenths of the limit are open; fewer than eight tenths after `Few`.
    Enough,
    /// At least nine tenths of the limit are open; at least eight tenths after `Few`.
    Few,
}

/// The current level. It returns to `Enough` at a lower number than `Few` begins at, so that it
/// does not flap.
#[derive(Debug, Default)]
pub struct Standing(Option<Level>);

impl Standing {
    /// Returns the new level if it has changed, and the first level.
    pub fn observe(&mut self, open: u64, limit: u64) -> Option<Level> {
        let is_over = |tenths: u64| open.saturating_mul(10) >= limit.saturating_mul(tenths);
        let level = match self.0 {
            Some(Level::Few) if is_over(ENOUGH_UP_TO) => Level::Few,
            _ if is_over(FEW_FROM) => Level::Few,
            _ => Level::Enough,
        };
        (self.0.replace(level) != Some(level)).then_some(level)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_changes_at_nine_tenths_and_back_below_eight() {
        let mut standing = Standing::default();
        let levels = [10, 89, 90, 100, 85, 79, 85].map(|open| standing.observe(open, 100));
        let (few, enough) = (Some(Level::Few), Some(Level::Enough));
        assert_eq!(levels, [enough, None, few, None, None, enough, None]);
        assert_eq!(standing.observe(u64::MAX, u64::MAX), few);
    }
}
