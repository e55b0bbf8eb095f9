//! Aggregated discovery: all groups, versions and resources in one document.

use serde_json::{Map, Value, json};

use super::{Catalog, Served};
use crate::negotiate::DiscoveryVersion;
use crate::path::Verb;

impl Catalog {
    /// `/api` in the aggregated form: the core group.
    pub fn aggregated_core(&self, version: DiscoveryVersion) -> Value {
        self.aggregated(version, |group| group.is_empty())
    }

    /// `/apis` in the aggregated form: all other groups.
    pub fn aggregated_groups(&self, version: DiscoveryVersion) -> Value {
        self.aggregated(version, |group| !group.is_empty())
    }

    fn aggregated(&self, version: DiscoveryVersion, is_wanted: impl Fn(&str) -> bool) -> Value {
        let groups = self.groups_and_versions();
        let items = groups.iter().filter(|(group, _)| is_wanted(group)).map(|(group, versions)| {
            let versions = versions.iter().map(|version| {
                let resources: Vec<_> = self.rows_of(group, version).map(resource).collect();
                json!({"version": version, "resources": resources, "freshness": "Current"})
            });
            json!({"metadata": {"name": group}, "versions": versions.collect::<Vec<_>>()})
        });
        json!({
            "kind": "APIGroupDiscoveryList",
            "apiVersion": format!("apidiscovery.k8s.io/{}", version.as_str()),
            "metadata": {},
            "items": items.collect::<Vec<_>>(),
        })
    }
}

fn resource(row: &Served) -> Value {
    let subresources = row.subresources.iter().map(|sub| {
        let kind = sub.kind.unwrap_or((row.group, row.version, row.kind));
        json!({
            "subresource": sub.name, "responseKind": response_kind(kind), "verbs": verbs(sub.verbs),
        })
    });
    let mut resource = Map::new();
    let mut insert = |key: &str, value: Value| resource.insert(key.to_owned(), value);
    insert("resource", json!(row.name));
    insert("responseKind", response_kind((row.group, row.version, row.kind)));
    insert("scope", json!(if row.namespaced { "Namespaced" } else { "Cluster" }));
    insert("singularResource", json!(row.singular));
    insert("verbs", verbs(row.verbs));
    if !row.short_names.is_empty() {
        insert("shortNames", json!(row.short_names));
    }
    if !row.categories.is_empty() {
        insert("categories", json!(row.categories));
    }
    if !row.subresources.is_empty() {
        insert("subresources", subresources.collect());
    }
    Value::Object(resource)
}

fn response_kind((group, version, kind): (&str, &str, &str)) -> Value {
    json!({"group": group, "version": version, "kind": kind})
}

pub(super) fn verbs(verbs: &[Verb]) -> Value {
    verbs.iter().map(|verb| json!(verb.as_str())).collect()
}
