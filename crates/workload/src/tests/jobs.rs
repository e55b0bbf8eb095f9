//! Jobs: tries, limits, suspension and the time to live.

use std::slice;

use super::*;

fn over(mut pod: PodFacts, phase: Phase, seconds: i64) -> PodFacts {
    pod.phase = phase;
    pod.finished = Some(at(seconds));
    pod
}

/// Creates the pod of the next try.
fn next(job: &mut Value, pods: &[PodFacts], seconds: i64) -> PodFacts {
    let result = run(job, pods, seconds);
    job["status"] = result.status.clone();
    created(&result)
}

#[test]
fn a_job_completes() {
    let mut job = object(Kind::Job, json!({ "ttlSecondsAfterFinished": 60 }));
    let pod = next(&mut job, &[], 0);
    assert_eq!(pod.name, "web");
    assert_eq!(pod.labels["job-name"], "web");
    assert_eq!(job["status"]["startTime"], json!(START));
    assert_eq!(step(&mut job, slice::from_ref(&pod), 1), [""; 0]);
    assert_eq!(job["status"]["active"], json!(1));
    let pod = over(pod, Phase::Succeeded, 5);
    let result = run(&job, slice::from_ref(&pod), 6);
    assert_eq!((short(&result), result.next), (vec![], Some(at(66))));
    assert_eq!(notes(&result), ["Completed: Job completed"]);
    job["status"] = result.status;
    assert_eq!(
        conditions(&job),
        ["SuccessCriteriaMet=True(CompletionsReached)", "Complete=True(CompletionsReached)"]
    );
    assert_eq!(job["status"]["completionTime"], json!("2026-01-02T03:04:11Z"));
    assert_eq!((&job["status"]["succeeded"], job["status"].get("active")), (&json!(1), None));
    let before = job.clone();
    assert_eq!(step(&mut job, slice::from_ref(&pod), 65), [""; 0]);
    assert_eq!(job, before);
    // A pod that is deleted later is not run again.
    assert_eq!(step(&mut job, &[], 65), [""; 0]);
    assert_eq!(step(&mut job, &[pod], 66), ["-job web"]);
}

#[test]
fn tries_wait_longer_and_longer() {
    let mut job = object(Kind::Job, json!({ "backoffLimit": 7 }));
    let mut pods = Vec::new();
    let mut now = 0;
    let mut waits = Vec::new();
    for number in 0..8 {
        let pod = next(&mut job, &pods, now);
        let expected = if number == 0 { "web".to_owned() } else { format!("web-{number}") };
        assert_eq!(pod.name, expected);
        pods.push(over(pod, Phase::Failed, now));
        let result = run(&job, &pods, now);
        job["status"] = result.status.clone();
        assert_eq!(short(&result), [""; 0]);
        let Some(due) = result.next else { break };
        waits.push(due.duration_since(at(now)).as_secs());
        now += waits.last().unwrap();
    }
    assert_eq!(waits, [10, 20, 40, 80, 160, 320, 360]);
    assert_eq!(job["status"]["failed"], json!(8));
    assert_eq!(
        conditions(&job),
        ["FailureTarget=True(BackoffLimitExceeded)", "Failed=True(BackoffLimitExceeded)"]
    );
    assert_eq!(job["status"].get("completionTime"), None);
}

#[test]
fn completions_run_one_after_the_other() {
    let mut job = object(Kind::Job, json!({ "completions": 3, "parallelism": 2 }));
    let mut pods: Vec<PodFacts> = Vec::new();
    for (number, phase) in [Phase::Succeeded, Phase::Failed, Phase::Succeeded].iter().enumerate() {
        let pod = next(&mut job, &pods, number as i64);
        pods.push(pod);
        assert_eq!(step(&mut job, &pods, number as i64), [""; 0], "one at a time");
        *pods.last_mut().unwrap() = over(pods[number].clone(), *phase, number as i64 - 20);
    }
    // The pods may be deleted meanwhile: the counts are in the status.
    step(&mut job, &pods, 3);
    let last = next(&mut job, &[], 4);
    assert_eq!(last.name, "web-3");
    assert_eq!(step(&mut job, &[over(last, Phase::Succeeded, 5)], 5), [""; 0]);
    assert_eq!((&job["status"]["succeeded"], &job["status"]["failed"]), (&json!(3), &json!(1)));
    assert_eq!(conditions(&job)[1], "Complete=True(CompletionsReached)");
}

#[test]
fn restarts_of_containers_count_against_the_limit() {
    for (limit, restarts, fails) in [(0, 0, false), (0, 1, true), (2, 1, false), (2, 2, true)] {
        let mut job = object(Kind::Job, json!({ "backoffLimit": limit }));
        job["spec"]["template"]["spec"]["restartPolicy"] = json!("OnFailure");
        let mut pod = next(&mut job, &[], 0);
        pod.restarts = restarts;
        let actions = step(&mut job, slice::from_ref(&pod), 1);
        assert_eq!(actions == ["-web"], fails, "{limit} {restarts}");
        if fails {
            assert_eq!(conditions(&job), ["FailureTarget=True(BackoffLimitExceeded)"]);
            pod.deleting = true;
            pod.restarts = 0;
            assert_eq!(step(&mut job, &[pod], 2), [""; 0]);
            assert_eq!(conditions(&job).len(), 1, "the pod still ends");
            assert_eq!(step(&mut job, &[], 3), [""; 0]);
            assert_eq!(conditions(&job)[1], "Failed=True(BackoffLimitExceeded)");
            assert_eq!(job["status"]["failed"], json!(1));
        }
    }
}

#[test]
fn a_deadline_ends_a_job() {
    let mut job = object(Kind::Job, json!({ "activeDeadlineSeconds": 30 }));
    let pod = next(&mut job, &[], 0);
    assert_eq!(run(&job, slice::from_ref(&pod), 29).next, Some(at(30)));
    assert_eq!(step(&mut job, &[pod], 30), ["-web"]);
    assert_eq!(step(&mut job, &[], 31), [""; 0]);
    assert_eq!(
        conditions(&job),
        ["FailureTarget=True(DeadlineExceeded)", "Failed=True(DeadlineExceeded)"]
    );
    assert_eq!(
        job["status"]["conditions"][1]["message"],
        json!("Job was active longer than specified deadline")
    );
}

#[test]
fn a_suspended_job_has_no_pod_and_no_deadline() {
    let mut job = object(Kind::Job, json!({ "suspend": true, "activeDeadlineSeconds": 30 }));
    assert_eq!(step(&mut job, &[], 0), [""; 0]);
    assert_eq!(conditions(&job), ["Suspended=True(JobSuspended)"]);
    assert_eq!(job["status"].get("startTime"), None);
    job["spec"]["suspend"] = json!(false);
    let mut pod = next(&mut job, &[], 100);
    assert_eq!(conditions(&job), ["Suspended=False(JobResumed)"]);
    assert_eq!(job["status"]["startTime"], json!("2026-01-02T03:05:45Z"));
    job["spec"]["suspend"] = json!(true);
    assert_eq!(step(&mut job, slice::from_ref(&pod), 110), ["-web"]);
    // The end of that pod is no try.
    pod.deleting = true;
    assert_eq!(step(&mut job, &[over(pod, Phase::Failed, 111)], 500), [""; 0]);
    assert_eq!(job["status"].get("failed"), None);
    job["spec"]["suspend"] = json!(false);
    assert_eq!(next(&mut job, &[], 600).name, "web");
}

#[test]
fn a_queue_of_none_waits() {
    let mut job = object(Kind::Job, json!({ "parallelism": 0 }));
    assert_eq!(step(&mut job, &[], 0), [""; 0]);
    job["spec"]["parallelism"] = json!(1);
    let pod = next(&mut job, &[], 1);
    step(&mut job, &[over(pod, Phase::Succeeded, 2)], 2);
    assert_eq!(conditions(&job)[1], "Complete=True(CompletionsReached)");
}

#[test]
fn a_name_that_is_taken_is_reported() {
    let mut job = object(Kind::Job, json!({}));
    let other = PodFacts { name: "web".to_owned(), ..PodFacts::default() };
    let result = run(&job, slice::from_ref(&other), 0);
    assert_eq!(result.problems[0].message, "pods \"web\" already exists");
    assert_eq!(step(&mut job, &[other], 0), [""; 0]);
}

#[test]
fn the_end_of_a_job_is_noted_once() {
    let mut job = object(Kind::Job, json!({ "backoffLimit": 0 }));
    let pod = over(next(&mut job, &[], 0), Phase::Failed, 1);
    let result = run(&job, slice::from_ref(&pod), 2);
    let wanted = "BackoffLimitExceeded: Job has reached the specified backoff limit";
    assert_eq!(notes(&result), [wanted]);
    assert!(result.notes[0].is_warning);
    job["status"] = result.status;
    assert_eq!(notes(&run(&job, slice::from_ref(&pod), 3)), [""; 0]);
    let mut job = object(Kind::Job, json!({ "suspend": true }));
    let result = run(&job, &[], 0);
    assert_eq!(notes(&result), ["Suspended: Job suspended"]);
    job["status"] = result.status;
    assert_eq!(notes(&run(&job, &[], 1)), [""; 0]);
    job["spec"]["suspend"] = json!(false);
    assert_eq!(notes(&run(&job, &[], 2)), ["Resumed: Job resumed"]);
}

#[test]
fn a_cordoned_node_gets_no_try() {
    let job = object(Kind::Job, json!({}));
    let observed = Observed { is_cordoned: true, ..Observed::default() };
    let result = reconcile(Kind::Job, &job, observed, at(0), utc);
    assert_eq!((short(&result), result.problems[0].reason), (vec![], "FailedScheduling"));
}
