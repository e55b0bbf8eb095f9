//! The bounds of one read of manifests. A bound is checked before the value that it limits is built,
//! so the cost of a manifest is linear in its bytes. An error names the bound.

use serde_json::Value;

use crate::field_path::{WHOLE, member};
use probelet_domain::spec::SpecError;

/// The most bytes that all texts of one read may have together: 16 MiB.
pub const BYTES: usize = 16 << 20;
/// Documents and items of lists.
pub const OBJECTS: usize = 4096;
/// Scalars, mappings and lists.
pub const VALUES: usize = 500_000;
/// Values that aliases stand for.
const ALIASED: usize = 50_000;
/// Bytes that aliases and tags stand for.
const ALIASED_BYTES: usize = 4 << 20;
/// Keys of one mapping, or items of one list.
pub const ENTRIES: usize = 4096;
/// Levels of mappings and lists.
pub const DEPTH: usize = 100;
/// Bytes of one key. The longest key in Kubernetes is that of an annotation, with 317 bytes.
pub const KEY: usize = 512;
/// Bytes of a file's path.
const PATH: usize = 4096;
/// Bytes that the pods of one apply copy from its ConfigMaps and Secrets.
const COPIED: usize = 16 << 20;

/// The part of the bounds that one read of manifests has used.
#[derive(Debug, Default)]
pub struct Budget {
    bytes: usize,
    objects: usize,
    values: usize,
    aliased: usize,
    aliased_bytes: usize,
    copied: usize,
}

type Checked = Result<(), SpecError>;

fn within(used: &mut usize, more: usize, most: usize, what: &str) -> Checked {
    *used = used.saturating_add(more);
    if *used <= most { Ok(()) } else { Err(too_many(what)) }
}

fn too_many(what: &str) -> SpecError {
    SpecError::new(WHOLE, format!("Too many: {what}"))
}

pub fn too_deep() -> SpecError {
    too_many(&format!("mappings and lists are nested more than {DEPTH} deep"))
}

pub fn too_many_entries() -> SpecError {
    too_many(&format!("a mapping or a list has more than {ENTRIES} entries"))
}

pub fn key_too_long() -> SpecError {
    SpecError::new(WHOLE, format!("Too long: a key has more than {KEY} bytes"))
}

impl Budget {
    pub fn file(&mut self, name: &str, text: &str) -> Checked {
        if name.len() > PATH {
            let why = format!("Too long: the name of a file has more than {PATH} bytes");
            return Err(SpecError::new(WHOLE, why));
        }
        let what = format!("all manifests together are larger than {} MiB", BYTES >> 20);
        within(&mut self.bytes, text.len(), BYTES, &what)
    }

    /// A document or an item of a list.
    pub fn object(&mut self) -> Checked {
        let what = format!("there are more than {OBJECTS} objects (documents and items of lists)");
        within(&mut self.objects, 1, OBJECTS, &what)
    }

    pub fn values(&mut self, count: usize) -> Checked {
        within(&mut self.values, count, VALUES, &format!("there are more than {VALUES} values"))
    }

    /// Values and bytes that an alias or a tag repeats.
    pub fn repeated(&mut self, values: usize, bytes: usize) -> Checked {
        let what = format!("aliases stand for more than {ALIASED} values");
        within(&mut self.aliased, values, ALIASED, &what)?;
        let what = format!("aliases and tags stand for more than {} MiB", ALIASED_BYTES >> 20);
        within(&mut self.aliased_bytes, bytes, ALIASED_BYTES, &what)
    }

    pub fn copied(&mut self, bytes: usize) -> Checked {
        let size = COPIED >> 20;
        let what = format!("pods take more than {size} MiB from their ConfigMaps and Secrets");
        within(&mut self.copied, bytes, COPIED, &what)
    }

    /// All values of an object. The error has the path of the value that is too large.
    pub fn whole(&mut self, value: &Value) -> Checked {
        self.below(value, 0)
    }

    fn below(&mut self, value: &Value, depth: usize) -> Checked {
        self.values(1)?;
        let entries = match value {
            Value::Object(map) => map.len(),
            Value::Array(items) => items.len(),
            _ => return Ok(()),
        };
        if depth >= DEPTH {
            return Err(too_deep());
        }
        if entries > ENTRIES {
            return Err(too_many_entries());
        }
        match value {
            Value::Object(map) => map.iter().try_for_each(|(key, below)| {
                if key.len() > KEY {
                    return Err(key_too_long());
                }
                self.below(below, depth + 1).map_err(|error| inside(key.clone(), error))
            }),
            Value::Array(items) => items.iter().enumerate().try_for_each(|(index, below)| {
                let item = |error| inside(format!("[{index}]"), error);
                self.below(below, depth + 1).map_err(item)
            }),
            _ => Ok(()),
        }
    }
}

fn inside(parent: String, error: SpecError) -> SpecError {
    let field = match error.field.as_str() {
        WHOLE => parent,
        item if item.starts_with('[') => format!("{parent}{item}"),
        field => member(&parent, field),
    };
    SpecError { field, ..error }
}

/// The number of values of a JSON text, or a larger one.
pub fn json_values(text: &str) -> usize {
    let (mut count, mut in_string, mut escaped) = (1, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_string,
            b'"' => in_string = !in_string,
            b',' | b':' | b'[' | b'{' if !in_string => count += 1,
            _ => {}
        }
    }
    count
}
