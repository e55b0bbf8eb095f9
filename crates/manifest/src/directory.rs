//! A file of the manifest directory, which is read as by `apply -f` of that file alone.

use crate::batch::batch;
use crate::kinds::pod_key;
use crate::sources::{File, Sources};
use probelet_domain::spec::{SUMMARY, SpecError, SpecErrors};
use probelet_domain::static_pods::{Content, Reading, Text};

/// Reads a file of the manifest directory. `text` is its content, or why it cannot be read; `uid`
/// gives a new pod its UID.
pub fn reading(file: &str, text: &Text, uid: fn() -> String) -> Reading {
    let mut warnings = Vec::new();
    let content = content(file, text, uid, &mut warnings);
    Reading { file: file.to_owned(), content, warnings }
}

fn content(file: &str, text: &Text, uid: fn() -> String, warnings: &mut Vec<String>) -> Content {
    let text = match text {
        Ok(text) => text.to_string(),
        Err(why) => return Content::Unreadable(format!("{file}: {why}")),
    };
    let sources = Sources::read(vec![File { name: file.to_owned(), text }]);
    if let Some(error) = sources.errors.first() {
        return Content::Unreadable(format!("{}: {}", error.position, error.text()));
    }
    let pods = sources.values.iter().filter_map(|value| pod_key(value).ok().flatten()).collect();
    let count = sources.values.len();
    let batch = batch(&sources.values, uid);
    let is_left_out = count > 0 && batch.others == count;
    let position = |object, field: &str| sources.positions.find(object, field);
    if !batch.errors.is_empty() {
        let located = batch.errors.into_iter().map(|(object, error)| {
            let position = position(object, &error.field);
            SpecError::new(format!("{position}: {}", error.field), error.reason)
        });
        let why = SpecErrors::summary(&located.collect::<Vec<_>>(), SUMMARY);
        return Content::Refused { pods, why };
    }
    if batch.pods.is_empty() && !is_left_out {
        return Content::Unreadable(format!("{file}: no pod is in it"));
    }
    warnings.extend(batch.warnings.into_iter().map(|(object, text)| {
        let field = text.split_once(": ").map_or("", |(field, _)| field);
        format!("{}: {text}", position(object, field))
    }));
    Content::Pods(batch.pods.into_iter().map(|(_, pod)| pod).collect())
}
