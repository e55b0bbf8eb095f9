use super::*;
use crate::domain::exit::Ending;
use crate::domain::spec::sample;
use crate::runtime::AttemptId;

fn id(container: &str, attempt: u32) -> AttemptId {
    AttemptId { pod: "web".into(), container: container.into(), attempt: Incarnation(attempt) }
}

fn sound(attempt: u32) -> Found {
    let pod = sample::pod();
    let name = pod.containers[0].name.clone();
    let mut memory = Memory::new(Wanted::Running, SystemTime::UNIX_EPOCH);
    memory.attempt = Incarnation(attempt);
    memory.restart_count = attempt;
    let (task, words) = (FoundTask::None, ExitEvidence::default());
    Found { id: id(&name, attempt), pod, memory, task, words, pending_record: false }
}

fn unsound(container: &str, attempt: u32, flaw: Flaw) -> Unsound {
    let ended = FoundTask::Ended(Ending::Exited(0), SystemTime::UNIX_EPOCH);
    let (pod_uid, image) = ("uid".to_owned(), "app:1".to_owned());
    Unsound { id: id(container, attempt), pod_uid, image, flaw, reason: "bad".into(), task: ended }
}

#[test]
fn one_newer_record_makes_the_pod_be_left_alone_and_shown() {
    let newer = vec![unsound("app", 4, Flaw::Newer)];
    let Sorted::LeftAlone(view, reason, _) =
        sort_out(vec![sound(3)], newer, SystemTime::UNIX_EPOCH)
    else {
        panic!("taken up");
    };
    assert!(reason.starts_with("RecordNewer: the record of web_app_4: bad"), "{reason}");
    assert_eq!((view.spec.name.as_str(), view.status.phase), ("web", Phase::Unknown));
    assert_eq!(view.status.containers.len(), view.spec.containers.len());
}

#[test]
fn a_broken_record_is_made_good_from_the_attempt_before() {
    let name = sample::pod().containers[0].name.clone();
    let broken = vec![unsound(&name, 3, Flaw::Broken), unsound("nobody", 0, Flaw::Broken)];
    let Sorted::Whole(found) = sort_out(vec![sound(2)], broken, SystemTime::UNIX_EPOCH) else {
        panic!("left alone");
    };
    let [_, made] = found.as_slice() else { panic!("{}", found.len()) };
    assert_eq!((made.memory.attempt, made.memory.restart_count), (Incarnation(3), 3));
    assert_eq!(made.memory.started_at, Some(SystemTime::UNIX_EPOCH), "its task says so");
    assert!(matches!(made.task, FoundTask::Ended(..)), "and is kept");
}

#[test]
fn without_a_sound_sibling_a_broken_record_is_shown() {
    let broken = vec![unsound("app", 0, Flaw::Broken)];
    let sorted = sort_out(vec![], broken, SystemTime::UNIX_EPOCH);
    let Sorted::LeftAlone(view, ..) = sorted else { panic!("taken up") };
    assert_eq!(view.status.containers[0].image, "app:1");
}

#[test]
fn a_task_that_could_not_be_looked_at_keeps_its_pod_waiting() {
    let unclear = vec![unsound("app", 3, Flaw::Unclear)];
    let sorted = sort_out(vec![sound(3)], unclear, SystemTime::UNIX_EPOCH);
    assert!(matches!(sorted, Sorted::LeftAlone(..)));
}
