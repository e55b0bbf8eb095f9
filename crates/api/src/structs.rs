//! Conversion of `google.protobuf.Struct` to JSON and back. A Struct has only doubles, so whole numbers
//! become integers in JSON: Kubernetes' types accept nothing else for `containerPort`.

use prost_types::value::Kind;
use prost_types::{ListValue, Struct};
use serde_json::{Map, Number, Value};

/// The largest integer up to which a double can be each integer.
const EXACT: i64 = 1 << 53;

/// The reason that JSON cannot be a Struct.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// Only a JSON object can be a Struct.
    #[error("must be an object")]
    NotAnObject,
    /// An integer that a double cannot have exactly.
    #[error("{0} is too large: at most 2^53 either side of zero")]
    TooLarge(String),
}

/// The JSON object of a Struct.
#[must_use]
pub fn to_json(object: Struct) -> Value {
    Value::Object(
        object.fields.into_iter().map(|(k, v)| (k, value_to_json(v))).collect::<Map<_, _>>(),
    )
}

fn value_to_json(value: prost_types::Value) -> Value {
    match value.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(b)) => Value::Bool(b),
        Some(Kind::StringValue(s)) => Value::String(s),
        Some(Kind::NumberValue(n)) => number(n),
        Some(Kind::StructValue(s)) => to_json(s),
        Some(Kind::ListValue(l)) => Value::Array(l.values.into_iter().map(value_to_json).collect()),
    }
}

fn number(n: f64) -> Value {
    if n.fract() == 0.0 && n.abs() <= EXACT as f64 {
        return Value::from(n as i64);
    }
    // JSON has no NaN and no infinity.
    Number::from_f64(n).map_or(Value::Null, Value::Number)
}

/// The Struct of a JSON object.
///
/// # Errors
///
/// If the value is not an object, or has an integer beyond 2^53.
pub fn from_json(value: Value) -> Result<Struct, Error> {
    let Value::Object(map) = value else { return Err(Error::NotAnObject) };
    let fields =
        map.into_iter().map(|(k, v)| Ok((k, value_from_json(v)?))).collect::<Result<_, Error>>()?;
    Ok(Struct { fields })
}

fn value_from_json(value: Value) -> Result<prost_types::Value, Error> {
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(b) => Kind::BoolValue(b),
        Value::String(s) => Kind::StringValue(s),
        Value::Number(n) => Kind::NumberValue(double(&n)?),
        Value::Object(_) => Kind::StructValue(from_json(value)?),
        Value::Array(items) => Kind::ListValue(ListValue {
            values: items.into_iter().map(value_from_json).collect::<Result<_, _>>()?,
        }),
    };
    Ok(prost_types::Value { kind: Some(kind) })
}

/// An integer that would change on the way is an error.
fn double(n: &Number) -> Result<f64, Error> {
    let too_large = || Error::TooLarge(n.to_string());
    if n.is_f64() {
        return n.as_f64().ok_or_else(too_large);
    }
    match n.as_i64() {
        Some(i) if (-EXACT..=EXACT).contains(&i) => Ok(i as f64),
        _ => Err(too_large()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn round_trip_keeps_integers_and_fractions() {
        let object = json!({
            "a": 8080, "b": -1, "c": 0.5, "d": [1, "x", null, true], "e": {"f": {}},
            "g": 9_007_199_254_740_992_i64,
        });
        assert_eq!(to_json(from_json(object.clone()).unwrap()), object);
    }

    #[test]
    fn refuses_what_would_not_survive() {
        assert_eq!(from_json(json!([1])), Err(Error::NotAnObject));
        assert_eq!(
            from_json(json!({"a": u64::MAX})),
            Err(Error::TooLarge("18446744073709551615".to_owned()))
        );
    }

    #[test]
    fn not_a_number_is_null() {
        assert_eq!(number(f64::NAN), Value::Null);
        assert_eq!(number(f64::INFINITY), Value::Null);
        assert_eq!(number(1e300), json!(1e300));
    }
}
