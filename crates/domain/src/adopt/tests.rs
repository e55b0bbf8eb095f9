use std::time::SystemTime;

use super::*;
use crate::container::Wanted;
use crate::spec::SpecError;

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn foreign_container(pairs: &[(&str, &str)]) -> ForeignContainer {
    ForeignContainer {
        place: ContainerRef { namespace: "default".into(), id: "web".into() },
        image: "web:1".into(),
        labels: labels(pairs),
        image_labels: ImageLabels::Known(OwnLabels::default()),
        remembered: None,
        task: TaskLevel::Started,
        user: None,
    }
}

fn next(foreign_container: &ForeignContainer, live: Option<&PodSpec>) -> Step {
    let read = |labels: &BTreeMap<String, String>| {
        if labels.values().any(|value| value == "bad") {
            return Err(SpecErrors(vec![SpecError::invalid(RESTART, "bad", "no")]));
        }
        let max_restarts = labels.get(RESTART).and_then(|n| n.parse().ok());
        Ok(Settings { max_restarts, ..Settings::default() })
    };
    foreign_container.next(live, read, || "uid".to_owned())
}

fn cared(foreign_container: &ForeignContainer, named: bool, memory: Memory) -> Option<Remembered> {
    let spec = foreign_container.spec(Settings::default(), named, "old".into());
    Some(Remembered::Supervised(Box::new((spec, memory))))
}

fn fresh() -> Memory {
    Memory::new(Wanted::Running, SystemTime::UNIX_EPOCH)
}

#[test]
fn labels_begin_change_and_end_the_care() {
    let without = foreign_container(&[("nerdctl/name", "x")]);
    assert_eq!(next(&without, None), Step::Nothing);
    let asked = foreign_container(&[(RESTART, "1")]);
    let Step::TakeUp(spec, None) = next(&asked, None) else { panic!("not taken up") };
    assert_eq!((spec.name.as_str(), spec.uid.as_str()), ("default/web", "uid"));
    assert_eq!(next(&asked, Some(&spec)), Step::Nothing);
    let changed = foreign_container(&[(RESTART, "2")]);
    let Step::Change(new) = next(&changed, Some(&spec)) else { panic!("not changed") };
    assert_eq!((new.uid.as_str(), new.containers[0].backoff.max_restarts), ("uid", Some(2)));
    assert!(matches!(next(&without, Some(&spec)), Step::LetGo(_)));
}

#[test]
fn a_bad_label_and_the_restart_monitor_are_refused_also_on_a_live_one() {
    let good = foreign_container(&[(RESTART, "1")]);
    let live = good.spec(Settings::default(), false, "u".into());
    for live in [None, Some(&live)] {
        let bad = next(&foreign_container(&[(RESTART, "bad")]), live);
        let Step::Refuse(Refusal::Labels(why)) = bad else { panic!("{bad:?}") };
        assert!(why.contains(RESTART), "{why}");
        for monitor in MONITOR {
            let both = foreign_container(&[(RESTART, "1"), (monitor, "running")]);
            assert_eq!(next(&both, live), Step::Refuse(Refusal::Monitor));
        }
    }
    assert_eq!(next(&foreign_container(&[(MONITOR[0], "running")]), None), Step::Nothing);
}

#[test]
fn a_container_that_its_owner_has_not_started_is_not_started() {
    let mut asked = foreign_container(&[(RESTART, "1")]);
    asked.task = TaskLevel::None;
    assert_eq!(next(&asked, None), Step::Refuse(Refusal::NotStarted));
    asked.remembered = cared(&asked, false, fresh());
    assert_eq!(next(&asked, None), Step::Refuse(Refusal::NotStarted));
    // An instance of an earlier daemon is recovered, even if its task is gone.
    let began = Memory { started_at: Some(SystemTime::UNIX_EPOCH), ..fresh() };
    asked.remembered = cared(&asked, false, began);
    assert!(matches!(next(&asked, None), Step::TakeUp(_, Some(_))));
}

#[test]
fn a_name_beats_labels_and_a_release_holds_until_they_change() {
    let mut named = foreign_container(&[(RESTART, "bad")]);
    named.remembered = cared(&named, true, fresh());
    let Step::TakeUp(spec, Some(_)) = next(&named, None) else { panic!("not taken up") };
    assert_eq!(spec.uid, "old");
    assert_eq!(next(&named, Some(&spec)), Step::Nothing);

    let mut released = foreign_container(&[(RESTART, "1")]);
    released.remembered = Some(Remembered::Released(released.asking()));
    assert_eq!(next(&released, None), Step::Nothing);
    released.labels = labels(&[(RESTART, "2")]);
    assert!(matches!(next(&released, None), Step::TakeUp(..)));
}

#[test]
fn a_record_that_is_not_readable_is_left_alone() {
    let mut asked = foreign_container(&[(RESTART, "1")]);
    asked.remembered = Some(Remembered::Unreadable("newer".into()));
    assert!(matches!(next(&asked, None), Step::Refuse(Refusal::Record(_))));
}

#[test]
fn labels_of_its_image_ask_for_nothing() {
    let own = |pairs: &[(&str, &str)]| ImageLabels::Known(labels(pairs).into_iter().collect());
    let mut it = foreign_container(&[(RESTART, "1"), (LIVENESS, "exec:true")]);
    it.image_labels = own(&[(RESTART, "1"), (LIVENESS, "exec:true")]);
    assert_eq!(next(&it, None), Step::Nothing);
    assert_eq!(it.without_effect(), [LIVENESS, RESTART]);
    // A label of the owner has an effect, even if the image defines another value of it.
    it.image_labels = own(&[(RESTART, "2"), (LIVENESS, "exec:true")]);
    assert_eq!(it.asking(), labels(&[(RESTART, "1")]));
    let Step::TakeUp(spec, _) = next(&it, None) else { panic!("not taken up") };
    assert_eq!(next(&it, Some(&spec)), Step::Nothing);
    // Labels have no effect on a container that was adopted by name.
    it.image_labels = own(&[(RESTART, "1"), (LIVENESS, "exec:true")]);
    it.remembered = cared(&it, true, fresh());
    assert!(matches!(next(&it, None), Step::TakeUp(..)));
}

#[test]
fn without_the_image_no_label_has_an_effect_unless_it_was_compared_before() {
    let unknown = || ImageLabels::Unknown("it is gone".into());
    let mut it = foreign_container(&[(RESTART, "1")]);
    let compared = cared(&it, false, fresh());
    it.image_labels = unknown();
    let Step::Refuse(refusal) = next(&it, None) else { panic!("not refused") };
    assert_eq!(refusal.reason(), "ImageUnknown");
    assert!(refusal.message().contains("it is gone"), "{}", refusal.message());
    assert_eq!(next(&foreign_container(&[]), None), Step::Nothing);
    it.remembered = compared;
    let Step::TakeUp(spec, _) = next(&it, None) else { panic!("not taken up") };
    assert_eq!(next(&it, Some(&spec)), Step::Nothing);
    // A record of a version that did not read the image's labels.
    let mut old = spec.clone();
    let Source::Adopted(adopted) = &mut old.containers[0].source else { panic!() };
    adopted.image_labels = None;
    it.remembered = Some(Remembered::Supervised(Box::new((*old.clone(), fresh()))));
    assert!(matches!(next(&it, Some(&old)), Step::Refuse(Refusal::ImageUnknown(_))));
    it.image_labels = ImageLabels::Known(OwnLabels::default());
    assert!(matches!(next(&it, Some(&old)), Step::Change(_)));
    it.image_labels = ImageLabels::Known(labels(&[(RESTART, "1")]).into_iter().collect());
    assert!(matches!(next(&it, Some(&old)), Step::LetGo(_)));
}

#[test]
fn recorded_labels_of_the_image_stay_its_own() {
    let mut it = foreign_container(&[(RESTART, "1"), (GRACE, "5")]);
    it.image_labels = ImageLabels::Known(labels(&[(RESTART, "1")]).into_iter().collect());
    it.remembered = cared(&it, false, fresh());
    for now in [ImageLabels::Known(OwnLabels::default()), ImageLabels::Unknown("gone".into())] {
        it.image_labels = now;
        assert_eq!(it.asking(), labels(&[(GRACE, "5")]));
    }
}

#[test]
fn a_release_of_an_earlier_version_holds() {
    let mut it = foreign_container(&[(RESTART, "1"), (GRACE, "5")]);
    it.image_labels = ImageLabels::Known(labels(&[(RESTART, "1")]).into_iter().collect());
    it.remembered = Some(Remembered::Released(it.labels.clone()));
    assert_eq!(next(&it, None), Step::Nothing);
    it.image_labels = ImageLabels::Unknown("gone".into());
    assert_eq!(next(&it, None), Step::Nothing);
}
