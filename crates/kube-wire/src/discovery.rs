//! What is served, as clients discover it.
//!
//! kubectl and client-go read `/api` and `/apis` in the aggregated form, older clients the groups and
//! then the resources of each version. kubectl keeps the answers on disk for about six hours. All
//! documents are made of one table, and a request for anything outside the table is refused by it.

use serde_json::{Value, json};

use crate::path::ResourceRequest;
use crate::status::{Status, protocol};

mod aggregated;
mod descriptions;
mod gnostic;
mod legacy;
mod openapi;
mod openapi_v2;
mod schemas;
mod served;

pub use served::{SERVED, Served, Subresource};

#[cfg(test)]
mod tests;

/// The table of served resources.
#[derive(Debug, Clone, Copy)]
pub struct Catalog {
    rows: &'static [Served],
}

impl Default for Catalog {
    fn default() -> Self {
        Self { rows: SERVED }
    }
}

impl Catalog {
    /// A catalog of other rows than [`SERVED`].
    pub fn new(rows: &'static [Served]) -> Self {
        Self { rows }
    }

    /// All rows.
    pub fn rows(&self) -> &'static [Served] {
        self.rows
    }

    /// The row that a request is about; 404 if the resource or subresource is not served in this
    /// scope, 405 if the verb is not.
    pub fn allow(&self, request: &ResourceRequest) -> Result<&'static Served, Status> {
        let row = self.find(&request.group, &request.version, &request.resource);
        let row = row.ok_or_else(protocol::path_not_found)?;
        // A namespaced collection is served across namespaces, one object of it is not.
        let scoped = match (row.namespaced, &request.namespace) {
            (false, Some(_)) => false,
            (true, None) => request.name.is_none(),
            _ => true,
        };
        let verbs = match &request.subresource {
            None => Some(row.verbs),
            Some(name) => row.subresource(name).map(|sub| sub.verbs),
        };
        let verbs = verbs.filter(|_| scoped).ok_or_else(protocol::path_not_found)?;
        if !verbs.contains(&request.verb) {
            let resource = request.group_resource();
            return Err(Status::method_not_supported(&resource, request.verb.as_str()));
        }
        Ok(row)
    }

    /// A row by group, version and plural name.
    pub fn find(&self, group: &str, version: &str, name: &str) -> Option<&'static Served> {
        let key = (group, version, name);
        self.rows.iter().find(|row| (row.group, row.version, row.name) == key)
    }

    /// The groups with their versions, in the order of the table. The first version is preferred.
    fn groups_and_versions(&self) -> Vec<(&'static str, Vec<&'static str>)> {
        let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
        for row in self.rows {
            match groups.iter_mut().find(|(group, _)| *group == row.group) {
                Some((_, versions)) if versions.contains(&row.version) => {}
                Some((_, versions)) => versions.push(row.version),
                None => groups.push((row.group, vec![row.version])),
            }
        }
        groups
    }

    fn rows_of(&self, group: &str, version: &str) -> impl Iterator<Item = &'static Served> {
        self.rows.iter().filter(move |row| (row.group, row.version) == (group, version))
    }

    /// The document at `/`.
    pub fn root(&self) -> Value {
        let mut paths: Vec<String> = ["/api", "/apis", "/healthz", "/livez", "/readyz", "/version"]
            .map(str::to_owned)
            .into();
        for (group, versions) in self.groups_and_versions() {
            if group.is_empty() {
                paths.extend(versions.iter().map(|version| format!("/api/{version}")));
            } else {
                paths.push(format!("/apis/{group}"));
                paths.extend(versions.iter().map(|version| format!("/apis/{group}/{version}")));
            }
        }
        paths.sort();
        json!({ "paths": paths })
    }
}

/// The document at `/version`. kubectl compares the minor version with its own.
/// `platform` is for example `linux/amd64`.
pub fn version(major: u32, minor: u32, git_version: &str, platform: &str) -> Value {
    json!({
        "major": major.to_string(), "minor": minor.to_string(), "gitVersion": git_version,
        "gitCommit": "", "gitTreeState": "", "buildDate": "", "goVersion": "", "compiler": "rustc",
        "platform": platform,
    })
}

/// `v1` or `apps/v1`.
fn group_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}
