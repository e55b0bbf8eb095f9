//! Paths of fields, as errors and warnings name them: `spec.containers[0].image`.

/// The field of an error that is about a text or an object as a whole.
pub const WHOLE: &str = "manifest";

/// The path of a key below `parent`; the key alone if the parent is the whole.
pub fn member(parent: &str, key: &str) -> String {
    if parent.is_empty() { key.to_owned() } else { format!("{parent}.{key}") }
}
