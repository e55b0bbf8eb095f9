//! Compiles `proto/`.

use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let descriptors = PathBuf::from(std::env::var("OUT_DIR")?).join("probelet_descriptor.bin");
    let files = ["probelet.proto", "record.proto"];
    tonic_prost_build::configure().file_descriptor_set_path(descriptors).compile_protos(
        &files.map(|file| format!("../../proto/probelet/v1/{file}")),
        &["../../proto".to_owned()],
    )?;
    Ok(())
}
