//! Positions of objects and their fields in files.

use std::fmt;
use std::sync::Arc;

use crate::marks::Marks;

/// A position in a file. Lines and columns count from 1; both are 0 if they are not known.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The name of the file, for people.
    pub file: Arc<str>,
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 { write!(f, ":{}:{}", self.line, self.column) } else { Ok(()) }
    }
}

/// The position of one object in the files.
struct Origin {
    /// The path of the object in its document, such as `items[0].`.
    prefix: String,
    file: Arc<str>,
    /// The positions of all fields of its document.
    marks: Arc<Marks>,
}

/// The positions of the objects of several files.
#[derive(Default)]
pub struct Positions(Vec<Origin>);

impl Positions {
    /// Adds the next object: its path in its document, and the positions of that document.
    pub(crate) fn add(&mut self, prefix: String, file: Arc<str>, marks: Arc<Marks>) {
        self.0.push(Origin { prefix, file, marks });
    }

    /// The position of a field of the object with this index. If the object does not have the
    /// field, it is that of the nearest parent.
    pub fn find(&self, object: usize, field: &str) -> Position {
        let Some(origin) = self.0.get(object) else {
            return Position { file: "".into(), line: 0, column: 0 };
        };
        let mark = origin.marks.find(&format!("{}{field}", origin.prefix));
        let (line, column) = mark.unwrap_or_default();
        Position { file: origin.file.clone(), line, column }
    }
}
