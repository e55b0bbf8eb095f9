//! How the rows of the terminal are divided.

/// Rows of the terminal from which the selected container has a pane, and a larger one.
const WITH_PANE: u16 = 16;
const WITH_LARGE_PANE: u16 = 36;

/// The heights of the parts, from above. The first line and the last one have one row each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Places {
    pub table: u16,
    pub pane: u16,
}

impl Places {
    pub fn of(height: u16) -> Self {
        let pane = match height {
            WITH_LARGE_PANE.. => 9,
            WITH_PANE.. => 6,
            _ => 0,
        };
        Self { table: height.saturating_sub(2 + pane), pane }
    }

    /// The containers that are visible at a time: the table has a line of titles.
    pub fn rows(self) -> usize {
        usize::from(self.table.saturating_sub(1))
    }
}
