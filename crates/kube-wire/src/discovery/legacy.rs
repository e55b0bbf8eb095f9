//! Discovery of clients that do not read the aggregated form.

use serde_json::{Map, Value, json};

use super::aggregated::verbs;
use super::{Catalog, Served, group_version};
use crate::status::{Status, protocol};

impl Catalog {
    /// `/api`. `address` is the server's host and port.
    pub fn core_versions(&self, address: &str) -> Value {
        let groups = self.groups_and_versions();
        let core = groups.iter().find(|(group, _)| group.is_empty());
        json!({
            "kind": "APIVersions",
            "versions": core.map(|(_, versions)| versions.clone()).unwrap_or_default(),
            "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
        })
    }

    /// `/apis`.
    pub fn groups(&self) -> Value {
        let groups = self.groups_and_versions();
        let groups = groups.iter().filter(|(group, _)| !group.is_empty());
        let groups: Vec<_> =
            groups.map(|(group, versions)| group_document(group, versions)).collect();
        json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
    }

    /// `/apis/GROUP`; 404 if nothing of it is served.
    pub fn group(&self, name: &str) -> Result<Value, Status> {
        let groups = self.groups_and_versions();
        let mut groups = groups.iter().filter(|(group, _)| !group.is_empty() && *group == name);
        let (group, versions) = groups.next().ok_or_else(protocol::path_not_found)?;
        let mut document = group_document(group, versions);
        if let Some(document) = document.as_object_mut() {
            document.insert("kind".to_owned(), json!("APIGroup"));
            document.insert("apiVersion".to_owned(), json!("v1"));
        }
        Ok(document)
    }

    /// `/api/v1` and `/apis/GROUP/VERSION`; 404 if nothing of it is served.
    pub fn resources(&self, group: &str, version: &str) -> Result<Value, Status> {
        let resources: Vec<_> = self.rows_of(group, version).flat_map(resources).collect();
        if resources.is_empty() {
            return Err(protocol::path_not_found());
        }
        Ok(json!({
            "kind": "APIResourceList", "apiVersion": "v1",
            "groupVersion": group_version(group, version), "resources": resources,
        }))
    }
}

fn group_document(group: &str, versions: &[&str]) -> Value {
    let named =
        |version: &&str| json!({"groupVersion": group_version(group, version), "version": version});
    json!({
        "name": group, "versions": versions.iter().map(named).collect::<Vec<_>>(),
        "preferredVersion": versions.first().map(named),
    })
}

/// The resource and its subresources.
fn resources(row: &Served) -> Vec<Value> {
    let mut resource = Map::new();
    let mut insert = |key: &str, value: Value| resource.insert(key.to_owned(), value);
    insert("name", json!(row.name));
    insert("singularName", json!(row.singular));
    insert("namespaced", json!(row.namespaced));
    insert("kind", json!(row.kind));
    insert("verbs", verbs(row.verbs));
    if !row.short_names.is_empty() {
        insert("shortNames", json!(row.short_names));
    }
    if !row.categories.is_empty() {
        insert("categories", json!(row.categories));
    }
    let subresources = row.subresources.iter().map(|sub| {
        let mut document = json!({
            "name": format!("{}/{}", row.name, sub.name), "singularName": "",
            "namespaced": row.namespaced, "kind": row.kind, "verbs": verbs(sub.verbs),
        });
        if let (Some((group, version, kind)), Some(document)) = (sub.kind, document.as_object_mut())
        {
            document.insert("kind".to_owned(), json!(kind));
            if (group, version) != (row.group, row.version) {
                document.insert("group".to_owned(), json!(group));
                document.insert("version".to_owned(), json!(version));
            }
        }
        document
    });
    std::iter::once(Value::Object(resource)).chain(subresources).collect()
}
