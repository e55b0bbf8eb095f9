//! The reviews by which a user asks for its own rights: `kubectl auth can-i`, `kubectl auth whoami`,
//! and what k9s and Headlamp show or hide. The answer is the request's object with a status.

use probelet_kube_wire::discovery::{SERVED, Served};
use probelet_kube_wire::status::{FieldError, GroupResource, Status};
use serde_json::{Map, Value, json};

use super::access::{Access, allows_path};
use super::identity::Identity;
use crate::kube_authority::Role;

const AUTHORIZATION: &str = "authorization.k8s.io";

/// Answers a `SelfSubjectAccessReview`.
///
/// # Errors
///
/// 422 if the body does not ask for exactly one of a resource and a path.
pub fn self_subject_access_review(body: Value, identity: &Identity) -> Result<Value, Status> {
    let attributes = |name: &str| {
        let found = body.pointer(&format!("/spec/{name}"));
        found.filter(|found| !found.is_null())
    };
    let allowed = match (attributes("resourceAttributes"), attributes("nonResourceAttributes")) {
        (Some(resource), None) => {
            let access = Access {
                verb: text(resource, "verb"),
                group: text(resource, "group"),
                resource: text(resource, "resource"),
                subresource: text(resource, "subresource"),
            };
            access.is_allowed(identity.role())
        }
        (None, Some(path)) => allows_path(identity.role(), text(path, "verb")),
        _ => {
            let why =
                "exactly one of nonResourceAttributes or resourceAttributes must be specified";
            let error = FieldError::invalid("spec.resourceAttributes", Value::Null, why);
            let kind = GroupResource::new(AUTHORIZATION, "SelfSubjectAccessReview");
            return Err(Status::invalid(&kind, "", &[error]));
        }
    };
    let status = if allowed {
        json!({ "allowed": true })
    } else {
        json!({ "allowed": false, "reason": format!("the role is {}", identity.role().group()) })
    };
    Ok(answer(body, AUTHORIZATION, "SelfSubjectAccessReview", status))
}

/// Answers a `SelfSubjectRulesReview`.
///
/// # Errors
///
/// 400 if the body has no namespace.
pub fn self_subject_rules_review(body: Value, identity: &Identity) -> Result<Value, Status> {
    let namespace = body.pointer("/spec/namespace").and_then(Value::as_str).unwrap_or_default();
    if namespace.is_empty() {
        return Err(Status::bad_request("no namespace on request"));
    }
    let (resource_rules, path_verb) = match identity.role() {
        Role::Admin => {
            (vec![json!({ "verbs": ["*"], "apiGroups": ["*"], "resources": ["*"] })], "*")
        }
        role @ (Role::View | Role::Account) => {
            (SERVED.iter().flat_map(|row| rules(row, role)).collect(), "get")
        }
    };
    let status = json!({
        "resourceRules": resource_rules,
        "nonResourceRules": [{ "verbs": [path_verb], "nonResourceURLs": ["*"] }],
        "incomplete": false,
    });
    Ok(answer(body, AUTHORIZATION, "SelfSubjectRulesReview", status))
}

/// Answers a `SelfSubjectReview`.
pub fn self_subject_review(body: Value, identity: &Identity) -> Value {
    let status = json!({
        "userInfo": {
            "username": identity.name(),
            "groups": identity.groups(),
        },
    });
    answer(body, "authentication.k8s.io", "SelfSubjectReview", status)
}

/// The rules of a resource and of its subresources that the role allows anything of.
fn rules(row: &'static Served, role: Role) -> Vec<Value> {
    let whole = [("", row.verbs)].into_iter();
    let parts = row.subresources.iter().map(|sub| (sub.name, sub.verbs));
    let rules = whole.chain(parts).filter_map(|(subresource, verbs)| {
        let verbs = verbs.iter().map(|verb| verb.as_str());
        let allowed: Vec<_> = verbs
            .filter(|verb| {
                let (group, resource) = (row.group, row.name);
                Access { verb, group, resource, subresource }.is_allowed(role)
            })
            .collect();
        let resource = match subresource {
            "" => row.name.to_owned(),
            sub => format!("{}/{sub}", row.name),
        };
        let rule =
            || json!({ "verbs": allowed, "apiGroups": [row.group], "resources": [resource] });
        (!allowed.is_empty()).then(rule)
    });
    rules.collect()
}

fn text<'a>(attributes: &'a Value, name: &str) -> &'a str {
    attributes.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn answer(body: Value, group: &str, kind: &str, status: Value) -> Value {
    let mut object = match body {
        Value::Object(object) => object,
        _ => Map::new(),
    };
    object.insert("apiVersion".to_owned(), format!("{group}/v1").into());
    object.insert("kind".to_owned(), kind.into());
    object.entry("metadata").or_insert_with(|| json!({}));
    object.insert("status".to_owned(), status);
    Value::Object(object)
}
