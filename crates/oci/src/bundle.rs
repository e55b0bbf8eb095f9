//! A user's own OCI runtime spec.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::InvalidSpec;

/// The user's own spec, on `rootfs`. Nothing else is changed but what can't work here: a
/// terminal, which nobody would hold the other end of; and mounts on the host, where they would
/// stay.
pub fn from_bundle(text: &str, rootfs: &Path, cgroups_path: &str) -> Result<Vec<u8>, InvalidSpec> {
    let bad = |reason: String| InvalidSpec { field: "ociSpec", reason };
    let no_spec = |error: serde_json::Error| bad(format!("not an OCI runtime spec: {error}"));
    // The text itself stays the spec; the typed value would lose what oci-spec doesn't know.
    let mut spec: Map<String, Value> = serde_json::from_str(text).map_err(no_spec)?;
    let mut checked = spec.clone();
    if let Some(process) = checked.get_mut("process").and_then(Value::as_object_mut) {
        // oci-spec insists on a user, runc does not.
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

/// Whether the spec names something outside the container that its next attempt would have too: a
/// cgroup, a group of the cache's allocation, or what hooks do.
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

/// Where none is listed. None if the list is no list.
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

/// The object under `key`, made where it is missing or null.
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
    fn what_attempts_have_in_common_is_seen() {
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
