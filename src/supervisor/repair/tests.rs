use super::*;
use crate::domain::exit::Ending;
use crate::domain::pod_key::PodKey;
use crate::domain::spec::sample;
use crate::node::AttemptId;

fn id(container: &str, attempt: u32) -> AttemptId {
    AttemptId::new(PodKey::in_default("web"), container, Incarnation(attempt))
}

fn sound(attempt: u32) -> Found {
    let pod = sample::pod();
    let name = pod.containers[0].name.clone();
    let mut memory = Memory::new(Wanted::Running, SystemTime::UNIX_EPOCH);
    memory.attempt = Incarnation(attempt);
    memory.restart_count = attempt;
    let (task, evidence) = (FoundTask::None, ExitEvidence::default());
    Found { id: id(&name, attempt), pod, memory, task, evidence, pending_record: false }
}

fn unsound(container: &str, attempt: u32, flaw: Flaw) -> Unsound {
    let ended = FoundTask::Ended(Ending::Exited(0), SystemTime::UNIX_EPOCH);
    let (pod_uid, image) = ("uid".to_owned(), "app:1".to_owned());
    Unsound { id: id(container, attempt), pod_uid, image, flaw, reason: "bad".into(), task: ended }
}

#[test]
fn a_newer_record_makes_the_pod_unsupervised_and_listed() {
    let newer = vec![unsound("app", 4, Flaw::Newer)];
    let Sorted::Unsupervised(view, reason, _) = sort(vec![sound(3)], newer, SystemTime::UNIX_EPOCH)
    else {
        panic!("recovered");
    };
    assert!(reason.starts_with("RecordNewer: the record of web_app_4: bad"), "{reason}");
    assert_eq!((view.spec.name.as_str(), view.status.phase), ("web", Phase::Unknown));
    assert_eq!(view.status.containers.len(), view.spec.containers.len());
}

#[test]
fn a_broken_record_is_repaired_from_the_previous_attempt() {
    let name = sample::pod().containers[0].name.clone();
    let broken = vec![unsound(&name, 3, Flaw::Broken), unsound("unknown", 0, Flaw::Broken)];
    let Sorted::Recoverable(found) = sort(vec![sound(2)], broken, SystemTime::UNIX_EPOCH) else {
        panic!("not recovered");
    };
    let [_, repaired] = found.as_slice() else { panic!("{}", found.len()) };
    assert_eq!((repaired.memory.attempt, repaired.memory.restart_count), (Incarnation(3), 3));
    assert_eq!(
        repaired.memory.started_at,
        Some(SystemTime::UNIX_EPOCH),
        "the task is evidence of a start"
    );
    assert!(matches!(repaired.task, FoundTask::Ended(..)), "the task is kept");
}

#[test]
fn a_broken_record_without_a_sound_one_is_listed() {
    let broken = vec![unsound("app", 0, Flaw::Broken)];
    let sorted = sort(vec![], broken, SystemTime::UNIX_EPOCH);
    let Sorted::Unsupervised(view, ..) = sorted else { panic!("recovered") };
    assert_eq!(view.status.containers[0].image, "app:1");
}

#[test]
fn a_pod_whose_task_was_not_queried_is_not_recovered() {
    let unclear = vec![unsound("app", 3, Flaw::Unclear)];
    let sorted = sort(vec![sound(3)], unclear, SystemTime::UNIX_EPOCH);
    assert!(matches!(sorted, Sorted::Unsupervised(..)));
}
