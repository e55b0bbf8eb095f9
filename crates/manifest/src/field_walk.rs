//! The walk over the fields that a manifest sets, each judged by a table of rules.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use serde_json::Value;

use crate::field_path::member;
use crate::fields::Rule::{Honoured, Only, Refused, Warned, WarnedBut};
use crate::fields::{NOT_YET, Rule, TABLE};
use probelet_domain::spec::SpecError;

/// A table of rules, indexed by the pattern of a field.
pub struct FieldRules {
    rules: HashMap<&'static str, Rule>,
    /// The patterns of which a field with a rule is a part, such as `spec` and `spec.containers[]`.
    parents: HashSet<&'static str>,
}

static OF_PODS: LazyLock<FieldRules> = LazyLock::new(|| FieldRules::new(TABLE));

impl FieldRules {
    /// Indexes a table, whose patterns are as in [`TABLE`].
    pub fn new(table: &'static [(&'static str, Rule)]) -> Self {
        let parents = table.iter().flat_map(|(pattern, _)| {
            pattern.match_indices(['.', '[']).filter_map(|(end, _)| pattern.get(..end))
        });
        Self { rules: table.iter().copied().collect(), parents: parents.chain([""]).collect() }
    }
}

/// The fields of a manifest that have no effect.
#[derive(Debug, Default)]
pub struct Walked {
    pub(crate) refused: Vec<SpecError>,
    pub(crate) warnings: Vec<String>,
}

/// Judges every field that is set. `null` and, away from the list, an empty list or mapping set
/// nothing: `kubectl get -o yaml` is full of `resources: {}`.
pub fn walk(manifest: &Value) -> Walked {
    walk_by(&OF_PODS, manifest)
}

/// As [`walk`], by the rules of another kind of object.
pub fn walk_by(table: &FieldRules, manifest: &Value) -> Walked {
    let mut walked = Walked::default();
    visit(table, manifest, ("", ""), &mut walked);
    walked
}

fn visit(table: &FieldRules, value: &Value, (path, pattern): (&str, &str), out: &mut Walked) {
    match table.rules.get(pattern).copied() {
        _ if is_unset(value) => {}
        Some(Honoured) => {}
        Some(Warned(why)) => out.warnings.push(format!("{path}: ignored: {why}")),
        Some(WarnedBut(default, _)) if is_one_of(value, &[default]) => {}
        Some(WarnedBut(_, why)) => out.warnings.push(format!("{path}: ignored: {why}")),
        Some(Only(values)) if is_one_of(value, values) => {}
        Some(Refused(why)) => out.refused.push(SpecError::new(path, why)),
        None if table.parents.contains(pattern) => match value {
            Value::Object(map) => map.iter().for_each(|(key, below)| {
                let at = (&*member(path, key), &*member(pattern, generic(key)));
                visit(table, below, at, out);
            }),
            Value::Array(items) => items.iter().enumerate().for_each(|(index, below)| {
                let at = (&*format!("{path}[{index}]"), &*format!("{pattern}[]"));
                visit(table, below, at, out);
            }),
            _ => out.refused.push(SpecError::new(path, NOT_YET)),
        },
        _ => out.refused.push(SpecError::new(path, NOT_YET)),
    }
}

fn is_unset(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

fn is_one_of(value: &Value, values: &[&str]) -> bool {
    match value {
        Value::String(text) => values.contains(&text.as_str()),
        Value::Bool(_) | Value::Number(_) => values.contains(&value.to_string().as_str()),
        _ => false,
    }
}

fn generic(key: &str) -> &str {
    match key {
        "livenessProbe" | "readinessProbe" | "startupProbe" => "<probe>",
        "initContainers" => "containers",
        other => other,
    }
}
