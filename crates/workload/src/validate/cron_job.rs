//! CronJobs.

use jiff::tz::TimeZone;
use probelet_kube_wire::status::{FieldError, FieldErrorKind};
use serde_json::Value;

use super::{job, not_negative, one_of};
use crate::cron::Schedule;
use crate::read::{flag, present, text};

/// The longest name: a Job's has 11 more, the minutes since 1970.
const LONGEST_NAME: usize = 52;

pub(super) fn validate(
    object: &Value,
    zone: impl Fn(Option<&str>) -> Option<TimeZone>,
) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let name = text(object, "/metadata/name");
    if name.len() > LONGEST_NAME {
        let why = format!("must be no more than {LONGEST_NAME} characters");
        errors.push(FieldError::invalid("metadata.name", name, why));
    }
    errors.extend(schedule(object));
    let limits =
        ["startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"];
    errors.extend(not_negative(object, "spec", &limits));
    errors.extend(one_of(object, "spec.concurrencyPolicy", &["Allow", "Forbid", "Replace"]));
    if let Some(given) = present(object, "/spec/timeZone").and_then(Value::as_str) {
        let why = match given {
            "" => Some("timeZone must be nil or non-empty string".to_owned()),
            given if given.eq_ignore_ascii_case("local") => {
                let zones = "https://www.iana.org/time-zones";
                Some(format!("timeZone must be an explicit time zone as defined in {zones}"))
            }
            given => zone(Some(given)).is_none().then(|| format!("unknown time zone {given}")),
        };
        errors.extend(why.map(|why| FieldError::invalid("spec.timeZone", given, why)));
    }
    errors.extend(job::spec(object, "spec.jobTemplate.spec"));
    if let Some(selector) = present(object, "/spec/jobTemplate/spec/selector") {
        let why = "`selector` will be auto-generated";
        let field = "spec.jobTemplate.spec.selector";
        errors.push(FieldError::invalid(field, selector.clone(), why));
    }
    if flag(object, "/spec/jobTemplate/spec/manualSelector") {
        let field = "spec.jobTemplate.spec.manualSelector";
        errors.push(FieldError::not_supported(field, true, &["nil", "false"]));
    }
    errors
}

fn schedule(object: &Value) -> Option<FieldError> {
    let field = "spec.schedule";
    let given = text(object, "/spec/schedule");
    if given.is_empty() {
        return Some(FieldError::new(FieldErrorKind::Required, field, ""));
    }
    if given.contains("TZ") {
        let why = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead";
        return Some(FieldError::invalid(field, given, why));
    }
    let error = Schedule::parse(given).err()?;
    Some(FieldError::invalid(field, given, error.to_string()))
}
