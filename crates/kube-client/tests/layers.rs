//! What Cargo does not guard: the modules of this crate use each other in one direction.

use std::path::Path;

#[test]
fn modules_have_no_circle() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs");
    probelet_layers::assert_no_circle(&root);
}
