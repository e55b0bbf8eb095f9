//! The content type of a body.

use crate::status::{Status, protocol};

/// Most bytes of a body, as in Kubernetes; a larger one is refused with 413.
pub const MAX_BODY: usize = 3 * 1024 * 1024;

/// What a body is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyType {
    /// JSON, also of a body without a content type.
    Json,
    /// YAML.
    Yaml,
    /// Kubernetes' protobuf, which Go clients send.
    Protobuf,
}

/// The kinds of patches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatchType {
    /// RFC 6902.
    Json,
    /// RFC 7396.
    Merge,
    /// Kubernetes' merge by the keys of list items.
    Strategic,
    /// Server-side apply.
    Apply,
}

const BODIES: [(&str, BodyType); 3] = [
    ("application/json", BodyType::Json),
    ("application/yaml", BodyType::Yaml),
    ("application/vnd.kubernetes.protobuf", BodyType::Protobuf),
];

const PATCHES: [(&str, PatchType); 4] = [
    ("application/json-patch+json", PatchType::Json),
    ("application/merge-patch+json", PatchType::Merge),
    ("application/apply-patch+yaml", PatchType::Apply),
    ("application/strategic-merge-patch+json", PatchType::Strategic),
];

/// The type of a body by its header `Content-Type`; 415 for any other.
pub fn body_type(content_type: Option<&str>) -> Result<BodyType, Status> {
    match essence(content_type) {
        None => Ok(BodyType::Json),
        Some(essence) => find(&BODIES, essence),
    }
}

/// The type of a patch by its header `Content-Type`; 415 for any other, and without one.
pub fn patch_type(content_type: Option<&str>) -> Result<PatchType, Status> {
    find(&PATCHES, essence(content_type).unwrap_or_default())
}

/// The media type without its parameters.
fn essence(content_type: Option<&str>) -> Option<&str> {
    let essence = content_type?.split(';').next()?.trim();
    (!essence.is_empty()).then_some(essence)
}

fn find<T: Copy, const N: usize>(rows: &[(&str, T); N], essence: &str) -> Result<T, Status> {
    let row = rows.iter().find(|(name, _)| name.eq_ignore_ascii_case(essence));
    let supported = rows.each_ref().map(|(name, _)| *name);
    row.map(|(_, value)| *value).ok_or_else(|| protocol::unsupported_media_type(&supported))
}
