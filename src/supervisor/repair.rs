//! Records that cannot be recovered as they are: some are repaired from a sound record of the same
//! pod, the others are only listed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use crate::domain::Incarnation;
use crate::domain::container::{Memory, Wanted};
use crate::domain::exit::ExitEvidence;
use crate::domain::history::History;
use crate::domain::pod::PodView;
use crate::domain::pod_key::PodKey;
use crate::domain::spec::{ContainerSpec, PodSpec, Source};
use crate::domain::status::{
    ContainerState, ContainerStatus, Phase, PodStatus, Stage, WaitingReason,
};
use crate::node::{Flaw, Found, FoundTask, Unsound};

/// The records of a pod, sorted.
pub enum Sorted {
    /// The records with which the pod can be recovered.
    Recoverable(Vec<Found>),
    /// The view of a pod that is not recovered, and the reason.
    Unsupervised(Box<PodView>, String, Flaw),
}

/// Sorts a pod's records. One record of a newer version makes the whole pod a newer version's. A
/// broken record is repaired from a sound one of the pod, because every record has the pod's spec.
pub fn sort(mut sound: Vec<Found>, unsound: Vec<Unsound>, wall: SystemTime) -> Sorted {
    let flaw = |flaw| unsound.iter().find(|attempt| attempt.flaw == flaw);
    let only_broken = if sound.is_empty() { flaw(Flaw::Broken) } else { None };
    if let Some(worst) = flaw(Flaw::Newer).or_else(|| flaw(Flaw::Unclear)).or(only_broken) {
        let (code, hint) = match worst.flaw {
            Flaw::Newer => ("RecordNewer", "run the newer probelet, or delete it with ctr"),
            Flaw::Broken => ("RecordBroken", "delete it with ctr"),
            Flaw::Unclear => ("TaskUnclear", "it is tried again"),
        };
        let reason = format!("{code}: the record of {}: {}; {hint}", worst.id, worst.reason);
        let view = Box::new(view(&sound, &unsound, code, &reason, wall));
        return Sorted::Unsupervised(view, reason, worst.flaw);
    }
    for broken in unsound {
        let (id, reason) = (&broken.id, &broken.reason);
        tracing::warn!(%id, reason, "a broken record is repaired from other records of the pod");
        if let Some(found) = repaired(&sound, broken, wall) {
            sound.push(found);
        }
    }
    Sorted::Recoverable(sound)
}

fn repaired(sound: &[Found], broken: Unsound, wall: SystemTime) -> Option<Found> {
    let pod = sound.iter().max_by_key(|found| found.id.attempt)?.pod.clone();
    // A container that is not in the spec does not belong to the pod.
    pod.place_of(&broken.id.container)?;
    let own = sound.iter().filter(|found| found.id.container == broken.id.container);
    let older = own.filter(|found| found.id.attempt < broken.id.attempt);
    let older = older.max_by_key(|found| found.id.attempt).map(|found| &found.memory);
    let wanted = sound.first().map_or(Wanted::Running, |found| found.memory.wanted);
    let older = older.cloned().unwrap_or_else(|| Memory::new(wanted, wall));
    let has_task = !matches!(broken.task, FoundTask::None);
    let memory = older.of_later(broken.id.attempt, has_task, wall);
    let (id, task, evidence) = (broken.id, broken.task, ExitEvidence::default());
    Some(Found { id, pod, memory, task, evidence, pending_record: false })
}

/// Builds the view of a pod as far as its labels describe it.
fn view(
    sound: &[Found],
    unsound: &[Unsound],
    code: &'static str,
    reason: &str,
    wall: SystemTime,
) -> PodView {
    let mut images: BTreeMap<&str, (&str, Incarnation)> = BTreeMap::new();
    let known = sound.iter().map(|found| (&found.id, ""));
    for (id, image) in known.chain(unsound.iter().map(|it| (&it.id, it.image.as_str()))) {
        let newest = images.entry(&id.container).or_insert((image, id.attempt));
        if !image.is_empty() || id.attempt > newest.1 {
            *newest = (image, newest.1.max(id.attempt));
        }
    }
    let ids = sound.iter().map(|found| &found.id).chain(unsound.iter().map(|it| &it.id));
    let name = ids.map(|id| id.pod.clone()).next();
    let pod = name.unwrap_or_else(|| PodKey::in_default(""));
    let containers: Vec<_> = images
        .iter()
        .map(|(name, (image, _))| {
            ContainerSpec::bare((*name).to_owned(), Source::Image((*image).to_owned()))
        })
        .collect();
    let statuses = images.iter().map(|(name, (image, attempt))| {
        let (reason, message) = (WaitingReason::Unsupervised(code), reason.to_owned());
        let state = ContainerState::Waiting { reason, message };
        blank(name, image, *attempt, state)
    });
    let status =
        PodStatus { phase: Phase::Unknown, containers: statuses.collect(), ..PodStatus::new(wall) };
    let uid = unsound.first().map(|it| it.pod_uid.clone()).unwrap_or_default();
    let namespace = pod.namespace().to_owned();
    let spec = PodSpec { namespace, ..PodSpec::bare(pod.name().to_owned(), uid, containers) };
    PodView { generation: 1, spec: Arc::new(spec), status: Arc::new(status), manifest_error: None }
}

#[cfg(test)]
mod tests;

fn blank(name: &str, image: &str, attempt: Incarnation, state: ContainerState) -> ContainerStatus {
    ContainerStatus {
        user: None,
        name: name.to_owned(),
        attempt,
        instance: attempt,
        stage: Stage::Idle,
        ready: false,
        started: false,
        restart_count: attempt.0,
        image: image.to_owned(),
        image_id: String::new(),
        container_id: String::new(),
        pid: None,
        state,
        last_state: None,
        history: History::default(),
        probes: Vec::new(),
        next_try: None,
        given_up: false,
        paused_until: None,
        shim: None,
        kill_held: None,
    }
}
