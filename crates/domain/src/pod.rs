//! The pod over its containers: one wanted level, one deadline, the order of starts and stops,
//! phase and conditions.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::Now;
use super::container::{Action, Event, Machine, Member, PodSignal, Wanted};
use super::network::PodNetwork;
use super::spec::PodSpec;
use super::status::{ContainerStatus, Expired, Phase, PodStatus, Stage};
use super::time::Later;

mod conditions;
mod order;
mod phase;

use conditions::judge;
pub use phase::phase;

/// Published state of a pod.
#[derive(Debug, Clone)]
pub struct PodView {
    /// Number that grows with each change, except changes of the probes' counters alone.
    pub generation: u64,
    /// Spec as it was applied, with defaults.
    pub spec: Arc<PodSpec>,
    /// Phase, conditions and containers. Views that show the same state share it.
    pub status: Arc<PodStatus>,
    /// Reason why the pod differs from a file of the manifest directory.
    pub manifest_error: Option<String>,
}

/// All containers of a pod. An index is a container's position in [`PodSpec::all`].
#[derive(Debug)]
pub struct Pod {
    spec: Arc<PodSpec>,
    machines: Vec<Machine>,
    wanted: Wanted,
    created_at: SystemTime,
    deletion: Option<(SystemTime, Duration)>,
    network: PodNetwork,
    /// Status after the last event. An event that changes nothing in it keeps it.
    status: Arc<PodStatus>,
}

impl Pod {
    /// Pod of a spec and of its containers' machines, which are in the order of [`PodSpec::all`].
    /// The machines of a recovered pod say whether it is to run.
    pub fn new(spec: Arc<PodSpec>, machines: Vec<Machine>, now: Now) -> Self {
        let created_at = creation_time(&machines).unwrap_or(now.wall);
        let wanted = wanted_of(&machines);
        let network = PodNetwork::default();
        let status = Arc::new(PodStatus::new(created_at));
        let mut pod = Self { spec, machines, wanted, created_at, deletion: None, network, status };
        pod.present(now);
        pod
    }

    /// Machine of the container at `index`; `None` if the pod has no such container.
    pub fn machine(&self, index: usize) -> Option<&Machine> {
        self.machines.get(index)
    }

    /// Level that callers want of the pod.
    pub fn wanted(&self) -> Wanted {
        self.wanted
    }

    /// When the next tick of any container is due; `None` while no container waits for one.
    pub fn deadline(&self) -> Option<Instant> {
        self.machines.iter().filter_map(Machine::deadline).min()
    }

    /// Number of its containers that a probe may end now.
    pub fn ended_by_probes(&self) -> usize {
        self.machines.iter().filter(|machine| machine.may_be_ended_by_probe()).count()
    }

    /// True once no container runs and everything of the removed pod is deleted.
    pub fn is_gone(&self) -> bool {
        self.machines.iter().all(Machine::is_gone)
    }

    /// Handles an event of one container, and what follows from it for the others.
    pub fn handle(&mut self, index: usize, event: Event, now: Now) -> Vec<(usize, Action)> {
        let mut actions = self.tell(index, event, now);
        actions.append(&mut self.advance(now));
        self.present(now);
        actions
    }

    /// Takes over the level that a caller wants. A start of a pod that has ended by itself runs it
    /// again, as after a stop.
    pub fn ask(
        &mut self,
        wanted: Wanted,
        grace: Option<Duration>,
        now: Now,
    ) -> Vec<(usize, Action)> {
        let mut actions = Vec::new();
        let all_over = self.members().all(|one| one.is_over() || one.has_not_begun());
        if wanted == Wanted::Running && all_over && self.members().any(Member::is_over) {
            actions = self.handle_all(&Event::Wanted { wanted: Wanted::Stopped, grace: None }, now);
        }
        actions.append(&mut self.handle_all(&Event::Wanted { wanted, grace }, now));
        actions
    }

    /// Handles an event for each container.
    pub fn handle_all(&mut self, event: &Event, now: Now) -> Vec<(usize, Action)> {
        let mut actions = Vec::new();
        if let Event::Wanted { wanted, grace } = event {
            actions = self.want(*wanted, *grace, now);
        }
        for index in 0..self.machines.len() {
            actions.append(&mut self.tell(index, event.clone(), now));
        }
        actions.append(&mut self.advance(now));
        self.present(now);
        actions
    }

    /// Goes on after a recovery: an earlier daemon may have ordered only some of the containers.
    pub fn resume(&mut self, now: Now) -> Vec<(usize, Action)> {
        let wanted = self.wanted;
        let mut actions = Vec::new();
        for index in 0..self.machines.len() {
            let Some(member) = self.machines.get(index).map(Machine::member) else { continue };
            let differs = member.wanted() != wanted && !member.is_stopped_by_probe();
            if wanted == Wanted::Removed || differs {
                let event = Event::Wanted { wanted, grace: None };
                actions.append(&mut self.tell(index, event, now));
            }
        }
        if wanted == Wanted::Removed {
            self.deletion.get_or_insert((now.wall, self.spec.termination_grace));
        }
        if let Some(Expired::Evicted { message }) = self.expired() {
            actions.append(&mut self.evict(&message, now));
        }
        actions.append(&mut self.advance(now));
        self.present(now);
        actions
    }

    fn want(&mut self, wanted: Wanted, grace: Option<Duration>, now: Now) -> Vec<(usize, Action)> {
        if self.wanted == Wanted::Removed && wanted != Wanted::Removed {
            return Vec::new();
        }
        let before = std::mem::replace(&mut self.wanted, wanted);
        match wanted {
            Wanted::Removed => {
                let new = (now.wall, grace.unwrap_or(self.spec.termination_grace));
                let end = |(asked, grace): (SystemTime, Duration)| asked.later(grace);
                // A later request may only shorten the grace.
                let is_sooner = |before: (SystemTime, Duration)| end(new) < end(before);
                if self.deletion.is_none_or(|before| grace.is_some() && is_sooner(before)) {
                    self.deletion = Some(new);
                }
                Vec::new()
            }
            Wanted::Running if before == Wanted::Stopped => self.begin_round(now),
            Wanted::Running | Wanted::Stopped => Vec::new(),
        }
    }

    fn tell(&mut self, index: usize, event: Event, now: Now) -> Vec<(usize, Action)> {
        let was_expired = self.is_expired();
        let Some(machine) = self.machines.get_mut(index) else { return Vec::new() };
        let member = machine.member();
        let (before, was_evicted) = (member.attempt(), member.evicted().is_some());
        let is_ordered = event == Event::Pod(PodSignal::Start);
        let actions = machine.handle(event, now);
        let restarts = machine.attempt() != before && !is_ordered;
        let owner = machine.container().name.clone();
        let evicted = machine.member().evicted().map(str::to_owned).filter(|_| !was_evicted);
        // The event is published once for the pod, at the first of the containers that it ends.
        let expired = self.expired().filter(|_| !was_expired);
        let expired = expired.map(|expired| Action::Note(expired.notice()));
        let actions = expired.into_iter().chain(actions);
        let mut all: Vec<_> = actions.map(|action| (index, action)).collect();
        if restarts {
            let spec = self.spec.clone();
            for dependent in spec.dependents_of(&owner) {
                let signal = PodSignal::Restart { owner: owner.clone() };
                all.append(&mut self.tell(dependent, signal.into(), now));
            }
        }
        if let Some(message) = evicted {
            all.append(&mut self.evict(&message, now));
        }
        all
    }

    /// Evicts all containers of the pod.
    fn evict(&mut self, message: &str, now: Now) -> Vec<(usize, Action)> {
        let mut actions = Vec::new();
        for index in 0..self.machines.len() {
            let event = Event::Evicted { message: message.to_owned() };
            actions.append(&mut self.tell(index, event, now));
        }
        actions
    }

    /// Takes over another spec for the same containers.
    pub fn respec(&mut self, spec: Arc<PodSpec>, now: Now) -> Vec<(usize, Action)> {
        self.spec = spec.clone();
        self.handle_all(&Event::Respec(spec), now)
    }

    /// Sets the network of the pod.
    pub fn set_network(&mut self, network: PodNetwork) {
        if self.network != network {
            Arc::make_mut(&mut self.status).network = network.clone();
            self.network = network;
        }
    }

    /// Phase, conditions and containers of the pod as they are now. It is another `Arc` only if
    /// something in it has changed.
    pub fn status(&self) -> &Arc<PodStatus> {
        &self.status
    }

    /// Makes the status anew, once for each event: a pod has hundreds of events in a second.
    fn present(&mut self, now: Now) {
        let (init_containers, containers) = self.statuses();
        let phase = self.phase(&init_containers, &containers);
        let status = PodStatus {
            phase,
            expired: self.expired(),
            conditions: judge(self, phase, (&init_containers, &containers), now),
            created_at: creation_time(&self.machines).unwrap_or(self.created_at),
            deletion: self.deletion,
            init_containers,
            containers,
            network: self.network.clone(),
        };
        if *self.status != status {
            self.status = Arc::new(status);
        }
    }

    fn statuses(&self) -> (Vec<ContainerStatus>, Vec<ContainerStatus>) {
        let mut init: Vec<_> = self.machines.iter().map(Machine::status).collect();
        let regular = init.split_off(self.spec.init_containers.len().min(init.len()));
        (init, regular)
    }

    fn is_expired(&self) -> bool {
        self.members().any(|member| member.expired().is_some())
    }

    fn expired(&self) -> Option<Expired> {
        let evicted = self.members().find(|member| member.evicted().is_some());
        let expired = evicted.and_then(Member::expired);
        expired.or_else(|| self.members().find_map(Member::expired)).cloned()
    }

    fn phase(&self, init: &[ContainerStatus], regular: &[ContainerStatus]) -> Phase {
        let has_process = |status: &ContainerStatus| status.stage == Stage::Running;
        if self.is_expired() && !init.iter().chain(regular).any(has_process) {
            return Phase::Failed;
        }
        // The current state of the containers decides, not what would follow if they were wanted.
        let is_over = self.deletion.is_some() || self.wanted == Wanted::Stopped;
        let ended = is_over && !self.machines.iter().any(Machine::is_alive);
        phase(&self.spec, init, regular, ended)
    }

    fn members(&self) -> impl Iterator<Item = Member<'_>> {
        self.machines.iter().map(Machine::member)
    }
}

/// Creation time of the pod, by the current wall clock.
fn creation_time(machines: &[Machine]) -> Option<SystemTime> {
    machines.iter().map(|machine| machine.member().created_at()).min()
}

/// Level that is wanted of a recovered pod. An earlier daemon may have ordered only some of the
/// containers to stop, so the pod is to run if one of its containers is to run.
fn wanted_of(machines: &[Machine]) -> Wanted {
    let any = |wanted| machines.iter().any(|machine| machine.member().wanted() == wanted);
    if any(Wanted::Removed) {
        Wanted::Removed
    } else if any(Wanted::Running) {
        Wanted::Running
    } else {
        Wanted::Stopped
    }
}

#[cfg(test)]
mod tests;
