//! Manifests in, pods out: `ApplyPod`, `ApplyPods`, `ValidatePod`, `ExportPod`.

use std::sync::Arc;

use serde_json::Value;
use tokio::task::JoinSet;

use super::convert;
use super::error::{Error, Result, field};
use crate::domain::exit::Caller;
use crate::domain::spec::{PodSpec, SpecError, SpecErrors, Validated};
use crate::manifest::{Batch, File, Member, Sources};
use crate::pb::apply_pod_request::Manifest;
use crate::pb::apply_pods_response::Result as Outcome;
use crate::supervisor::{Applied, Supervisor, SupervisorError};
use crate::{manifest, pb, structs};

/// The number of findings or warnings of one answer; a last one has the number of the others.
const FINDINGS: usize = 1000;

fn uid() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// Calls that create pods from manifests, check manifests, and write them.
#[derive(Clone)]
pub struct Manifests {
    supervisor: Arc<Supervisor>,
}

impl Manifests {
    pub fn new(supervisor: Arc<Supervisor>) -> Self {
        Self { supervisor }
    }

    /// Applies a manifest of one pod, with the objects that it refers to.
    pub async fn apply_one(
        &self,
        by: Option<Caller>,
        request: pb::ApplyPodRequest,
    ) -> Result<pb::ApplyPodResponse> {
        let (pod, warnings) = read_one(request)?;
        let (view, applied) = self.supervisor.apply_or_replace(pod, by).await?;
        let (result, replaced_fields) = result_of(applied);
        let pod = Some(convert::pod(&self.supervisor, &view));
        Ok(pb::ApplyPodResponse { pod, result, warnings, replaced_fields })
    }

    /// Applies several objects, or only checks them.
    pub async fn apply(
        &self,
        by: Option<Caller>,
        request: pb::ApplyPodsRequest,
    ) -> Result<pb::ApplyPodsResponse> {
        let (values, members) =
            members(request.objects.into_iter().map(structs::to_json).collect());
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
            match self.supervisor.check(pod).await {
                Ok(_) => {}
                Err(SupervisorError::Invalid(bad)) => {
                    errors.extend(bad.0.into_iter().map(|error| {
                        (*index, SpecError { field: batch.field(*index, &error.field), ..error })
                    }));
                }
                Err(other) => return Err(other.into()),
            }
        }
        if !errors.is_empty() {
            return Err(refused(errors, name));
        }
        let Batch { pods, warnings, .. } = batch;
        let results = match request.dry_run {
            false => self.apply_all(pods, object, by).await,
            true => pods.into_iter().map(|(member, pod)| outcome(object(member), &pod)).collect(),
        };
        Ok(pb::ApplyPodsResponse { results, warnings: bounded(warnings, name) })
    }

    /// Applies all pods at the same time: the replacement of one may take its grace period.
    async fn apply_all(
        &self,
        pods: Vec<(usize, Validated<PodSpec>)>,
        object: impl Fn(usize) -> u32,
        by: Option<Caller>,
    ) -> Vec<Outcome> {
        let mut applying = JoinSet::new();
        for (member, pod) in pods {
            let supervisor = self.supervisor.clone();
            let (mut outcome, by) = (outcome(object(member), &pod), by.clone());
            applying.spawn(async move {
                match supervisor.apply_or_replace(pod, by).await {
                    Ok((_, applied)) => {
                        (outcome.result, outcome.replaced_fields) = result_of(applied);
                    }
                    Err(error) => outcome.error = error.to_string(),
                }
                outcome
            });
        }
        let mut outcomes = applying.join_all().await;
        outcomes.sort_by_key(|outcome| outcome.object);
        outcomes
    }

    pub fn validate(&self, request: pb::ValidatePodRequest) -> pb::ValidatePodResponse {
        let file = |file: pb::ManifestFile| File { name: file.name, text: file.text };
        let sources = Sources::read(request.files.into_iter().map(file).collect());
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

    pub fn export(&self, request: &pb::ExportPodRequest) -> Result<pb::ExportPodResponse> {
        let pod = self.supervisor.find(&request.namespace, &request.name)?;
        let view = self.supervisor.get(&pod)?;
        let export = manifest::export(&view.spec).map_err(Error::NoManifest)?;
        let objects = export.objects.into_iter().map(structs::from_json);
        let objects = objects.collect::<std::result::Result<_, _>>()?;
        Ok(pb::ExportPodResponse { objects, notes: export.notes })
    }
}

/// Reads a request of one pod: the pod, and the warnings of its manifest.
fn read_one(request: pb::ApplyPodRequest) -> Result<(Validated<PodSpec>, Vec<String>)> {
    let mut values = match request.manifest {
        Some(Manifest::Text(text)) => manifest::documents(&text)?,
        Some(Manifest::Object(object)) => vec![structs::to_json(object)],
        None => return Err(field("manifest", "Required value").into()),
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
        return Err(field("manifest", "expected one Pod, or one workload with one").into());
    };
    Ok((pod, bounded(warnings, name)))
}

/// The objects and the members of lists, each with the index of the object that was sent and its path
/// in that object.
fn members(objects: Vec<Value>) -> (Vec<Value>, Vec<(usize, String)>) {
    let all = objects.into_iter().enumerate().flat_map(|(index, object)| {
        let members = manifest::members(object).into_iter();
        members.map(move |Member { prefix, value }| (value, (index, prefix)))
    });
    all.unzip()
}

/// The first warnings, and the number of the others.
fn bounded(warnings: Vec<(usize, String)>, name: impl Fn(usize, &str) -> String) -> Vec<String> {
    let left_out = warnings.len().saturating_sub(FINDINGS);
    let warnings = warnings.into_iter().take(FINDINGS);
    let mut shown: Vec<_> = warnings.map(|(index, text)| name(index, &text)).collect();
    shown.extend((left_out > 0).then(|| format!("and {left_out} more warnings")));
    shown
}

fn outcome(object: u32, pod: &PodSpec) -> Outcome {
    let (namespace, name) = (pod.namespace.clone(), pod.name.clone());
    Outcome { object, namespace, name, ..Outcome::default() }
}

fn result_of(applied: Applied) -> (String, Vec<String>) {
    let (result, fields) = match applied {
        Applied::Created => ("created", Vec::new()),
        Applied::Configured => ("configured", Vec::new()),
        Applied::Unchanged => ("unchanged", Vec::new()),
        Applied::Replaced(fields) => ("replaced", fields),
    };
    (result.to_owned(), fields)
}

fn refused(errors: Vec<(usize, SpecError)>, name: impl Fn(usize, &str) -> String) -> Error {
    let named = |(index, error): (usize, SpecError)| SpecError {
        field: name(index, &error.field),
        ..error
    };
    SpecErrors(errors.into_iter().map(named).collect()).into()
}

fn finding(finding: manifest::Finding) -> pb::Finding {
    pb::Finding {
        file: finding.position.file.to_string(),
        line: finding.position.line,
        column: finding.position.column,
        severity: finding.severity.as_str().to_owned(),
        code: finding.code.to_owned(),
        field: finding.field,
        message: finding.message,
    }
}
