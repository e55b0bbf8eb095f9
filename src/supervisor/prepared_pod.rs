//! A pod before its actor starts: created, or restored from its records and tasks.

use std::sync::Arc;

use super::counters::Counters;
use crate::domain::container::{Action, Event, ImageFacts, Machine, Recovered, Wanted};
use crate::domain::pod::Pod;
use crate::domain::spec::PodSpec;
use crate::domain::{Incarnation, Now};
use crate::node::{Found, FoundTask, Task};

/// A pod that is ready for its actor, with its first actions.
pub struct PreparedPod {
    pub pod: Pod,
    pub spec: Arc<PodSpec>,
    pub containers: Vec<PreparedContainer>,
    pub first: Vec<(usize, Action)>,
    pub wanted: Wanted,
}

/// The runtime's part of a container before its actor starts.
pub struct PreparedContainer {
    pub task: Option<Arc<dyn Task>>,
    /// The newest attempt that has a record.
    pub recorded: Option<Incarnation>,
}

impl PreparedPod {
    /// Prepares a new pod, whose containers are recorded with `attempt`.
    pub fn created(
        spec: Arc<PodSpec>,
        machines: Vec<Machine>,
        wanted: Wanted,
        attempt: Incarnation,
        now: Now,
    ) -> Self {
        let mut pod = Pod::new(spec.clone(), machines, now);
        let first = match wanted {
            Wanted::Stopped => Vec::new(),
            _ => pod.handle_all(&Event::Wanted { wanted, grace: None }, now),
        };
        let container = |_| PreparedContainer { task: None, recorded: Some(attempt) };
        let containers = spec.all().map(container).collect();
        Self { pod, spec, containers, first, wanted }
    }

    /// Prepares a pod from all of its attempts, oldest first. Counts the attempts that have ended
    /// since their records were written. None if there is no attempt.
    pub fn restored(
        attempts: Vec<Found>,
        boot_id: Option<&str>,
        counters: &Counters,
        now: Now,
    ) -> Option<Self> {
        Self::of_attempts(attempts, boot_id, Some(counters), now)
    }

    /// Prepares a pod as its records describe it, before its tasks are queried. It is only to be
    /// shown: its actions assume nothing of the tasks.
    pub fn recorded(attempts: Vec<Found>, boot_id: Option<&str>, now: Now) -> Option<Self> {
        Self::of_attempts(attempts, boot_id, None, now)
    }

    /// Without counters, the tasks have not been queried.
    fn of_attempts(
        mut attempts: Vec<Found>,
        boot_id: Option<&str>,
        counters: Option<&Counters>,
        now: Now,
    ) -> Option<Self> {
        let newest = attempts.last()?;
        let spec = Arc::new(newest.pod.clone());
        let (mut machines, mut containers, mut first) = (Vec::new(), Vec::new(), Vec::new());
        for (index, container) in spec.all().enumerate() {
            let (own, others): (Vec<_>, _) =
                attempts.into_iter().partition(|found| found.id.container == container.name);
            attempts = others;
            let newest = own.iter().max_by_key(|found: &&Found| found.id.attempt);
            let recorded = newest.map(|found| found.id.attempt);
            let pending_record = newest.is_some_and(|found| found.pending_record);
            let open = newest.filter(|found| found.memory.ended.is_none());
            let open = open.map(|found| found.id.attempt);
            let restored =
                RestoredContainer::new(&spec, index, own, (boot_id, counters.is_some()), now);
            let restored = restored.unwrap_or_else(|| {
                let facts = ImageFacts::default();
                let machine = Machine::new(spec.clone(), container.clone(), facts, now);
                RestoredContainer { machine, first: Vec::new(), task: None }
            });
            if let (Some(attempt), Some(counters)) = (open, counters) {
                let memory = restored.machine.memory();
                counters.ended(&spec.key(), &container.name, attempt, &memory);
            }
            first.extend(restored.first.into_iter().map(|action| (index, action)));
            first.extend(pending_record.then_some((index, Action::Persist)));
            machines.push(restored.machine);
            containers.push(PreparedContainer { task: restored.task, recorded });
        }
        let mut pod = Pod::new(spec.clone(), machines, now);
        first.extend(pod.resume(now));
        let wanted = pod.wanted();
        Some(Self { pod, spec, containers, first, wanted })
    }

    /// Makes the removal of the pod its first action.
    pub fn remove(&mut self, now: Now) {
        let event = Event::Wanted { wanted: Wanted::Removed, grace: None };
        self.first.extend(self.pod.handle_all(&event, now));
        self.wanted = Wanted::Removed;
    }
}

/// A container's machine, its first actions, and its task.
struct RestoredContainer {
    machine: Machine,
    first: Vec<Action>,
    task: Option<Arc<dyn Task>>,
}

impl RestoredContainer {
    /// Restores the machine of one container from its attempts, oldest first. The highest attempt
    /// counts.
    fn new(
        spec: &Arc<PodSpec>,
        index: usize,
        mut attempts: Vec<Found>,
        (boot_id, is_queried): (Option<&str>, bool),
        now: Now,
    ) -> Option<Self> {
        let container = spec.at(index)?.clone();
        let recorded: Vec<_> = attempts.iter().map(|found| found.id.attempt).collect();
        let newest = attempts.pop()?;
        let (found, task): (_, Option<Arc<dyn Task>>) = match newest.task {
            FoundTask::Running(task) => {
                (Recovered::Running { pid: task.pid() }, Some(Arc::from(task)))
            }
            FoundTask::Ended(ending, at) => (Recovered::Ended(ending, at, newest.evidence), None),
            FoundTask::Unknown => (Recovered::Unknown, None),
            FoundTask::None if newest.memory.is_of_another_boot(boot_id) => {
                (Recovered::NodeRestarted, None)
            }
            FoundTask::None if !is_queried => (Recovered::Unanswered, None),
            FoundTask::None => (Recovered::Nothing, None),
        };
        let (memory, container_id) = (newest.memory.in_boot(boot_id), newest.id.to_string());
        let (mut machine, first) =
            Machine::recover(spec.clone(), container, memory, container_id, recorded, found, now);
        machine.spread_probes(now);
        Some(Self { machine, first, task })
    }
}
