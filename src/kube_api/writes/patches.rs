//! A patch of a request, and the live object → the object as it shall be.

use probelet_kube_wire::negotiate::PatchType;
use probelet_kube_wire::patch::{Applied, json_patch, merge_patch, strategic_merge_patch};
use probelet_kube_wire::schema::Schema;
use probelet_kube_wire::status::{Status, protocol};
use serde_json::Value;

use super::kind::Live;

/// Most bytes that all managers of an object apply together.
const MAX_APPLIED: usize = 256 * 1024;

/// A patch that is no apply.
pub fn patched(
    live: &Live,
    patch: &Value,
    kind: PatchType,
    schema: Option<Schema>,
) -> Result<Value, Status> {
    Ok(match kind {
        PatchType::Json => json_patch(&live.object, patch)?,
        PatchType::Merge => merge_patch(&live.object, patch)?,
        PatchType::Strategic | PatchType::Apply => {
            strategic_merge_patch(&live.object, patch, schema)?
        }
    })
}

/// A server-side apply by `manager`. Returns the object, and what the managers have applied then.
pub fn applied(
    live: &Live,
    config: &Value,
    manager: &str,
    force: bool,
    schema: Option<Schema>,
) -> Result<(Value, Applied), Status> {
    let api_version = config.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
    let done = live.applied.apply(&live.object, config, manager, force, schema);
    let (object, applied) = done.map_err(|error| error.into_status(api_version))?;
    let bytes = serde_json::to_string(&applied).map_or(0, |text| text.len());
    if bytes > MAX_APPLIED {
        let why = format!("the managers of the object apply more than {MAX_APPLIED} bytes");
        return Err(protocol::too_large(&why));
    }
    Ok((object, applied))
}
