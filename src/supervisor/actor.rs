//! The actor of a pod: one `select!` and one timer.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use super::PodView;
use super::brake::BrakeHandle;
use super::clock::now;
use super::counters::Counters;
use super::effects::{Done, Effects};
use super::events::EventLog;
use super::reconcile::{Looks, nothing};
use crate::domain::Incarnation;
use crate::domain::container::{
    Action, Event, Fault, InstanceAction, InstanceEvent, Machine, Memory, Wanted,
};
use crate::domain::exit::Caller;
use crate::domain::notice::{Notice, NoticeType};
use crate::domain::pod::Pod;
use crate::domain::spec::{PodSpec, ProbeKind};
use crate::prober::Attempt;
use crate::runtime::Task;

/// The state that callers want; the newest one counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Desired {
    pub wanted: Wanted,
    pub grace: Option<Duration>,
    pub by: Option<Caller>,
}

/// A request to an actor beside the wanted state. The index is the container's position in the pod.
pub(super) enum Request {
    Tell(usize, Event),
    /// An event as in `Tell`, with the caller that asks for it.
    Ask(usize, Option<Caller>, Event),
    RunProbe(usize, ProbeKind, oneshot::Sender<Attempt>),
    Lend(usize, oneshot::Sender<Arc<dyn Task>>),
    /// What the runtime has of each container, from a reconciliation that began at that instant.
    Found(Instant, Arc<Looks>),
    /// The runtime answers again.
    RuntimeBack,
    /// The changed spec of a live pod, with the same containers.
    Respec(Arc<PodSpec>),
}

pub(super) struct Actor {
    pub pod: Pod,
    pub spec: Arc<PodSpec>,
    pub effects: Effects,
    pub containers: Vec<Held>,
    pub desired: watch::Receiver<Desired>,
    pub requests: mpsc::Receiver<Request>,
    pub view: watch::Sender<PodView>,
    pub changes: watch::Sender<u64>,
    pub events: Arc<EventLog>,
    pub brake_handle: BrakeHandle,
    pub boot_id: Option<Arc<str>>,
    pub counters: Arc<Counters>,
    /// The time when all records of the pod existed.
    pub born: Instant,
    pub cancel: CancellationToken,
}

/// The actor's state of one container.
#[derive(Default)]
pub(super) struct Held {
    pub(super) task: Option<Arc<dyn Task>>,
    pub(super) persisting: bool,
    pub(super) dirty: bool,
    /// The number of writes that failed in a row. `awaits_write` is set while the next one is
    /// delayed.
    pub(super) failed_writes: u32,
    pub(super) awaits_write: bool,
    pub(super) starting: bool,
    /// The newest attempt whose record exists with the cause that led to it.
    pub(super) recorded: Option<Incarnation>,
    /// The pull of the container's image.
    pub(super) pull: Option<AbortHandle>,
    /// The condemnation that the brake holds, by its time.
    pub(super) kill_held: Option<Instant>,
    /// Ended tasks that are deleted once what followed them is recorded. Until then only they hold
    /// the cause of their exit.
    pub(super) ended: BTreeSet<Incarnation>,
    /// Ended tasks that are being deleted.
    pub(super) reaping: BTreeSet<Incarnation>,
    /// Attempts whose records are to be deleted.
    pub(super) over: Vec<Incarnation>,
}

impl Actor {
    /// Runs until the pod is gone (true) or the daemon stops, which leaves the containers running.
    pub(super) async fn run(mut self, first: Vec<(usize, Action)>) -> bool {
        for (index, held) in self.containers.iter().enumerate() {
            if let (Some(task), Some(machine)) = (&held.task, self.pod.machine(index)) {
                let Memory { attempt, oom, .. } = machine.memory();
                self.effects.watch(index, attempt, task.clone());
                self.effects.watch_oom(index, attempt, task.clone(), oom.seen());
            }
        }
        if self.containers.iter().any(|held| held.task.is_some()) {
            self.effects.check_network();
        }
        self.perform(first);
        self.brake_handle.count(self.pod.ended_by_probes());
        self.publish();
        loop {
            let deadline = self.pod.deadline();
            tokio::select! {
                () = self.cancel.cancelled() => return false,
                done = self.effects.next() => self.take(done),
                Ok(()) = self.desired.changed() => {
                    let Desired { wanted, grace, by } = *self.desired.borrow_and_update();
                    if wanted == Wanted::Removed {
                        self.effects.runtime.give_up_network(&self.spec);
                    }
                    let heard = self.pod.handle_all(&Event::Asker(by), now());
                    self.perform(heard);
                    let actions = self.pod.ask(wanted, grace, now());
                    self.perform(actions);
                }
                Some(request) = self.requests.recv() => self.serve(request),
                () = sleep_until(deadline) => {
                    let now = now();
                    let actions = self.pod.handle_all(&Event::Tick, now);
                    self.count_launches(&actions, deadline, now);
                    self.perform(actions);
                }
            }
            self.brake_handle.count(self.pod.ended_by_probes());
            self.publish();
            if self.pod.is_gone() {
                return true;
            }
        }
    }

    fn serve(&mut self, request: Request) {
        match request {
            Request::Tell(index, event) => self.tell(index, event),
            Request::Ask(index, by, event) => {
                self.tell(index, Event::Asker(by));
                self.tell(index, event);
            }
            Request::RunProbe(index, kind, reply) => {
                // Without a process the reply is dropped, which tells the caller that none runs.
                if let Some(task) = self.task(index) {
                    self.effects.run_probe(index, kind, task, reply);
                }
            }
            Request::Lend(index, reply) => {
                // Without a process the reply is dropped, which tells the caller that none runs.
                if let Some(task) = self.task(index) {
                    let _ = reply.send(task);
                }
            }
            Request::Found(at, looks) => {
                for index in 0..self.containers.len() {
                    let look = looks.get(self.name(index)).cloned();
                    if at > self.born {
                        self.tell(index, Event::Found(look.unwrap_or_else(|| nothing(at))));
                    }
                }
            }
            Request::RuntimeBack => {
                let actions = self.pod.handle_all(&Event::RuntimeBack, now());
                self.perform(actions);
            }
            Request::Respec(spec) => {
                self.spec = spec.clone();
                self.effects.respec(spec.clone());
                let actions = self.pod.respec(spec, now());
                self.perform(actions);
            }
        }
    }

    pub(super) fn task(&self, index: usize) -> Option<Arc<dyn Task>> {
        self.containers.get(index)?.task.clone()
    }

    pub(super) fn name(&self, index: usize) -> &str {
        self.spec.at(index).map_or("", |container| &container.name)
    }

    pub(super) fn tell(&mut self, index: usize, event: Event) {
        let actions = self.pod.handle(index, event, now());
        self.perform(actions);
    }

    fn take(&mut self, done: Done) {
        match done {
            Done::Event(index, event) => {
                let over = match &event {
                    Event::Instance(incarnation, event) => {
                        self.happened(index, *incarnation, event)
                    }
                    _ => None,
                };
                self.tell(index, event);
                if let Some(attempt) = over {
                    self.count_end(index, attempt);
                }
            }
            Done::Started(index, incarnation, task) => {
                if let Some(held) = self.containers.get_mut(index) {
                    held.task = Some(task.clone());
                    held.starting = false;
                }
                self.recorded(index, incarnation);
                let pid = task.pid();
                let container_id = self.effects.id(index, incarnation).to_string();
                if let Some(why) = task.no_log() {
                    self.tell(index, Event::NoLog { incarnation, why });
                }
                if let Some(user) = task.user() {
                    self.tell(index, InstanceEvent::User { user }.of(incarnation));
                }
                if let Some(why) = task.refused_log() {
                    self.note_pod(Notice::warning("LogRefused", why));
                }
                let kills = task.oom_kills_before();
                self.effects.watch(index, incarnation, task.clone());
                if let Some(kills) = kills {
                    self.effects.watch_oom(index, incarnation, task, kills);
                    self.tell(index, InstanceEvent::OomKills { kills }.of(incarnation));
                }
                self.tell(index, InstanceEvent::Started { pid, container_id }.of(incarnation));
            }
            Done::OomKilled(index, incarnation, kills) => {
                let current = self.pod.machine(index).map(Machine::attempt);
                if let Some(task) = self.task(index).filter(|_| current == Some(incarnation)) {
                    self.effects.watch_oom(index, incarnation, task, kills);
                }
                self.tell(index, InstanceEvent::OomKills { kills }.of(incarnation));
            }
            Done::Ended(index, incarnation, ending, words) => {
                if let Some(held) = self.containers.get_mut(index) {
                    held.task = None;
                }
                self.tell(index, InstanceEvent::ExitEvidence { words }.of(incarnation));
                self.tell(index, InstanceEvent::Ended { ending }.of(incarnation));
                self.count_end(index, incarnation);
            }
            Done::Persisted(index, attempt, result) => self.persisted(index, attempt, result),
            Done::Kept(index) => self.kept(index),
            Done::WriteDue(index) => self.write_due(index),
            Done::Restored(index, attempt) => {
                self.recorded(index, attempt);
                // The restored record has to include the changes that were kept meanwhile.
                self.persist(index);
            }
            Done::Reaped(index, attempt) => {
                if let Some(held) = self.containers.get_mut(index) {
                    held.reaping.remove(&attempt);
                }
            }
            Done::NetworkBroken(why) => self.network_broken(&why),
            Done::Reconnected(failures, done) => self.reconnected(failures, done),
            Done::Nothing => {}
        }
    }

    /// Updates the actor's state for an event of an instance. Returns the attempt if the event ends
    /// it.
    fn happened(
        &mut self,
        index: usize,
        incarnation: Incarnation,
        event: &InstanceEvent,
    ) -> Option<Incarnation> {
        if let (InstanceEvent::Failed { .. } | InstanceEvent::Looked { .. }, Some(held)) =
            (event, self.containers.get_mut(index))
        {
            held.starting = false;
        }
        match event {
            InstanceEvent::Looked { .. } => {
                self.recorded(index, incarnation);
                None
            }
            InstanceEvent::Probed { kind, outcome, latency, .. } => {
                let who = (self.spec.name.as_str(), self.name(index));
                self.counters.probed(who, *kind, outcome, *latency);
                None
            }
            InstanceEvent::Failed { fault: Fault::Container, .. } | InstanceEvent::Ended { .. } => {
                Some(incarnation)
            }
            _ => None,
        }
    }

    fn perform(&mut self, actions: Vec<(usize, Action)>) {
        for (index, action) in actions {
            match action {
                Action::Instance(incarnation, action) => {
                    self.perform_for(index, incarnation, action);
                }
                Action::TellLate => self.brake_handle.late(self.name(index), now()),
                Action::Reap(incarnation) => {
                    if let Some(held) = self.containers.get_mut(index) {
                        held.ended.insert(incarnation);
                    }
                }
                Action::Forget(incarnation) => {
                    if let Some(held) = self.containers.get_mut(index) {
                        held.over.push(incarnation);
                    }
                }
                Action::Note(notice) => {
                    let container = if notice.of_pod { "" } else { self.name(index) };
                    log(container, &notice);
                    self.counters.noted(&notice);
                    self.events.record(&self.spec, container, notice, now().wall);
                }
                Action::Restore(incarnation) => {
                    if let Some(machine) = self.pod.machine(index) {
                        let memory = self.remembered(machine);
                        self.effects.restore(index, incarnation, memory);
                    }
                }
                Action::Clear(incarnation) => self.effects.clear(index, incarnation),
                Action::Persist => self.persist(index),
            }
        }
        self.clear_up();
    }

    fn perform_for(&mut self, index: usize, incarnation: Incarnation, action: InstanceAction) {
        match action {
            InstanceAction::Start => {
                if let (Some(machine), Some(held)) =
                    (self.pod.machine(index), self.containers.get_mut(index))
                {
                    held.starting = true;
                    let memory = self.remembered(machine);
                    self.effects.start(index, incarnation, memory);
                }
                // While the runtime is away the start writes no record, so the exit before it is
                // recorded here.
                if !self.effects.is_runtime_here() {
                    self.persist(index);
                }
            }
            InstanceAction::LookForImage | InstanceAction::Pull(_) | InstanceAction::GiveUpPull => {
                self.image(index, incarnation, action)
            }
            InstanceAction::Probe(kind, launch) => {
                if let Some(task) = self.task(index) {
                    self.effects.probe(index, incarnation, (kind, launch), task);
                }
            }
            InstanceAction::RunHook(kind, bound) => {
                if let Some(task) = self.task(index) {
                    self.effects.run_hook(index, incarnation, (kind, bound), task);
                }
            }
            InstanceAction::Capture => self.capture(index, incarnation),
            InstanceAction::MeasureShim => {
                if let Some(task) = self.task(index) {
                    self.effects.measure_shim(index, incarnation, task);
                }
            }
            InstanceAction::MeasureVolumes => self.effects.measure_volumes(index, incarnation),
            InstanceAction::Signal(signal) => {
                let task = self.task(index);
                // A process that is gone needs no signal; its exit is about to be reported.
                if let Some(Err(error)) = task.map(|task| task.signal(signal)) {
                    let id = self.effects.id(index, incarnation);
                    tracing::debug!(%id, signal, %error, "signal not delivered");
                }
            }
            InstanceAction::AskBrake(condemned) => {
                let answer = self.brake_handle.ask(self.name(index), incarnation, condemned, now());
                self.count_ruling(index, condemned.since, &answer);
                self.tell(index, answer);
            }
            InstanceAction::Destroy => self.effects.destroy(index, incarnation),
        }
    }

    /// Publishes the pod's view. Each probe attempt changes the view, but only a change of the
    /// pod's state increments the generation.
    fn publish(&mut self) {
        self.pod.set_network(self.effects.runtime.network(&self.spec));
        let status = self.pod.status();
        let mut is_level = false;
        self.view.send_if_modified(|view| {
            let respecced = !Arc::ptr_eq(&view.spec, &self.spec);
            let changed = respecced || view.status != status;
            if changed {
                is_level = respecced || view.status.differs_in_level(&status);
                view.spec = self.spec.clone();
                view.generation += u64::from(is_level);
                view.status = status;
            }
            changed
        });
        if is_level {
            self.changes.send_modify(|count| *count += 1);
        }
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

/// Logs an event at the level of its type. The span names the pod.
pub(super) fn log(container: &str, Notice { kind, reason, message, .. }: &Notice) {
    match kind {
        NoticeType::Normal => tracing::info!(container, reason, "{message}"),
        NoticeType::Warning => tracing::warn!(container, reason, "{message}"),
    }
}
