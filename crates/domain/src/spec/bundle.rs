//! Warning about namespaces that a user's OCI runtime spec does not list.

use serde_json::Value;

use super::{ContainerSpec, Source};

/// Kinds of namespaces that a container shares with the host if its OCI spec does not list them.
/// The mount namespace is not among them, because it is always added.
const KINDS: [&str; 4] = ["pid", "network", "ipc", "uts"];

impl ContainerSpec {
    /// Returns a warning if the OCI spec of a container leaves it in namespaces of the host; `None`
    /// for other sources.
    pub fn warning(&self) -> Option<String> {
        let Source::Bundle { oci_spec, .. } = &self.source else { return None };
        let spec: Value = serde_json::from_str(oci_spec).unwrap_or_default();
        let namespaces = spec.pointer("/linux/namespaces").and_then(Value::as_array);
        let has = |kind: &&str| {
            let mut listed = namespaces.into_iter().flatten();
            listed.any(|namespace| namespace.get("type").and_then(Value::as_str) == Some(*kind))
        };
        let missing: Vec<_> = KINDS.into_iter().filter(|kind| !has(kind)).collect();
        let of_mounts = match has(&"mount") {
            true => "",
            false => "; a mount namespace is added, or its mounts would stay on the host",
        };
        let text = format!(
            "ociSpec.linux.namespaces: the container is in the host's own namespaces: {}{of_mounts}",
            missing.join(", ")
        );
        (!missing.is_empty()).then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::sample;

    fn warning(spec: &str) -> Option<String> {
        let mut container = sample::pod().containers[0].clone();
        container.source = Source::Bundle { oci_spec: spec.into(), rootfs: "/root".into() };
        container.warning()
    }

    #[test]
    fn namespaces_of_the_host_are_named() {
        for spec in ["{}", r#"{"linux":null}"#, r#"{"linux":{"namespaces":[]}}"#, "no spec"] {
            let text = warning(spec).unwrap();
            assert!(text.contains("namespaces: pid, network, ipc, uts; a mount"), "{text}");
        }
        let some = r#"{"linux":{"namespaces":[{"type":"mount"},{"type":"pid"},{"type":"uts"}]}}"#;
        let text = warning(some).unwrap();
        assert!(text.ends_with("own namespaces: network, ipc"), "{text}");
        let all = r#"{"linux":{"namespaces":[{"type":"mount"},{"type":"pid"},{"type":"uts"},
            {"type":"network"},{"type":"ipc"}]}}"#;
        assert_eq!(warning(all), None);
        assert_eq!(sample::pod().containers[0].warning(), None, "an image has its own");
    }
}
