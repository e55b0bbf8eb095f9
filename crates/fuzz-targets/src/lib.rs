//! What fuzzing calls: each parser of input from outside, with the properties that must hold for every
//! input. `fuzz/` runs each target under libFuzzer; `tests/corpus.rs` runs the kept inputs.
//!
//! A target that needs several texts splits its input at [`SEPARATOR`]. This crate is for tests only,
//! so a broken property is a panic.

#![warn(missing_docs)]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "for tests only: a panic is a finding"
)]

mod cluster;
mod containers;
mod images;
mod kube;
mod logs;
mod manifests;
mod patches;
mod peers;
mod records;
mod scalars;
mod server;

/// The byte between the parts of an input: ASCII's record separator, which no text format needs.
pub const SEPARATOR: u8 = 0x1e;

/// A target: it panics if a property does not hold.
pub type Target = fn(&[u8]);

/// The targets by their names, which are also those of the folders of `fuzz/corpus`.
pub const TARGETS: &[(&str, Target)] = &[
    ("attach", logs::attach),
    ("cluster_kubeconfig", cluster::kubeconfig),
    ("cluster_watch", cluster::watch),
    ("cni", containers::cni),
    ("docker_config", images::docker_config),
    ("hosts_toml", images::hosts_toml),
    ("image_config", containers::image_config),
    ("image_name", images::name),
    ("kube_channels", kube::channels),
    ("kube_headers", kube::headers),
    ("kube_json", kube::json),
    ("kube_path", kube::path),
    ("kube_protobuf", kube::protobuf),
    ("kube_selectors", kube::selectors),
    ("kube_spdy", kube::spdy),
    ("labels", manifests::labels),
    ("log_print", logs::print),
    ("log_tail", logs::tail),
    ("manifest", manifests::manifest),
    ("oci_spec", containers::oci_spec),
    ("passwd", containers::passwd),
    ("patch_apply", patches::apply),
    ("patch_json", patches::json),
    ("patch_merge", patches::merge),
    ("patch_strategic", patches::strategic),
    ("probe_grpc", peers::grpc),
    ("probe_http", peers::http),
    ("probe_name", peers::name),
    ("proc", containers::proc),
    ("record", records::record),
    ("registry", peers::registry),
    ("scalars", scalars::scalars),
    ("short_form", manifests::short_form),
    ("structs", records::structs),
];

/// Runs one target.
///
/// # Panics
///
/// There is no target of this name, or a property does not hold.
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|(known, _)| *known == name);
    target.expect("a target of this name").1(data);
}

/// The first N parts of an input; a missing part is empty.
fn parts<const N: usize>(data: &[u8]) -> [&[u8]; N] {
    let mut parts = data.split(|byte| *byte == SEPARATOR);
    [(); N].map(|()| parts.next().unwrap_or_default())
}

/// The first N parts of an input as texts. Bytes that are not UTF-8 are replaced.
fn texts<const N: usize>(data: &[u8]) -> [String; N] {
    parts(data).map(|part| String::from_utf8_lossy(part).into_owned())
}

/// False for a value with a long fraction: it is read as a number near it, and not again as the same.
fn is_exact(value: &serde_json::Value) -> bool {
    serde_json::from_str(&value.to_string()).is_ok_and(|again: serde_json::Value| again == *value)
}
