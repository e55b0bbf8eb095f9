//! Jobs: one try after another, until enough have succeeded or too many have failed.
//!
//! Each try is a pod: the first has the Job's name, the others `NAME-1`, `NAME-2`, … The number of a
//! try is the number of tries that ended before it, so the counts of the status say which pods are
//! counted already, also after an end of the daemon.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::action::{Action, NewPod, Note, Owner, Problem, Reconciliation};
use crate::conditions::{Clock, Condition, Conditions};
use crate::facts::{Observed, Phase, PodFacts, finished};
use crate::kind::Kind;
use crate::one_pod::owned;
use crate::read::{flag, integer, later, present, render_time, text, texts, time};

/// Seconds before the second try; each further one waits twice as long.
const BACKOFF: i64 = 10;
/// The longest wait, in seconds.
const LONGEST_BACKOFF: i64 = 360;

/// A Job in one reconciliation.
struct Run<'a> {
    job: &'a Value,
    all: &'a [PodFacts],
    /// The Job's pods with the numbers of their tries.
    mine: Vec<(i64, &'a PodFacts)>,
    succeeded: i64,
    failed: i64,
    now: Timestamp,
    is_cordoned: bool,
}

pub fn reconcile(job: &Value, observed: Observed<'_>, now: Timestamp) -> Reconciliation {
    let Observed { pods, is_cordoned, .. } = observed;
    let name = text(job, "/metadata/name");
    let number = |pod: &PodFacts| -> Option<i64> {
        let rest = pod.name.strip_prefix(name)?;
        if rest.is_empty() { Some(0) } else { rest.strip_prefix('-')?.parse().ok() }
    };
    let mine = owned(job, pods);
    let mine = mine.into_iter().filter_map(|pod| Some((number(pod)?, pod))).collect();
    let count = |field: &str| integer(job, &format!("/status/{field}")).unwrap_or(0).max(0);
    let (succeeded, failed) = (count("succeeded"), count("failed"));
    let mut run = Run { job, all: pods, mine, succeeded, failed, now, is_cordoned };
    if finished(job).is_some() {
        return run.expire();
    }
    run.count();
    run.go_on()
}

impl Run<'_> {
    fn spec(&self, field: &str) -> Option<i64> {
        integer(self.job, &format!("/spec/{field}"))
    }

    /// Deletes a finished Job when its time is over.
    fn expire(&self) -> Reconciliation {
        let status = self.job.get("status").cloned().unwrap_or_default();
        let mut result = Reconciliation::new(status);
        let conditions = Conditions::of(self.job, Clock::Probe, self.now);
        let failed = conditions.changed("Failed").filter(|_| conditions.holds("Failed"));
        let end = time(self.job, "/status/completionTime").or(failed);
        if let Some((end, seconds)) = end.zip(self.spec("ttlSecondsAfterFinished")) {
            let due = later(end, seconds);
            if due > self.now {
                result.wake(due);
            } else {
                let Owner { name, uid, .. } = Owner::of(Kind::Job, self.job);
                let why = format!("ttlSecondsAfterFinished: {seconds} s after the Job ended");
                result.actions.push(Action::DeleteJob { name, uid, why });
            }
        }
        result
    }

    /// Counts the tries that have ended. A pod that is deleted while it runs is no try: its number
    /// is used again.
    fn count(&mut self) {
        let counted = self.succeeded.saturating_add(self.failed);
        for (_, pod) in self.mine.iter().filter(|(number, _)| *number >= counted) {
            match pod.phase {
                Phase::Succeeded => self.succeeded = self.succeeded.saturating_add(1),
                Phase::Failed if !pod.deleting => self.failed = self.failed.saturating_add(1),
                _ => {}
            }
        }
    }

    fn active(&self) -> impl Iterator<Item = &PodFacts> {
        self.mine.iter().map(|(_, pod)| *pod).filter(|pod| pod.is_active())
    }

    fn terminating(&self) -> usize {
        self.mine.iter().filter(|(_, pod)| pod.deleting && !pod.is_over()).count()
    }

    fn go_on(mut self) -> Reconciliation {
        let mut result = Reconciliation::new(Value::Null);
        let mut conditions = Conditions::of(self.job, Clock::Probe, self.now);
        let mut start = time(self.job, "/status/startTime");
        let suspended = flag(self.job, "/spec/suspend");
        let was_suspended = conditions.holds("Suspended");
        if !suspended && (start.is_none() || was_suspended) {
            start = Some(self.now);
        }
        let enough = self.succeeded >= self.spec("completions").unwrap_or(1);
        let mut completed = None;
        let failure = if conditions.holds("FailureTarget") {
            Some((reason_of(&conditions), conditions.message("FailureTarget").to_owned()))
        } else if enough {
            None
        } else {
            self.failure(start.filter(|_| !suspended), &mut result)
        };
        if let Some((reason, message)) = failure {
            let condition =
                |kind| Condition { kind, status: "True", reason, message: message.clone() };
            if !conditions.holds("FailureTarget") {
                conditions.set(condition("FailureTarget"));
                let active = i64::try_from(self.active().count()).unwrap_or(0);
                self.failed = self.failed.saturating_add(active);
            }
            let idle = self.active().next().is_none() && self.terminating() == 0;
            self.delete_active(&message, &mut result);
            if idle {
                conditions.set(condition("Failed"));
                result.notes.push(Note { is_warning: true, reason, message });
            }
        } else if enough {
            let condition = |kind| Condition {
                kind,
                status: "True",
                reason: "CompletionsReached",
                message: "Reached expected number of succeeded pods".to_owned(),
            };
            conditions.set(condition("SuccessCriteriaMet"));
            if self.active().next().is_none() && self.terminating() == 0 {
                conditions.set(condition("Complete"));
                completed = Some(self.now);
                result.note("Completed", "Job completed");
            }
            self.delete_active("the Job is complete", &mut result);
        } else if suspended {
            self.delete_active("the Job is suspended", &mut result);
            suspend(&mut conditions, true);
            if !was_suspended {
                result.note("Suspended", "Job suspended");
            }
        } else {
            if was_suspended {
                suspend(&mut conditions, false);
                result.note("Resumed", "Job resumed");
            }
            self.next_try(&mut result);
        }
        if conditions.holds("Complete") || conditions.holds("Failed") {
            // The time to live begins.
            result.next = self.spec("ttlSecondsAfterFinished").map(|ttl| later(self.now, ttl));
        }
        result.status = self.status(conditions, start, completed);
        result
    }

    /// Why the Job fails now: its deadline is over, or it has failed too often.
    fn failure(
        &self,
        start: Option<Timestamp>,
        result: &mut Reconciliation,
    ) -> Option<(&'static str, String)> {
        if let Some((start, seconds)) = start.zip(self.spec("activeDeadlineSeconds")) {
            let deadline = later(start, seconds);
            if deadline <= self.now {
                let message = "Job was active longer than specified deadline";
                return Some(("DeadlineExceeded", message.to_owned()));
            }
            result.wake(deadline);
        }
        let limit = self.spec("backoffLimit").unwrap_or(6);
        let policy = text(self.job, "/spec/template/spec/restartPolicy");
        let restarts = self.active().map(|pod| pod.restarts).fold(0, i64::saturating_add);
        // Restarts in a pod count too.
        let too_many = policy == "OnFailure" && restarts >= limit.max(1);
        (self.failed > limit || too_many).then(|| {
            let message = "Job has reached the specified backoff limit";
            ("BackoffLimitExceeded", message.to_owned())
        })
    }

    fn delete_active(&self, why: &str, result: &mut Reconciliation) {
        for pod in self.active() {
            let (name, uid) = (pod.name.clone(), pod.uid.clone());
            result.actions.push(Action::DeletePod { name, uid, why: why.to_owned() });
        }
    }

    /// Creates the pod of the next try, when none runs and the wait is over.
    fn next_try(&self, result: &mut Reconciliation) {
        if self.spec("parallelism") == Some(0) {
            return self.delete_active("the Job's parallelism is 0", result);
        }
        if self.active().next().is_some() {
            return;
        }
        if let Some(due) = self.back_off().filter(|due| *due > self.now) {
            return result.wake(due);
        }
        let owner = Owner::of(Kind::Job, self.job);
        let name = match self.succeeded.saturating_add(self.failed) {
            0 => owner.name.clone(),
            number => format!("{}-{number}", owner.name),
        };
        if let Some(taken) = self.all.iter().find(|pod| pod.name == name) {
            // The end of a pod that is being deleted frees the name.
            if taken.owner.as_deref() != Some(owner.uid.as_str()) && !taken.deleting {
                let message = format!("pods {name:?} already exists");
                result.problems.push(Problem { reason: "FailedCreate", message });
            }
            return;
        }
        if self.is_cordoned {
            return result.problems.push(Problem::cordoned());
        }
        let template = self.job.pointer("/spec/template").unwrap_or(&Value::Null);
        result.actions.push(Action::CreatePod(NewPod {
            name,
            labels: texts(template, "/metadata/labels"),
            annotations: texts(template, "/metadata/annotations"),
            owner,
            spec: present(template, "/spec").cloned().unwrap_or_default(),
        }));
    }

    /// When the next try may begin: after failures without a success between them, 10 s after the
    /// last one, then 20 s, …, at most 6 min.
    fn back_off(&self) -> Option<Timestamp> {
        let mut over: Vec<_> = self.mine.iter().filter(|(_, pod)| pod.is_over()).collect();
        over.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
        let failed: Vec<_> =
            over.into_iter().take_while(|(_, pod)| pod.phase == Phase::Failed).collect();
        let last = failed.iter().filter_map(|(_, pod)| pod.finished).max()?;
        let doublings = u32::try_from(failed.len().saturating_sub(1)).unwrap_or(u32::MAX);
        let factor = 1_i64.checked_shl(doublings.min(30)).unwrap_or(i64::MAX);
        Some(later(last, BACKOFF.saturating_mul(factor).min(LONGEST_BACKOFF)))
    }

    fn status(
        &self,
        conditions: Conditions,
        start: Option<Timestamp>,
        completed: Option<Timestamp>,
    ) -> Value {
        let active = self.active().count();
        let ready = self.active().filter(|pod| pod.ready_since.is_some()).count();
        let mut status = Map::new();
        let mut put = |field: &str, value: Value| status.insert(field.to_owned(), value);
        for (field, time) in [("startTime", start), ("completionTime", completed)] {
            if let Some(time) = time {
                put(field, render_time(time));
            }
        }
        let numbers = [
            ("active", i64::try_from(active).unwrap_or(0)),
            ("succeeded", self.succeeded),
            ("failed", self.failed),
        ];
        // Kubernetes leaves out a zero of these.
        for (field, number) in numbers.into_iter().filter(|(_, number)| *number > 0) {
            put(field, json!(number));
        }
        put("ready", json!(ready));
        put("terminating", json!(self.terminating()));
        put("conditions", conditions.into_value());
        Value::Object(status)
    }
}

fn suspend(conditions: &mut Conditions, suspended: bool) {
    let (status, reason, message) = if suspended {
        ("True", "JobSuspended", "Job suspended")
    } else {
        ("False", "JobResumed", "Job resumed")
    };
    conditions.set(Condition { kind: "Suspended", status, reason, message: message.to_owned() });
}

/// The reason for which a Job is failing.
fn reason_of(conditions: &Conditions) -> &'static str {
    match conditions.reason("FailureTarget") {
        "DeadlineExceeded" => "DeadlineExceeded",
        _ => "BackoffLimitExceeded",
    }
}
