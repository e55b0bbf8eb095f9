//! The images of a start, that of the container and those of its volumes. They are checked, and
//! pulled if necessary, with the kubelet's reasons and back-off.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use super::definition::{Definition, Subject};
use super::phase::Wait;
use super::{ImageFacts, InstanceAction, Turn};
use crate::image::{self, Need, PullFault, Pulled, Reference, VolumeSeen};
use crate::notice::Notice;
use crate::spec::{PodSpec, Source, volume_images};
use crate::status::WaitingReason;
use crate::time::Later;

/// Time for which an error is shown before the back-off that follows it.
const SHOWN: Duration = Duration::from_secs(2);
/// Time after which an image that must not, or cannot, be pulled is checked for again.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// Next step of a start for its images.
#[derive(Debug)]
pub enum Step {
    /// All images are on the machine.
    Launch,
    /// A pull is under way.
    Pull,
    Wait(Wait),
}

/// The images that a start waits for.
#[derive(Debug, Default)]
pub struct Images {
    /// Missing images; the first is pulled or waited for.
    missing: VecDeque<Missing>,
    /// Images of volumes that were pulled for this start: they are not pulled again if a later pull
    /// fails.
    pulled: BTreeSet<String>,
    /// Failed pulls in a row.
    failures: u32,
    error: String,
    /// When the next pull is due.
    retry_at: Option<Instant>,
    /// True if the container's image was pulled for the next start, and the event says so.
    is_noted: bool,
}

#[derive(Debug, Clone)]
struct Missing {
    name: String,
    need: Need,
    /// True for the container's image, false for that of a volume.
    is_own: bool,
}

impl Images {
    /// Returns whether the runtime has to check for images before a start.
    pub fn must_look(definition: &Definition, known: &ImageFacts) -> bool {
        // The record does not say whether the pod has views of the images of its volumes.
        let has_volumes = volume_images(&definition.pod, &definition.spec).next().is_some();
        has_volumes || own_need(definition, known) != Need::Nothing
    }

    /// The runtime begins to check for the images.
    pub fn checking(&mut self) {
        self.is_noted = false;
    }

    /// Handles the result: which images are on the machine.
    pub fn checked(
        &mut self,
        definition: &Definition,
        known: &ImageFacts,
        volumes: &BTreeMap<String, VolumeSeen>,
        turn: &mut Turn,
    ) {
        self.missing = self.missing_volumes(definition, volumes, turn);
        let name = definition.spec.image();
        let own = Missing { name, need: own_need(definition, known), is_own: true };
        if own.need != Need::Nothing {
            self.missing.push_back(own);
        }
    }

    /// Returns the step for the first image that is missing.
    pub fn next(&self, subject: Subject<'_>, turn: &mut Turn) -> Step {
        let Some(Missing { name, need, .. }) = self.missing.front() else { return Step::Launch };
        let until = turn.now.mono.later(LOOK_AGAIN);
        if *need == Need::Forbidden {
            let message =
                format!("Container image {name:?} is not present with pull policy of Never");
            let reason = WaitingReason::ErrImageNeverPull;
            turn.note(Notice::warning(reason.as_str(), &*message));
            return wait(reason, message, until, turn);
        }
        if let Err(error) = Reference::parse(name) {
            let message = format!("Failed to apply default image tag {name:?}: {error}");
            turn.note(Notice::warning("InspectFailed", &*message));
            return wait(WaitingReason::InvalidImageName, message, until, turn);
        }
        let unknown = unknown_pull_secrets(&subject.definition.pod);
        if !unknown.is_empty() {
            let message = format!(
                "Unable to retrieve some image pull secrets ({}); attempting to pull the image \
                 may not succeed.",
                unknown.join(", ")
            );
            turn.note(Notice::warning("FailedToRetrieveImagePullSecret", message));
        }
        turn.note(Notice::normal("Pulling", format!("Pulling image {name:?}")));
        turn.instance(subject.attempt, InstanceAction::Pull(name.clone()));
        Step::Pull
    }

    /// The first image was pulled. Returns whether it is the container's; `None` if none was
    /// missing.
    pub fn pulled(&mut self, pulled: Pulled, turn: &mut Turn) -> Option<bool> {
        let Missing { name, is_own, .. } = self.missing.pop_front()?;
        let message = format!("Successfully pulled image {name:?} {pulled}");
        turn.note(Notice::normal("Pulled", message));
        self.failures = 0;
        if is_own {
            self.is_noted = true;
        } else {
            self.pulled.insert(name);
        }
        Some(is_own)
    }

    /// The pull of the first image failed.
    pub fn failed(
        &mut self,
        fault: PullFault,
        error: String,
        subject: Subject<'_>,
        turn: &mut Turn,
    ) -> Option<Step> {
        let Missing { name, need, is_own } = self.missing.front().cloned()?;
        let message = format!("Failed to pull image {name:?}: {error}");
        if need == Need::Refresh && fault == PullFault::Unreachable {
            let message = format!("{message}; using the one that is present on machine");
            turn.note(Notice::warning("Failed", message));
            self.missing.pop_front();
            if !is_own {
                self.pulled.insert(name);
            }
            return Some(self.next(subject, turn));
        }
        turn.note(Notice::warning("Failed", message));
        self.failures = self.failures.saturating_add(1);
        let retry_at = turn.now.mono.later(image::back_off(self.failures));
        self.retry_at = Some(retry_at);
        self.error.clone_from(&error);
        turn.persist();
        let until = turn.now.mono.later(SHOWN).min(retry_at);
        Some(wait(WaitingReason::ErrImagePull, error, until, turn))
    }

    /// A wait with `reason` is over. Returns the back-off that follows it, if one does.
    pub fn waited(&mut self, reason: WaitingReason, turn: &mut Turn) -> Option<Step> {
        let retry_at = self.retry_at.take()?;
        if reason != WaitingReason::ErrImagePull {
            return None;
        }
        let name = self.missing.front().map(|missing| missing.name.as_str());
        let back_off = format!("Back-off pulling image {:?}", name.unwrap_or_default());
        turn.note(Notice::normal("BackOff", &*back_off));
        let message = format!("{back_off}: {reason}: {}", self.error);
        Some(wait(WaitingReason::ImagePullBackOff, message, retry_at, turn))
    }

    /// All images are on the machine, and the process is being started.
    pub fn launched(&mut self) {
        *self = Self { is_noted: self.is_noted, ..Self::default() };
    }

    /// Publishes that the container's image was there, unless its pull was published.
    pub fn note_presence(&mut self, definition: &Definition, turn: &mut Turn) {
        if !std::mem::take(&mut self.is_noted) {
            turn.note(already_present(&definition.spec.image()));
        }
    }

    fn missing_volumes(
        &self,
        definition: &Definition,
        seen: &BTreeMap<String, VolumeSeen>,
        turn: &mut Turn,
    ) -> VecDeque<Missing> {
        let mut missing = VecDeque::<Missing>::new();
        for (volume, image) in volume_images(&definition.pod, &definition.spec) {
            let here = match seen.get(volume) {
                Some(VolumeSeen::Viewed) => continue,
                Some(VolumeSeen::Here { from_registry }) => Some(*from_registry),
                Some(VolumeSeen::Missing) | None => None,
            };
            let name = &image.reference;
            let was_pulled = here.is_some() && self.pulled.contains(name);
            if was_pulled || missing.iter().any(|other| other.name == *name) {
                continue;
            }
            match image::need(image.pull_policy, name, here) {
                Need::Nothing => turn.note(already_present(name)),
                need => missing.push_back(Missing { name: name.clone(), need, is_own: false }),
            }
        }
        missing
    }
}

fn own_need(definition: &Definition, known: &ImageFacts) -> Need {
    match &definition.spec.source {
        Source::Bundle { .. } | Source::Adopted(_) => Need::Nothing,
        Source::Image(name) => {
            let here = (!known.id.is_empty()).then_some(known.from_registry);
            image::need(definition.spec.pull_policy, name, here)
        }
    }
}

fn wait(reason: WaitingReason, message: String, until: Instant, turn: &mut Turn) -> Step {
    turn.note(Notice::warning("Failed", format!("Error: {reason}")));
    Step::Wait(Wait::retry(reason, message, until))
}

fn already_present(image: &str) -> Notice {
    let message = format!(
        "Container image {image:?} already present on machine and can be accessed by the pod"
    );
    Notice::normal("Pulled", message)
}

/// Returns the names of the `imagePullSecrets` whose Secret is not known.
fn unknown_pull_secrets(pod: &PodSpec) -> Vec<&str> {
    let unknown = pod.pull_secrets.iter().filter(|secret| secret.keyring.is_none());
    unknown.map(|secret| secret.name.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Incarnation;
    use crate::container::Action;
    use crate::image::PullPolicy;

    fn step(policy: PullPolicy, known: &ImageFacts) -> (Step, Vec<Action>) {
        let definition = Definition::of_test(|pod| pod.containers[0].pull_policy = Some(policy));
        let (mut images, mut turn) = (Images::default(), Turn::of_test());
        images.checked(&definition, known, &BTreeMap::new(), &mut turn);
        let step = images.next(definition.subject(Incarnation(0)), &mut turn);
        (step, turn.take())
    }

    #[test]
    fn a_missing_image_is_pulled_unless_its_policy_forbids_it() {
        let (absent, here) =
            (ImageFacts::default(), ImageFacts { id: "x".into(), ..ImageFacts::default() });
        let (pull, actions) = step(PullPolicy::IfNotPresent, &absent);
        assert!(matches!(pull, Step::Pull));
        assert!(
            matches!(&actions[..], [Action::Note(_), Action::Instance(_, InstanceAction::Pull(name))]
            if name == "docker.io/library/web:1")
        );
        let (forbidden, _) = step(PullPolicy::Never, &absent);
        assert!(matches!(&forbidden, Step::Wait(wait)
            if wait.reason == WaitingReason::ErrImageNeverPull));
        for policy in [PullPolicy::IfNotPresent, PullPolicy::Never] {
            assert!(matches!(step(policy, &here), (Step::Launch, actions) if actions.is_empty()));
        }
    }

    #[test]
    fn an_error_is_shown_before_its_back_off() {
        let (definition, mut turn) = (Definition::of_test(|_| {}), Turn::of_test());
        let subject = definition.subject(Incarnation(0));
        let mut images = Images::default();
        images.checked(&definition, &ImageFacts::default(), &BTreeMap::new(), &mut turn);
        let failed = images.failed(PullFault::Failed, "no such host".into(), subject, &mut turn);
        let Some(Step::Wait(wait)) = failed else { panic!("no wait") };
        assert_eq!((wait.reason, &*wait.message), (WaitingReason::ErrImagePull, "no such host"));
        let Some(Step::Wait(wait)) = images.waited(wait.reason, &mut turn) else {
            panic!("no wait")
        };
        assert_eq!(wait.reason, WaitingReason::ImagePullBackOff);
        assert!(images.waited(wait.reason, &mut turn).is_none(), "the next pull");
    }
}
