//! Where in a text each field is.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, Span};

use super::fields::member;

/// Of one text; beyond them places are not known.
const MOST: usize = 100_000;

/// Line and column, from 1.
pub(super) type Mark = (u32, u32);

/// The fields of one document.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Marks(BTreeMap<String, Mark>);

impl Marks {
    /// The place of a field or, where it is not in the text, of what it is missing from.
    pub(super) fn find(&self, field: &str) -> Option<Mark> {
        let mut field = field;
        loop {
            if let Some(mark) = self.0.get(field) {
                return Some(*mark);
            }
            field = match field.rfind(['.', '[']) {
                Some(at) => field.get(..at)?,
                None if field.is_empty() => return None,
                None => "",
            };
        }
    }

    /// The place of a key below `parent` that is no string, or of the parent.
    pub(super) fn nameless(&self, parent: &str) -> Option<Mark> {
        let written = ["", "~", "null", "Null", "NULL"];
        let key = written.iter().find_map(|key| self.0.get(&format!("{parent}[{key}]")));
        key.copied().or_else(|| self.find(parent))
    }
}

enum Level {
    List {
        path: String,
        next: usize,
    },
    /// `key` is the one whose value comes next.
    Map {
        path: String,
        key: Option<String>,
    },
}

/// Every document that holds something, as the reader of values counts them. A text that is no
/// YAML has the marks up to there.
pub(super) fn of(text: &str) -> Vec<Marks> {
    let mut documents = Vec::new();
    let mut current = Marks::default();
    let mut levels: Vec<Level> = Vec::new();
    let mut count = 0;
    for event in Parser::new_from_str(text) {
        let Ok((event, span)) = event else { break };
        match event {
            Event::DocumentStart(_) => current = Marks::default(),
            Event::DocumentEnd => documents.push(std::mem::take(&mut current)),
            Event::Scalar(ref value, ..) => {
                if let Some(path) = enter(&mut levels, Some(value), &span, &mut current) {
                    // A document of nothing but `null` holds nothing.
                    let holds = !(path.is_empty() && ["", "~", "null"].contains(&&**value));
                    if holds {
                        mark(&mut current, path, &span);
                    }
                }
                count += 1;
            }
            Event::Alias(_) => {
                if let Some(path) = enter(&mut levels, None, &span, &mut current) {
                    mark(&mut current, path, &span);
                }
            }
            Event::SequenceStart(..) | Event::MappingStart(..) => {
                let path = enter(&mut levels, None, &span, &mut current).unwrap_or_default();
                mark(&mut current, path.clone(), &span);
                levels.push(match event {
                    Event::MappingStart(..) => Level::Map { path, key: None },
                    _ => Level::List { path, next: 0 },
                });
            }
            Event::SequenceEnd | Event::MappingEnd => drop(levels.pop()),
            _ => {}
        }
        if count > MOST {
            break;
        }
    }
    if !current.0.is_empty() {
        documents.push(current);
    }
    documents.retain(|marks| !marks.0.is_empty());
    documents
}

/// The path of what comes now; `None` for a mapping's key, which is marked instead.
fn enter(
    levels: &mut [Level],
    scalar: Option<&str>,
    span: &Span,
    marks: &mut Marks,
) -> Option<String> {
    match levels.last_mut() {
        None => Some(String::new()),
        Some(Level::List { path, next }) => {
            *next += 1;
            Some(format!("{path}[{}]", *next - 1))
        }
        Some(Level::Map { path, key }) => match key.take() {
            Some(key) => Some(member(path, &key)),
            None => {
                let name = scalar.unwrap_or_default().to_owned();
                mark(marks, member(path, &name), span);
                // As errors name what has dots in it.
                mark(marks, format!("{path}[{name}]"), span);
                *key = Some(name);
                None
            }
        },
    }
}

/// The key's place counts, which comes first; a list's item has none.
fn mark(marks: &mut Marks, path: String, span: &Span) {
    let whole = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let at = (whole(span.start.line()), whole(span.start.col()).saturating_add(1));
    marks.0.entry(path).or_insert(at);
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(documents.len(), 2);
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
        assert_eq!(documents[1].find("kind"), Some((13, 1)));
    }

    #[test]
    fn json_has_places_too() {
        assert_eq!(of("{\"a\": {\n  \"b\": 1}}")[0].find("a.b"), Some((2, 3)));
    }

    #[test]
    fn what_is_no_yaml_ends_nowhere() {
        assert!(of("a: [").len() <= 1);
        assert_eq!(of(""), []);
        assert_eq!(of("null\n---\n# nothing\n"), []);
    }
}
