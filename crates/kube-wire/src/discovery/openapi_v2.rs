//! OpenAPI v2, for clients that do not know v3: `create`, `apply` and `--dry-run=server` of kubectl
//! before 1.27 read it, as protobuf.

use serde_json::{Map, Value, json};

use super::{Catalog, gnostic, openapi, schemas};

const V3_REFERENCE: &str = "#/components/schemas/";
const V2_REFERENCE: &str = "#/definitions/";

impl Catalog {
    /// `/openapi/v2`: all groups in one document, as JSON.
    pub fn openapi_v2(&self) -> Value {
        let paths: Map<_, _> = self.rows.iter().flat_map(openapi::paths).collect();
        let mut definitions = Map::new();
        self.rows.iter().for_each(|row| schemas::add(&mut definitions, row));
        let mut document = json!({
            "swagger": "2.0", "info": {"title": "Kubernetes", "version": "unversioned"},
            "paths": paths, "definitions": definitions,
        });
        rewrite(&mut document);
        document
    }

    /// The same document as protobuf.
    pub fn openapi_v2_protobuf(&self) -> Vec<u8> {
        gnostic::encode(&self.openapi_v2())
    }
}

/// Turns what differs into the form of v2: a parameter has its type itself, and a description stands
/// beside a reference.
fn rewrite(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(rewrite),
        Value::Object(fields) => {
            for name in ["schema", "allOf"] {
                if let Some(inner) = fields.get(name).and_then(inlined).cloned() {
                    fields.remove(name);
                    fields.extend(inner);
                }
            }
            if let Some(Value::String(reference)) = fields.get_mut("$ref") {
                *reference = reference.replacen(V3_REFERENCE, V2_REFERENCE, 1);
            }
            fields.values_mut().for_each(rewrite);
        }
        _ => {}
    }
}

/// The schema of a parameter, or the reference that is the only one of a list. Properties may have
/// these names too, but have no such value.
fn inlined(value: &Value) -> Option<&Map<String, Value>> {
    match value {
        Value::Array(items) => items.first().filter(|_| items.len() == 1)?.as_object(),
        Value::Object(schema) => Some(schema).filter(|schema| schema.contains_key("uniqueItems")),
        _ => None,
    }
}
