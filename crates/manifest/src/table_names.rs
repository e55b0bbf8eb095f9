//! Names of fields in the table of fields, where init containers have the fields of containers, and the
//! three probes have the same ones.

/// Name of the three probes in the table.
pub const PROBE: &str = "<probe>";
/// Names of the probes in a manifest.
pub const PROBES: [&str; 3] = ["livenessProbe", "readinessProbe", "startupProbe"];
const CONTAINERS: &str = "containers";
const INIT: &str = "initContainers";

/// The name in the table of a field of a manifest.
pub fn in_table(name: &str) -> &str {
    match name {
        INIT => CONTAINERS,
        name if PROBES.contains(&name) => PROBE,
        name => name,
    }
}

/// The names in a manifest of a field of the table.
pub fn in_manifest(name: &str) -> Vec<&str> {
    match name {
        PROBE => PROBES.to_vec(),
        CONTAINERS => vec![CONTAINERS, INIT],
        name => vec![name],
    }
}
