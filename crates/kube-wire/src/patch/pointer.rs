//! JSON pointers, RFC 6901.

use serde_json::Value;

use super::{MAX_DEPTH, PatchError};

/// The place of a value: the tokens on the way to it.
pub(super) struct Pointer {
    text: String,
    tokens: Vec<String>,
}

impl Pointer {
    pub(super) fn parse(text: &str) -> Result<Self, PatchError> {
        let malformed = || PatchError::Malformed(format!("{text:?} is not a JSON pointer"));
        if text.is_empty() {
            return Ok(Self { text: String::new(), tokens: Vec::new() });
        }
        let rest = text.strip_prefix('/').ok_or_else(malformed)?;
        let token = |token: &str| {
            let escapes = token.matches('~').count();
            let known = token.matches("~0").count() + token.matches("~1").count();
            (escapes == known).then(|| token.replace("~1", "/").replace("~0", "~"))
        };
        let tokens: Option<Vec<_>> = rest.split('/').take(MAX_DEPTH + 1).map(token).collect();
        let tokens = tokens.ok_or_else(malformed)?;
        if tokens.len() > MAX_DEPTH {
            return Err(PatchError::TooLarge);
        }
        Ok(Self { text: text.to_owned(), tokens })
    }

    pub(super) fn depth(&self) -> usize {
        self.tokens.len()
    }

    pub(super) fn get<'a>(&self, document: &'a Value) -> Result<&'a Value, PatchError> {
        let found = self.tokens.iter().try_fold(document, |value, token| match value {
            Value::Object(map) => map.get(token),
            Value::Array(items) => items.get(index(token)?),
            _ => None,
        });
        found.ok_or_else(|| self.missing())
    }

    /// The container of the value and the last token; `None` for the whole document.
    pub(super) fn parent<'a>(
        &self,
        document: &'a mut Value,
    ) -> Result<Option<(&'a mut Value, &str)>, PatchError> {
        let Some((last, before)) = self.tokens.split_last() else { return Ok(None) };
        let parent = before.iter().try_fold(document, |value, token| match value {
            Value::Object(map) => map.get_mut(token),
            Value::Array(items) => items.get_mut(index(token)?),
            _ => None,
        });
        parent.map(|parent| Some((parent, last.as_str()))).ok_or_else(|| self.missing())
    }

    pub(super) fn missing(&self) -> PatchError {
        PatchError::DoesNotFit(format!("there is no value at {:?}", self.text))
    }
}

/// The index that a token is: digits without a leading zero.
pub(super) fn index(token: &str) -> Option<usize> {
    let canonical = token == "0" || !token.starts_with('0');
    let digits = canonical && token.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| token.parse().ok()).flatten()
}
