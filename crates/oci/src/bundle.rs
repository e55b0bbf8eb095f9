//! OCI runtime specs that users write.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::InvalidSpec;

/// Returns everything that is wrong with the user's spec, each with its path: `ociSpec.process.args`.
pub fn bundle_errors(text: &str, rootfs: &Path) -> Vec<InvalidSpec> {
    match serde_json::from_str(text) {
        Ok(spec) => errors(&spec, rootfs),
        Err(error) => vec![bad("", format!("Invalid value: not a JSON object: {error}"))],
    }
}

/// Returns the user's spec with `rootfs` as its root, and `cgroups_path` if it has none. A terminal
/// is turned off, because no process would hold its other end. A mount namespace is added, because
/// mounts would otherwise stay on the host.
///
/// # Errors
///
/// The first of [`bundle_errors`].
pub fn from_bundle(text: &str, rootfs: &Path, cgroups_path: &str) -> Result<Vec<u8>, InvalidSpec> {
    if let Some(error) = bundle_errors(text, rootfs).into_iter().next() {
        return Err(error);
    }
    // The JSON stays the spec, because the typed value would lose fields that oci-spec does not
    // have.
    let mut spec: Map<String, Value> =
        serde_json::from_str(text).map_err(|error| bad("", error.to_string()))?;
    let root = object(&mut spec, "root").ok_or_else(|| bad("root", NO_OBJECT))?;
    if root.get("path").and_then(Value::as_str).map(Path::new) != Some(rootfs) {
        let rootfs = rootfs
            .to_str()
            .ok_or_else(|| InvalidSpec { field: "rootfs".into(), reason: NOT_UTF8.to_owned() })?;
        root.insert("path".to_owned(), rootfs.into());
    }
    let linux = object(&mut spec, "linux").ok_or_else(|| bad("linux", NO_OBJECT))?;
    if linux.get("cgroupsPath").and_then(Value::as_str).is_none_or(str::is_empty) {
        linux.insert("cgroupsPath".to_owned(), cgroups_path.into());
    }
    add_mount_namespace(linux).ok_or_else(|| bad("linux.namespaces", NO_LIST))?;
    if let Some(terminal) = object(&mut spec, "process").and_then(|p| p.get_mut("terminal")) {
        *terminal = false.into();
    }
    Ok(Value::Object(spec).to_string().into_bytes())
}

const REQUIRED: &str = "Required value";
const NO_OBJECT: &str = "Invalid value: must be an object";
const NO_LIST: &str = "Invalid value: must be a list";
const NOT_UTF8: &str = "Invalid value: must be UTF-8";

/// The error of the field at this path of the spec; an empty path is the spec itself.
fn bad(path: &str, reason: impl Into<String>) -> InvalidSpec {
    let dot = if path.is_empty() { "" } else { "." };
    InvalidSpec { field: format!("ociSpec{dot}{path}").into(), reason: reason.into() }
}

fn errors(spec: &Map<String, Value>, rootfs: &Path) -> Vec<InvalidSpec> {
    let mut found = Vec::new();
    match spec.get("process") {
        None | Some(Value::Null) => found.push(bad("process", REQUIRED)),
        Some(Value::Object(process)) => {
            match process.get("args") {
                None | Some(Value::Null) => found.push(bad("process.args", REQUIRED)),
                Some(Value::Array(args)) if args.is_empty() => {
                    found.push(bad("process.args", REQUIRED));
                }
                // The type of another value is checked with all types.
                Some(_) => {}
            }
            match process.get("cwd") {
                None | Some(Value::Null) => found.push(bad("process.cwd", REQUIRED)),
                Some(Value::String(cwd)) if !Path::new(cwd).is_absolute() => {
                    let why = format!("Invalid value: {cwd:?}: must be an absolute path");
                    found.push(bad("process.cwd", why));
                }
                Some(_) => {}
            }
        }
        Some(_) => {}
    }
    let root = spec.get("root").and_then(|root| root.get("path")).and_then(Value::as_str);
    if let Some(path) = root.map(Path::new).filter(|at| at.is_absolute() && *at != rootfs) {
        let why = format!("Invalid value: {:?}: is not rootfs", path.display().to_string());
        found.push(bad("root.path", why));
    }
    if let Some(error) = type_error(spec)
        && found.iter().all(|known| known.field != error.field)
    {
        found.push(error);
    }
    found
}

/// The first value of another type than the specification has; a required field that is missing.
fn type_error(spec: &Map<String, Value>) -> Option<InvalidSpec> {
    let mut checked = spec.clone();
    if let Some(process) = checked.get_mut("process").and_then(Value::as_object_mut) {
        // oci-spec requires a user, runc does not.
        process.entry("user").or_insert_with(|| json!({ "uid": 0, "gid": 0 }));
        // The error of a missing directory is reported above.
        process.entry("cwd").or_insert_with(|| json!("/"));
    }
    let typed: Result<oci_spec::runtime::Spec, _> =
        serde_path_to_error::deserialize(Value::Object(checked));
    let error = typed.err()?;
    let path = match error.path().to_string() {
        // serde_path_to_error writes the root so.
        path if path == "." => String::new(),
        path => path,
    };
    let reason = error.inner().to_string();
    let missing = reason.strip_prefix("missing field `").and_then(|rest| rest.split_once('`'));
    Some(match missing {
        Some((field, _)) if path.is_empty() => bad(field, REQUIRED),
        Some((field, _)) => bad(&format!("{path}.{field}"), REQUIRED),
        None => bad(&path, format!("Invalid value: {reason}")),
    })
}

/// Returns whether the spec names a resource of the host that its next attempt would use, too: a
/// cgroup, an Intel RDT class, or resources of hooks.
pub fn shares_names(text: &str) -> bool {
    let spec: Value = serde_json::from_str(text).unwrap_or_default();
    let is_there = |pointer: &str| match spec.pointer(pointer) {
        None | Some(Value::Null) => false,
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Object(map)) => !map.is_empty(),
        Some(_) => true,
    };
    ["/linux/cgroupsPath", "/linux/intelRdt", "/hooks"].into_iter().any(is_there)
}

/// Adds a mount namespace unless one is listed; `None` if `namespaces` is not a list.
fn add_mount_namespace(linux: &mut Map<String, Value>) -> Option<()> {
    let namespaces = linux.entry("namespaces").or_insert_with(|| json!([]));
    if namespaces.is_null() {
        *namespaces = json!([]);
    }
    let namespaces = namespaces.as_array_mut()?;
    if namespaces.iter().all(|namespace| namespace["type"] != "mount") {
        namespaces.push(json!({ "type": "mount" }));
    }
    Some(())
}

/// Returns the object under `key`, which is made if it is missing or null; `None` for any other
/// value.
fn object<'a>(map: &'a mut Map<String, Value>, key: &str) -> Option<&'a mut Map<String, Value>> {
    let value = map.entry(key).or_insert(Value::Null);
    if value.is_null() {
        *value = Value::Object(Map::new());
    }
    value.as_object_mut()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_attempts_would_share_are_found() {
        for (spec, expected) in [
            ("{}", false),
            (r#"{"linux": null, "hooks": {}}"#, false),
            (r#"{"linux": {"cgroupsPath": "", "namespaces": []}}"#, false),
            (r#"{"linux": {"cgroupsPath": "/a/b"}}"#, true),
            (r#"{"linux": {"intelRdt": {"closID": "a"}}}"#, true),
            (r#"{"hooks": {"poststop": [{"path": "/bin/true"}]}}"#, true),
        ] {
            assert_eq!(shares_names(spec), expected, "{spec}");
        }
    }
}
