//! The modules of the crate use each other in one direction.

use std::path::Path;

#[test]
fn modules_have_no_circle() {
    probelet_layers::assert_no_circle(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs"));
}
