//! What Cargo does not guard: the modules of this crate use each other in one direction, and none
//! of them does I/O. That none reads a clock is clippy's to find.

use std::path::{Path, PathBuf};

/// Paths of the standard library that do I/O, wait, or read what is not an argument.
const FORBIDDEN: [&str; 5] = ["std::fs", "std::net", "std::env", "std::process", "std::thread"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")
}

#[test]
fn modules_have_no_circle() {
    probelet_layers::assert_no_circle(&root());
}

#[test]
fn rules_do_no_io() {
    let named = probelet_layers::named(&root(), &FORBIDDEN);
    assert!(named.is_empty(), "{named:?}");
}
