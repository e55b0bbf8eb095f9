//! What a role allows. The answers of access reviews and the refusals of requests are this one rule.

use probelet_kube_wire::path::{Request, ResourceRequest};

use crate::kube_authority::Role;

/// The subresources that a reader may read. `exec`, `attach` and `portforward` are reached by GET
/// too.
const READABLE: [&str; 4] = ["", "log", "status", "scale"];
/// The reviews by which each user asks for its own rights.
const SELF_REVIEWS: [(&str, &str); 3] = [
    ("authentication.k8s.io", "selfsubjectreviews"),
    ("authorization.k8s.io", "selfsubjectaccessreviews"),
    ("authorization.k8s.io", "selfsubjectrulesreviews"),
];

/// A verb on a resource. A review may ask for `*` of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access<'a> {
    pub verb: &'a str,
    /// Empty for the core group.
    pub group: &'a str,
    pub resource: &'a str,
    /// Empty for the resource itself.
    pub subresource: &'a str,
}

impl<'a> Access<'a> {
    pub fn of(request: &'a ResourceRequest) -> Self {
        Self {
            verb: request.verb.as_str(),
            group: &request.group,
            resource: &request.resource,
            subresource: request.subresource.as_deref().unwrap_or_default(),
        }
    }

    /// True if a user of this role may do it.
    pub fn is_allowed(&self, role: Role) -> bool {
        match role {
            Role::Admin => true,
            Role::View => self.is_read() || self.is_self_review(),
            Role::Account => self.is_self_review(),
        }
    }

    /// `*` stands for Secrets too, so it is no read.
    fn is_read(&self) -> bool {
        ["get", "list", "watch"].contains(&self.verb)
            && !["secrets", "*"].contains(&self.resource)
            && READABLE.contains(&self.subresource)
    }

    fn is_self_review(&self) -> bool {
        self.verb == "create"
            && self.subresource.is_empty()
            && SELF_REVIEWS.contains(&(self.group, self.resource))
    }
}

/// True if a user of this role may use a path that is no resource, such as `/metrics`.
pub fn allows_path(role: Role, verb: &str) -> bool {
    role == Role::Admin || ["get", "head"].contains(&verb)
}

/// True if the request is answered without an identity: the health of the daemon and its version.
pub fn is_open_to_all(request: &Request) -> bool {
    matches!(request, Request::Health(..) | Request::Version)
}
