//! A text → the positions of its fields. The bounds of the text are checked on the way, before
//! anything is built of it.

use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, ScanError, Tag};

use crate::bounds::{self, Budget};
use crate::field_path::WHOLE;
use crate::marks::{Marks, Step};
use crate::unreadable::{Mark, Unreadable};
use probelet_domain::spec::SpecError;

/// The size of a value, which an alias of it repeats.
#[derive(Debug, Default, Clone, Copy)]
struct Size {
    values: usize,
    bytes: usize,
    /// The levels of mappings and lists in it.
    height: usize,
}

/// A mapping or list whose end is not read yet.
struct Open {
    node: u32,
    next: Next,
    entries: usize,
    anchor: usize,
    size: Size,
}

/// What comes next in a mapping or list.
enum Next {
    Item(u32),
    Key,
    /// The value of the key with this node.
    Value(u32),
}

/// Reads the events of a text, whose order the parser guarantees.
#[derive(Default)]
struct Reader {
    documents: Vec<Marks>,
    open: Vec<Open>,
    /// The size of the value of each anchor, by the parser's number of the anchor.
    anchors: HashMap<usize, Size>,
}

/// The positions of every document, also of empty ones. If the text is not YAML or exceeds a bound,
/// there is an error, and the documents end there.
pub fn read(text: &str, budget: &mut Budget) -> (Vec<Marks>, Option<Unreadable>) {
    let mut reader = Reader::default();
    for event in Parser::new_from_str(text) {
        let read = match event {
            Ok((event, span)) => {
                let at = mark(&span.start);
                let taken = reader.take(event, at, budget);
                taken.map_err(|error| Unreadable { error, at: Some(at) })
            }
            Err(error) => Err(error.into()),
        };
        if let Err(unreadable) = read {
            return (reader.documents, Some(unreadable));
        }
    }
    (reader.documents, None)
}

impl Reader {
    fn take(&mut self, event: Event<'_>, at: Mark, budget: &mut Budget) -> Result<(), SpecError> {
        match event {
            Event::DocumentStart(_) => {
                budget.object()?;
                self.documents.push(Marks::default());
                self.anchors.clear();
            }
            Event::Scalar(text, _, anchor, tag) => {
                budget.values(1)?;
                budget.repeated(0, length(tag.as_deref()))?;
                self.enter(Some(&text), at)?;
                let bytes = text.len() + length(tag.as_deref());
                self.close(anchor, Size { values: 1, bytes, height: 0 });
            }
            Event::Alias(anchor) => {
                self.enter(None, at)?;
                let Some(size) = self.anchors.get(&anchor).copied() else {
                    return Err(SpecError::new(WHOLE, "an alias stands for what it is part of"));
                };
                if self.open.len() + size.height > bounds::DEPTH {
                    return Err(bounds::too_deep());
                }
                budget.repeated(size.values, size.bytes)?;
                self.close(0, size);
            }
            Event::SequenceStart(anchor, tag) => {
                self.begin(Next::Item(0), (anchor, tag.as_deref()), at, budget)?;
            }
            Event::MappingStart(anchor, tag) => {
                self.begin(Next::Key, (anchor, tag.as_deref()), at, budget)?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(Open { anchor, size, .. }) = self.open.pop() {
                    self.close(anchor, Size { height: size.height + 1, ..size });
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn begin(
        &mut self,
        next: Next,
        (anchor, tag): (usize, Option<&Tag>),
        at: Mark,
        budget: &mut Budget,
    ) -> Result<(), SpecError> {
        budget.values(1)?;
        budget.repeated(0, length(tag))?;
        let node = self.enter(None, at)?;
        if self.open.len() >= bounds::DEPTH {
            return Err(bounds::too_deep());
        }
        let size = Size { values: 1, bytes: length(tag), height: 0 };
        self.open.push(Open { node, next, entries: 0, anchor, size });
        Ok(())
    }

    /// Ends a value: its size counts for an alias of it, and for the value that it is in.
    fn close(&mut self, anchor: usize, size: Size) {
        // The parser numbers anchors from 1.
        if anchor != 0 {
            self.anchors.insert(anchor, size);
        }
        if let Some(Open { size: outer, .. }) = self.open.last_mut() {
            outer.values = outer.values.saturating_add(size.values);
            outer.bytes = outer.bytes.saturating_add(size.bytes);
            outer.height = outer.height.max(size.height);
        }
    }

    /// The node of the value that begins now. A mapping's key and its value have one node.
    fn enter(&mut self, scalar: Option<&str>, at: Mark) -> Result<u32, SpecError> {
        let Some(marks) = self.documents.last_mut() else { return Ok(0) };
        let Some(Open { node, next, entries, .. }) = self.open.last_mut() else {
            marks.add_document(at);
            return Ok(0);
        };
        if let Next::Value(key) = *next {
            *next = Next::Key;
            return Ok(key);
        }
        *entries += 1;
        if *entries > bounds::ENTRIES {
            return Err(bounds::too_many_entries());
        }
        let step = match *next {
            Next::Item(index) => Step::Item(index),
            Next::Key | Next::Value(_) => {
                let key = scalar.unwrap_or_default();
                if key.len() > bounds::KEY {
                    return Err(bounds::key_too_long());
                }
                marks.key_step(key)
            }
        };
        let added = marks.add(*node, step, at);
        *next = match *next {
            Next::Item(index) => Next::Item(index.saturating_add(1)),
            _ => Next::Value(added),
        };
        Ok(added)
    }
}

fn length(tag: Option<&Tag>) -> usize {
    tag.map_or(0, |tag| tag.handle.len() + tag.suffix.len())
}

fn mark(at: &Marker) -> Mark {
    let whole = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    (whole(at.line()), whole(at.col()).saturating_add(1))
}

impl From<ScanError> for Unreadable {
    fn from(error: ScanError) -> Self {
        let at = mark(error.marker());
        // The parser itself has a limit of levels, for what it reads ahead.
        if error.info().contains("recursion limit") {
            return Self { error: bounds::too_deep(), at: Some(at) };
        }
        let why = format!("{} at line {} column {}", error.info(), at.0, at.1);
        Self { error: SpecError::new(WHOLE, why), at: Some(at) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<Marks> {
        read(text, &mut Budget::default()).0
    }

    const TEXT: &str = "\
# a comment
---
metadata:
  name: web
  annotations:
    probelet.io/app.liveness.onFailure: stop
spec:
  containers:
  - name: app
    env: [{name: A, value: b}]
---
---
kind: Pod
";

    #[test]
    fn a_field_has_its_position_and_a_missing_field_that_of_its_parent() {
        let documents = of(TEXT);
        assert_eq!(documents.len(), 3, "one is empty");
        for (field, mark) in [
            ("metadata.name", (4, 3)),
            ("metadata.annotations[probelet.io/app.liveness.onFailure]", (6, 5)),
            ("spec.containers[0].name", (9, 5)),
            ("spec.containers[0].image", (9, 5)),
            ("spec.containers[0].env[0].value", (10, 21)),
            ("spec.volumes", (7, 1)),
            ("status.phase", (3, 1)),
        ] {
            assert_eq!(documents[0].find(field), Some(mark), "{field}");
        }
        assert_eq!(documents[2].find("kind"), Some((13, 1)));
    }

    #[test]
    fn json_has_positions_too() {
        assert_eq!(of("{\"a\": {\n  \"b\": 1}}")[0].find("a.b"), Some((2, 3)));
    }

    #[test]
    fn a_key_with_dots_and_brackets_is_found_before_a_shorter_one() {
        let text = "m:\n  app: 1\n  app.x/y: 2\n  a[0]:\n    b: 3\n  '': 4\nl: [[x, y]]\n";
        let marks = &of(text)[0];
        for (field, mark) in [
            ("m.app", (2, 3)),
            ("m.app.x/y", (3, 3)),
            ("m[app.x/y]", (3, 3)),
            ("m.a[0].b", (5, 5)),
            ("m[a[0]].b", (5, 5)),
            ("m.none", (1, 1)),
            ("l[0][1]", (7, 9)),
            ("l[9]", (7, 1)),
        ] {
            assert_eq!(marks.find(field), Some(mark), "{field}");
        }
    }

    #[test]
    fn a_text_that_is_not_yaml_has_an_error() {
        assert!(read("a: [", &mut Budget::default()).1.is_some());
        assert_eq!(of(""), []);
        assert_eq!(of("null\n---\n# nothing\n").len(), 2);
    }
}
