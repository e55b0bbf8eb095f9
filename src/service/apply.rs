//! Manifests in, pods out: `ApplyPod`, `ApplyPods`, `ValidatePod`, `ExportPod`.

use prost_types::Struct;
use tokio::task::JoinSet;
use tonic::Status;

use super::Api;
use super::convert;
use super::error::{field, invalid, manifest as manifest_status, status_of};
use crate::domain::exit::Caller;
use crate::domain::spec::{PodSpec, SpecError, Validated};
use crate::manifest::{Batch, File, Sources};
use crate::pb::apply_pod_request::Manifest;
use crate::pb::apply_pods_response::Result as Outcome;
use crate::supervisor::{Applied, SupervisorError};
use crate::{manifest, pb, structs};

fn uid() -> String {
    uuid::Uuid::new_v4().to_string()
}

pub(super) async fn one(
    api: &Api,
    request: pb::ApplyPodRequest,
    by: Option<Caller>,
) -> Result<pb::ApplyPodResponse, Status> {
    let mut values = match request.manifest {
        Some(Manifest::Text(text)) => manifest::documents(&text).map_err(manifest_status)?,
        Some(Manifest::Object(object)) => vec![structs::to_json(object)],
        None => return Err(invalid(vec![field("manifest", "Required value")])),
    };
    let own = values.len();
    values.extend(request.objects.into_iter().map(structs::to_json));
    let name = |index: usize, field: &str| match index.checked_sub(own) {
        None => field.to_owned(),
        Some(index) => format!("objects[{index}].{field}"),
    };
    let Batch { mut pods, errors, warnings, .. } = manifest::batch(values, uid);
    if !errors.is_empty() {
        return Err(refused(errors, name));
    }
    let (Some((_, pod)), true) = (pods.pop(), pods.is_empty()) else {
        return Err(invalid(vec![field("manifest", "expected one Pod, or one workload with one")]));
    };
    let applied = api.supervisor.apply_or_replace(pod, by).await;
    let (view, applied) = applied.map_err(status_of)?;
    let (result, replaced_fields) = told(applied);
    Ok(pb::ApplyPodResponse {
        pod: Some(convert::pod(&api.supervisor, &view)),
        result,
        warnings: warnings.iter().map(|(index, text)| name(*index, text)).collect(),
        replaced_fields,
    })
}

pub(super) async fn several(
    api: &Api,
    request: pb::ApplyPodsRequest,
    by: Option<Caller>,
) -> Result<pb::ApplyPodsResponse, Status> {
    let values = request.objects.into_iter().map(structs::to_json).collect();
    let name = |index: usize, field: &str| format!("objects[{index}].{field}");
    let batch = manifest::batch(values, uid);
    let mut errors = batch.errors.clone();
    for (index, pod) in &batch.pods {
        match api.supervisor.check(pod).await {
            Ok(_) => {}
            Err(SupervisorError::Invalid(bad)) => errors.extend(bad.0.into_iter().map(|error| {
                (*index, SpecError { field: batch.field(*index, &error.field), ..error })
            })),
            Err(other) => return Err(status_of(other)),
        }
    }
    if !errors.is_empty() {
        return Err(refused(errors, name));
    }
    let Batch { pods, warnings, .. } = batch;
    let results = match request.dry_run {
        false => apply_all(api, pods, by).await,
        true => pods.into_iter().map(|(index, pod)| outcome(index, &pod)).collect(),
    };
    let warnings = warnings.iter().map(|(index, text)| name(*index, text)).collect();
    Ok(pb::ApplyPodsResponse { results, warnings })
}

fn outcome(index: usize, pod: &PodSpec) -> Outcome {
    let object = u32::try_from(index).unwrap_or(u32::MAX);
    Outcome { object, name: pod.name.clone(), ..Outcome::default() }
}

/// At once: a pod that is replaced may take its grace to go.
async fn apply_all(
    api: &Api,
    pods: Vec<(usize, Validated<PodSpec>)>,
    by: Option<Caller>,
) -> Vec<Outcome> {
    let mut applying = JoinSet::new();
    for (index, pod) in pods {
        let supervisor = api.supervisor.clone();
        let mut outcome = outcome(index, &pod);
        applying.spawn(async move {
            match supervisor.apply_or_replace(pod, by).await {
                Ok((_, applied)) => (outcome.result, outcome.replaced_fields) = told(applied),
                Err(error) => outcome.error = error.to_string(),
            }
            outcome
        });
    }
    let mut outcomes = applying.join_all().await;
    outcomes.sort_by_key(|outcome| outcome.object);
    outcomes
}

fn told(applied: Applied) -> (String, Vec<String>) {
    let (result, fields) = match applied {
        Applied::Created => ("created", Vec::new()),
        Applied::Configured => ("configured", Vec::new()),
        Applied::Unchanged => ("unchanged", Vec::new()),
        Applied::Replaced(fields) => ("replaced", fields),
    };
    (result.to_owned(), fields)
}

fn refused(errors: Vec<(usize, SpecError)>, name: impl Fn(usize, &str) -> String) -> Status {
    let named = |(index, error): (usize, SpecError)| SpecError {
        field: name(index, &error.field),
        ..error
    };
    invalid(errors.into_iter().map(named).collect())
}

pub(super) fn validate(request: pb::ValidatePodRequest) -> pb::ValidatePodResponse {
    let file = |file: pb::ManifestFile| File { name: file.name, text: file.text };
    let sources = Sources::read(request.files.into_iter().map(file).collect());
    let finding = |finding: manifest::Finding| pb::Finding {
        file: finding.place.file,
        line: finding.place.line,
        column: finding.place.column,
        severity: finding.severity.as_str().to_owned(),
        code: finding.code.to_owned(),
        field: finding.field,
        message: finding.message,
    };
    pb::ValidatePodResponse { findings: sources.findings().into_iter().map(finding).collect() }
}

pub(super) fn export(api: &Api, name: &str) -> Result<pb::ExportPodResponse, Status> {
    let view = api.supervisor.get(name).map_err(status_of)?;
    let export = manifest::export(&view.spec).map_err(Status::failed_precondition)?;
    let object = |value| -> Result<Struct, Status> {
        structs::from_json(value).map_err(|error| Status::internal(error.to_string()))
    };
    let objects = export.objects.into_iter().map(object).collect::<Result<_, _>>()?;
    Ok(pb::ExportPodResponse { objects, notes: export.notes })
}
