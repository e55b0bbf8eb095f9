//! `PartialObjectMetadata`: an object without spec and status, as metadata informers and the rows
//! of a Table have it.

use serde_json::{Value, json};

use crate::negotiate::MetaVersion;

#[cfg(test)]
mod tests;

/// The metadata of an object.
pub fn partial_object(object: &Value, version: MetaVersion) -> Value {
    let metadata = object.get("metadata").cloned().unwrap_or_else(|| json!({}));
    json!({
        "kind": "PartialObjectMetadata", "apiVersion": version.api_version(), "metadata": metadata,
    })
}

/// A list with the metadata of each item.
pub fn partial_list(list: &Value, version: MetaVersion) -> Value {
    let items = list.get("items").and_then(Value::as_array);
    let items: Vec<_> = items.into_iter().flatten().map(|it| partial_object(it, version)).collect();
    let metadata = list.get("metadata").cloned().unwrap_or_else(|| json!({}));
    json!({
        "kind": "PartialObjectMetadataList", "apiVersion": version.api_version(),
        "metadata": metadata, "items": items,
    })
}
