//! Volumes on a disk that exceed their size limit.

use super::*;
use crate::pod::Pod;
use crate::spec::{
    Medium, Propagation, RecursiveReadOnly, SubPath, Volume, VolumeMount, VolumeSource,
};
use crate::status::{Expired, Phase};

const MEBI: u64 = 1 << 20;
const WHY: &str = "Usage of EmptyDir volume \"disk\" exceeds the limit \"1Mi\".";

/// Makes a pod with a volume with a limit, one without and one in memory, of which one is mounted.
fn limited(mounted: &str) -> PodSpec {
    let mut pod = pod(RestartPolicy::Always);
    pod.containers[0].probes = Probes::default();
    let volumes = [
        ("disk", Medium::Disk, Some(MEBI)),
        ("free", Medium::Disk, None),
        ("memory", Medium::Memory, Some(MEBI)),
    ];
    pod.volumes = volumes
        .map(|(name, medium, size_limit)| Volume {
            name: name.into(),
            source: VolumeSource::EmptyDir { medium, size_limit },
        })
        .into();
    pod.containers[0].volume_mounts.push(VolumeMount {
        name: mounted.into(),
        mount_path: "/data".into(),
        sub_path: SubPath::None,
        read_only: false,
        recursive_read_only: RecursiveReadOnly::Disabled,
        propagation: Propagation::None,
    });
    pod
}

fn running(pod: PodSpec) -> Story {
    let mut story = Story::new(pod);
    story.want(Wanted::Running);
    story.started();
    story
}

fn measured(bytes: u64) -> Event {
    let used = BTreeMap::from([("disk".to_owned(), bytes)]);
    InstanceEvent::VolumesMeasured { used }.of(Incarnation(0))
}

#[test]
fn only_limited_volumes_that_are_mounted_are_measured_every_ten_seconds() {
    for other in ["free", "memory"] {
        assert_eq!(running(limited(other)).machine.deadline(), None, "{other}");
    }
    let mut story = running(limited("disk"));
    // Only one measurement runs at a time, and after a long one the wait is longer.
    for (wait, took) in [(10, 1), (10, 60), (540, 1), (10, 1)] {
        story.pass((wait - 1) * SECOND);
        assert_eq!(story.tell(Event::Tick), []);
        story.pass(SECOND);
        assert_eq!(
            story.tell(Event::Tick),
            [Action::Instance(Incarnation(0), InstanceAction::MeasureVolumes)]
        );
        story.pass(took * SECOND);
        assert_eq!(story.tell(Event::Tick), []);
        assert_eq!(story.tell(measured(MEBI)), []);
    }
}

#[test]
fn a_pod_that_is_over_its_limit_is_evicted_for_good() {
    let mut story = running(limited("disk"));
    let actions = story.tell(measured(MEBI + 1));
    assert_eq!(Story::reasons(&actions), [("Killing", "Stopping container app")]);
    assert!(actions.contains(&Action::Instance(Incarnation(0), InstanceAction::Signal(15))));
    story.pass(SECOND);
    assert!(
        story
            .tell(Event::Tick)
            .contains(&Action::Instance(Incarnation(0), InstanceAction::Signal(9)))
    );
    let actions = story.ended(Ending::Signaled(9));
    assert!(
        !actions.iter().any(|action| matches!(action, Action::Instance(_, InstanceAction::Start))),
        "{actions:?}"
    );
    let status = story.machine.status();
    let ContainerState::Terminated(end) = status.state else { panic!("{:?}", status.state) };
    assert_eq!(end.cause, Cause::Evicted { why: WHY.into() });
    assert_eq!(story.want(Wanted::Running), []);
    assert_eq!(story.tell(Event::Restart { grace: None }), []);
}

#[test]
fn all_of_the_pod_goes_also_where_the_daemon_dies_in_between() {
    let two = || {
        let mut spec = limited("disk");
        let mut other = spec.containers[0].clone();
        (other.name, other.volume_mounts) = ("other".into(), vec![]);
        spec.containers.push(other);
        spec
    };
    let machine = |index: usize| {
        let story = running(limited("disk"));
        let spec = two();
        let (memory, container) = (story.machine.memory(), spec.containers[index].clone());
        let found = Recovered::Running { pid: 7 };
        let spec = Arc::new(spec);
        let recovered = Machine::recover(spec, container, memory, "c".into(), [], found, story.now);
        (recovered.0, story.now)
    };
    let ((first, now), (second, _)) = (machine(0), machine(1));
    let mut pod = Pod::new(Arc::new(two()), vec![first, second], now);
    let signalled = |actions: &[(usize, Action)]| {
        let of = |(index, action): &(usize, Action)| {
            matches!(action, Action::Instance(_, InstanceAction::Signal(..))).then_some(*index)
        };
        actions.iter().filter_map(of).collect::<Vec<_>>()
    };
    let actions = pod.handle(0, measured(MEBI + 1), now);
    assert_eq!(signalled(&actions), [0, 1]);
    let own = actions.iter().filter_map(|(_, action)| match action {
        Action::Note(notice) if notice.of_pod => Some((notice.reason, notice.message.as_str())),
        _ => None,
    });
    assert_eq!(own.collect::<Vec<_>>(), [("Evicted", WHY)], "the pod's event, and once");
    for index in 0..2 {
        assert_eq!(pod.status().phase, Phase::Running);
        let ending = Ending::Exited(0);
        pod.handle(index, InstanceEvent::Ended { ending }.of(Incarnation(0)), now);
    }
    let expired = Some(Expired::Evicted { message: WHY.into() });
    assert_eq!((pod.status().phase, pod.status().expired.clone()), (Phase::Failed, expired));

    let ((mut first, now), (second, _)) = (machine(0), machine(1));
    first.handle(measured(MEBI + 1), now);
    let mut pod = Pod::new(Arc::new(two()), vec![first, second], now);
    assert_eq!(signalled(&pod.resume(now)), [1]);
}
