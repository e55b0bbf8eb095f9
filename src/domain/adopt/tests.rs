use std::time::SystemTime;

use super::*;
use crate::domain::container::Wanted;
use crate::domain::spec::SpecError;

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn stranger(pairs: &[(&str, &str)]) -> Stranger {
    Stranger {
        place: Place { namespace: "default".into(), id: "web".into() },
        image: "web:1".into(),
        labels: labels(pairs),
        remembered: None,
        task: TaskLevel::Started,
        user: None,
    }
}

fn next(stranger: &Stranger, live: Option<&PodSpec>) -> Step {
    let read = |labels: &BTreeMap<String, String>| {
        if labels.values().any(|value| value == "bad") {
            return Err(SpecErrors(vec![SpecError::invalid(RESTART, "bad", "no")]));
        }
        let max_restarts = labels.get(RESTART).and_then(|n| n.parse().ok());
        Ok(Care { max_restarts, ..Care::default() })
    };
    stranger.next(live, read, || "uid".to_owned())
}

fn cared(stranger: &Stranger, named: bool, memory: Memory) -> Option<Remembered> {
    let spec = stranger.spec(Care::default(), named, "old".into());
    Some(Remembered::Cared(Box::new((spec, memory))))
}

fn fresh() -> Memory {
    Memory::new(Wanted::Running, SystemTime::UNIX_EPOCH)
}

#[test]
fn labels_begin_change_and_end_the_care() {
    let without = stranger(&[("nerdctl/name", "x")]);
    assert_eq!(next(&without, None), Step::Nothing);
    let asked = stranger(&[(RESTART, "1")]);
    let Step::TakeUp(spec, None) = next(&asked, None) else { panic!("not taken up") };
    assert_eq!((spec.name.as_str(), spec.uid.as_str()), ("default/web", "uid"));
    assert_eq!(next(&asked, Some(&spec)), Step::Nothing);
    let changed = stranger(&[(RESTART, "2")]);
    let Step::Change(new) = next(&changed, Some(&spec)) else { panic!("not changed") };
    assert_eq!((new.uid.as_str(), new.containers[0].backoff.max_restarts), ("uid", Some(2)));
    assert!(matches!(next(&without, Some(&spec)), Step::LetGo(_)));
}

#[test]
fn a_bad_label_and_the_restart_monitor_are_refused_also_on_a_live_one() {
    let good = stranger(&[(RESTART, "1")]);
    let live = good.spec(Care::default(), false, "u".into());
    for live in [None, Some(&live)] {
        let bad = next(&stranger(&[(RESTART, "bad")]), live);
        let Step::Refuse(Refusal::Labels(why)) = bad else { panic!("{bad:?}") };
        assert!(why.contains(RESTART), "{why}");
        for monitor in MONITOR {
            let both = stranger(&[(RESTART, "1"), (monitor, "running")]);
            assert_eq!(next(&both, live), Step::Refuse(Refusal::Monitor));
        }
    }
    assert_eq!(next(&stranger(&[(MONITOR[0], "running")]), None), Step::Nothing);
}

#[test]
fn what_nobody_started_is_not_started() {
    let mut asked = stranger(&[(RESTART, "1")]);
    asked.task = TaskLevel::None;
    assert_eq!(next(&asked, None), Step::Refuse(Refusal::NotStarted));
    asked.remembered = cared(&asked, false, fresh());
    assert_eq!(next(&asked, None), Step::Refuse(Refusal::NotStarted));
    // But an instance of an earlier daemon's is taken up, whatever became of it.
    let began = Memory { started_at: Some(SystemTime::UNIX_EPOCH), ..fresh() };
    asked.remembered = cared(&asked, false, began);
    assert!(matches!(next(&asked, None), Step::TakeUp(_, Some(_))));
}

#[test]
fn a_name_beats_labels_and_a_release_holds_until_they_change() {
    let mut named = stranger(&[(RESTART, "bad")]);
    named.remembered = cared(&named, true, fresh());
    let Step::TakeUp(spec, Some(_)) = next(&named, None) else { panic!("not taken up") };
    assert_eq!(spec.uid, "old");
    assert_eq!(next(&named, Some(&spec)), Step::Nothing);

    let mut released = stranger(&[(RESTART, "1")]);
    released.remembered = Some(Remembered::Released(released.asking()));
    assert_eq!(next(&released, None), Step::Nothing);
    released.labels = labels(&[(RESTART, "2")]);
    assert!(matches!(next(&released, None), Step::TakeUp(..)));
}

#[test]
fn a_record_that_is_not_readable_is_left_alone() {
    let mut asked = stranger(&[(RESTART, "1")]);
    asked.remembered = Some(Remembered::Unreadable("newer".into()));
    assert!(matches!(next(&asked, None), Step::Refuse(Refusal::Record(_))));
}

#[test]
fn output_goes_on_where_somebody_reads_it() {
    let own = "file:///log/0.log";
    let of =
        |out: &str, err: &str| Stdio { stdout: out.into(), stderr: err.into(), terminal: false };
    let none = labels(&[]);
    let uri = labels(&[(LOG_URIS[0], "binary:///l?x=y")]);
    let pipe = of("/run/fifo/1", "/run/fifo/2");
    assert_eq!(Stdio::next(Some(&pipe), &none, own), (of(own, own), true));
    let label = of("binary:///l?x=y", "binary:///l?x=y");
    assert_eq!(Stdio::next(Some(&pipe), &uri, own), (label, false));
    let file = of("file:///a", "");
    assert_eq!(Stdio::next(Some(&file), &none, own), (of("file:///a", "file:///a"), false));
    assert_eq!(Stdio::next(Some(&of("", "")), &none, own), (of("", ""), false));
    assert_eq!(Stdio::next(None, &none, own), (of(own, own), true));
}
