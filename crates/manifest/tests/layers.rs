//! Rules that Cargo does not enforce: the modules of the crate import each other in one direction,
//! and none of them does I/O.

use std::path::{Path, PathBuf};

/// Modules of the standard library that do I/O, wait, or read the process' environment.
const FORBIDDEN: [&str; 5] = ["std::fs", "std::net", "std::env", "std::process", "std::thread"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")
}

#[test]
fn modules_have_no_circle() {
    probelet_layers::assert_no_circle(&root());
}

#[test]
fn manifests_do_no_io() {
    let named = probelet_layers::named(&root(), &FORBIDDEN);
    assert!(named.is_empty(), "{named:?}");
}
