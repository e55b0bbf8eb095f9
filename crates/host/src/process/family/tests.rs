use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::time::Duration;

use super::*;

const INIT: u32 = 1000;
const LEADER: Identity = Identity { pid: 10, started: 5 };

/// A process with this pid (which is also its start time), parent and session.
fn one(pid: u32, parent: u32, session: u32) -> Seen {
    let started = if pid == LEADER.pid { LEADER.started } else { u64::from(pid) };
    let identity = Identity { pid, started };
    let stat = Stat { identity, parent, session, ended: false, wait_status: None };
    Seen { stat, marked: false, starting: false }
}

fn mark(variable: &str) -> Mark {
    Mark { variables: [variable.to_owned()].into(), among: None }
}

fn family() -> Family {
    Family::new(mark("MARK=1"), [LEADER], INIT)
}

fn found(family: &mut Family, seen: &[Seen]) -> Vec<u32> {
    let mut pids: Vec<u32> = family.members(seen).iter().map(|member| member.pid).collect();
    pids.sort_unstable();
    pids
}

#[test]
fn children_belong_at_any_depth_and_strangers_do_not() {
    let seen = [one(13, 12, 13), one(10, 2, 10), one(12, 10, 12), one(20, 2, 20), one(21, 20, 20)];
    assert_eq!(found(&mut family(), &seen), [10, 12, 13]);
}

#[test]
fn a_double_forked_child_belongs_by_its_session() {
    let mut family = family();
    assert_eq!(found(&mut family, &[one(10, 2, 10), one(12, INIT, 10)]), [10, 12]);
    // The leader has ended, but the session exists, so its number is not reused.
    assert_eq!(found(&mut family, &[one(12, INIT, 10), one(13, INIT, 10)]), [12, 13]);
    assert_eq!(found(&mut family, &[]), [0; 0]);
    // From here on the session's number may be reused.
    assert_eq!(found(&mut family, &[one(14, 2, 10)]), [0; 0]);
}

#[test]
fn a_marked_process_belongs_wherever_it_went() {
    let mut seen = [one(12, INIT, 12), one(13, 12, 13), one(14, INIT, 14)];
    seen[0].marked = true;
    assert_eq!(found(&mut family(), &seen), [12, 13]);
}

#[test]
fn a_child_that_lost_its_parent_is_not_lost() {
    let mut family = family();
    assert_eq!(found(&mut family, &[one(10, 2, 10), one(12, 10, 12)]), [10, 12]);
    assert_eq!(found(&mut family, &[one(12, INIT, 12), one(13, 12, 13)]), [12, 13]);
}

#[test]
fn a_pid_that_was_used_again_is_a_stranger() {
    let mut again = one(10, 2, 10);
    again.stat.identity.started += 1;
    assert_eq!(found(&mut family(), &[again, one(12, 10, 10)]), [0; 0]);
}

#[test]
fn init_and_its_children_are_spared() {
    let mut init = one(INIT, 10, 10);
    init.marked = true;
    assert_eq!(found(&mut family(), &[init, one(10, 2, 10), one(12, INIT, 12)]), [10]);
}

/// One child stays, one moves to a new session, and one clears its environment.
#[test]
fn a_real_family_is_killed_to_the_last() {
    let variable = format!("PROBELET_TEST={}", uuid::Uuid::new_v4());
    let (name, value) = variable.split_once('=').unwrap();
    let script = "sleep 61 & (setsid sleep 62 &) ; env -i sleep 63 & wait";
    let mut child = Command::new("sh").args(["-c", script]).env(name, value).spawn().unwrap();
    let leader = Stat::read(child.id()).unwrap().identity;
    let mut family = Family::new(mark(&variable), [leader], std::process::id());
    let within_bound = |done: &mut dyn FnMut() -> bool| {
        (0..2000).any(|_| {
            std::thread::sleep(Duration::from_millis(5));
            done()
        })
    };
    let mut asleep = || {
        let members = family.members(&look(&mark(&variable), None).unwrap());
        let comm =
            |member: &Identity| std::fs::read_to_string(format!("/proc/{}/comm", member.pid));
        members.iter().filter(|member| comm(member).is_ok_and(|name| name == "sleep\n")).count()
    };
    assert!(within_bound(&mut || asleep() == 3), "the children did not come up");
    assert!(within_bound(&mut || family.strike().unwrap().members == 0), "somebody is left");
    // The leader waits for its children, which may have ended first.
    assert!(child.wait().unwrap().signal().is_none_or(|signal| signal == 9));
}

#[test]
fn a_mark_counts_only_where_it_is_looked_for() {
    let variable = format!("PROBELET_TEST={}", uuid::Uuid::new_v4());
    let (name, value) = variable.split_once('=').unwrap();
    let mut child = Command::new("sleep").arg("60").env(name, value).spawn().unwrap();
    let among = |pids: &[u32]| Some(pids.iter().copied().collect());
    let own = Mark { variables: [variable.clone()].into(), among: among(&[child.id()]) };
    let others = Mark { variables: [variable].into(), among: among(&[1]) };
    // The environment becomes visible a moment after the spawn.
    let found = (0..2000).any(|_| {
        std::thread::sleep(Duration::from_millis(5));
        own.is_on(child.id()).unwrap()
    });
    let elsewhere = others.is_on(child.id()).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!((found, elsewhere), (true, false));
}
