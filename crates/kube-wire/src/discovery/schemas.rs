//! OpenAPI schemas of the kinds that the table of types has: names, types, merge keys and descriptions
//! of fields. `kubectl explain` prints them, and `kubectl apply` merges lists by them. The
//! table does not say which lists are required.

use serde_json::{Map, Value, json};

use super::{Served, descriptions};
use crate::schema::{Field, Label, Merge, Schema, Type};

/// The schemas of a kind and of all types in it, added to `schemas`.
pub(super) fn add(schemas: &mut Map<String, Value>, row: &Served) {
    let Some(root) = Schema::of(&row.api_version(), row.kind) else { return };
    let mut wanted = vec![root];
    while let Some(schema) = wanted.pop() {
        let name = component(schema.name());
        if schemas.contains_key(&name) {
            continue;
        }
        let (mut properties, mut required) = (Map::new(), Vec::new());
        add_fields(schema, &mut properties, &mut required, &mut wanted);
        let mut object = json!({ "type": "object", "properties": properties });
        if !required.is_empty() {
            insert(&mut object, "required", required.into());
        }
        if let Some(text) = descriptions::of(schema.name(), "") {
            insert(&mut object, "description", text.into());
        }
        schemas.insert(name, object);
    }
    let kind = json!([{"group": row.group, "version": row.version, "kind": row.kind}]);
    if let Some(object) = schemas.get_mut(&component(root.name())) {
        insert(object, "x-kubernetes-group-version-kind", kind);
        for name in ["apiVersion", "kind"] {
            if let Some(properties) = object.get_mut("properties") {
                insert(properties, name, json!({"type": "string"}));
            }
        }
    }
}

/// The fields of inlined messages are fields of the object; the table has no circle of them.
fn add_fields(
    schema: Schema,
    properties: &mut Map<String, Value>,
    required: &mut Vec<&'static str>,
    wanted: &mut Vec<Schema>,
) {
    for field in schema.fields() {
        if field.label == Label::Inline {
            if let Some(inlined) = field.schema() {
                add_fields(inlined, properties, required, wanted);
            }
            continue;
        }
        wanted.extend(field.schema());
        if field.label == Label::Required {
            required.push(field.name);
        }
        let mut property = property(field);
        if let Some(text) = descriptions::of(schema.name(), field.name) {
            describe(&mut property, text);
        }
        properties.insert(field.name.to_owned(), property);
    }
}

/// Adds a description. Beside a reference it would have no effect, so the reference is put in a list
/// of one, as Kubernetes does.
fn describe(property: &mut Value, text: &str) {
    if property.get("$ref").is_some() {
        *property = json!({"allOf": [property.take()]});
    }
    insert(property, "description", text.into());
}

fn property(field: &Field) -> Value {
    let value = value(field.kind);
    let mut property = match field.label {
        Label::List => json!({"type": "array", "items": value}),
        Label::Map => json!({"type": "object", "additionalProperties": value}),
        _ => value,
    };
    if field.merge != Merge::Replace {
        insert(&mut property, "x-kubernetes-patch-strategy", json!("merge"));
    }
    if let Merge::Key(key) = field.merge {
        insert(&mut property, "x-kubernetes-patch-merge-key", json!(key));
    }
    property
}

fn value(kind: Type) -> Value {
    match kind {
        Type::Bool => json!({"type": "boolean"}),
        Type::Integer => json!({"type": "integer", "format": "int64"}),
        Type::Text | Type::Quantity => json!({"type": "string"}),
        Type::Bytes => json!({"type": "string", "format": "byte"}),
        Type::Texts => json!({"type": "array", "items": {"type": "string"}}),
        Type::IntOrString => json!({"type": "string", "format": "int-or-string"}),
        Type::Time | Type::MicroTime => json!({"type": "string", "format": "date-time"}),
        Type::RawJson => json!({"type": "object"}),
        Type::Message(name) => {
            json!({"$ref": format!("#/components/schemas/{}", component(name))})
        }
    }
}

/// Kubernetes' name of a type: `io.k8s.api.core.v1.Pod`.
fn component(name: &str) -> String {
    let package = if name.starts_with("meta.") { "apimachinery.pkg.apis" } else { "api" };
    format!("io.k8s.{package}.{name}")
}

fn insert(object: &mut Value, key: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(key.to_owned(), value);
    }
}
