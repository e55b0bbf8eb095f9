//! Which request a method and a path are: discovery, health, OpenAPI, or a verb on a resource.
//!
//! The rules are those of kube-apiserver: `/api/v1/...` is the core group, `/apis/GROUP/VERSION/...`
//! the others; GET without a name is a list, or a watch with `watch=true`; DELETE without a name
//! deletes a collection; `namespaces/NS/status` is a subresource of the namespace.

use crate::query::{self, Query};
use crate::status::{GroupResource, Status, protocol};

mod verb;

pub use verb::{Method, Verb};

#[cfg(test)]
mod tests;

/// Most bytes of a path.
const MAX_PATH: usize = 4_096;
/// Most bytes of a name or namespace.
const MAX_NAME: usize = 253;

/// A health endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// `/healthz`.
    Healthz,
    /// `/livez`.
    Livez,
    /// `/readyz`.
    Readyz,
}

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// `/`: the list of paths.
    Root,
    /// `/version`.
    Version,
    /// A health endpoint, with the one check that is asked for.
    Health(Health, Option<String>),
    /// `/metrics`.
    Metrics,
    /// `/api`: the versions of the core group, or the aggregated discovery of it.
    CoreVersions,
    /// `/apis`: all groups, or their aggregated discovery.
    Groups,
    /// `/apis/GROUP`.
    Group(String),
    /// `/api/v1` or `/apis/GROUP/VERSION`: the resources of a version.
    Resources {
        /// Empty for the core group.
        group: String,
        /// The version.
        version: String,
    },
    /// `/openapi/v2`.
    OpenApiV2,
    /// `/openapi/v3`: the list of documents.
    OpenApiV3,
    /// `/openapi/v3/api/v1` or `/openapi/v3/apis/GROUP/VERSION`.
    OpenApiV3Document {
        /// Empty for the core group.
        group: String,
        /// The version.
        version: String,
    },
    /// A verb on a resource.
    Resource(ResourceRequest),
}

/// A verb on a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceRequest {
    /// What is done.
    pub verb: Verb,
    /// Empty for the core group.
    pub group: String,
    /// The version.
    pub version: String,
    /// The plural name of the resource.
    pub resource: String,
    /// The namespace; `None` for all, and for resources without one.
    pub namespace: Option<String>,
    /// The object; `None` for a collection.
    pub name: Option<String>,
    /// The subresource, such as `log`.
    pub subresource: Option<String>,
}

impl ResourceRequest {
    /// The resource with its group, for statuses.
    pub fn group_resource(&self) -> GroupResource {
        GroupResource::new(self.group.clone(), self.resource.clone())
    }
}

impl Request {
    /// Reads a method, a path without its query, and the query.
    pub fn parse(method: Method, path: &str, query: &Query) -> Result<Self, Status> {
        let segments = segments(path)?;
        let parts: Vec<_> = segments.iter().map(String::as_str).collect();
        if let ["api", rest @ ..] = parts.as_slice()
            && let [version, rest @ ..] = rest
            && !rest.is_empty()
        {
            return resource(method, "", version, rest, query).map(Self::Resource);
        }
        if let ["apis", group, version, rest @ ..] = parts.as_slice()
            && !rest.is_empty()
        {
            return resource(method, group, version, rest, query).map(Self::Resource);
        }
        let request = Self::document(&parts).ok_or_else(protocol::path_not_found)?;
        match method {
            Method::Get | Method::Head => Ok(request),
            _ => Err(protocol::method_not_allowed()),
        }
    }

    fn document(parts: &[&str]) -> Option<Self> {
        let versioned = |group: &str, version: &str| (group.to_owned(), version.to_owned());
        Some(match parts {
            [] => Self::Root,
            ["version"] => Self::Version,
            ["metrics"] => Self::Metrics,
            ["api"] => Self::CoreVersions,
            ["apis"] => Self::Groups,
            ["apis", group] => Self::Group((*group).to_owned()),
            ["api", version] => {
                let (group, version) = versioned("", version);
                Self::Resources { group, version }
            }
            ["apis", group, version] => {
                let (group, version) = versioned(group, version);
                Self::Resources { group, version }
            }
            ["openapi", "v2"] => Self::OpenApiV2,
            ["openapi", "v3"] => Self::OpenApiV3,
            ["openapi", "v3", "api", version] => {
                let (group, version) = versioned("", version);
                Self::OpenApiV3Document { group, version }
            }
            ["openapi", "v3", "apis", group, version] => {
                let (group, version) = versioned(group, version);
                Self::OpenApiV3Document { group, version }
            }
            [health, check @ ..] if check.len() <= 1 => {
                let health = match *health {
                    "healthz" => Health::Healthz,
                    "livez" => Health::Livez,
                    "readyz" => Health::Readyz,
                    _ => return None,
                };
                Self::Health(health, check.first().map(|check| (*check).to_owned()))
            }
            _ => return None,
        })
    }
}

/// The decoded segments. Slashes at either end are ignored.
fn segments(path: &str) -> Result<Vec<String>, Status> {
    if path.len() > MAX_PATH {
        return Err(Status::bad_request(format!("the path is longer than {MAX_PATH} bytes")));
    }
    let path = path.trim_matches('/');
    if path.is_empty() {
        return Ok(Vec::new());
    }
    path.split('/').map(segment).collect()
}

fn segment(text: &str) -> Result<String, Status> {
    let invalid = |why: &str| Status::bad_request(format!("path segment {text:?}: {why}"));
    let decoded = query::decode(text, false);
    let decoded = decoded.ok_or_else(|| invalid("invalid URL escape or not UTF-8"))?;
    if decoded.is_empty() {
        return Err(protocol::path_not_found());
    }
    if decoded.len() > MAX_NAME {
        return Err(invalid("must be no more than 253 bytes"));
    }
    if matches!(decoded.as_str(), "." | "..") {
        return Err(invalid("may not be '.' or '..'"));
    }
    if decoded.contains(['/', '%']) || decoded.chars().any(char::is_control) {
        return Err(invalid("may not contain '/', '%' or control characters"));
    }
    Ok(decoded)
}

fn resource(
    method: Method,
    group: &str,
    version: &str,
    parts: &[&str],
    query: &Query,
) -> Result<ResourceRequest, Status> {
    let (namespace, parts) = match parts {
        ["namespaces", _, "status" | "finalize"] => (None, parts),
        ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (Some(*namespace), rest),
        _ => (None, parts),
    };
    let (resource, name, subresource) = match parts {
        [resource] => (*resource, None, None),
        [resource, name] => (*resource, Some(*name), None),
        [resource, name, subresource] => (*resource, Some(*name), Some(*subresource)),
        _ => return Err(protocol::path_not_found()),
    };
    let owned = |text: Option<&str>| text.map(str::to_owned);
    Ok(ResourceRequest {
        verb: Verb::of(method, name.is_some(), subresource.is_some(), query)
            .ok_or_else(protocol::method_not_allowed)?,
        group: group.to_owned(),
        version: version.to_owned(),
        resource: resource.to_owned(),
        namespace: owned(namespace),
        name: owned(name),
        subresource: owned(subresource),
    })
}
