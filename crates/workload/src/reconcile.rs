//! From an object and what is observed to what follows.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::action::Reconciliation;
use crate::facts::Observed;
use crate::kind::Kind;
use crate::read::{text, time};
use crate::{cron_job, daemon_set, deployment, job, stateful_set};

/// What an object with defaults needs now.
///
/// `observed` is of the object's namespace. `zone` gives the time zone of a CronJob: that of
/// `spec.timeZone`, or the host's for `None`.
///
/// An object that is being deleted needs nothing: the caller deletes what it owns. With
/// `metadata.finalizers` the object stays, and so does its status.
pub fn reconcile(
    kind: Kind,
    object: &Value,
    observed: Observed<'_>,
    now: Timestamp,
    zone: impl Fn(Option<&str>) -> Option<TimeZone>,
) -> Reconciliation {
    if time(object, "/metadata/deletionTimestamp").is_some()
        || text(object, "/metadata/uid").is_empty()
    {
        let status = object.get("status").cloned().unwrap_or_else(|| json!({}));
        return Reconciliation::new(status);
    }
    match kind {
        Kind::Deployment => deployment::reconcile(object, observed, now),
        Kind::DaemonSet => daemon_set::reconcile(object, observed.pods, now),
        Kind::StatefulSet => stateful_set::reconcile(object, observed, now),
        Kind::Job => job::reconcile(object, observed, now),
        Kind::CronJob => cron_job::reconcile(object, observed.jobs, now, zone),
    }
}
