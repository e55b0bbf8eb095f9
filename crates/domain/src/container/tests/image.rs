//! Pulls and waits of a start for its images.

use super::*;
use crate::image::{PullFault, PullPolicy, Pulled, VolumeSeen};
use crate::spec::{
    Propagation, RecursiveReadOnly, SubPath, Volume, VolumeImage, VolumeMount, VolumeSource,
};

const FIRST: Incarnation = Incarnation(0);

fn absent(policy: Option<PullPolicy>) -> Story {
    let mut pod = pod(RestartPolicy::Always);
    pod.containers[0].pull_policy = policy;
    let mut story = Story::new(pod);
    story.machine.life.course.image.id = String::new();
    story
}

fn facts() -> ImageFacts {
    ImageFacts { id: "app@sha256:2".into(), from_registry: true, stop_signal: None }
}

fn pull(image: &str) -> Action {
    Action::Instance(FIRST, InstanceAction::Pull(image.into()))
}

impl Story {
    fn checked(&mut self, image: Option<ImageFacts>) -> Vec<Action> {
        let volumes = BTreeMap::new();
        self.tell(InstanceEvent::ImagesChecked { image, volumes }.of(FIRST))
    }

    fn fails(&mut self, fault: PullFault) -> Vec<Action> {
        let message = "no such host".into();
        self.tell(InstanceEvent::PullFailed { fault, message }.of(FIRST))
    }

    fn waiting(&self) -> (String, String) {
        match self.machine.status().state {
            ContainerState::Waiting { reason, message } => (reason.to_string(), message),
            other => panic!("{other:?}"),
        }
    }
}

fn notes(actions: &[Action]) -> Vec<String> {
    let note = |action: &Action| match action {
        Action::Note(notice) => Some(format!("{} {}", notice.reason, notice.message)),
        _ => None,
    };
    actions.iter().filter_map(note).collect()
}

#[test]
fn an_image_that_is_not_here_is_pulled_before_the_start() {
    let mut story = absent(None);
    assert_eq!(
        story.want(Wanted::Running)[0],
        Action::Instance(FIRST, InstanceAction::CheckImages)
    );
    let actions = story.checked(None);
    assert_eq!(notes(&actions), ["Pulling Pulling image \"app:1\""]);
    assert!(actions.contains(&pull("app:1")));
    assert_eq!(story.waiting().0, "ContainerCreating");
    let pulled = Pulled { took: SECOND, bytes: 7 };
    let actions = story.tell(InstanceEvent::Pulled { image: facts(), pulled }.of(FIRST));
    assert_eq!(
        notes(&actions),
        ["Pulled Successfully pulled image \"app:1\" in 1s. Image size: 7 bytes."]
    );
    assert!(actions.contains(&Action::Instance(FIRST, InstanceAction::Start)));
    assert_eq!(story.machine.status().image_id, "app@sha256:2");
    assert_eq!(notes(&story.started()), ["Created Container created", "Started Container started"]);
}

#[test]
fn an_image_that_came_meanwhile_is_not_pulled() {
    let mut story = absent(None);
    story.want(Wanted::Running);
    assert!(story.checked(Some(facts())).contains(&Action::Instance(FIRST, InstanceAction::Start)));
    assert!(notes(&story.started())[0].contains("already present on machine"));
}

#[test]
fn failed_pulls_have_the_kubelets_reasons_and_waits() {
    let mut story = absent(None);
    story.want(Wanted::Running);
    story.checked(None);
    for wait in [10, 20, 40] {
        let actions = story.fails(PullFault::Failed);
        assert_eq!(
            notes(&actions),
            ["Failed Failed to pull image \"app:1\": no such host", "Failed Error: ErrImagePull"]
        );
        assert_eq!(story.waiting(), ("ErrImagePull".into(), "no such host".into()));
        story.pass(2 * SECOND);
        let actions = story.tell(Event::Tick);
        assert_eq!(
            notes(&actions),
            ["BackOff Back-off pulling image \"app:1\"", "Failed Error: ImagePullBackOff"]
        );
        let published = "Back-off pulling image \"app:1\": ErrImagePull: no such host";
        assert_eq!(story.waiting(), ("ImagePullBackOff".into(), published.into()));
        story.pass((wait - 3) * SECOND);
        assert_eq!(story.tell(Event::Tick), []);
        story.pass(SECOND);
        assert_eq!(
            story.tell(Event::Tick)[0],
            Action::Instance(FIRST, InstanceAction::CheckImages)
        );
        story.checked(None);
    }
    assert_eq!(story.machine.status().restart_count, 0);
}

#[test]
fn a_forbidden_pull_and_an_invalid_name_are_checked_again() {
    let mut story = absent(Some(PullPolicy::Never));
    story.want(Wanted::Running);
    let actions = story.checked(None);
    assert!(!actions.contains(&pull("app:1")));
    assert_eq!(story.waiting().0, "ErrImageNeverPull");
    story.pass(10 * SECOND);
    assert_eq!(story.tell(Event::Tick)[0], Action::Instance(FIRST, InstanceAction::CheckImages));
    assert!(story.checked(Some(facts())).contains(&Action::Instance(FIRST, InstanceAction::Start)));

    let mut story = absent(None);
    story.machine.life.definition.spec.source = Source::Image("Not-A-Name".into());
    story.want(Wanted::Running);
    story.checked(None);
    assert_eq!(story.waiting().0, "InvalidImageName");
}

#[test]
fn a_registry_that_is_away_stops_no_default_refresh_but_a_wanted_one() {
    for (policy, fault, starts) in [
        (None, PullFault::Unreachable, true),
        (None, PullFault::Failed, false),
        (Some(PullPolicy::Always), PullFault::Unreachable, false),
    ] {
        let mut story = absent(policy);
        story.machine.life.definition.spec.source = Source::Image("app".into());
        story.want(Wanted::Running);
        assert!(story.checked(Some(facts())).contains(&pull("app")));
        let actions = story.fails(fault);
        assert_eq!(
            actions.contains(&Action::Instance(FIRST, InstanceAction::Start)),
            starts,
            "{policy:?} {fault:?}"
        );
    }
}

#[test]
fn a_stop_or_removal_ends_the_pull() {
    let mut story = absent(None);
    story.want(Wanted::Running);
    story.checked(None);
    let actions = story.want(Wanted::Removed);
    assert!(actions.contains(&Action::Instance(FIRST, InstanceAction::GiveUpPull)));
    assert!(actions.contains(&Action::DeleteAttempt(FIRST)));

    // While the images are checked, the record may not exist yet.
    let mut story = absent(None);
    story.want(Wanted::Running);
    assert!(!story.want(Wanted::Removed).contains(&Action::DeleteAttempt(FIRST)));
    assert!(story.checked(None).contains(&Action::DeleteAttempt(FIRST)));

    // A stop ends a back-off, too, and the next start is of the same attempt.
    let mut story = absent(None);
    story.want(Wanted::Running);
    story.checked(None);
    story.fails(PullFault::Failed);
    story.want(Wanted::Stopped);
    assert_eq!(
        story.want(Wanted::Running)[0],
        Action::Instance(FIRST, InstanceAction::CheckImages)
    );
    assert_eq!(story.machine.status().restart_count, 0);
}

#[test]
fn an_image_that_is_missing_at_the_start_is_checked_again() {
    let mut story = Story::new(pod(RestartPolicy::Always));
    story.want(Wanted::Running);
    let fault = Fault::Image;
    let failed = InstanceEvent::Failed { fault, message: "gone".into() }.of(FIRST);
    assert_eq!(story.tell(failed), [Action::Instance(FIRST, InstanceAction::CheckImages)]);
    assert!(story.checked(None).contains(&pull("app:1")));
}

#[test]
fn an_operators_restart_tries_the_image_at_once() {
    let mut story = absent(None);
    story.want(Wanted::Running);
    story.checked(None);
    story.fails(PullFault::Failed);
    assert_eq!(
        story.tell(Event::Restart { grace: None }),
        [Action::Instance(FIRST, InstanceAction::CheckImages)]
    );
    assert_eq!(story.machine.status().restart_count, 0);
}

/// Story of a pod with two image volumes, and one that the container does not mount.
fn with_volumes(policy: Option<PullPolicy>) -> Story {
    let mut pod = pod(RestartPolicy::Always);
    for name in ["one", "two", "other"] {
        let image = VolumeImage { reference: format!("{name}:1"), pull_policy: policy };
        pod.volumes.push(Volume { name: name.into(), source: VolumeSource::Image(image) });
    }
    pod.containers[0].volume_mounts = ["two", "one"]
        .map(|name| VolumeMount {
            name: name.into(),
            mount_path: format!("/{name}"),
            sub_path: SubPath::None,
            read_only: false,
            recursive_read_only: RecursiveReadOnly::Disabled,
            propagation: Propagation::None,
        })
        .into();
    Story::new(pod)
}

impl Story {
    fn looked_at_volumes(&mut self, seen: [VolumeSeen; 2]) -> Vec<Action> {
        let volumes = ["one", "two"].map(str::to_owned).into_iter().zip(seen).collect();
        self.tell(InstanceEvent::ImagesChecked { image: Some(facts()), volumes }.of(FIRST))
    }

    fn pulled(&mut self) -> Vec<Action> {
        let pulled = Pulled { took: SECOND, bytes: 7 };
        self.tell(InstanceEvent::Pulled { image: facts(), pulled }.of(FIRST))
    }
}

const HERE: VolumeSeen = VolumeSeen::Here { from_registry: true };

#[test]
fn images_of_volumes_are_pulled_before_the_start_where_the_pod_has_no_view() {
    let mut story = with_volumes(Some(PullPolicy::Always));
    assert_eq!(
        story.want(Wanted::Running)[0],
        Action::Instance(FIRST, InstanceAction::CheckImages)
    );
    let actions = story.looked_at_volumes([VolumeSeen::Missing, HERE]);
    assert!(actions.contains(&pull("one:1")), "{actions:?}");
    let actions = story.pulled();
    assert!(actions.contains(&pull("two:1")), "{actions:?}");
    assert!(story.pulled().contains(&Action::Instance(FIRST, InstanceAction::Start)));
    assert_eq!(story.machine.status().image_id, "app@sha256:2");
    let published = &notes(&story.started())[0];
    assert!(
        published.starts_with("Pulled Container image \"app:1\" already present"),
        "{published}"
    );

    // An existing view is used under every policy.
    let mut story = with_volumes(Some(PullPolicy::Always));
    story.want(Wanted::Running);
    let actions = story.looked_at_volumes([VolumeSeen::Viewed; 2]);
    assert!(
        actions.contains(&Action::Instance(FIRST, InstanceAction::Start))
            && notes(&actions).is_empty(),
        "{actions:?}"
    );
    // An image that was removed before the start is missing again.
    let (fault, message) = (Fault::Image, "gone".into());
    let failed = InstanceEvent::Failed { fault, message }.of(FIRST);
    assert_eq!(story.tell(failed), [Action::Instance(FIRST, InstanceAction::CheckImages)]);
    assert!(story.looked_at_volumes([HERE, VolumeSeen::Viewed]).contains(&pull("one:1")));

    let mut story = with_volumes(Some(PullPolicy::Never));
    story.want(Wanted::Running);
    let actions = story.looked_at_volumes([HERE, VolumeSeen::Missing]);
    let present = "Pulled Container image \"one:1\" already present on machine and can be \
                   accessed by the pod";
    assert_eq!(notes(&actions)[0], present);
    assert_eq!(story.waiting().0, "ErrImageNeverPull");
}

#[test]
fn a_volumes_image_that_fails_is_waited_for_and_named_and_the_others_are_not_pulled_again() {
    let mut story = with_volumes(Some(PullPolicy::Always));
    story.want(Wanted::Running);
    story.looked_at_volumes([VolumeSeen::Missing; 2]);
    story.pulled();
    for wait in [10, 20] {
        story.fails(PullFault::Failed);
        assert_eq!(story.waiting().0, "ErrImagePull");
        story.pass(2 * SECOND);
        let published = &notes(&story.tell(Event::Tick))[0];
        assert_eq!(published, "BackOff Back-off pulling image \"two:1\"");
        story.pass((wait - 2) * SECOND);
        assert_eq!(story.tell(Event::Tick), [Action::Instance(FIRST, InstanceAction::CheckImages)]);
        let actions = story.looked_at_volumes([HERE, VolumeSeen::Missing]);
        assert!(actions.contains(&pull("two:1")) && !actions.contains(&pull("one:1")));
    }
    assert!(story.pulled().contains(&Action::Instance(FIRST, InstanceAction::Start)));
}
