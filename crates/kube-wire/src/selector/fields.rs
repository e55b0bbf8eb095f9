//! Field selectors: `=`, `==` and `!=` on the fields that a resource lets select.

use super::{MAX_BYTES, SelectorError};

#[derive(Debug, Clone, PartialEq, Eq)]
struct Term {
    field: String,
    value: String,
    equal: bool,
}

/// A field selector. The empty one selects everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldSelector {
    terms: Vec<Term>,
}

impl FieldSelector {
    /// Reads a selector such as `status.phase=Running,metadata.name!=x`. A backslash escapes `,`,
    /// `=` and itself in values.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        if text.len() > MAX_BYTES {
            return Err(SelectorError::too_long());
        }
        let mut terms = Vec::new();
        for part in split(text).into_iter().filter(|part| !part.is_empty()) {
            let (field, equal, value) = term(part).ok_or_else(|| {
                SelectorError(format!("invalid selector: '{text}'; can't understand '{part}'"))
            })?;
            let value = unescape(value)?;
            // `=` alone selects everything, as in Kubernetes.
            if !(field.is_empty() && value.is_empty()) {
                terms.push(Term { field: field.to_owned(), value, equal });
            }
        }
        Ok(Self { terms })
    }

    /// True if the selector selects everything.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// The fields that the selector names.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.terms.iter().map(|term| term.field.as_str())
    }

    /// The value that a field must have, such as the one name that a watch is about.
    pub fn required(&self, field: &str) -> Option<&str> {
        let mut terms = self.terms.iter().filter(|term| term.equal && term.field == field);
        terms.next().map(|term| term.value.as_str())
    }

    /// True if no term about this field excludes this value.
    pub fn admits(&self, field: &str, value: &str) -> bool {
        let terms = self.terms.iter().filter(|term| term.field == field);
        terms.into_iter().all(|term| (term.value == value) == term.equal)
    }

    /// True if all terms hold; `value` returns a field's value, empty if it is absent.
    pub fn matches(&self, value: impl Fn(&str) -> String) -> bool {
        self.terms.iter().all(|term| (value(&term.field) == term.value) == term.equal)
    }
}

/// The parts between commas that are not escaped.
fn split(text: &str) -> Vec<&str> {
    let mut escaped = false;
    text.split(|c: char| {
        let is_end = c == ',' && !escaped;
        escaped = c == '\\' && !escaped;
        is_end
    })
    .collect()
}

/// The field, whether it must be equal, and the value with its escapes.
fn term(part: &str) -> Option<(&str, bool, &str)> {
    let at = part.char_indices().map(|(at, _)| at);
    at.filter_map(|at| part.split_at_checked(at)).find_map(|(field, rest)| {
        let operators = [("!=", false), ("==", true), ("=", true)];
        operators
            .iter()
            .find_map(|(operator, equal)| Some((field, *equal, rest.strip_prefix(operator)?)))
    })
}

fn unescape(value: &str) -> Result<String, SelectorError> {
    let invalid = |sequence: String| {
        SelectorError(format!("invalid field selector: invalid escape sequence: {sequence}"))
    };
    let mut unescaped = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(escaped @ ('\\' | ',' | '=')) => unescaped.push(escaped),
                Some(other) => return Err(invalid(format!("\\{other}"))),
                None => return Err(invalid("\\".to_owned())),
            },
            ',' | '=' => {
                let code = u32::from(c);
                return Err(SelectorError(format!(
                    "invalid field selector: unescaped character in value: {code}"
                )));
            }
            _ => unescaped.push(c),
        }
    }
    Ok(unescaped)
}

impl std::fmt::Display for FieldSelector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, term) in self.terms.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            let operator = if term.equal { "=" } else { "!=" };
            write!(f, "{comma}{}{operator}", term.field)?;
            for c in term.value.chars() {
                if matches!(c, '\\' | ',' | '=') {
                    f.write_str("\\")?;
                }
                write!(f, "{c}")?;
            }
        }
        Ok(())
    }
}
