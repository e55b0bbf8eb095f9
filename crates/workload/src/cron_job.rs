//! CronJobs: a Job for each time of the schedule.

use std::cmp::Reverse;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use crate::action::{Action, NewJob, Owner, Problem, Reconciliation};
use crate::cron::Schedule;
use crate::facts::{Finished, JobFacts};
use crate::kind::Kind;
use crate::read::{flag, integer, later, list, present, render_time, text, texts, time};

const SCHEDULED_AT: &str = "batch.kubernetes.io/cronjob-scheduled-timestamp";
/// Missed times above which Kubernetes warns.
const MISSED: usize = 100;

/// A CronJob in one reconciliation.
struct Run<'a> {
    cron_job: &'a Value,
    jobs: &'a [JobFacts],
    mine: Vec<&'a JobFacts>,
    now: Timestamp,
}

pub fn reconcile(
    cron_job: &Value,
    jobs: &[JobFacts],
    now: Timestamp,
    zone: impl Fn(Option<&str>) -> Option<TimeZone>,
) -> Reconciliation {
    let uid = text(cron_job, "/metadata/uid");
    let mine = jobs.iter().filter(|job| job.owner.as_deref() == Some(uid)).collect();
    let run = Run { cron_job, jobs, mine, now };
    let mut result = Reconciliation::new(Value::Null);
    run.forget(&mut result, "successfulJobsHistoryLimit", Finished::Complete);
    run.forget(&mut result, "failedJobsHistoryLimit", Finished::Failed);
    run.see_ends(&mut result);
    let mut last = time(cron_job, "/status/lastScheduleTime");
    let mut problem = |reason, message| result.problems.push(Problem { reason, message });
    let named = present(cron_job, "/spec/timeZone").and_then(Value::as_str);
    match (Schedule::parse(text(cron_job, "/spec/schedule")), zone(named)) {
        _ if flag(cron_job, "/spec/suspend") => {}
        (_, None) => {
            let name = named.unwrap_or("Local");
            let message = format!("invalid timeZone: {name:?}: unknown time zone {name}");
            problem("UnknownTimeZone", message);
        }
        (Err(error), _) => {
            let given = text(cron_job, "/spec/schedule");
            problem("UnparseableSchedule", format!("unparseable schedule: {given:?} : {error}"));
        }
        (Ok(schedule), Some(zone)) => run.schedule(&schedule, &zone, &mut last, &mut result),
    }
    result.status = run.status(last);
    result
}

impl Run<'_> {
    fn active(&self) -> impl Iterator<Item = &JobFacts> {
        self.mine.iter().copied().filter(|job| job.finished.is_none())
    }

    /// Notes the ends of the Jobs that the status has as active.
    fn see_ends(&self, result: &mut Reconciliation) {
        for active in list(self.cron_job, "/status/active") {
            let (name, uid) = (text(active, "/name"), text(active, "/uid"));
            let Some(job) = self.mine.iter().find(|job| job.uid == uid) else {
                result.note("MissingJob", format!("Active job went missing: {name}"));
                continue;
            };
            let condition = match job.finished {
                Some(Finished::Complete) => "Complete",
                Some(Finished::Failed) => "Failed",
                None => continue,
            };
            let message = format!("Saw completed job: {name}, condition: {condition}");
            result.note("SawCompletedJob", message);
        }
    }

    /// Deletes the oldest finished Jobs above the limit.
    fn forget(&self, result: &mut Reconciliation, field: &str, how: Finished) {
        let Some(limit) = integer(self.cron_job, &format!("/spec/{field}")) else { return };
        let is = |job: &&&JobFacts| job.finished == Some(how) && !job.deleting;
        let mut jobs: Vec<_> = self.mine.iter().filter(is).collect();
        jobs.sort_by_key(|job| Reverse((job.started, &job.name)));
        for job in jobs.into_iter().skip(usize::try_from(limit).unwrap_or(0)) {
            let why = format!("spec.{field} is {limit}");
            let (name, uid) = (job.name.clone(), job.uid.clone());
            result.actions.push(Action::DeleteJob { name, uid, why });
        }
    }

    /// Creates the Job of the last time that has passed, and asks for the next one.
    fn schedule(
        &self,
        schedule: &Schedule,
        zone: &TimeZone,
        last: &mut Option<Timestamp>,
        result: &mut Reconciliation,
    ) {
        let created = time(self.cron_job, "/metadata/creationTimestamp").unwrap_or(self.now);
        let deadline = integer(self.cron_job, "/spec/startingDeadlineSeconds");
        let mut from = last.unwrap_or(created);
        if let Some(deadline) = deadline {
            from = from.max(later(self.now, deadline.saturating_neg()));
        }
        let Some(due) = schedule.last_between(from, self.now, zone) else {
            // A creation time in the future waits for it.
            result.next = schedule.next_after(from, zone);
            return;
        };
        result.next = schedule.next_after(due, zone);
        let mut missed = from;
        let times = std::iter::from_fn(|| {
            missed = schedule.next_after(missed, zone).filter(|next| *next <= self.now)?;
            Some(missed)
        });
        if times.take(MISSED.saturating_add(1)).count() > MISSED {
            let message = "too many missed start times. Set or decrease \
                           .spec.startingDeadlineSeconds or check clock skew";
            let message = message.to_owned();
            result.problems.push(Problem { reason: "TooManyMissedTimes", message });
        }
        let owner = Owner::of(Kind::CronJob, self.cron_job);
        let name = format!("{}-{}", owner.name, due.as_second().div_euclid(60));
        if let Some(job) = self.jobs.iter().find(|job| job.name == name) {
            if job.owner.as_deref() == Some(owner.uid.as_str()) {
                // The daemon ended between the creation and the status.
                *last = Some(due);
            } else {
                let message = format!("Error creating job: jobs.batch {name:?} already exists");
                result.problems.push(Problem { reason: "FailedCreate", message });
            }
            return;
        }
        match text(self.cron_job, "/spec/concurrencyPolicy") {
            // The end of the active Job starts the one that is due, unless its deadline is over.
            "Forbid" if self.active().next().is_some() => return,
            "Replace" => {
                for job in self.active().filter(|job| !job.deleting) {
                    let why = format!("the Job {name} replaces it");
                    let (name, uid) = (job.name.clone(), job.uid.clone());
                    result.actions.push(Action::DeleteJob { name, uid, why });
                }
            }
            _ => {}
        }
        *last = Some(due);
        let job = self.job(name, owner, due, zone);
        result.actions.push(Action::CreateJob(job));
    }

    fn job(&self, name: String, owner: Owner, due: Timestamp, zone: &TimeZone) -> NewJob {
        let template = present(self.cron_job, "/spec/jobTemplate").unwrap_or(&Value::Null);
        let mut annotations = texts(template, "/metadata/annotations");
        let due = due.to_zoned(zone.clone());
        let format = if due.offset().is_zero() { "%FT%TZ" } else { "%FT%T%:z" };
        annotations.insert(SCHEDULED_AT.to_owned(), due.strftime(format).to_string());
        NewJob {
            name,
            labels: texts(template, "/metadata/labels"),
            annotations,
            owner,
            spec: present(template, "/spec").cloned().unwrap_or_default(),
        }
    }

    fn status(&self, last: Option<Timestamp>) -> Value {
        let namespace = text(self.cron_job, "/metadata/namespace");
        let active: Vec<_> = self
            .active()
            .map(|job| {
                json!({
                    "apiVersion": "batch/v1", "kind": "Job", "name": job.name,
                    "namespace": namespace, "resourceVersion": job.version, "uid": job.uid,
                })
            })
            .collect();
        let complete = self.mine.iter().filter(|job| job.finished == Some(Finished::Complete));
        let before = time(self.cron_job, "/status/lastSuccessfulTime");
        let succeeded = complete.filter_map(|job| job.completed).chain(before).max();
        let mut status = Map::new();
        if !active.is_empty() {
            status.insert("active".to_owned(), Value::Array(active));
        }
        for (field, time) in [("lastScheduleTime", last), ("lastSuccessfulTime", succeeded)] {
            if let Some(time) = time {
                status.insert(field.to_owned(), render_time(time));
            }
        }
        Value::Object(status)
    }
}
