//! Images with layers of different media types.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{State, add};

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// Adds two layers to `base`: the file `plain` in a tar, and the file `packed` in a tar with
/// Zstandard.
pub(super) fn oci(state: &mut State, base: &Value) -> Result<Value> {
    let (plain, packed) = (tar("plain"), tar("packed"));
    let frame = zstd(&packed);
    let more = [(LAYER.to_owned(), plain.clone(), plain), (format!("{LAYER}+zstd"), frame, packed)];
    with_layers(state, base, more.into())
}

/// Adds the file `plain` to `base` and uses Docker's media types.
pub(super) fn docker(state: &mut State, base: &Value) -> Result<Value> {
    let plain = tar("plain");
    let more = vec![(String::new(), plain.clone(), plain)];
    let mut manifest = with_layers(state, base, more)?;
    let docker = |name: &str| json!(format!("application/vnd.docker.{name}"));
    manifest["mediaType"] = docker("distribution.manifest.v2+json");
    manifest["config"]["mediaType"] = docker("container.image.v1+json");
    manifest["layers"][0]["mediaType"] = docker("image.rootfs.diff.tar.gzip");
    manifest["layers"][1]["mediaType"] = docker("image.rootfs.diff.tar");
    Ok(manifest)
}

/// Adds layers, each given by its media type, its bytes and its uncompressed tar.
fn with_layers(
    state: &mut State,
    base: &Value,
    more: Vec<(String, Vec<u8>, Vec<u8>)>,
) -> Result<Value> {
    let mut manifest = base.clone();
    let config = base["config"]["digest"].as_str().context("no config")?;
    let bytes = state.blobs.get(config).context("no blob")?;
    let mut config: Value = serde_json::from_slice(bytes)?;
    for (media_type, blob, tar) in more {
        let diff_ids = config.pointer_mut("/rootfs/diff_ids").and_then(Value::as_array_mut);
        diff_ids.context("no diff ids")?.push(json!(super::digest(&tar)));
        let layer =
            json!({ "mediaType": media_type, "size": blob.len(), "digest": add(state, blob) });
        let layers = manifest["layers"].as_array_mut().context("no layers")?;
        layers.push(layer);
    }
    // The history would have fewer entries than layers.
    config.as_object_mut().context("no object")?.remove("history");
    let bytes = serde_json::to_vec(&config)?;
    manifest["config"]["size"] = json!(bytes.len());
    manifest["config"]["digest"] = json!(add(state, bytes));
    Ok(manifest)
}

/// A tar of one file whose content is its name.
fn tar(name: &str) -> Vec<u8> {
    let mut header = [0_u8; 512];
    let size = format!("{:011o}\0", name.len());
    let fields: [(usize, &[u8]); 8] = [
        (0, name.as_bytes()),
        (100, b"0000644\0"),
        (108, b"0000000\0"),
        (116, b"0000000\0"),
        (124, size.as_bytes()),
        (136, b"00000000000\0"),
        (148, b"        0"),
        (257, b"ustar\x0000"),
    ];
    for (at, bytes) in fields {
        header[at..at + bytes.len()].copy_from_slice(bytes);
    }
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut tar = header.to_vec();
    tar.extend(name.as_bytes());
    // The header, the content in a block of 512 bytes, and two empty blocks at the end.
    tar.resize(4 * 512, 0);
    tar
}

/// A Zstandard frame with one uncompressed block (RFC 8878).
fn zstd(content: &[u8]) -> Vec<u8> {
    const MAGIC: [u8; 4] = 0xFD2F_B528_u32.to_le_bytes();
    /// A single segment, its size in four bytes.
    const HEADER: u8 = 0b1010_0000;
    const LAST: u32 = 1;
    let size = u32::try_from(content.len()).unwrap_or(u32::MAX);
    let mut frame = MAGIC.to_vec();
    frame.push(HEADER);
    frame.extend(size.to_le_bytes());
    frame.extend(&((size << 3) | LAST).to_le_bytes()[..3]);
    frame.extend(content);
    frame
}
