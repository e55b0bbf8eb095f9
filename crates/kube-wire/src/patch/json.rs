//! JSON patch, RFC 6902. Written here, since a list of operations from outside needs a budget:
//! `copy` doubles an object with each operation, and `move` can nest one without end.

use serde::Deserialize;
use serde_json::Value;

use super::pointer::{Pointer, index};
use super::{MAX_DEPTH, PatchError, depth};

/// Most operations, as in Kubernetes.
const MAX_OPERATIONS: usize = 10_000;
/// Most values that all operations may read or move.
const MAX_WORK: usize = 1_000_000;
/// Most bytes that all operations may copy.
const MAX_COPIED: usize = 3 * 1024 * 1024;

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
enum Operation {
    Add { path: String, value: Value },
    Remove { path: String },
    Replace { path: String, value: Value },
    Move { from: String, path: String },
    Copy { from: String, path: String },
    Test { path: String, value: Value },
}

/// Applies a JSON patch, all of it or nothing.
pub fn json_patch(object: &Value, patch: &Value) -> Result<Value, PatchError> {
    let operations = patch.as_array();
    let operations =
        operations.ok_or_else(|| PatchError::Malformed("a JSON patch is an array".to_owned()))?;
    if operations.len() > MAX_OPERATIONS {
        let found = operations.len();
        return Err(PatchError::TooManyOperations { limit: MAX_OPERATIONS, found });
    }
    let mut patching = Patching { document: object.clone(), work: MAX_WORK, copied: MAX_COPIED };
    for (i, operation) in operations.iter().enumerate() {
        let operation = Operation::deserialize(operation)
            .map_err(|error| PatchError::Malformed(format!("operation {i}: {error}")))?;
        patching.apply(operation)?;
    }
    Ok(patching.document)
}

struct Patching {
    document: Value,
    work: usize,
    copied: usize,
}

impl Patching {
    fn apply(&mut self, operation: Operation) -> Result<(), PatchError> {
        match operation {
            Operation::Add { path, value } => self.add(&Pointer::parse(&path)?, value),
            Operation::Remove { path } => self.remove(&Pointer::parse(&path)?).map(drop),
            Operation::Replace { path, value } => {
                let pointer = Pointer::parse(&path)?;
                pointer.get(&self.document)?;
                self.replace(&pointer, value)
            }
            Operation::Move { from, path } => {
                let (from, path) = (Pointer::parse(&from)?, Pointer::parse(&path)?);
                // Into itself it cannot go: its place is not there any more.
                let value = self.remove(&from)?;
                self.add(&path, value)
            }
            Operation::Copy { from, path } => {
                let from = Pointer::parse(&from)?;
                let (_, bytes) = self.measure(from.get(&self.document)?)?;
                self.copied = self.copied.checked_sub(bytes).ok_or(PatchError::TooLarge)?;
                let value = from.get(&self.document)?.clone();
                self.add(&Pointer::parse(&path)?, value)
            }
            Operation::Test { path, value } => {
                let pointer = Pointer::parse(&path)?;
                let (values, _) = self.measure(&value)?;
                self.spend(values)?;
                if *pointer.get(&self.document)? == value {
                    return Ok(());
                }
                Err(PatchError::DoesNotFit(format!("testing value {path:?} failed")))
            }
        }
    }

    fn add(&mut self, pointer: &Pointer, value: Value) -> Result<(), PatchError> {
        self.check(pointer, &value)?;
        let Some((parent, last)) = pointer.parent(&mut self.document)? else {
            self.document = value;
            return Ok(());
        };
        match parent {
            Value::Object(map) => {
                map.insert(last.to_owned(), value);
            }
            Value::Array(items) => {
                let at = if last == "-" { Some(items.len()) } else { index(last) };
                let at = at.filter(|at| *at <= items.len()).ok_or_else(|| pointer.missing())?;
                let moved = items.len() - at;
                items.insert(at, value);
                self.spend(moved / 64)?;
            }
            _ => return Err(pointer.missing()),
        }
        Ok(())
    }

    fn replace(&mut self, pointer: &Pointer, value: Value) -> Result<(), PatchError> {
        self.check(pointer, &value)?;
        let Some((parent, last)) = pointer.parent(&mut self.document)? else {
            self.document = value;
            return Ok(());
        };
        let place = match parent {
            Value::Object(map) => map.get_mut(last),
            Value::Array(items) => index(last).and_then(|at| items.get_mut(at)),
            _ => None,
        };
        *place.ok_or_else(|| pointer.missing())? = value;
        Ok(())
    }

    fn remove(&mut self, pointer: &Pointer) -> Result<Value, PatchError> {
        let parent = pointer.parent(&mut self.document)?;
        let Some((parent, last)) = parent else {
            return Err(PatchError::DoesNotFit("the whole object cannot be removed".to_owned()));
        };
        let (removed, moved) = match parent {
            Value::Object(map) => (map.remove(last), 0),
            Value::Array(items) => match index(last).filter(|at| *at < items.len()) {
                Some(at) => (Some(items.remove(at)), items.len() - at),
                None => (None, 0),
            },
            _ => (None, 0),
        };
        self.spend(moved / 64)?;
        removed.ok_or_else(|| pointer.missing())
    }

    /// Refuses a value that is too deep where it goes.
    fn check(&mut self, pointer: &Pointer, value: &Value) -> Result<(), PatchError> {
        let (values, _) = self.measure(value)?;
        self.spend(values)?;
        if pointer.depth() + depth(value) > MAX_DEPTH {
            return Err(PatchError::TooLarge);
        }
        Ok(())
    }

    fn spend(&mut self, values: usize) -> Result<(), PatchError> {
        self.work = self.work.checked_sub(values).ok_or(PatchError::TooLarge)?;
        Ok(())
    }

    /// How many values and about how many bytes a value has.
    fn measure(&self, value: &Value) -> Result<(usize, usize), PatchError> {
        let (values, bytes) = measure(value);
        if values > self.work { Err(PatchError::TooLarge) } else { Ok((values, bytes)) }
    }
}

fn measure(value: &Value) -> (usize, usize) {
    let sum = |(values, bytes): (usize, usize), (more, length): (usize, usize)| {
        (values + more, bytes + length)
    };
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => (1, 8),
        Value::String(text) => (1, text.len() + 3),
        Value::Array(items) => items.iter().map(measure).fold((1, 2), sum),
        Value::Object(map) => {
            let entries = map.iter().map(|(key, value)| sum((0, key.len() + 4), measure(value)));
            entries.fold((1, 2), sum)
        }
    }
}
