//! Manifests in, pods out: `ApplyPod`, `ApplyPods`, `ValidatePod`, `ExportPod`.

use prost_types::Struct;
use serde_json::Value;
use tokio::task::JoinSet;
use tonic::{Code, Status};

use super::Api;
use super::convert;
use super::error::{field, invalid, manifest as manifest_status, refuse, status_of};
use crate::domain::exit::Caller;
use crate::domain::spec::{PodSpec, SpecError, Validated};
use crate::manifest::{Batch, File, Member, Sources};
use crate::pb::apply_pod_request::Manifest;
use crate::pb::apply_pods_response::Result as Outcome;
use crate::supervisor::{Applied, SupervisorError};
use crate::{manifest, pb, structs};

/// Findings or warnings of one answer; a last one says how many there are more.
const FINDINGS: usize = 1000;

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
    let (values, members) = members(values);
    let name = |member: usize, field: &str| match members.get(member) {
        Some((object, prefix)) => match object.checked_sub(own) {
            None => format!("{prefix}{field}"),
            Some(index) => format!("objects[{index}].{prefix}{field}"),
        },
        None => field.to_owned(),
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
        warnings: bounded(warnings, name),
        replaced_fields,
    })
}

pub(super) async fn several(
    api: &Api,
    request: pb::ApplyPodsRequest,
    by: Option<Caller>,
) -> Result<pb::ApplyPodsResponse, Status> {
    let (values, members) = members(request.objects.into_iter().map(structs::to_json).collect());
    let name = |member: usize, field: &str| match members.get(member) {
        Some((object, prefix)) => format!("objects[{object}].{prefix}{field}"),
        None => field.to_owned(),
    };
    let object = |member: usize| {
        let object = members.get(member).map_or(member, |(object, _)| *object);
        u32::try_from(object).unwrap_or(u32::MAX)
    };
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
        false => apply_all(api, pods, object, by).await,
        true => pods.into_iter().map(|(member, pod)| outcome(object(member), &pod)).collect(),
    };
    Ok(pb::ApplyPodsResponse { results, warnings: bounded(warnings, name) })
}

/// The objects of lists too, each with the index of what was sent and where it is in there.
fn members(objects: Vec<Value>) -> (Vec<Value>, Vec<(usize, String)>) {
    let all = objects.into_iter().enumerate().flat_map(|(index, object)| {
        let members = manifest::members(object).into_iter();
        members.map(move |Member { prefix, value }| (value, (index, prefix)))
    });
    all.unzip()
}

/// The first warnings, and how many there are more.
fn bounded(warnings: Vec<(usize, String)>, name: impl Fn(usize, &str) -> String) -> Vec<String> {
    let left_out = warnings.len().saturating_sub(FINDINGS);
    let warnings = warnings.into_iter().take(FINDINGS);
    let mut shown: Vec<_> = warnings.map(|(index, text)| name(index, &text)).collect();
    shown.extend((left_out > 0).then(|| format!("and {left_out} more warnings")));
    shown
}

fn outcome(object: u32, pod: &PodSpec) -> Outcome {
    Outcome { object, name: pod.name.clone(), ..Outcome::default() }
}

/// At once: a pod that is replaced may take its grace to go.
async fn apply_all(
    api: &Api,
    pods: Vec<(usize, Validated<PodSpec>)>,
    object: impl Fn(usize) -> u32,
    by: Option<Caller>,
) -> Vec<Outcome> {
    let mut applying = JoinSet::new();
    for (member, pod) in pods {
        let supervisor = api.supervisor.clone();
        let mut outcome = outcome(object(member), &pod);
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
        file: finding.position.file.to_string(),
        line: finding.position.line,
        column: finding.position.column,
        severity: finding.severity.as_str().to_owned(),
        code: finding.code.to_owned(),
        field: finding.field,
        message: finding.message,
    };
    let all = sources.findings();
    let left_out = all.len().saturating_sub(FINDINGS);
    let mut findings: Vec<_> = all.into_iter().take(FINDINGS).map(finding).collect();
    if left_out > 0 {
        let severity = manifest::Severity::Error.as_str().to_owned();
        let message = format!("and {left_out} more findings");
        findings.push(pb::Finding { severity, message, ..pb::Finding::default() });
    }
    pb::ValidatePodResponse { findings }
}

pub(super) fn export(api: &Api, name: &str) -> Result<pb::ExportPodResponse, Status> {
    let view = api.supervisor.get(name).map_err(status_of)?;
    let export =
        manifest::export(&view.spec).map_err(|why| refuse(Code::FailedPrecondition, why))?;
    let object = |value| -> Result<Struct, Status> {
        structs::from_json(value).map_err(|error| refuse(Code::Internal, error.to_string()))
    };
    let objects = export.objects.into_iter().map(object).collect::<Result<_, _>>()?;
    Ok(pb::ExportPodResponse { objects, notes: export.notes })
}
