//! Plans that follow from the content of the files.

use std::time::SystemTime;

use super::*;
use crate::spec::sample;

const HERE: u64 = 7;

fn now() -> Now {
    #[expect(clippy::disallowed_methods, reason = "a test has to start somewhere")]
    let mono = Instant::now();
    Now { mono, wall: SystemTime::UNIX_EPOCH, booted_at: SystemTime::UNIX_EPOCH }
}

fn later(now: Now) -> Now {
    Now { mono: now.mono + REMOVAL, ..now }
}

fn path(file: &str) -> String {
    format!("/m/{file}")
}

fn reading(file: &str, content: Content) -> Reading {
    Reading { file: path(file), content, warnings: vec![] }
}

fn good(file: &str, pods: &[&str]) -> Reading {
    let spec = |name: &&str| PodSpec { name: (*name).to_owned(), ..sample::pod() };
    reading(file, Content::Pods(pods.iter().map(|name| spec(name).validate().unwrap()).collect()))
}

fn broken(file: &str) -> Reading {
    reading(file, Content::Unreadable("no YAML".into()))
}

fn refused(file: &str, pods: &[&str]) -> Reading {
    let pods = pods.iter().map(|pod| PodKey::in_default(*pod)).collect();
    reading(file, Content::Refused { pods, why: "bad field".into() })
}

fn kept(pod: &str, file: &str) -> Kept {
    Kept { pod: PodKey::in_default(pod), origin: Origin { file: path(file), directory: HERE } }
}

/// Plans at once and at the time when a removal is due.
fn plans(readings: &[Reading], kept: &[Kept]) -> (Plan, Plan) {
    let (mut missing, now) = (Missing::default(), now());
    let all: Vec<_> = readings.iter().collect();
    let first = Plan::new((HERE, &all), kept, false, &mut missing, now);
    (first, Plan::new((HERE, &all), kept, false, &mut missing, later(now)))
}

fn names(plan: &Plan) -> Vec<(&str, &str)> {
    let file = |spec: &'_ Validated<PodSpec>| spec.origin.clone().unwrap().file;
    assert!(plan.keep.iter().all(|spec| plan.owners[&spec.key()] == file(spec)));
    plan.keep.iter().map(|spec| (spec.name.as_str(), plan.owners[&spec.key()].as_str())).collect()
}

fn keys(plan: &Plan) -> Vec<&str> {
    plan.remove.iter().map(PodKey::name).collect()
}

fn problems(plan: &Plan) -> Vec<(&str, &str)> {
    plan.problems.iter().map(|problem| (problem.about.name(), problem.why.as_str())).collect()
}

#[test]
fn a_pod_whose_file_was_removed_is_deleted_after_a_while() {
    let (first, then) =
        plans(&[good("a.yaml", &["a"])], &[kept("a", "a.yaml"), kept("b", "b.yaml")]);
    assert!(first.remove.is_empty() && first.wake.is_some());
    assert_eq!((keys(&then), problems(&first).len()), (vec!["b"], 0));
}

#[test]
fn a_renamed_file_has_its_pod_all_along() {
    let (_, then) = plans(&[good("new.yaml", &["a"])], &[kept("a", "old.yaml")]);
    assert_eq!((names(&then), then.remove.len()), (vec![("a", "/m/new.yaml")], 0));
}

#[test]
fn a_rename_that_is_seen_in_the_middle_deletes_nothing() {
    let (mut missing, now) = (Missing::default(), now());
    let kept = [kept("a", "old.yaml")];
    let mut at = |readings: &[Reading], now| {
        let all: Vec<_> = readings.iter().collect();
        Plan::new((HERE, &all), &kept, false, &mut missing, now).remove.len()
    };
    assert_eq!(at(&[], now), 0);
    assert_eq!(at(&[good("new.yaml", &["a"])], later(now)), 0);
    assert_eq!(at(&[], later(later(now))), 0, "missed anew");
}

#[test]
fn a_file_that_is_about_no_pod_for_sure_is_no_doubt() {
    let files = [good("rbac.yaml", &[])];
    let (first, then) = plans(&files, &[kept("a", "a.yaml"), kept("b", "rbac.yaml")]);
    assert!(first.remove.is_empty() && problems(&first).is_empty());
    assert_eq!(keys(&then), ["a", "b"]);
}

#[test]
fn pods_of_an_invalid_file_are_kept() {
    for wrong in [broken("a.yaml"), refused("a.yaml", &["a"])] {
        let (_, then) = plans(&[wrong], &[kept("a", "a.yaml"), kept("also", "a.yaml")]);
        assert!(then.keep.is_empty() && then.remove.is_empty());
        let about: Vec<_> = problems(&then).into_iter().map(|(about, _)| about).collect();
        assert_eq!(about, ["a", "also"]);
    }
}

#[test]
fn a_problem_is_reported_for_the_pod_or_else_for_the_file() {
    let (plan, _) = plans(&[broken("a.yaml"), refused("b.yaml", &["b"])], &[]);
    assert_eq!(problems(&plan), [("/m/a.yaml", "no YAML"), ("b", "bad field")]);
}

#[test]
fn nothing_is_deleted_while_a_file_may_be_a_renamed_one() {
    let (_, then) = plans(&[broken("new.yaml")], &[kept("a", "old.yaml")]);
    assert!(then.remove.is_empty());
    let why = problems(&then).into_iter().find(|(about, _)| *about == "a").unwrap().1;
    assert!(why.starts_with("/m/old.yaml: is gone, and /m/new.yaml may be"), "{why}");
    // A file whose pods are known cannot be the renamed one.
    let (_, then) = plans(&[broken("b.yaml")], &[kept("a", "a.yaml"), kept("b", "b.yaml")]);
    assert_eq!(keys(&then), ["a"]);
}

#[test]
fn while_a_new_file_is_being_written_nothing_is_deleted() {
    let (mut missing, now) = (Missing::default(), now());
    let kept = [kept("a", "a.yaml")];
    for now in [now, later(now)] {
        let plan = Plan::new((HERE, &[]), &kept, true, &mut missing, now);
        assert!(plan.remove.is_empty());
    }
}

#[test]
fn the_first_of_two_files_with_the_same_pod_is_used() {
    let two = [good("a.yaml", &["web"]), good("b.yaml", &["web", "other"])];
    let (plan, then) = plans(&two, &[kept("web", "b.yaml")]);
    assert_eq!(names(&plan), [("web", "/m/a.yaml"), ("other", "/m/b.yaml")]);
    let why = "/m/b.yaml: not taken: /m/a.yaml has a pod \"web\" too, and comes first";
    assert_eq!((problems(&plan), then.remove.len()), (vec![("web", why)], 0));
    // The same holds while the first file is invalid.
    let (plan, _) = plans(&[refused("a.yaml", &["web"]), good("b.yaml", &["web"])], &[]);
    assert!(plan.keep.is_empty() && problems(&plan).len() == 2);
}

#[test]
fn an_empty_directory_with_another_inode_deletes_nothing() {
    let (mut missing, now) = (Missing::default(), now());
    let kept = [kept("a", "a.yaml")];
    for now in [now, later(now)] {
        let plan = Plan::new((HERE + 1, &[]), &kept, false, &mut missing, now);
        assert!(plan.remove.is_empty() && problems(&plan)[0].1.contains("a mount may be missing"));
    }
    let (_, then) = plans(&[], &kept);
    assert_eq!(keys(&then), ["a"], "the one that it was in");
    // A directory with files is no missing mount.
    let others = good("b.yaml", &["b"]);
    for (now, removed) in [(now, 0), (later(now), 1)] {
        let plan = Plan::new((HERE + 1, &[&others]), &kept, false, &mut missing, now);
        assert_eq!(plan.remove.len(), removed);
    }
}
