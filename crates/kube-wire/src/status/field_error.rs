//! An error of one field, with the text that Kubernetes' validation gives it.

use serde_json::Value;

use super::Cause;

/// What is wrong with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldErrorKind {
    /// The value names something that does not exist.
    NotFound,
    /// The field is missing.
    Required,
    /// The value is there twice.
    Duplicate,
    /// The value breaks a rule.
    Invalid,
    /// The value is not one of a list.
    NotSupported,
    /// The field may not be set here.
    Forbidden,
    /// The value has too many bytes.
    TooLong,
    /// The list has too many items.
    TooMany,
    /// The value has another type.
    TypeInvalid,
    /// The server could not check the field.
    Internal,
}

impl FieldErrorKind {
    /// The text, and the reason of the cause.
    fn row(self) -> (&'static str, &'static str) {
        match self {
            Self::NotFound => ("Not found", "FieldValueNotFound"),
            Self::Required => ("Required value", "FieldValueRequired"),
            Self::Duplicate => ("Duplicate value", "FieldValueDuplicate"),
            Self::Invalid => ("Invalid value", "FieldValueInvalid"),
            Self::NotSupported => ("Unsupported value", "FieldValueNotSupported"),
            Self::Forbidden => ("Forbidden", "FieldValueForbidden"),
            Self::TooLong => ("Too long", "FieldValueTooLong"),
            Self::TooMany => ("Too many", "FieldValueTooMany"),
            Self::TypeInvalid => ("Invalid value", "FieldValueTypeInvalid"),
            Self::Internal => ("Internal error", "InternalError"),
        }
    }

    fn prints_value(self) -> bool {
        !matches!(self, Self::Required | Self::Forbidden | Self::TooLong | Self::Internal)
    }
}

/// An error of one field: `spec.containers[0].image: Required value`.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldError {
    kind: FieldErrorKind,
    field: String,
    value: Option<Value>,
    detail: String,
}

impl FieldError {
    /// An error without a value; `detail` may be empty.
    pub fn new(kind: FieldErrorKind, field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { kind, field: field.into(), value: None, detail: detail.into() }
    }

    /// The value that is refused, which most kinds print.
    pub fn with_value(mut self, value: impl Into<Value>) -> Self {
        self.value = Some(value.into());
        self
    }

    /// A value that breaks a rule.
    pub fn invalid(
        field: impl Into<String>,
        value: impl Into<Value>,
        detail: impl Into<String>,
    ) -> Self {
        Self::new(FieldErrorKind::Invalid, field, detail).with_value(value)
    }

    /// A field that may not be set here.
    pub fn forbidden(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(FieldErrorKind::Forbidden, field, detail)
    }

    /// A value that is not one of `supported`.
    pub fn not_supported(
        field: impl Into<String>,
        value: impl Into<Value>,
        supported: &[&str],
    ) -> Self {
        let quoted: Vec<_> = supported.iter().map(|value| format!("{value:?}")).collect();
        let detail = format!("supported values: {}", quoted.join(", "));
        Self::new(FieldErrorKind::NotSupported, field, detail).with_value(value)
    }

    /// An error of another layer, whose text begins as Kubernetes' texts do: `Invalid value: 3: must
    /// be ...`. A text that begins otherwise is one of a field that may not be set so.
    pub fn of_text(field: impl Into<String>, text: &str) -> Self {
        const KINDS: [FieldErrorKind; 9] = [
            FieldErrorKind::NotFound,
            FieldErrorKind::Required,
            FieldErrorKind::Duplicate,
            FieldErrorKind::Invalid,
            FieldErrorKind::NotSupported,
            FieldErrorKind::Forbidden,
            FieldErrorKind::TooLong,
            FieldErrorKind::TooMany,
            FieldErrorKind::Internal,
        ];
        let rest = |kind: FieldErrorKind| {
            let rest = text.strip_prefix(kind.row().0)?;
            if rest.is_empty() {
                Some((kind, rest))
            } else {
                Some((kind, rest.strip_prefix(": ")?))
            }
        };
        let found = KINDS.into_iter().find_map(rest);
        let (kind, detail) = found.unwrap_or((FieldErrorKind::Forbidden, text));
        Self::new(kind, field, detail)
    }

    /// The error without the field's name.
    pub fn body(&self) -> String {
        let mut body = self.kind.row().0.to_owned();
        if let Some(value) = self.value.as_ref().filter(|_| self.kind.prints_value()) {
            body.push_str(&format!(": {value}"));
        }
        if !self.detail.is_empty() {
            body.push_str(&format!(": {}", self.detail));
        }
        body
    }

    pub(super) fn cause(&self) -> Cause {
        Cause::new(self.kind.row().1, self.body(), self.field.clone())
    }
}

impl std::fmt::Display for FieldError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.field, self.body())
    }
}
