//! One requirement of a label selector.

use std::collections::BTreeSet;

use super::names;

/// How a label relates to the values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Exists,
    DoesNotExist,
    Equals,
    DoubleEquals,
    NotEquals,
    In,
    NotIn,
    GreaterThan,
    LessThan,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Requirement {
    key: String,
    operator: Operator,
    values: BTreeSet<String>,
}

impl Requirement {
    /// Checks key and values; the error has Kubernetes' text.
    pub(super) fn new(
        key: &str,
        operator: Operator,
        values: BTreeSet<String>,
    ) -> Result<Self, String> {
        let mut errors = Vec::new();
        if let Some(error) = names::key_error(key) {
            errors.push(format!("key: Invalid value: {key:?}: {error}"));
        }
        if matches!(operator, Operator::GreaterThan | Operator::LessThan) {
            for (i, value) in values.iter().enumerate().filter(|(_, v)| integer(v).is_none()) {
                errors.push(format!(
                    "values[{i}]: Invalid value: {value:?}: for 'Gt', 'Lt' operators, the value \
                     must be an integer"
                ));
            }
        }
        for (i, value) in values.iter().enumerate() {
            if let Some(error) = names::value_error(value) {
                errors.push(format!("values[{i}][{key}]: Invalid value: {value:?}: {error}"));
            }
        }
        match errors.as_slice() {
            [] => Ok(Self { key: key.to_owned(), operator, values }),
            [only] => Err(only.clone()),
            several => Err(format!("[{}]", several.join(", "))),
        }
    }

    pub(super) fn key(&self) -> &str {
        &self.key
    }

    pub(super) fn matches(&self, label: Option<&str>) -> bool {
        let compare = |holds: fn(&i64, &i64) -> bool| {
            let label = label.and_then(integer);
            let limit = self.values.first().and_then(|value| integer(value));
            label.zip(limit).is_some_and(|(label, limit)| holds(&label, &limit))
        };
        match self.operator {
            Operator::Exists => label.is_some(),
            Operator::DoesNotExist => label.is_none(),
            Operator::Equals | Operator::DoubleEquals | Operator::In => {
                label.is_some_and(|label| self.values.contains(label))
            }
            Operator::NotEquals | Operator::NotIn => {
                label.is_none_or(|label| !self.values.contains(label))
            }
            Operator::GreaterThan => compare(i64::gt),
            Operator::LessThan => compare(i64::lt),
        }
    }
}

fn integer(text: &str) -> Option<i64> {
    text.parse().ok()
}

impl std::fmt::Display for Requirement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let values = self.values.iter().map(String::as_str).collect::<Vec<_>>().join(",");
        let key = &self.key;
        match self.operator {
            Operator::Exists => f.write_str(key),
            Operator::DoesNotExist => write!(f, "!{key}"),
            Operator::Equals => write!(f, "{key}={values}"),
            Operator::DoubleEquals => write!(f, "{key}=={values}"),
            Operator::NotEquals => write!(f, "{key}!={values}"),
            Operator::In => write!(f, "{key} in ({values})"),
            Operator::NotIn => write!(f, "{key} notin ({values})"),
            Operator::GreaterThan => write!(f, "{key}>{values}"),
            Operator::LessThan => write!(f, "{key}<{values}"),
        }
    }
}
