//! Options of deletions: from the body if there is one, else from the query, as in Kubernetes.

use serde::Deserialize;
use serde_json::Value;

use super::{META, checked, write};
use crate::query::Query;
use crate::status::{FieldError, GroupResource, Status};

/// What happens to the objects that the deleted one owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Propagation {
    /// They stay, without an owner.
    Orphan,
    /// They are deleted behind it.
    Background,
    /// They are deleted before it.
    Foreground,
}

/// Options of a deletion.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeleteOptions {
    /// The grace in seconds; `None` is the object's own. A negative one counts as 1.
    pub grace_period_seconds: Option<u64>,
    /// Only the object with this uid is deleted.
    pub uid: Option<String>,
    /// Only this version of the object is deleted.
    pub resource_version: Option<String>,
    /// What happens to owned objects; `None` is the kind's default.
    pub propagation: Option<Propagation>,
    /// True if nothing is deleted.
    pub dry_run: bool,
}

/// The body as it is sent; further fields are for other servers.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Body {
    grace_period_seconds: Option<i64>,
    preconditions: Option<Preconditions>,
    orphan_dependents: Option<bool>,
    propagation_policy: Option<String>,
    dry_run: Option<Vec<String>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Preconditions {
    uid: Option<String>,
    resource_version: Option<String>,
}

impl DeleteOptions {
    /// Reads the options of a deletion; `body` is `None` if the request has none.
    pub fn parse(query: &Query, body: Option<&Value>) -> Result<Self, Status> {
        let body = match body {
            Some(body) if body.is_object() => Body::deserialize(body)
                .map_err(|error| Status::bad_request(format!("DeleteOptions: {error}")))?,
            Some(_) => return Err(Status::bad_request("DeleteOptions: must be an object")),
            None => Body {
                grace_period_seconds: query.integer("gracePeriodSeconds")?,
                preconditions: None,
                orphan_dependents: query.flag("orphanDependents"),
                propagation_policy: query.text("propagationPolicy").map(str::to_owned),
                dry_run: Some(query.all("dryRun").map(str::to_owned).collect()),
            },
        };
        body.options()
    }

    /// 409 if a precondition does not hold for the object.
    pub fn check(
        &self,
        resource: &GroupResource,
        name: &str,
        object: &Value,
    ) -> Result<(), Status> {
        let text = |pointer| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let rows = [
            ("UID", &self.uid, text("/metadata/uid")),
            ("ResourceVersion", &self.resource_version, text("/metadata/resourceVersion")),
        ];
        for (what, wanted, found) in rows {
            if let Some(wanted) = wanted.as_deref().filter(|wanted| *wanted != found) {
                let why = format!(
                    "Precondition failed: {what} in precondition: {wanted}, {what} in object meta: \
                     {found}"
                );
                return Err(Status::conflict(resource, name, &why));
            }
        }
        Ok(())
    }
}

impl Body {
    fn options(self) -> Result<DeleteOptions, Status> {
        let mut errors = Vec::new();
        let dry_run = self.dry_run.unwrap_or_default();
        let preconditions = self.preconditions.unwrap_or_default();
        let policy = self.propagation_policy.filter(|policy| !policy.is_empty());
        if policy.is_some() && self.orphan_dependents.is_some() {
            let text = "orphanDependents and deletionPropagation cannot be both set";
            let value = policy.clone().unwrap_or_default();
            errors.push(FieldError::invalid("propagationPolicy", value, text));
        }
        let propagation = match policy.as_deref() {
            Some("Orphan") => Some(Propagation::Orphan),
            Some("Background") => Some(Propagation::Background),
            Some("Foreground") => Some(Propagation::Foreground),
            Some(other) => {
                let supported = ["Foreground", "Background", "Orphan", "nil"];
                errors.push(FieldError::not_supported("propagationPolicy", other, &supported));
                None
            }
            None => self.orphan_dependents.map(|orphan| match orphan {
                true => Propagation::Orphan,
                false => Propagation::Background,
            }),
        };
        let dry_run = write::dry_run(dry_run.iter().map(String::as_str), &mut errors);
        checked(META, "DeleteOptions", &errors)?;
        Ok(DeleteOptions {
            grace_period_seconds: self
                .grace_period_seconds
                .map(|it| u64::try_from(it).unwrap_or(1)),
            uid: preconditions.uid,
            resource_version: preconditions.resource_version,
            propagation,
            dry_run,
        })
    }
}
