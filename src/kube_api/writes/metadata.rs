//! The rules of `metadata` that all kinds share.

use probelet_kube_wire::discovery::Served;
use probelet_kube_wire::path::ResourceRequest;
use probelet_kube_wire::status::{FieldError, FieldErrorKind, GroupResource, Status};
use serde_json::{Map, Value, json};

/// The letters of generated names: without vowels, so that no words come about.
const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
/// Letters behind `generateName`.
const GENERATED: usize = 5;
/// Most bytes of a generated name.
const MAX_GENERATED: usize = 63;
/// Fields of the live object that no write changes.
const KEPT: [&str; 6] = [
    "uid",
    "creationTimestamp",
    "generation",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "resourceVersion",
];

/// The kind and its group, for 422.
pub fn group_kind(served: &Served) -> GroupResource {
    GroupResource::new(served.group, served.kind)
}

/// A text of `metadata`; empty if there is none.
pub fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    let metadata = object.get("metadata");
    metadata.and_then(|it| it.get(field)).and_then(Value::as_str).unwrap_or_default()
}

/// `metadata`, which is made if there is none.
pub fn metadata_mut(object: &mut Value) -> Option<&mut Map<String, Value>> {
    let metadata = object.as_object_mut()?.entry("metadata").or_insert_with(|| json!({}));
    metadata.as_object_mut()
}

fn set(object: &mut Value, field: &str, value: impl Into<Value>) {
    if let Some(metadata) = metadata_mut(object) {
        metadata.insert(field.to_owned(), value.into());
    }
}

/// Gives the object the type of the resource if it has none; 400 if it has another.
pub fn check_type(object: &mut Value, served: &Served) -> Result<(), Status> {
    let api_version = served.api_version();
    for (field, expected) in [("apiVersion", api_version.as_str()), ("kind", served.kind)] {
        let Some(map) = object.as_object_mut() else {
            return Err(Status::bad_request("the body is not an object"));
        };
        let found = map.entry(field).or_insert_with(|| expected.into());
        if found.as_str() == Some("") {
            *found = expected.into();
        }
        if found.as_str() != Some(expected) {
            return Err(Status::bad_request(format!(
                "the object provided is unrecognized (must be of type {}): {field} is {found}, not \
                 {expected:?}",
                served.kind
            )));
        }
    }
    Ok(())
}

/// Gives the object the namespace of the URL; 400 if it has another.
pub fn check_namespace(object: &mut Value, request: &ResourceRequest) -> Result<(), Status> {
    let wanted = request.namespace.as_deref().unwrap_or_default();
    let found = text(object, "namespace");
    if !found.is_empty() && found != wanted {
        let why = "the namespace of the provided object does not match the namespace sent on the \
                   request";
        return Err(Status::bad_request(why));
    }
    if wanted.is_empty() {
        return Ok(());
    }
    set(object, "namespace", wanted);
    Ok(())
}

/// 400 if the object has another name than the URL.
pub fn check_name(object: &Value, request: &ResourceRequest) -> Result<(), Status> {
    let (found, wanted) = (text(object, "name"), request.name.as_deref().unwrap_or_default());
    if found == wanted {
        return Ok(());
    }
    Err(Status::bad_request(match found {
        "" => format!(
            "the name of the object ({wanted} based on URL) was undeterminable: name must be \
             provided"
        ),
        _ => format!(
            "the name of the object ({found}) does not match the name on the URL ({wanted})"
        ),
    }))
}

/// A name for an object that has only `generateName`. `random` are random bytes.
pub fn generated_name(prefix: &str, random: &[u8]) -> String {
    let mut name = prefix.to_owned();
    while name.len() > MAX_GENERATED - GENERATED {
        name.pop();
    }
    let letters = random.iter().take(GENERATED);
    let letter = |byte: &u8| LETTERS.get(usize::from(*byte) % LETTERS.len()).copied();
    name.extend(letters.filter_map(letter).map(char::from));
    name
}

/// Sets the name of the object.
pub fn set_name(object: &mut Value, name: &str) {
    set(object, "name", name);
}

/// 422: the object has neither a name nor the beginning of one.
pub fn no_name(served: &Served) -> Status {
    let text = "name or generateName is required";
    let error = FieldError::new(FieldErrorKind::Required, "metadata.name", text);
    Status::invalid(&group_kind(served), "", &[error])
}

/// Makes the object a new one: with the fields that the server sets, and without those that a client
/// cannot set.
pub fn begin(object: &mut Value, uid: String, now: String) -> Result<(), Status> {
    if !text(object, "resourceVersion").is_empty() {
        let why = "resourceVersion should not be set on objects to be created";
        return Err(Status::bad_request(why));
    }
    if let Some(map) = object.as_object_mut() {
        map.remove("status");
    }
    if let Some(metadata) = metadata_mut(object) {
        KEPT.iter().for_each(|field| {
            metadata.remove(*field);
        });
        clear(metadata);
    }
    set(object, "uid", uid);
    set(object, "creationTimestamp", now);
    set(object, "generation", 1);
    Ok(())
}

/// Gives the object the fields that a write does not change.
pub fn keep(object: &mut Value, live: &Value) {
    let kept = live.get("metadata").and_then(Value::as_object);
    let Some(metadata) = metadata_mut(object) else { return };
    clear(metadata);
    for field in KEPT {
        match kept.and_then(|kept| kept.get(field)) {
            Some(value) => metadata.insert(field.to_owned(), value.clone()),
            None => metadata.remove(field),
        };
    }
}

/// Gives an object the labels and annotations of a written status: as in Kubernetes, a write of the
/// status may change them, but not the labels of a Deployment.
pub fn keep_described(from: &Value, to: &mut Value) {
    let fixed = to.get("kind").and_then(Value::as_str) == Some("Deployment");
    let fields = ["annotations", "labels"].into_iter().filter(|field| *field != "labels" || !fixed);
    let written = from.get("metadata").and_then(Value::as_object);
    let (Some(written), Some(metadata)) = (written, metadata_mut(to)) else { return };
    for field in fields {
        match written.get(field).filter(|value| !value.is_null()) {
            Some(value) => metadata.insert(field.to_owned(), value.clone()),
            None => metadata.remove(field),
        };
    }
}

fn clear(metadata: &mut Map<String, Value>) {
    metadata.remove("managedFields");
    metadata.remove("selfLink");
}

/// 409 if the object is of another version than the live one, or another object of its name. An
/// object without a version replaces any.
pub fn check_version(object: &Value, live: &Value, resource: &GroupResource) -> Result<(), Status> {
    let name = text(live, "name");
    let (uid, live_uid) = (text(object, "uid"), text(live, "uid"));
    if !uid.is_empty() && uid != live_uid {
        let why = format!(
            "Precondition failed: UID in precondition: {uid}, UID in object meta: {live_uid}"
        );
        return Err(Status::conflict(resource, name, &why));
    }
    match text(object, "resourceVersion") {
        "" | "0" => Ok(()),
        version if version == text(live, "resourceVersion") => Ok(()),
        _ => Err(Status::modified(resource, name)),
    }
}
