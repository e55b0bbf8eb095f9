//! Hashes of templates, by which the pods of two templates differ.

use serde_json::Value;

/// The label of a Deployment's pods.
pub const POD_TEMPLATE_HASH: &str = "pod-template-hash";
/// The label of a DaemonSet's and a StatefulSet's pods.
pub const CONTROLLER_REVISION_HASH: &str = "controller-revision-hash";

/// The letters of Kubernetes' hashes and random names: no vowels, and nothing that reads as another.
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
/// Letters of a hash: as many as Kubernetes' hashes mostly have, and 47 bits.
const LETTERS: usize = 10;

const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

/// The hash of a template. It does not depend on the order of fields, and an absent field, a null
/// and an empty mapping are the same.
pub fn hash(template: &Value) -> String {
    let mut hash = Fnv(OFFSET);
    hash.value(template);
    let mut rest = hash.0;
    let mut letter = || {
        let index = usize::try_from(rest % 27).unwrap_or_default();
        rest /= 27;
        char::from(ALPHABET.get(index).copied().unwrap_or(b'b'))
    };
    std::iter::repeat_with(&mut letter).take(LETTERS).collect()
}

/// FNV-1a, 64 bits, as Kubernetes uses the one of 32 bits.
struct Fnv(u64);

impl Fnv {
    fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(PRIME);
        }
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Null => {}
            Value::Object(map) => {
                let mut fields: Vec<_> = map.iter().filter(|(_, value)| !is_empty(value)).collect();
                fields.sort_by_key(|(key, _)| *key);
                self.bytes(b"{");
                for (key, value) in fields {
                    self.bytes(key.as_bytes());
                    // No text has this byte, so two fields cannot read as one.
                    self.bytes(&[0xff]);
                    self.value(value);
                }
                self.bytes(b"}");
            }
            Value::Array(items) => {
                self.bytes(b"[");
                for item in items {
                    self.value(item);
                    self.bytes(&[0xfe]);
                }
                self.bytes(b"]");
            }
            other => self.bytes(other.to_string().as_bytes()),
        }
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.values().all(is_empty),
        _ => false,
    }
}
