//! `serviceaccounts/NAME/token`: tokens of ServiceAccounts (`kubectl create token`).
//!
//! As in a cluster without roles, an account may read the discovery documents and ask for its own
//! rights. A token ends with its account and with the pod or Secret that it is bound to.

use std::time::{Duration, SystemTime};

use probelet_kube_wire::discovery::Catalog;
use probelet_kube_wire::feed::{Key, Stored};
use probelet_kube_wire::path::ResourceRequest;
use probelet_kube_wire::status::{FieldError, GroupResource, Status};
use serde_json::{Map, Value, json};

use super::times::seconds;
use crate::kube_authority::{AUDIENCE, Account, Authority, Named};
use crate::kube_objects::Store;

const API_VERSION: &str = "authentication.k8s.io/v1";
const KIND: &str = "TokenRequest";
/// Seconds that a token is valid if the request does not say it, and its limits, as in Kubernetes.
const DEFAULT: u64 = 3600;
const SHORTEST: u64 = 600;
const LONGEST: u64 = 1 << 32;

/// Answers the request for a token of an account.
pub fn answer(
    authority: &Authority,
    store: &Store,
    request: &ResourceRequest,
    body: Value,
    now: SystemTime,
) -> Result<Value, Status> {
    let namespace = request.namespace.as_deref().unwrap_or_default();
    let name = request.name.as_deref().unwrap_or_default();
    let account = named(store, "serviceaccounts", namespace, name)
        .ok_or_else(|| Status::not_found(&request.group_resource(), name))?;
    for (field, expected) in [("apiVersion", API_VERSION), ("kind", KIND)] {
        let found = body.get(field).and_then(Value::as_str).unwrap_or(expected);
        if found != expected {
            let why = format!("{field} must be {expected}, not {found:?}");
            return Err(Status::bad_request(why));
        }
    }
    let spec = body.get("spec").cloned().unwrap_or_default();
    let (mut errors, mut account) =
        (Vec::new(), Account { namespace: namespace.to_owned(), account, pod: None, secret: None });
    let given = spec.get("expirationSeconds").filter(|it| !it.is_null());
    let ttl = given.map_or(Some(DEFAULT), Value::as_u64);
    let ttl = ttl.filter(|ttl| (SHORTEST..=LONGEST).contains(ttl));
    if ttl.is_none() {
        let field = "spec.expirationSeconds";
        let why = match given.and_then(Value::as_u64).is_some_and(|ttl| ttl > LONGEST) {
            true => "may not specify a duration larger than 2^32 seconds",
            false => "may not specify a duration less than 10 minutes",
        };
        errors.push(FieldError::invalid(field, given.cloned().unwrap_or_default(), why));
    }
    bind(store, &spec, &mut account, &mut errors)?;
    if !errors.is_empty() {
        let kind = GroupResource::new("authentication.k8s.io", KIND);
        return Err(Status::invalid(&kind, name, &errors));
    }
    let audiences = spec.get("audiences").and_then(Value::as_array);
    let audiences: Vec<_> =
        audiences.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    let audiences = if audiences.is_empty() { vec![AUDIENCE.to_owned()] } else { audiences };
    let ttl = ttl.unwrap_or(DEFAULT);
    let expires = now.checked_add(Duration::from_secs(ttl));
    let expires = expires.ok_or_else(|| Status::internal("the clock is out of range"))?;
    let token = authority.issue_account_token(&account, audiences.clone(), (now, expires));
    let token = token.map_err(|error| Status::internal(&error.to_string()))?;
    let mut spec = spec.as_object().cloned().unwrap_or_else(Map::new);
    spec.insert("audiences".to_owned(), json!(audiences));
    spec.insert("expirationSeconds".to_owned(), json!(ttl));
    Ok(json!({
        "apiVersion": API_VERSION, "kind": KIND,
        "metadata": {
            "name": name, "namespace": namespace, "creationTimestamp": seconds(now),
        },
        "spec": spec,
        "status": {"token": token, "expirationTimestamp": seconds(expires)},
    }))
}

/// Binds the token to the pod or Secret that the request names.
fn bind(
    store: &Store,
    spec: &Value,
    account: &mut Account,
    errors: &mut Vec<FieldError>,
) -> Result<(), Status> {
    let Some(reference) = spec.get("boundObjectRef").filter(|it| !it.is_null()) else {
        return Ok(());
    };
    let text = |field: &str| reference.get(field).and_then(Value::as_str).unwrap_or_default();
    let (kind, name, uid) = (text("kind"), text("name"), text("uid"));
    let (resource, place) = match kind {
        "Pod" => ("pods", &mut account.pod),
        "Secret" => ("secrets", &mut account.secret),
        _ => {
            let field = "spec.boundObjectRef.kind";
            errors.push(FieldError::not_supported(field, kind, &["Pod", "Secret"]));
            return Ok(());
        }
    };
    let of = GroupResource::new("", resource);
    let found = named(store, resource, &account.namespace, name);
    let found = found.ok_or_else(|| Status::not_found(&of, name))?;
    if !uid.is_empty() && uid != found.uid {
        let why = format!(
            "the UID in the bound object reference ({uid}) does not match the UID in record. The \
             object might have been deleted and then recreated"
        );
        return Err(Status::conflict(&of, name, &why));
    }
    *place = Some(found);
    Ok(())
}

/// True if the account and what its token is bound to exist still.
pub fn is_current(store: &Store, account: &Account) -> bool {
    let exists = |resource: &str, of: &Named| {
        named(store, resource, &account.namespace, &of.name).as_ref() == Some(of)
    };
    exists("serviceaccounts", &account.account)
        && account.pod.iter().all(|pod| exists("pods", pod))
        && account.secret.iter().all(|secret| exists("secrets", secret))
}

/// The object of this name, with its UID.
pub fn named(store: &Store, resource: &str, namespace: &str, name: &str) -> Option<Named> {
    let stored = Catalog::default().find("", "v1", resource).map(Stored::of)?;
    let object = store.read(|feed| feed.get(stored, &Key::new(namespace, name)))?;
    let uid = object.pointer("/metadata/uid").and_then(Value::as_str)?;
    Some(Named { name: name.to_owned(), uid: uid.to_owned() })
}
