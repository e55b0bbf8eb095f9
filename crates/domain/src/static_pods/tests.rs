//! What follows from what the files say.

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
    let pods = pods.iter().map(|pod| (*pod).to_owned()).collect();
    reading(file, Content::Refused { pods, why: "bad field".into() })
}

fn kept(pod: &str, file: &str) -> Kept {
    Kept { pod: pod.into(), origin: Origin { file: path(file), directory: HERE } }
}

/// At once, and when a removal is due.
fn plans(readings: &[Reading], kept: &[Kept]) -> (Plan, Plan) {
    let (mut missing, now) = (Missing::default(), now());
    let all: Vec<_> = readings.iter().collect();
    let first = Plan::new((HERE, &all), kept, false, &mut missing, now);
    (first, Plan::new((HERE, &all), kept, false, &mut missing, later(now)))
}

fn names(plan: &Plan) -> Vec<(&str, &str)> {
    let file = |spec: &'_ Validated<PodSpec>| spec.origin.clone().unwrap().file;
    assert!(plan.keep.iter().all(|spec| plan.owners[&spec.name] == file(spec)));
    plan.keep.iter().map(|spec| (spec.name.as_str(), plan.owners[&spec.name].as_str())).collect()
}

fn told(plan: &Plan) -> Vec<(&str, &str)> {
    plan.problems.iter().map(|problem| (problem.about.as_str(), problem.why.as_str())).collect()
}

#[test]
fn a_pod_whose_file_is_gone_is_deleted_after_a_while() {
    let (first, then) =
        plans(&[good("a.yaml", &["a"])], &[kept("a", "a.yaml"), kept("b", "b.yaml")]);
    assert!(first.remove.is_empty() && first.wake.is_some());
    assert_eq!((then.remove, told(&first).len()), (vec!["b".to_owned()], 0));
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
    assert!(first.remove.is_empty() && told(&first).is_empty());
    assert_eq!(then.remove, ["a", "b"]);
}

#[test]
fn a_broken_file_keeps_what_it_has_made() {
    for wrong in [broken("a.yaml"), refused("a.yaml", &["a"])] {
        let (_, then) = plans(&[wrong], &[kept("a", "a.yaml"), kept("also", "a.yaml")]);
        assert!(then.keep.is_empty() && then.remove.is_empty());
        let told: Vec<_> = told(&then).into_iter().map(|(about, _)| about).collect();
        assert_eq!(told, ["a", "also"]);
    }
}

#[test]
fn a_problem_is_told_of_the_pod_or_else_of_the_file() {
    let (plan, _) = plans(&[broken("a.yaml"), refused("b.yaml", &["b"])], &[]);
    assert_eq!(told(&plan), [("/m/a.yaml", "no YAML"), ("b", "bad field")]);
}

#[test]
fn while_a_file_may_be_what_became_of_another_nothing_is_deleted() {
    let (_, then) = plans(&[broken("new.yaml")], &[kept("a", "old.yaml")]);
    assert!(then.remove.is_empty());
    let why = told(&then).into_iter().find(|(about, _)| *about == "a").unwrap().1;
    assert!(why.starts_with("/m/old.yaml: is gone, and /m/new.yaml may be"), "{why}");
    // One whose pods are known is no such file.
    let (_, then) = plans(&[broken("b.yaml")], &[kept("a", "a.yaml"), kept("b", "b.yaml")]);
    assert_eq!(then.remove, ["a"]);
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
fn of_two_files_with_one_pod_the_first_has_it() {
    let two = [good("a.yaml", &["web"]), good("b.yaml", &["web", "other"])];
    let (plan, then) = plans(&two, &[kept("web", "b.yaml")]);
    assert_eq!(names(&plan), [("web", "/m/a.yaml"), ("other", "/m/b.yaml")]);
    let why = "/m/b.yaml: not taken: /m/a.yaml has a pod \"web\" too, and comes first";
    assert_eq!((told(&plan), then.remove.len()), (vec![("web", why)], 0));
    // Also while the first is wrong.
    let (plan, _) = plans(&[refused("a.yaml", &["web"]), good("b.yaml", &["web"])], &[]);
    assert!(plan.keep.is_empty() && told(&plan).len() == 2);
}

#[test]
fn an_empty_directory_that_is_another_one_deletes_nothing() {
    let (mut missing, now) = (Missing::default(), now());
    let kept = [kept("a", "a.yaml")];
    for now in [now, later(now)] {
        let plan = Plan::new((HERE + 1, &[]), &kept, false, &mut missing, now);
        assert!(plan.remove.is_empty() && told(&plan)[0].1.contains("a mount may be missing"));
    }
    let (_, then) = plans(&[], &kept);
    assert_eq!(then.remove, ["a"], "the one that it was in");
    // One that is not empty is meant so.
    let others = good("b.yaml", &["b"]);
    for (now, removed) in [(now, 0), (later(now), 1)] {
        let plan = Plan::new((HERE + 1, &[&others]), &kept, false, &mut missing, now);
        assert_eq!(plan.remove.len(), removed);
    }
}
