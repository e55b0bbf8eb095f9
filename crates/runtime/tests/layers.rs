//! The modules of this crate use each other in one direction.

#[test]
fn modules_have_no_circle() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/src/lib.rs");
    probelet_layers::assert_no_circle(root.as_ref());
}
