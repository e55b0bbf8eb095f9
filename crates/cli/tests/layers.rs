//! What Cargo does not guard: the modules of this crate use each other in one direction, and none of
//! them uses more of the host than reads of files with a limit.

use std::path::{Path, PathBuf};

/// The modules of the host that the daemon alone may use.
const FORBIDDEN: [&str; 11] = [
    "probelet_host::claims",
    "probelet_host::cni",
    "probelet_host::netns",
    "probelet_host::network",
    "probelet_host::pod_files",
    "probelet_host::pressure",
    "probelet_host::process",
    "probelet_host::rootfs",
    "probelet_host::shared_pids",
    "probelet_host::trusted",
    "probelet_host::volumes",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")
}

#[test]
fn modules_have_no_circle() {
    probelet_layers::assert_no_circle(&root());
}

#[test]
fn the_client_does_not_touch_the_host() {
    let named = probelet_layers::named(&root(), &FORBIDDEN);
    assert!(named.is_empty(), "{named:?}");
}
