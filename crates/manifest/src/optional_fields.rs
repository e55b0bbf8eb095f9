//! Fields that are not set. Kubernetes treats an empty text as a field that is not set, and leaves
//! out empty texts and lists.

/// A text that a manifest sets: an empty one counts as not set.
pub fn filled(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

/// The text, or nothing if it is empty.
pub fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// The items, each converted, or nothing if there are none.
pub fn list<T, U>(items: &[T], convert: impl Fn(&T) -> U) -> Option<Vec<U>> {
    (!items.is_empty()).then(|| items.iter().map(convert).collect())
}
