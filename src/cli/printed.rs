//! Text for a terminal. Pods, images and errors hold text of containers and manifests, so each value
//! is escaped here. [`Io`](super::io::Io) takes no other text.

use std::fmt::{self, Display};
use std::ops::Deref;

use crate::domain::printable::Escaped;

/// Lines, whose tabs and line ends are the layout's own: only [`put`] and [`cells`] make them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Printed(String);

impl Printed {
    /// Of a format string without what it is filled with, which has to be escaped.
    pub(super) fn push(&mut self, text: fmt::Arguments<'_>) {
        self.0.push_str(&text.to_string());
    }

    pub(super) fn append(&mut self, other: &Self) {
        self.0.push_str(&other.0);
    }

    /// With its columns set.
    pub(super) fn elastic(&self, padding: usize) -> Self {
        Self(super::table::elastic(&self.0, padding))
    }

    #[cfg(test)]
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

impl Deref for Printed {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl PartialEq<str> for Printed {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for Printed {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

impl PartialEq<String> for Printed {
    fn eq(&self, other: &String) -> bool {
        self.0 == *other
    }
}

/// What a format string of [`put`] is filled with: escaped, but for what is [`Printed`] already.
pub(super) trait Fill {
    fn fill(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

impl<T: Display> Fill for T {
    fn fill(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Escaped(self).fmt(f)
    }
}

impl Fill for Printed {
    fn fill(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

pub(super) struct Filled<'a, T: Fill>(pub(super) &'a T);

impl<T: Fill> Display for Filled<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fill(f)
    }
}

/// Adds a line. `concat!` allows no names in the format string: they would not be escaped.
macro_rules! put {
    ($out:expr, $format:literal $(, $value:expr)* $(,)?) => {
        $out.push(format_args!(concat!($format, "\n") $(, $crate::cli::printed::Filled(&$value))*))
    };
}

/// A part of a line, with tabs of its own.
macro_rules! cells {
    ($format:literal $(, $value:expr)* $(,)?) => {{
        let mut cells = $crate::cli::printed::Printed::default();
        cells.push(format_args!(concat!($format) $(, $crate::cli::printed::Filled(&$value))*));
        cells
    }};
}

pub(super) use {cells, put};

/// What follows a title whose list has nothing in it.
pub(super) fn none_if(is_empty: bool) -> Printed {
    if is_empty { cells!("\t<none>") } else { Printed::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_formats_own_tabs_and_line_ends_lay_out() {
        let mut out = Printed::default();
        put!(out, "Name:\t{}", "a\tb\n\u{1b}[2J");
        put!(out, "{}", cells!("{}\t{}", "x\ty", 1));
        assert_eq!(out, "Name:\ta\\tb\\n\\u{1b}[2J\nx\\ty\t1\n");
    }
}
