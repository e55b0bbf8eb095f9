//! A file of the manifest directory: read as `apply -f` of that file alone is.

use super::batch::batch;
use super::kinds::pod_name;
use super::sources::{File, Sources};
use probelet_domain::spec::{SUMMARY, SpecError, SpecErrors};
use probelet_domain::static_pods::{Content, Reading, Text};

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
        return Content::Unreadable(format!("{}: {}", error.place, error.said()));
    }
    let values = sources.values();
    let pods = values.iter().filter_map(|value| pod_name(value).ok().flatten()).collect();
    let count = values.len();
    let batch = batch(values, uid);
    let is_left_out = count > 0 && batch.others == count;
    let told =
        |object, field: &str, text: String| format!("{}: {text}", sources.place(object, field));
    if !batch.errors.is_empty() {
        let placed = batch.errors.into_iter().map(|(object, error)| {
            let place = sources.place(object, &error.field);
            SpecError::new(format!("{place}: {}", error.field), error.reason)
        });
        let why = SpecErrors::summary(&placed.collect::<Vec<_>>(), SUMMARY);
        return Content::Refused { pods, why };
    }
    if batch.pods.is_empty() && !is_left_out {
        return Content::Unreadable(format!("{file}: no pod is in it"));
    }
    warnings.extend(batch.warnings.into_iter().map(|(object, text)| {
        let field = text.split_once(": ").map_or("", |(field, _)| field).to_owned();
        told(object, &field, text)
    }));
    Content::Pods(batch.pods.into_iter().map(|(_, pod)| pod).collect())
}
