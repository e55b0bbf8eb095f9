//! OpenAPI v3: which kinds there are, and that their writes take `fieldValidation`.
//!
//! `kubectl create`, `apply`, `diff`, `edit` and `replace` ask for it and fail without it.

use serde_json::{Map, Value, json};

use super::{Catalog, Served, schemas};
use crate::path::Verb;
use crate::status::{Status, protocol};

/// Which verb is which method, of a collection and of one object.
const COLLECTION: [(Verb, &str); 3] =
    [(Verb::List, "get"), (Verb::Create, "post"), (Verb::DeleteCollection, "delete")];
const OBJECT: [(Verb, &str); 4] =
    [(Verb::Get, "get"), (Verb::Update, "put"), (Verb::Patch, "patch"), (Verb::Delete, "delete")];

impl Catalog {
    /// `/openapi/v3`: the documents, with a hash of each for the client's cache.
    pub fn openapi(&self) -> Value {
        let groups = self.groups_and_versions();
        let versions = groups
            .iter()
            .flat_map(|(group, versions)| versions.iter().map(|version| (*group, *version)));
        let paths = versions.map(|(group, version)| {
            let place = place(group, version);
            let hash = fnv(self.document(group, version).to_string().as_bytes());
            let url = format!("/openapi/v3/{place}?hash={hash:016X}");
            (place, json!({ "serverRelativeURL": url }))
        });
        json!({ "paths": paths.collect::<Map<_, _>>() })
    }

    /// `/openapi/v3/api/v1` and `/openapi/v3/apis/GROUP/VERSION`; 404 if nothing of it is served.
    pub fn openapi_document(&self, group: &str, version: &str) -> Result<Value, Status> {
        self.rows_of(group, version).next().ok_or_else(protocol::path_not_found)?;
        Ok(self.document(group, version))
    }

    fn document(&self, group: &str, version: &str) -> Value {
        let paths: Map<_, _> = self.rows_of(group, version).flat_map(paths).collect();
        let mut schemas = Map::new();
        self.rows_of(group, version).for_each(|row| schemas::add(&mut schemas, row));
        json!({
            "openapi": "3.0.0", "info": {"title": "Kubernetes", "version": "unversioned"},
            "paths": paths, "components": {"schemas": schemas},
        })
    }
}

/// The paths of a resource, without those that have no method.
pub(super) fn paths(row: &Served) -> Vec<(String, Value)> {
    let namespace = if row.namespaced { "/namespaces/{namespace}" } else { "" };
    let collection = format!("/{}{namespace}/{}", place(row.group, row.version), row.name);
    let object = format!("{collection}/{{name}}");
    let paths = [(collection, methods(row, &COLLECTION)), (object, methods(row, &OBJECT))];
    let paths = paths.into_iter().filter(|(_, methods)| !methods.is_empty());
    paths.map(|(path, methods)| (path, Value::Object(methods))).collect()
}

fn methods(row: &Served, of: &[(Verb, &str)]) -> Map<String, Value> {
    let served = of.iter().filter(|(verb, _)| row.verbs.contains(verb));
    served.map(|(verb, method)| ((*method).to_owned(), operation(row, *verb, method))).collect()
}

fn operation(row: &Served, verb: Verb, method: &str) -> Value {
    let names: &[&str] = match verb {
        Verb::Create | Verb::Update => &["dryRun", "fieldManager", "fieldValidation"],
        Verb::Patch => &["dryRun", "fieldManager", "fieldValidation", "force"],
        _ => &[],
    };
    let parameters = names.iter().map(|name| {
        let kind = if *name == "force" { "boolean" } else { "string" };
        json!({"name": name, "in": "query", "schema": {"type": kind, "uniqueItems": true}})
    });
    let action = if verb == Verb::List { "list" } else { method };
    json!({
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind":
            {"group": row.group, "version": row.version, "kind": row.kind},
        "parameters": parameters.collect::<Vec<_>>(),
        "responses": {"200": {"description": "OK"}},
    })
}

/// `api/v1` or `apis/GROUP/VERSION`.
fn place(group: &str, version: &str) -> String {
    let prefix = if group.is_empty() { "api" } else { "apis/" };
    format!("{prefix}{group}/{version}")
}

/// FNV-1a: a hash that is equal for equal documents. It protects nothing.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
