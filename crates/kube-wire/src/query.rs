//! The query of a request: percent decoding, and values by Kubernetes' rules.
//!
//! Serves every client that passes options: Go clients write booleans as `1`, Python as `true` and
//! `false`; both repeat `command` and `ports`.

use std::time::Duration;

use crate::status::Status;

#[cfg(test)]
mod tests;

/// Most bytes of a query: a command of `exec` is in it.
const MAX_BYTES: usize = 256 * 1024;
/// Most parameters of a query.
const MAX_PARAMETERS: usize = 4_096;

/// A parameter that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParameterError {
    /// The query as a whole is too large.
    #[error("the query is too large: at most {MAX_BYTES} bytes and {MAX_PARAMETERS} parameters")]
    TooLarge,
    /// A `%` without two hexadecimal digits, or bytes that are not UTF-8.
    #[error("query parameter {0:?}: invalid URL escape or not UTF-8")]
    Escape(String),
    /// The value has another form.
    #[error("query parameter {name:?}: invalid value {value:?}: {expected}")]
    Value {
        /// The parameter.
        name: String,
        /// Its value.
        value: String,
        /// What the value must be.
        expected: &'static str,
    },
}

impl ParameterError {
    /// An error of a value that is not `expected`.
    pub fn value(name: &str, value: &str, expected: &'static str) -> Self {
        Self::Value { name: name.to_owned(), value: value.to_owned(), expected }
    }
}

impl From<ParameterError> for Status {
    fn from(error: ParameterError) -> Self {
        Self::bad_request(error.to_string())
    }
}

/// The decoded parameters of a request, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    parameters: Vec<(String, String)>,
}

impl Query {
    /// Reads the text behind the `?`, which may be empty.
    pub fn parse(text: &str) -> Result<Self, ParameterError> {
        if text.len() > MAX_BYTES {
            return Err(ParameterError::TooLarge);
        }
        let mut parameters = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let decode = |text: &str| {
                decode(text, true).ok_or_else(|| ParameterError::Escape(name.to_owned()))
            };
            parameters.push((decode(name)?, decode(value)?));
            if parameters.len() > MAX_PARAMETERS {
                return Err(ParameterError::TooLarge);
            }
        }
        Ok(Self { parameters })
    }

    /// All values of a parameter.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.parameters.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The first value of a parameter; the value may be empty.
    pub fn first(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The first value of a parameter if it is not empty.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.first(name).filter(|value| !value.is_empty())
    }

    /// A boolean. `false` in any case and `0` are false, any other value is true, as in Kubernetes.
    pub fn flag(&self, name: &str) -> Option<bool> {
        self.first(name).map(|value| value != "0" && !value.eq_ignore_ascii_case("false"))
    }

    /// A signed integer.
    pub fn integer(&self, name: &str) -> Result<Option<i64>, ParameterError> {
        let parse = |value: &str| {
            value.parse().map_err(|_| ParameterError::value(name, value, "must be an integer"))
        };
        self.text(name).map(parse).transpose()
    }

    /// A duration as Go writes it, such as `32s` or `1m30s`. At most about 292 years.
    pub fn duration(&self, name: &str) -> Result<Option<Duration>, ParameterError> {
        let parse = |value: &str| {
            go_duration(value).ok_or_else(|| {
                ParameterError::value(name, value, "must be a duration such as \"30s\"")
            })
        };
        self.text(name).map(parse).transpose()
    }
}

/// Decodes `%XX`, and `+` as a space in a query. `None` if an escape is invalid or the result is not
/// UTF-8.
pub(crate) fn decode(text: &str, plus_is_space: bool) -> Option<String> {
    let hex = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let (high, low) = (hex(bytes.next())?, hex(bytes.next())?);
                u8::try_from(high * 16 + low).ok()?
            }
            b'+' if plus_is_space => b' ',
            other => other,
        });
    }
    String::from_utf8(decoded).ok()
}

fn go_duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut total: u128 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (digits, after) = rest.split_at_checked(number)?;
        let unit = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(unit)?;
        let nanos: u128 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
        if digits.len() > 20 || whole.is_empty() && part.is_empty() {
            return None;
        }
        let number = |digits: &str| if digits.is_empty() { Some(0) } else { digits.parse().ok() };
        let scale = 10u128.checked_pow(u32::try_from(part.len()).ok()?)?;
        let part: u128 = number(part)?;
        let whole: u128 = number(whole)?;
        total = total.checked_add(whole.checked_mul(nanos)?)?;
        total = total.checked_add(part.checked_mul(nanos)? / scale)?;
        rest = after;
    }
    let nanos = u64::try_from(total).ok().filter(|nanos| i64::try_from(*nanos).is_ok())?;
    (!text.is_empty()).then_some(Duration::from_nanos(nanos))
}
