//! The images of a start, its own and those of its volumes: looked for, pulled where they have to
//! be, waited for in the kubelet's words.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use super::state::State;
use super::{Action, ImageFacts, InstanceAction, Machine, Turn, Wanted};
use crate::image::{self, Need, PullFault, Pulled, Reference, VolumeSeen};
use crate::notice::Notice;
use crate::spec::Source;
use crate::status::WaitingReason;
use crate::time::Later;

/// How long an error is shown as such before the back-off that follows it.
const SHOWN: Duration = Duration::from_secs(2);
/// How soon an image that may not, or cannot, be pulled is looked for again.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// Of the images that a start waits for.
#[derive(Debug, Default)]
pub(super) struct Waits {
    /// Which they are, the one that it is at first.
    missing: VecDeque<Missing>,
    /// Those of volumes that were pulled for this start: not once more where a later one fails.
    pulled: BTreeSet<String>,
    /// Failures in a row.
    failures: u32,
    error: String,
    /// When the next try is due.
    retry_at: Option<Instant>,
    /// Its own was pulled, or tried, for the start that is next.
    pub(super) told: bool,
}

#[derive(Debug, Clone)]
struct Missing {
    name: String,
    need: Need,
    /// No volume's.
    is_own: bool,
}

impl Machine {
    /// Starts, once its images are here.
    pub(super) fn start(&mut self, turn: &mut Turn) {
        // Whether the pod has its views of them no memory knows.
        let has_volumes = self.pod.volume_images(&self.spec).next().is_some();
        match self.own_need() {
            Need::Nothing if !has_volumes => self.launch(turn),
            _ => self.look(turn),
        }
    }

    fn own_need(&self) -> Need {
        match &self.spec.source {
            Source::Bundle { .. } | Source::Adopted(_) => Need::Nothing,
            Source::Image(name) => {
                let is_here = !self.memory.image_id.is_empty();
                let here = is_here.then_some(self.memory.image_from_registry);
                image::need(self.spec.pull_policy, name, here)
            }
        }
    }

    pub(super) fn launch(&mut self, turn: &mut Turn) {
        self.waits = Waits { told: self.waits.told, ..Waits::default() };
        self.state = State::Starting;
        self.kept.insert(self.memory.attempt);
        turn.instance(self.memory.attempt, InstanceAction::Start);
    }

    /// Somebody may have removed or imported it since it was seen last.
    pub(super) fn look(&mut self, turn: &mut Turn) {
        self.state = State::Pulling { looking: true };
        self.kept.insert(self.memory.attempt);
        self.waits.told = false;
        turn.instance(self.memory.attempt, InstanceAction::LookForImage);
    }

    pub(super) fn looked(
        &mut self,
        found: Option<ImageFacts>,
        volumes: &BTreeMap<String, VolumeSeen>,
        turn: &mut Turn,
    ) {
        if !matches!(self.state, State::Pulling { looking: true }) {
            return;
        }
        self.take_facts(found.unwrap_or_default());
        if !self.goes_on() {
            self.rest_without_image(turn);
            return;
        }
        self.waits.missing = self.missing_volumes(volumes, turn);
        let own = Missing { name: self.spec.image(), need: self.own_need(), is_own: true };
        if own.need != Need::Nothing {
            self.waits.missing.push_back(own);
        }
        self.next_image(turn);
    }

    fn missing_volumes(
        &self,
        seen: &BTreeMap<String, VolumeSeen>,
        turn: &mut Turn,
    ) -> VecDeque<Missing> {
        let mut missing = VecDeque::<Missing>::new();
        for (volume, image) in self.pod.volume_images(&self.spec) {
            let here = match seen.get(volume) {
                Some(VolumeSeen::Viewed) => continue,
                Some(VolumeSeen::Here { from_registry }) => Some(*from_registry),
                Some(VolumeSeen::Missing) | None => None,
            };
            let name = &image.reference;
            let was_pulled = here.is_some() && self.waits.pulled.contains(name);
            if was_pulled || missing.iter().any(|other| other.name == *name) {
                continue;
            }
            match image::need(image.pull_policy, name, here) {
                Need::Nothing => turn.push(already_present(name)),
                need => missing.push_back(Missing { name: name.clone(), need, is_own: false }),
            }
        }
        missing
    }

    /// Goes on with what is missing yet, or starts.
    fn next_image(&mut self, turn: &mut Turn) {
        let Some(Missing { name, need, .. }) = self.waits.missing.front().cloned() else {
            self.launch(turn);
            return;
        };
        if need == Need::Forbidden {
            let message =
                format!("Container image {name:?} is not present with pull policy of Never");
            let reason = WaitingReason::ErrImageNeverPull;
            turn.note(Notice::warning(reason.as_str(), &*message));
            self.wait_for_image(reason, message, turn.now.mono.later(LOOK_AGAIN), turn);
        } else if let Err(error) = Reference::parse(&name) {
            let message = format!("Failed to apply default image tag {name:?}: {error}");
            turn.note(Notice::warning("InspectFailed", &*message));
            self.wait_for_image(
                WaitingReason::InvalidImageName,
                message,
                turn.now.mono.later(LOOK_AGAIN),
                turn,
            );
        } else {
            self.state = State::Pulling { looking: false };
            let unknown = self.pod.unknown_pull_secrets();
            if !unknown.is_empty() {
                let message = format!(
                    "Unable to retrieve some image pull secrets ({}); attempting to pull the \
                     image may not succeed.",
                    unknown.join(", ")
                );
                let reason = "FailedToRetrieveImagePullSecret";
                turn.note(Notice::warning(reason, message));
            }
            turn.note(Notice::normal("Pulling", format!("Pulling image {name:?}")));
            turn.instance(self.memory.attempt, InstanceAction::Pull(name));
        }
    }

    pub(super) fn pulled(&mut self, facts: ImageFacts, pulled: Pulled, turn: &mut Turn) {
        if !matches!(self.state, State::Pulling { looking: false }) {
            return;
        }
        let Some(Missing { name, is_own, .. }) = self.waits.missing.pop_front() else { return };
        let message = format!("Successfully pulled image {name:?} {pulled}");
        turn.note(Notice::normal("Pulled", message));
        self.waits.failures = 0;
        if is_own {
            self.take_facts(facts);
            self.waits.told = true;
        } else {
            self.waits.pulled.insert(name);
        }
        self.next_image(turn);
    }

    pub(super) fn pull_failed(&mut self, fault: PullFault, error: String, turn: &mut Turn) {
        if !matches!(self.state, State::Pulling { looking: false }) {
            return;
        }
        let Some(Missing { name, need, is_own }) = self.waits.missing.front().cloned() else {
            return;
        };
        let message = format!("Failed to pull image {name:?}: {error}");
        if need == Need::Refresh && fault == PullFault::Unreachable {
            let message = format!("{message}; using the one that is present on machine");
            turn.note(Notice::warning("Failed", message));
            self.waits.missing.pop_front();
            if !is_own {
                self.waits.pulled.insert(name);
            }
            self.next_image(turn);
            return;
        }
        turn.note(Notice::warning("Failed", message));
        self.waits.failures = self.waits.failures.saturating_add(1);
        let retry_at = turn.now.mono.later(image::back_off(self.waits.failures));
        self.waits.retry_at = Some(retry_at);
        self.waits.error.clone_from(&error);
        turn.persist();
        self.wait_for_image(
            WaitingReason::ErrImagePull,
            error,
            (turn.now.mono.later(SHOWN)).min(retry_at),
            turn,
        );
    }

    fn wait_for_image(
        &mut self,
        reason: WaitingReason,
        message: String,
        until: Instant,
        turn: &mut Turn,
    ) {
        turn.note(Notice::warning("Failed", format!("Error: {reason}")));
        self.state = State::Waiting { reason, message, until };
    }

    /// The wait is over: for the next step of an image's, or for a start.
    pub(super) fn waited(&mut self, turn: &mut Turn) {
        match self.waits.retry_at.take() {
            Some(retry_at) if self.waiting_reason() == Some(WaitingReason::ErrImagePull) => {
                let name = self.waits.missing.front().map(|missing| missing.name.as_str());
                let back_off = format!("Back-off pulling image {:?}", name.unwrap_or_default());
                turn.note(Notice::normal("BackOff", &*back_off));
                let message =
                    format!("{back_off}: {}: {}", WaitingReason::ErrImagePull, self.waits.error);
                self.wait_for_image(WaitingReason::ImagePullBackOff, message, retry_at, turn);
            }
            _ => self.start(turn),
        }
    }

    fn waiting_reason(&self) -> Option<WaitingReason> {
        match self.state {
            State::Waiting { reason, .. } => Some(reason),
            _ => None,
        }
    }

    /// It waits for its image and not for a restart: it has not run in this attempt.
    pub(super) fn lacks_image(&self) -> bool {
        self.waiting_reason().is_some_and(WaitingReason::is_of_image)
    }

    /// Unless the pull has told it.
    pub(super) fn tell_image(&mut self, turn: &mut Turn) {
        if std::mem::take(&mut self.waits.told) {
            return;
        }
        turn.push(already_present(&self.spec.image()));
    }

    /// Nobody waits for the image any more.
    pub(super) fn give_up_pull(&mut self, turn: &mut Turn) {
        if matches!(self.state, State::Pulling { looking: false }) {
            turn.instance(self.memory.attempt, InstanceAction::GiveUpPull);
        }
        self.waits = Waits::default();
    }

    fn take_facts(&mut self, facts: ImageFacts) {
        self.memory.image_id = facts.id;
        self.memory.image_from_registry = facts.from_registry;
        self.memory.stop_signal = facts.stop_signal;
    }

    /// The start found no image: the one that was here is gone.
    pub(super) fn image_is_gone(&mut self, turn: &mut Turn) {
        self.take_facts(ImageFacts::default());
        if self.goes_on() { self.look(turn) } else { self.rest_without_image(turn) }
    }

    fn goes_on(&self) -> bool {
        let memory = &self.memory;
        memory.wanted == Wanted::Running && !(memory.held || memory.expired || memory.finished)
    }

    /// What came meanwhile keeps it from starting.
    fn rest_without_image(&mut self, turn: &mut Turn) {
        let waits_for_turn = self.memory.held && self.memory.wanted == Wanted::Running;
        self.state = if waits_for_turn { State::Created } else { State::Terminated };
        self.settle(turn);
        turn.persist();
    }

    /// The attempt that has not run yet, else the next one.
    pub(super) fn anew(&mut self, turn: &mut Turn) {
        if self.memory.ended.is_some() { self.next_attempt(turn) } else { self.start(turn) }
    }
}

fn already_present(image: &str) -> Action {
    Action::Note(Notice::normal(
        "Pulled",
        format!(
            "Container image {image:?} already present on machine and can be accessed by the pod"
        ),
    ))
}
