//! The positions of the fields of a document.

use std::collections::{BTreeMap, HashMap};

use crate::unreadable::Mark;

/// A key of a mapping, by its number in [`Marks::keys`], or an index of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    Key(u32),
    Item(u32),
}

/// The positions of all fields of one document, as a tree whose nodes are numbered.
///
/// A document of 500,000 values has as many nodes: a node is a few numbers, and the text of a key
/// is stored once.
#[derive(Debug, Default, PartialEq)]
pub struct Marks {
    /// The position of each node. The first node is the document itself.
    positions: Vec<Mark>,
    /// The number of each distinct key.
    keys: HashMap<Box<str>, u32>,
    /// The node of a field, by the node of its parent.
    children: BTreeMap<(u32, Step), u32>,
}

impl Marks {
    /// The position of a field or, if the text does not have it, of its nearest parent.
    pub fn find(&self, field: &str) -> Option<Mark> {
        self.position(self.nearest(field))
    }

    /// The position of a key below `parent` that is not a string, or of the parent.
    pub fn nameless(&self, parent: &str) -> Option<Mark> {
        let written = ["", "~", "null", "Null", "NULL"];
        let parent = self.nearest(parent);
        let key = written.into_iter().find_map(|key| self.key(parent, key));
        self.position(key.unwrap_or(parent))
    }

    fn position(&self, node: u32) -> Option<Mark> {
        self.positions.get(usize::try_from(node).ok()?).copied()
    }

    fn nearest(&self, field: &str) -> u32 {
        let (mut node, mut rest) = (0, field);
        while let Some((below, after)) = self.step(node, rest) {
            (node, rest) = (below, after);
        }
        node
    }

    /// The child that `path` begins with, and the rest of the path. A key may have dots and brackets
    /// in it, so the longest key counts.
    fn step<'a>(&self, node: u32, path: &'a str) -> Option<(u32, &'a str)> {
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

    fn key(&self, node: u32, key: &str) -> Option<u32> {
        let key = self.keys.get(key)?;
        self.children.get(&(node, Step::Key(*key))).copied()
    }

    fn item(&self, node: u32, index: u32) -> Option<u32> {
        self.children.get(&(node, Step::Item(index))).copied()
    }

    /// The step to a key, which gets a number if it is new.
    pub fn key_step(&mut self, key: &str) -> Step {
        if let Some(number) = self.keys.get(key) {
            return Step::Key(*number);
        }
        let number = number_of(self.keys.len());
        self.keys.insert(key.into(), number);
        Step::Key(number)
    }

    /// Adds the document itself, which is node 0.
    pub fn add_document(&mut self, at: Mark) {
        self.positions.push(at);
    }

    /// Adds a node. Of several fields with one name the first counts.
    pub fn add(&mut self, parent: u32, step: Step, at: Mark) -> u32 {
        let next = number_of(self.positions.len());
        let node = *self.children.entry((parent, step)).or_insert(next);
        if node == next {
            self.positions.push(at);
        }
        node
    }
}

/// The number of a new node or key. A document has at most [`crate::bounds::VALUES`].
fn number_of(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
