use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // A logger runs beside each container, and must be small and start at once: a program that is
    // linked to its addresses has nothing of its own to relocate, half a megabyte of pages.
    if std::env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|env| env == "gnu") {
        println!("cargo:rustc-link-arg-bin=probelet=-no-pie");
    }
    let descriptors = PathBuf::from(std::env::var("OUT_DIR")?).join("probelet_descriptor.bin");
    tonic_prost_build::configure().file_descriptor_set_path(descriptors).compile_protos(
        &["proto/probelet/v1/probelet.proto", "proto/probelet/v1/record.proto"],
        &["proto"],
    )?;
    Ok(())
}
