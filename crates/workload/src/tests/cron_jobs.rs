//! CronJobs: which Job is due, policies and history.

use std::slice;

use super::*;

fn cron(more: Value) -> Value {
    object(Kind::CronJob, more)
}

fn tick(object: &mut Value, jobs: &[JobFacts], seconds: i64) -> Reconciliation {
    let result = reconcile(
        Kind::CronJob,
        object,
        Observed { jobs, ..Observed::default() },
        at(seconds),
        utc,
    );
    object["status"] = result.status.clone();
    result
}

fn job(name: &str, started: i64, finished: Option<Finished>) -> JobFacts {
    JobFacts {
        name: name.to_owned(),
        uid: format!("job-{name}"),
        version: "7".to_owned(),
        owner: Some("u-1".to_owned()),
        finished,
        started: Some(at(started)),
        completed: finished.map(|_| at(started + 1)),
        deleting: false,
    }
}

/// 03:04:05 is 355 s before the first time, 03:10.
const FIRST: i64 = 355;
/// The minutes of 03:10 since 1970.
const NAME: &str = "web-29455390";

#[test]
fn a_job_is_created_at_its_time() {
    let mut object = cron(json!({}));
    let result = tick(&mut object, &[], 0);
    assert_eq!((short(&result), result.next), (vec![], Some(at(FIRST))));
    assert_eq!(result.status, json!({}));
    let result = tick(&mut object, &[], FIRST);
    assert_eq!(
        (short(&result), result.next),
        (vec![format!("+job {NAME}")], Some(at(FIRST + 600)))
    );
    assert!(result.actions[0].before_status());
    let Action::CreateJob(new) = &result.actions[0] else { panic!("{result:?}") };
    assert_eq!(
        new.annotations["batch.kubernetes.io/cronjob-scheduled-timestamp"],
        "2026-01-02T03:10:00Z"
    );
    let mut created = new.object("shop");
    created["metadata"]["uid"] = json!("u-2");
    default(Kind::Job, &mut created, |_| ());
    assert_eq!(errors(Kind::Job, &created, None), [""; 0]);
    assert_eq!(JobFacts::of(&created).owner.as_deref(), Some("u-1"));
    assert_eq!(object["status"], json!({ "lastScheduleTime": "2026-01-02T03:10:00Z" }));
    let result = tick(&mut object, &[job(NAME, FIRST, None)], FIRST + 1);
    assert_eq!(short(&result), [""; 0]);
    assert_eq!(
        object["status"]["active"],
        json!([{
            "apiVersion": "batch/v1", "kind": "Job", "name": NAME, "namespace": "shop",
            "resourceVersion": "7", "uid": format!("job-{NAME}"),
        }])
    );
    let done = job(NAME, FIRST, Some(Finished::Complete));
    assert_eq!(short(&tick(&mut object, &[done], FIRST + 2)), [""; 0]);
    assert_eq!(
        object["status"],
        json!({
            "lastScheduleTime": "2026-01-02T03:10:00Z", "lastSuccessfulTime": "2026-01-02T03:10:01Z",
        })
    );
}

#[test]
fn an_end_of_the_daemon_creates_no_second_job() {
    let mut object = cron(json!({}));
    let before = object.clone();
    tick(&mut object, &[], FIRST);
    // The status was not stored.
    object = before;
    let result = tick(&mut object, &[job(NAME, FIRST, None)], FIRST + 1);
    assert_eq!(short(&result), [""; 0]);
    assert_eq!(object["status"]["lastScheduleTime"], json!("2026-01-02T03:10:00Z"));
    let mut other = job(NAME, FIRST, None);
    other.owner = None;
    let result = tick(&mut cron(json!({})), &[other], FIRST);
    assert_eq!((short(&result).len(), result.problems[0].reason), (0, "FailedCreate"));
}

#[test]
fn only_the_last_missed_time_counts() {
    let day = 86_400;
    let mut object = cron(json!({}));
    let result = tick(&mut object, &[], day);
    assert_eq!(short(&result), ["+job web-29456820"]);
    assert_eq!(result.problems[0].reason, "TooManyMissedTimes");
    let result = tick(&mut cron(json!({})), &[], 3_600);
    assert_eq!((short(&result).len(), result.problems.len()), (1, 0));
    // Without a time within the deadline nothing is due.
    let late = cron(json!({ "startingDeadlineSeconds": 30 }));
    let result = tick(&mut late.clone(), &[], FIRST + 31);
    assert_eq!((short(&result), result.next), (vec![], Some(at(FIRST + 600))));
    assert_eq!(short(&tick(&mut late.clone(), &[], FIRST + 29)).len(), 1);
}

#[test]
fn policies_for_a_job_that_still_runs() {
    let old = job("web-1", 0, None);
    let run = |policy: &str, jobs: &[JobFacts]| {
        short(&tick(&mut cron(json!({ "concurrencyPolicy": policy })), jobs, FIRST))
    };
    let (create, delete) = (format!("+job {NAME}"), "-job web-1".to_owned());
    assert_eq!(run("Allow", slice::from_ref(&old)), slice::from_ref(&create));
    assert_eq!(run("Forbid", slice::from_ref(&old)), [""; 0]);
    assert_eq!(run("Replace", slice::from_ref(&old)), [delete, create.clone()]);
    let mut others = old;
    others.owner = Some("other".to_owned());
    for policy in ["Allow", "Forbid", "Replace"] {
        assert_eq!(run(policy, slice::from_ref(&others)), slice::from_ref(&create), "{policy}");
    }
    // A time that Forbid has skipped is made up for when the Job ends.
    let mut object = cron(json!({ "concurrencyPolicy": "Forbid" }));
    tick(&mut object, &[job("web-1", 0, None)], FIRST);
    let done = job("web-1", 0, Some(Finished::Failed));
    assert_eq!(short(&tick(&mut object, &[done], FIRST + 60)), [create]);
}

#[test]
fn the_oldest_finished_jobs_are_deleted() {
    let jobs: Vec<_> = (0..6)
        .map(|n| {
            let how = if n % 3 == 0 { Finished::Failed } else { Finished::Complete };
            job(&format!("web-{n}"), n, Some(how))
        })
        .chain([job("web-7", 7, None)])
        .collect();
    let mut object = cron(json!({}));
    assert_eq!(short(&tick(&mut object, &jobs, 10)), ["-job web-1", "-job web-0"]);
    let mut none = cron(json!({ "successfulJobsHistoryLimit": 0, "failedJobsHistoryLimit": 9 }));
    assert_eq!(short(&tick(&mut none, &jobs, 10)).len(), 4);
}

#[test]
fn a_suspended_one_and_a_bad_one_create_nothing() {
    for (more, reason) in [
        (json!({ "suspend": true }), None),
        (json!({ "timeZone": "Mars/Olympus" }), Some("UnknownTimeZone")),
        (json!({ "schedule": "x" }), Some("UnparseableSchedule")),
    ] {
        let result = tick(&mut cron(more.clone()), &[], FIRST);
        assert_eq!((short(&result).len(), result.next), (0, None), "{more}");
        assert_eq!(result.problems.first().map(|it| it.reason), reason, "{more}");
    }
}

#[test]
fn a_time_zone_moves_the_schedule() {
    let mut object = cron(json!({ "schedule": "0 9 * * *", "timeZone": "America/New_York" }));
    let result = tick(&mut object, &[], 0);
    assert_eq!(result.next.unwrap().to_string(), "2026-01-02T14:00:00Z");
    let result = tick(&mut object, &[], 40_000);
    let Action::CreateJob(new) = &result.actions[0] else { panic!("{result:?}") };
    assert_eq!(
        new.annotations["batch.kubernetes.io/cronjob-scheduled-timestamp"],
        "2026-01-02T09:00:00-05:00"
    );
}

#[test]
fn every_counts_from_the_last_time() {
    let mut object = cron(json!({ "schedule": "@every 90s" }));
    let result = tick(&mut object, &[], 100);
    assert_eq!((short(&result).len(), result.next), (1, Some(at(180))));
    assert_eq!(object["status"]["lastScheduleTime"], json!("2026-01-02T03:05:35Z"));
    assert_eq!(short(&tick(&mut object, &[], 179)), [""; 0]);
    assert_eq!(short(&tick(&mut object, &[], 180)).len(), 1);
}

#[test]
fn the_end_of_an_active_job_is_noted_once() {
    let mut object = cron(json!({}));
    tick(&mut object, &[], FIRST);
    tick(&mut object, &[job(NAME, FIRST, None)], FIRST + 1);
    let done = [job(NAME, FIRST, Some(Finished::Complete))];
    let result = tick(&mut object, &done, FIRST + 2);
    let wanted = format!("SawCompletedJob: Saw completed job: {NAME}, condition: Complete");
    assert_eq!(notes(&result), [wanted]);
    assert_eq!(notes(&tick(&mut object, &done, FIRST + 3)), [""; 0]);
    let second = "web-29455400";
    tick(&mut object, &[job(second, FIRST + 600, None)], FIRST + 601);
    let result = tick(&mut object, &[], FIRST + 602);
    assert_eq!(notes(&result), [format!("MissingJob: Active job went missing: {second}")]);
}
