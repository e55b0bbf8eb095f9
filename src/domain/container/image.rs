//! The image of a start: looked for, pulled where it has to be, waited for in the kubelet's words.

use std::time::{Duration, Instant};

use super::state::State;
use super::{Action, ImageFacts, Machine, Wanted};
use crate::domain::Now;
use crate::domain::image::{self, Need, PullFault, Pulled};
use crate::domain::notice::Notice;
use crate::domain::spec::Source;

const ERR_IMAGE_PULL: &str = "ErrImagePull";
const IMAGE_PULL_BACK_OFF: &str = "ImagePullBackOff";

/// How long an error is shown as such before the back-off that follows it.
const SHOWN: Duration = Duration::from_secs(2);
/// How soon an image that may not, or cannot, be pulled is looked for again.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// Of the image that a start waits for.
#[derive(Debug, Default)]
pub(super) struct Waits {
    /// Failures in a row.
    failures: u32,
    error: String,
    /// When the next try is due.
    retry_at: Option<Instant>,
    /// It was pulled, or tried, for the start that is next.
    pub(super) told: bool,
    /// The one that is here will do where it cannot be pulled.
    refreshes: bool,
}

impl Machine {
    /// Starts, once its image is here.
    pub(super) fn start(&mut self, out: &mut Vec<Action>) {
        match self.need() {
            Need::Nothing => self.launch(out),
            Need::Pull | Need::Refresh | Need::Forbidden => self.look(out),
        }
    }

    fn need(&self) -> Need {
        match &self.spec.source {
            Source::Bundle { .. } | Source::Adopted(_) => Need::Nothing,
            Source::Image(name) => {
                let is_here = !self.memory.image_id.is_empty();
                let here = is_here.then_some(self.memory.image_from_registry);
                image::need(self.spec.pull_policy, name, here)
            }
        }
    }

    pub(super) fn launch(&mut self, out: &mut Vec<Action>) {
        self.state = State::Starting;
        self.kept.insert(self.memory.attempt);
        out.push(Action::Start(self.memory.attempt));
    }

    /// Somebody may have removed or imported it since it was seen last.
    pub(super) fn look(&mut self, out: &mut Vec<Action>) {
        self.state = State::Pulling { looking: true };
        self.kept.insert(self.memory.attempt);
        self.waits.told = false;
        out.push(Action::LookForImage(self.memory.attempt));
    }

    pub(super) fn looked(
        &mut self,
        found: Option<ImageFacts>,
        name_error: Option<String>,
        now: Now,
        out: &mut Vec<Action>,
    ) {
        if !matches!(self.state, State::Pulling { looking: true }) {
            return;
        }
        self.take_facts(found.unwrap_or_default());
        if !self.goes_on() {
            self.rest_without_image(out);
            return;
        }
        let name = self.spec.image();
        match (self.need(), name_error) {
            (Need::Nothing, _) => self.launch(out),
            (Need::Forbidden, _) => {
                let message =
                    format!("Container image {name:?} is not present with pull policy of Never");
                out.push(Action::Note(Notice::warning("ErrImageNeverPull", &*message)));
                self.wait_for_image("ErrImageNeverPull", message, now.mono + LOOK_AGAIN, out);
            }
            (Need::Pull | Need::Refresh, Some(error)) => {
                let message = format!("Failed to apply default image tag {name:?}: {error}");
                out.push(Action::Note(Notice::warning("InspectFailed", &*message)));
                self.wait_for_image("InvalidImageName", message, now.mono + LOOK_AGAIN, out);
            }
            (need @ (Need::Pull | Need::Refresh), None) => {
                self.state = State::Pulling { looking: false };
                self.waits.refreshes = need == Need::Refresh;
                let unknown = self.pod.unknown_pull_secrets();
                if !unknown.is_empty() {
                    let message = format!(
                        "Unable to retrieve some image pull secrets ({}); attempting to pull the \
                         image may not succeed.",
                        unknown.join(", ")
                    );
                    let reason = "FailedToRetrieveImagePullSecret";
                    out.push(Action::Note(Notice::warning(reason, message)));
                }
                let message = format!("Pulling image {name:?}");
                out.push(Action::Note(Notice::normal("Pulling", message)));
                out.push(Action::Pull(self.memory.attempt));
            }
        }
    }

    pub(super) fn pulled(&mut self, facts: ImageFacts, pulled: Pulled, out: &mut Vec<Action>) {
        if !matches!(self.state, State::Pulling { looking: false }) {
            return;
        }
        self.take_facts(facts);
        self.waits = Waits { told: true, ..Waits::default() };
        let message = format!("Successfully pulled image {:?} {pulled}", self.spec.image());
        out.push(Action::Note(Notice::normal("Pulled", message)));
        self.launch(out);
    }

    pub(super) fn pull_failed(
        &mut self,
        fault: PullFault,
        error: String,
        now: Now,
        out: &mut Vec<Action>,
    ) {
        if !matches!(self.state, State::Pulling { looking: false }) {
            return;
        }
        let name = self.spec.image();
        let message = format!("Failed to pull image {name:?}: {error}");
        if self.waits.refreshes && fault == PullFault::Unreachable {
            let message = format!("{message}; using the one that is present on machine");
            out.push(Action::Note(Notice::warning("Failed", message)));
            self.waits = Waits::default();
            self.launch(out);
            return;
        }
        out.push(Action::Note(Notice::warning("Failed", message)));
        self.waits.failures = self.waits.failures.saturating_add(1);
        let retry_at = now.mono + image::back_off(self.waits.failures);
        self.waits.retry_at = Some(retry_at);
        self.waits.error.clone_from(&error);
        out.push(Action::Persist);
        self.wait_for_image(ERR_IMAGE_PULL, error, (now.mono + SHOWN).min(retry_at), out);
    }

    fn wait_for_image(
        &mut self,
        reason: &'static str,
        message: String,
        until: Instant,
        out: &mut Vec<Action>,
    ) {
        out.push(Action::Note(Notice::warning("Failed", format!("Error: {reason}"))));
        self.state = State::Waiting { reason, message, until };
    }

    /// The wait is over: for the next step of an image's, or for a start.
    pub(super) fn waited(&mut self, out: &mut Vec<Action>) {
        match self.waits.retry_at.take() {
            Some(retry_at) if self.is_waiting_for(ERR_IMAGE_PULL) => {
                let back_off = format!("Back-off pulling image {:?}", self.spec.image());
                out.push(Action::Note(Notice::normal("BackOff", &*back_off)));
                let message = format!("{back_off}: {ERR_IMAGE_PULL}: {}", self.waits.error);
                self.wait_for_image(IMAGE_PULL_BACK_OFF, message, retry_at, out);
            }
            _ => self.start(out),
        }
    }

    fn is_waiting_for(&self, what: &str) -> bool {
        matches!(self.state, State::Waiting { reason, .. } if reason == what)
    }

    /// It waits for its image and not for a restart: it has not run in this attempt.
    pub(super) fn lacks_image(&self) -> bool {
        let reasons =
            [ERR_IMAGE_PULL, IMAGE_PULL_BACK_OFF, "ErrImageNeverPull", "InvalidImageName"];
        reasons.iter().any(|reason| self.is_waiting_for(reason))
    }

    /// Unless the pull has told it.
    pub(super) fn tell_image(&mut self, out: &mut Vec<Action>) {
        if std::mem::take(&mut self.waits.told) {
            return;
        }
        let image = self.spec.image();
        out.push(Action::Note(Notice::normal(
            "Pulled",
            format!(
                "Container image {image:?} already present on machine and can be accessed by the pod"
            ),
        )));
    }

    /// Nobody waits for the image any more.
    pub(super) fn give_up_pull(&mut self, out: &mut Vec<Action>) {
        if matches!(self.state, State::Pulling { looking: false }) {
            out.push(Action::GiveUpPull(self.memory.attempt));
        }
        self.waits = Waits::default();
    }

    fn take_facts(&mut self, facts: ImageFacts) {
        self.memory.image_id = facts.id;
        self.memory.image_from_registry = facts.from_registry;
        self.memory.stop_signal = facts.stop_signal;
    }

    /// The start found no image: the one that was here is gone.
    pub(super) fn image_is_gone(&mut self, out: &mut Vec<Action>) {
        self.take_facts(ImageFacts::default());
        if self.goes_on() { self.look(out) } else { self.rest_without_image(out) }
    }

    fn goes_on(&self) -> bool {
        let memory = &self.memory;
        memory.wanted == Wanted::Running && !(memory.held || memory.expired || memory.finished)
    }

    /// What came meanwhile keeps it from starting.
    fn rest_without_image(&mut self, out: &mut Vec<Action>) {
        let waits_for_turn = self.memory.held && self.memory.wanted == Wanted::Running;
        self.state = if waits_for_turn { State::Created } else { State::Terminated };
        self.settle(out);
        out.push(Action::Persist);
    }

    /// The attempt that has not run yet, else the next one.
    pub(super) fn anew(&mut self, out: &mut Vec<Action>) {
        if self.memory.ended.is_some() { self.next_attempt(out) } else { self.start(out) }
    }
}
