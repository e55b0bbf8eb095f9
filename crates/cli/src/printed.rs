//! Text for a terminal. Pods, images and errors hold text of containers and manifests, so each value
//! is escaped here. [`Io`](super::io::Io) takes no other text.

use std::fmt::{self, Display};
use std::ops::Deref;

use probelet_text::escape::Escaped;

use super::tab_stops;

/// Lines whose tabs and line ends belong to the layout: only [`put`] and [`cells`] make them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Printed(String);

impl Printed {
    /// Adds text. Values in it must be escaped.
    pub fn push(&mut self, text: fmt::Arguments<'_>) {
        self.0.push_str(&text.to_string());
    }

    pub fn append(&mut self, other: &Self) {
        self.0.push_str(&other.0);
    }

    /// The same lines with their columns set.
    pub fn elastic(&self, padding: usize) -> Self {
        Self(tab_stops::elastic(&self.0, padding))
    }

    #[cfg(test)]
    pub fn clear(&mut self) {
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

/// A value in a format string of [`put`]: it is escaped, except if it is [`Printed`] already.
pub trait Fill {
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

pub struct Filled<'a, T: Fill>(pub &'a T);

impl<T: Fill> Display for Filled<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fill(f)
    }
}

/// Adds a line. `concat!` allows no names in the format string: they would not be escaped.
macro_rules! put {
    ($out:expr, $format:literal $(, $value:expr)* $(,)?) => {
        $out.push(format_args!(concat!($format, "\n") $(, $crate::printed::Filled(&$value))*))
    };
}

/// Makes a part of a line, which may have tabs.
macro_rules! cells {
    ($format:literal $(, $value:expr)* $(,)?) => {{
        let mut cells = $crate::printed::Printed::default();
        cells.push(format_args!(concat!($format) $(, $crate::printed::Filled(&$value))*));
        cells
    }};
}

pub(crate) use {cells, put};

/// The text after the title of an empty list.
pub fn none_if(is_empty: bool) -> Printed {
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
