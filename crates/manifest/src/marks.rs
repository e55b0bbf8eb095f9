//! Where in a text each field is, and whether the text keeps its bounds.

use std::collections::{BTreeMap, HashMap};

use saphyr_parser::{Event, Marker, Parser, ScanError, Tag};

use super::bounds::{self, Budget};
use super::document::{Unread, WHOLE};
use probelet_domain::spec::SpecError;

/// Line and column, from 1.
pub(super) type Mark = (u32, u32);

/// A key of a mapping or an index of a list.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Key(Box<str>),
    Item(u32),
}

/// The fields of one document, as a tree: a key is stored once, however much is below it.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Marks {
    /// The first is the document itself.
    places: Vec<Mark>,
    /// A field's index by its parent's.
    children: BTreeMap<(usize, Step), usize>,
}

impl Marks {
    /// The place of a field or, where it is not in the text, of what it is missing from.
    pub(super) fn find(&self, field: &str) -> Option<Mark> {
        self.places.get(self.nearest(field)).copied()
    }

    /// The place of a key below `parent` that is no string, or of the parent.
    pub(super) fn nameless(&self, parent: &str) -> Option<Mark> {
        let written = ["", "~", "null", "Null", "NULL"];
        let parent = self.nearest(parent);
        let key = written.into_iter().find_map(|key| self.key(parent, key));
        self.places.get(key.unwrap_or(parent)).copied()
    }

    fn nearest(&self, field: &str) -> usize {
        let (mut node, mut rest) = (0, field);
        while let Some((below, after)) = self.step(node, rest) {
            (node, rest) = (below, after);
        }
        node
    }

    /// The child that `path` begins with, and what follows. A key may have dots and brackets in it,
    /// so the longest one counts.
    fn step<'a>(&self, node: usize, path: &'a str) -> Option<(usize, &'a str)> {
        if let Some(inner) = path.strip_prefix('[') {
            return inner.rmatch_indices(']').find_map(|(end, _)| {
                let (text, after) = (inner.get(..end)?, inner.get(end + 1..)?);
                let item = text.parse().ok().and_then(|index| self.item(node, index));
                Some((item.or_else(|| self.key(node, text))?, after))
            });
        }
        let path = path.strip_prefix('.').unwrap_or(path);
        let ends = path.rmatch_indices(['.', '[']).map(|(end, _)| end);
        std::iter::once(path.len()).chain(ends).find_map(|end| {
            let (text, after) = path.split_at_checked(end)?;
            Some((self.key(node, text).filter(|_| !text.is_empty())?, after))
        })
    }

    fn key(&self, node: usize, key: &str) -> Option<usize> {
        self.children.get(&(node, Step::Key(key.into()))).copied()
    }

    fn item(&self, node: usize, index: u32) -> Option<usize> {
        self.children.get(&(node, Step::Item(index))).copied()
    }

    /// The first of several with one name counts.
    fn add(&mut self, parent: usize, step: Step, at: Mark) -> usize {
        let next = self.places.len();
        let node = *self.children.entry((parent, step)).or_insert(next);
        if node == next {
            self.places.push(at);
        }
        node
    }
}

/// What an alias of a value stands for.
#[derive(Debug, Default, Clone, Copy)]
struct Size {
    values: usize,
    bytes: usize,
    /// Levels, of it and below it.
    height: usize,
}

/// A mapping or list that is not over yet.
struct Open {
    node: usize,
    next: Next,
    entries: usize,
    anchor: usize,
    size: Size,
}

enum Next {
    Item(u32),
    Key,
    /// Of the key with this index.
    Value(usize),
}

/// Reads the events of a text; their order is the parser's promise.
#[derive(Default)]
struct Reader {
    documents: Vec<Marks>,
    open: Vec<Open>,
    /// By the parser's number of an anchor.
    anchors: HashMap<usize, Size>,
}

/// Every document, those that hold nothing too, up to where the text is no YAML any more or is
/// more than it may be.
pub(super) fn of(text: &str, budget: &mut Budget) -> (Vec<Marks>, Option<Unread>) {
    let mut reader = Reader::default();
    for event in Parser::new_from_str(text) {
        let read = match event {
            Ok((event, span)) => {
                let at = mark(&span.start);
                let taken = reader.take(event, at, budget);
                taken.map_err(|error| Unread { error, at: Some(at) })
            }
            Err(error) => Err(error.into()),
        };
        if let Err(unread) = read {
            return (reader.documents, Some(unread));
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

    /// What is whole now counts for the alias of it and of what it is in.
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

    /// The index of what comes now: a mapping's key has one, and its value has the same.
    fn enter(&mut self, scalar: Option<&str>, at: Mark) -> Result<usize, SpecError> {
        let Some(marks) = self.documents.last_mut() else { return Ok(0) };
        let Some(Open { node, next, entries, .. }) = self.open.last_mut() else {
            marks.places.push(at);
            return Ok(0);
        };
        let step = match *next {
            Next::Value(key) => {
                *next = Next::Key;
                return Ok(key);
            }
            Next::Item(index) => Step::Item(index),
            Next::Key => Step::Key(scalar.unwrap_or_default().into()),
        };
        *entries += 1;
        if *entries > bounds::ENTRIES {
            return Err(bounds::too_many_entries());
        }
        if matches!(&step, Step::Key(key) if key.len() > bounds::KEY) {
            return Err(bounds::key_too_long());
        }
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

impl From<ScanError> for Unread {
    fn from(error: ScanError) -> Self {
        let at = mark(error.marker());
        // The parser has a limit of its own for what it has to look ahead over.
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
        super::of(text, &mut Budget::default()).0
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
    fn each_field_has_its_place_and_a_missing_one_that_of_its_parent() {
        let documents = of(TEXT);
        assert_eq!(documents.len(), 3, "one holds nothing");
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
    fn json_has_places_too() {
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
    fn what_is_no_yaml_ends_nowhere() {
        assert!(super::of("a: [", &mut Budget::default()).1.is_some());
        assert_eq!(of(""), []);
        assert_eq!(of("null\n---\n# nothing\n").len(), 2);
    }
}
