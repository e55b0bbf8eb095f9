//! Label selectors of objects: `matchLabels` and `matchExpressions`.

use std::collections::BTreeMap;

use probelet_kube_wire::selector::{label_key_error, label_value_error};
use probelet_kube_wire::status::{FieldError, FieldErrorKind};
use serde_json::Value;

use crate::read::{list, text, texts};

/// A selector that cannot be read, with Kubernetes' texts.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct SelectorError(pub Vec<FieldError>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Operator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
}

/// A label selector. All its requirements must hold; the empty one selects everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selector {
    labels: BTreeMap<String, String>,
    expressions: Vec<(String, Operator, Vec<String>)>,
}

impl Selector {
    /// Reads a `metav1.LabelSelector`. `field` is its path, such as `spec.selector`.
    ///
    /// # Errors
    ///
    /// If a key, an operator or a value is none.
    pub fn read(selector: &Value, field: &str) -> Result<Self, SelectorError> {
        let mut errors = Vec::new();
        let labels = texts(selector, "/matchLabels");
        for (key, value) in &labels {
            let field = format!("{field}.matchLabels");
            if let Some(error) = label_key_error(key) {
                errors.push(FieldError::invalid(&field, key.as_str(), error));
            }
            if let Some(error) = label_value_error(value) {
                errors.push(FieldError::invalid(&field, value.as_str(), error));
            }
        }
        let mut expressions = Vec::new();
        for (index, item) in list(selector, "/matchExpressions").iter().enumerate() {
            let field = format!("{field}.matchExpressions[{index}]");
            match expression(item, &field) {
                Ok(expression) => expressions.push(expression),
                Err(mut found) => errors.append(&mut found),
            }
        }
        if errors.is_empty() {
            Ok(Self { labels, expressions })
        } else {
            Err(SelectorError(errors))
        }
    }

    /// True if the selector selects everything.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.expressions.is_empty()
    }

    /// True if these labels are selected.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        let same = |(key, value): (&String, &String)| labels.get(key) == Some(value);
        let holds = |(key, operator, values): &(String, Operator, Vec<String>)| {
            let label = labels.get(key);
            match operator {
                Operator::In => label.is_some_and(|label| values.contains(label)),
                Operator::NotIn => label.is_none_or(|label| !values.contains(label)),
                Operator::Exists => label.is_some(),
                Operator::DoesNotExist => label.is_none(),
            }
        };
        self.labels.iter().all(same) && self.expressions.iter().all(holds)
    }
}

fn expression(
    item: &Value,
    field: &str,
) -> Result<(String, Operator, Vec<String>), Vec<FieldError>> {
    let mut errors = Vec::new();
    let values: Vec<_> = list(item, "/values").iter().filter_map(Value::as_str).collect();
    let key = text(item, "/key");
    let operator = match text(item, "/operator") {
        "In" => Some(Operator::In),
        "NotIn" => Some(Operator::NotIn),
        "Exists" => Some(Operator::Exists),
        "DoesNotExist" => Some(Operator::DoesNotExist),
        _ => None,
    };
    let of_values = format!("{field}.values");
    match operator {
        Some(Operator::In | Operator::NotIn) if values.is_empty() => {
            let why = "must be specified when `operator` is 'In' or 'NotIn'";
            errors.push(FieldError::new(FieldErrorKind::Required, &of_values, why));
        }
        Some(Operator::Exists | Operator::DoesNotExist) if !values.is_empty() => {
            let why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
            errors.push(FieldError::forbidden(&of_values, why));
        }
        None => {
            let why = "not a valid selector operator";
            let given = text(item, "/operator");
            errors.push(FieldError::invalid(format!("{field}.operator"), given, why));
        }
        Some(_) => {}
    }
    if let Some(error) = label_key_error(key) {
        errors.push(FieldError::invalid(format!("{field}.key"), key, error));
    }
    for (index, value) in values.iter().enumerate() {
        if let Some(error) = label_value_error(value) {
            errors.push(FieldError::invalid(format!("{of_values}[{index}]"), *value, error));
        }
    }
    match operator {
        Some(operator) if errors.is_empty() => {
            let mut values: Vec<_> = values.into_iter().map(str::to_owned).collect();
            values.sort_unstable();
            Ok((key.to_owned(), operator, values))
        }
        _ => Err(errors),
    }
}

/// The form of `kubectl get -l` and of a Scale's status: `app=web,tier in (a,b)`, in order of keys.
impl std::fmt::Display for Selector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let labels = self.labels.iter().map(|(key, value)| (key, format!("{key}={value}")));
        let expressions = self.expressions.iter().map(|(key, operator, values)| {
            let values = values.join(",");
            let text = match operator {
                Operator::In => format!("{key} in ({values})"),
                Operator::NotIn => format!("{key} notin ({values})"),
                Operator::Exists => key.clone(),
                Operator::DoesNotExist => format!("!{key}"),
            };
            (key, text)
        });
        let mut parts: Vec<_> = labels.chain(expressions).collect();
        parts.sort();
        let parts: Vec<_> = parts.into_iter().map(|(_, text)| text).collect();
        f.write_str(&parts.join(","))
    }
}
