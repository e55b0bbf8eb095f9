//! Recovers what an earlier daemon left: first all records are read, then each pod is recovered as
//! soon as its tasks have answered. A shim that hangs delays only its pod.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;
use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::clock::now;
use super::repair::{self, Sorted};
use super::{Entry, PodView, Supervisor, SupervisorError, lock, pending_record};
use crate::domain::exit::ExitEvidence;
use crate::domain::spec::PodSpec;
use crate::runtime::{AttemptId, Flaw, Found, FoundTask, Recorded, RuntimeError, Unsound};

/// The number of pods whose tasks are queried concurrently.
const AT_ONCE: usize = 16;

/// The records of one pod.
#[derive(Default)]
struct Leftovers {
    sound: Vec<Recorded>,
    unsound: Vec<Unsound>,
}

impl Supervisor {
    /// Recovers every pod that the runtime has records of; returns how many.
    pub async fn recover(&self) -> Result<usize, SupervisorError> {
        let survey = self.runtime.survey().await;
        self.heard(survey.as_ref().err());
        let mut survey = survey?;
        pending_record::fill_in(&mut survey.sound, survey.pending_record);
        let mut pods: BTreeMap<String, Leftovers> = BTreeMap::new();
        for recorded in survey.sound {
            pods.entry(recorded.id.pod.clone()).or_default().sound.push(recorded);
        }
        for unsound in survey.unsound {
            pods.entry(unsound.id.pod.clone()).or_default().unsound.push(unsound);
        }
        pods.retain(|name, _| !self.is_taken(name));
        // All events are restored before the first actor records a new one, whose number follows
        // theirs.
        pods.values_mut().for_each(|remains| self.restore_events(&mut remains.sound));
        let pods = stream::iter(pods).map(|(name, remains)| self.take_up(name, remains));
        let count = pods.buffer_unordered(AT_ONCE).try_fold(0, async |all, one| Ok(all + one));
        let count = count.await;
        self.heard(count.as_ref().err());
        Ok(count?)
    }

    /// True if the name is in use, so that no recorded pod can take it.
    fn is_taken(&self, name: &str) -> bool {
        match lock(&self.registry).get(name) {
            Some(Entry::Pod(_) | Entry::Reserved) => true,
            Some(Entry::LeftAlone(..)) | None => false,
        }
    }

    /// Queries the pod's tasks and starts its actor; returns the number of pods recovered.
    async fn take_up(&self, name: String, remains: Leftovers) -> Result<usize, RuntimeError> {
        let Leftovers { sound, unsound } = remains;
        let asked = sound.into_iter().map(|recorded| self.ask(recorded));
        let (mut found, mut flawed) = (Vec::new(), Vec::new());
        for answer in try_join_all(asked).await? {
            match answer {
                Ok(attempt) => found.push(attempt),
                Err(unclear) => flawed.push(unclear),
            }
        }
        flawed.extend(try_join_all(unsound.into_iter().map(|it| self.ask_of(it))).await?);
        if self.is_taken(&name) {
            return Ok(0);
        }
        match repair::sort_out(found, flawed, now().wall) {
            Sorted::Whole(attempts) => Ok(usize::from(self.resume(attempts))),
            Sorted::LeftAlone(view, reason, flaw) => {
                self.leave_alone(view, reason, flaw);
                Ok(0)
            }
        }
    }

    /// Queries the task of an attempt. One attempt that cannot be queried does not block the
    /// others.
    async fn ask(&self, recorded: Recorded) -> Result<Result<Found, Unsound>, RuntimeError> {
        let Recorded { id, pod, memory, pending_record } = recorded;
        // The memory is of a later attempt than the record, whose task is over.
        let is_over = memory.attempt > id.attempt;
        let asked = if is_over { Ok(FoundTask::None) } else { self.runtime.task(&id).await };
        let task = match asked {
            Ok(task) => task,
            Err(error @ RuntimeError::Unavailable(_)) => return Err(error),
            Err(error) => return Ok(Err(unclear(&id, &pod, &error))),
        };
        let words = match task {
            FoundTask::Ended(ending, _) => {
                let with_log = pod.wants_log(&id.container, ending.exit_code());
                self.runtime.exit_evidence(&id, with_log).await
            }
            _ => ExitEvidence::default(),
        };
        Ok(Ok(Found { id, pod, memory, task, words, pending_record }))
    }

    async fn ask_of(&self, unsound: Unsound) -> Result<Unsound, RuntimeError> {
        // A record of a newer version must not be touched.
        if unsound.flaw == Flaw::Newer {
            return Ok(unsound);
        }
        match self.runtime.task(&unsound.id).await {
            Ok(task) => Ok(Unsound { task, ..unsound }),
            Err(error @ RuntimeError::Unavailable(_)) => Err(error),
            Err(error) => Ok(Unsound { flaw: Flaw::Unclear, reason: error.to_string(), ..unsound }),
        }
    }

    pub(super) fn leave_alone(&self, view: Box<PodView>, reason: String, flaw: Flaw) {
        let name = view.spec.name.clone();
        let entry = Entry::LeftAlone(view, reason.clone(), flaw);
        let before = lock(&self.registry).insert(name.clone(), entry);
        if before.is_none() {
            tracing::warn!(pod = name, reason, "left alone");
            self.changes.send_modify(|count| *count += 1);
        }
    }

    /// Restores the events from each container's newest record, which has all of them.
    fn restore_events(&self, attempts: &mut [Recorded]) {
        attempts.sort_by_key(|recorded| recorded.id.attempt);
        let mut newest = BTreeMap::new();
        for Recorded { id, pod, memory, .. } in attempts {
            newest.insert((&pod.uid, &id.container), std::mem::take(&mut memory.events));
        }
        newest.into_values().for_each(|events| self.events.restore(events));
    }
}

fn unclear(id: &AttemptId, pod: &PodSpec, error: &RuntimeError) -> Unsound {
    let container = pod.all().find(|container| container.name == id.container);
    Unsound {
        id: id.clone(),
        pod_uid: pod.uid.clone(),
        image: container.map(|container| container.image()).unwrap_or_default(),
        flaw: Flaw::Unclear,
        reason: error.to_string(),
        task: FoundTask::None,
    }
}
