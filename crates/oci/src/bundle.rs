//! OCI runtime specs that users write.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::InvalidSpec;

/// Returns the user's spec with `rootfs` as its root, and `cgroups_path` if it has none. A terminal
/// is turned off, because no process would hold its other end. A mount namespace is added, because
/// mounts would otherwise stay on the host.
///
/// # Errors
///
/// The text is not a runtime spec, a required field is missing, or `root.path` is another absolute
/// path than `rootfs`.
pub fn from_bundle(text: &str, rootfs: &Path, cgroups_path: &str) -> Result<Vec<u8>, InvalidSpec> {
    let bad = |reason: String| InvalidSpec { field: "ociSpec", reason };
    let no_spec = |error: serde_json::Error| bad(format!("not an OCI runtime spec: {error}"));
    // The JSON stays the spec, because the typed value would lose fields that oci-spec does not
    // have.
    let mut spec: Map<String, Value> = serde_json::from_str(text).map_err(no_spec)?;
    let mut checked = spec.clone();
    if let Some(process) = checked.get_mut("process").and_then(Value::as_object_mut) {
        // oci-spec requires a user, runc does not.
        process.entry("user").or_insert_with(|| json!({ "uid": 0, "gid": 0 }));
    }
    let typed: oci_spec::runtime::Spec =
        serde_json::from_value(Value::Object(checked)).map_err(no_spec)?;
    let process = typed.process().as_ref().ok_or_else(|| bad("process: required".to_owned()))?;
    if process.args().as_ref().is_none_or(Vec::is_empty) {
        return Err(bad("process.args: required".to_owned()));
    }
    if !process.cwd().is_absolute() {
        return Err(bad("process.cwd: must be an absolute path".to_owned()));
    }
    let root = object(&mut spec, "root").ok_or_else(|| bad("root: not an object".to_owned()))?;
    let path = root.get("path").and_then(Value::as_str).map(Path::new);
    if let Some(path) = path.filter(|path| path.is_absolute() && *path != rootfs) {
        return Err(bad(format!("root.path: {} is not rootfs", path.display())));
    }
    if path != Some(rootfs) {
        let rootfs = rootfs
            .to_str()
            .ok_or_else(|| InvalidSpec { field: "rootfs", reason: "must be UTF-8".to_owned() })?;
        root.insert("path".to_owned(), rootfs.into());
    }
    let linux = object(&mut spec, "linux").ok_or_else(|| bad("linux: not an object".to_owned()))?;
    if linux.get("cgroupsPath").and_then(Value::as_str).is_none_or(str::is_empty) {
        linux.insert("cgroupsPath".to_owned(), cgroups_path.into());
    }
    add_mount_namespace(linux).ok_or_else(|| bad("linux.namespaces: not a list".to_owned()))?;
    if let Some(terminal) = object(&mut spec, "process").and_then(|p| p.get_mut("terminal")) {
        *terminal = false.into();
    }
    Ok(Value::Object(spec).to_string().into_bytes())
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
