use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let descriptors = PathBuf::from(std::env::var("OUT_DIR")?).join("probelet_descriptor.bin");
    tonic_prost_build::configure().file_descriptor_set_path(descriptors).compile_protos(
        &["proto/probelet/v1/probelet.proto", "proto/probelet/v1/record.proto"],
        &["proto"],
    )?;
    Ok(())
}
