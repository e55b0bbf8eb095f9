//! Writes of the subresource `scale`: a Scale is read from the object, changed, and written back.

use http::header::CONTENT_TYPE;
use probelet_kube_wire::feed::Key;
use probelet_kube_wire::negotiate::{PatchType, patch_type};
use probelet_kube_wire::options::{WriteKind, WriteOptions};
use probelet_kube_wire::patch::Applied;
use probelet_kube_wire::path::Verb;
use probelet_kube_wire::schema::Schema;
use probelet_kube_wire::status::Status;
use probelet_kube_wire::strict::{self, Document};
use probelet_workload as workload;
use serde_json::Value;
use std::sync::Arc;

use super::super::bodies;
use super::kind::{Change, Kind, Live};
use super::metadata;
use super::patches;
use super::pipeline::{Write, Writes, Written};

const API_VERSION: &str = "autoscaling/v1";
const KIND: &str = "Scale";

impl Writes {
    pub(super) async fn scale(
        &self,
        kind: &dyn Kind,
        write: &Write<'_>,
        body: &[u8],
    ) -> Result<Written, Status> {
        let request = write.request;
        let resource = request.group_resource();
        let unsupported = || Status::method_not_supported(&resource, request.verb.as_str());
        let of = workload::Kind::of_resource(&request.group, &request.resource);
        let of = of.filter(|of| of.scales()).ok_or_else(unsupported)?;
        let name = request.name.as_deref().unwrap_or_default();
        let key = Key::new(request.namespace.as_deref().unwrap_or_default(), name);
        let _locked = self.lock(write, &key).await?;
        let live = kind.live(&key).await?;
        let live = live.ok_or_else(|| Status::not_found(&resource, name))?;
        let before = workload::scale(of, &live.object).ok_or_else(unsupported)?;
        let schema = Schema::of(API_VERSION, KIND);
        let (options, document) = match request.verb {
            Verb::Update => {
                let options = WriteOptions::parse(write.query, WriteKind::Update)?;
                (options, bodies::document(write.headers, body)?)
            }
            _ => {
                let content_type = write.headers.get(CONTENT_TYPE);
                let patch = patch_type(content_type.and_then(|it| it.to_str().ok()))?;
                if patch == PatchType::Apply {
                    let why = "a Scale cannot be applied: apply spec.replicas of the object";
                    return Err(Status::bad_request(why));
                }
                let options = WriteOptions::parse(write.query, WriteKind::Patch)?;
                let Document { value, duplicates } = bodies::json(body)?;
                let before = Live { object: Arc::new(before), applied: Applied::default() };
                let value = patches::patched(&before, &value, patch, schema)?;
                (options, Document { value, duplicates })
            }
        };
        let Document { value: mut scale, duplicates } = document;
        for (field, expected) in [("apiVersion", API_VERSION), ("kind", KIND)] {
            let found = scale.get(field).and_then(Value::as_str).unwrap_or(expected);
            if found != expected {
                let why = format!("{field} must be {expected}, not {found:?}");
                return Err(Status::bad_request(why));
            }
        }
        let mut unknown = Vec::new();
        if let Some(schema) = schema {
            unknown = strict::check(&mut scale, schema).map_err(|wrong| {
                strict::cannot_be_handled(API_VERSION, KIND, &wrong.to_string())
            })?;
        }
        let of_type = (API_VERSION, KIND);
        let mut warnings = strict::judge(&unknown, &duplicates, options.field_validation, of_type)?;
        metadata::check_version(&scale, &live.object, &resource)?;
        let object = workload::scaled(&live.object, &scale).map_err(|errors| {
            let group_kind = metadata::group_kind(write.served);
            Status::invalid(&group_kind, name, &errors)
        })?;
        let (dry_run, by, applied) = (options.dry_run, write.by, live.applied.clone());
        let change = Change { object, applied, subresource: None, dry_run, by };
        let outcome = kind.update(&live, change).await?;
        warnings.extend(outcome.warnings);
        let scale = workload::scale(of, &outcome.object).ok_or_else(unsupported)?;
        Ok(Written { warnings, ..Written::document(scale) })
    }
}
