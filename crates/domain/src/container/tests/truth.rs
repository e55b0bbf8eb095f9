//! Causes of an instance's end, and what is recorded of it.

use super::*;
use crate::exit::{Caller, ExitEvidence, Operator, Sigkill, Terminated};

const BY: Caller = Caller::Local { uid: 1000, pid: Some(4711) };

impl Story {
    fn oom_kills(&mut self, kills: u64) -> Vec<Action> {
        let incarnation = self.machine.memory().attempt;
        self.tell(InstanceEvent::OomKills { kills }.of(incarnation))
    }

    fn leaves(&mut self, evidence: ExitEvidence) {
        let incarnation = self.machine.memory().attempt;
        self.tell(InstanceEvent::ExitEvidence { evidence }.of(incarnation));
    }

    fn newest(&self) -> Terminated {
        self.machine.memory().history.iter().next().unwrap().clone()
    }
}

/// Story of a container that runs in a cgroup with three earlier OOM kills.
fn running() -> Story {
    let mut story = Story::new(pod(RestartPolicy::Always));
    story.want(Wanted::Running);
    story.oom_kills(3);
    story.started();
    story
}

fn left(kills: u64) -> ExitEvidence {
    ExitEvidence { oom_kills: Some(kills), ..ExitEvidence::default() }
}

#[test]
fn an_oom_kill_of_init_is_published_without_older_kills() {
    for (kills, reason, cause) in
        [(4, "OOMKilled", Cause::OutOfMemory), (3, "Error", Cause::Outside { signal: 9 })]
    {
        let mut story = running();
        story.leaves(left(kills));
        let actions = story.ended(Ending::Signaled(9));
        let published = Story::reasons(&actions).iter().any(|(reason, _)| *reason == "OOMKilling");
        assert_eq!(published, kills == 4);
        let end = story.newest();
        assert_eq!((end.reason.as_str(), &end.cause), (reason, &cause));
    }
}

#[test]
fn an_oom_kill_of_a_child_is_published_at_once_and_at_the_end() {
    let mut story = running();
    let actions = story.oom_kills(5);
    let message = "Out of memory: the OOM killer took 2 processes of container app";
    assert_eq!(Story::reasons(&actions), [("OOMKilling", message)]);
    assert!(actions.contains(&Action::Persist), "the next daemon must not tell it again");
    assert_eq!(story.oom_kills(5), []);
    story.pass(60 * SECOND);
    story.leaves(left(5));
    story.ended(Ending::Exited(0));
    let end = story.newest();
    assert_eq!((end.reason.as_str(), &end.cause), ("OOMKilled", &Cause::Itself));
    assert_eq!(end.why(), "exited by itself; the OOM killer took 2 child processes");
    // The counts of the next instance begin at zero.
    story.started();
    story.ended(Ending::Exited(0));
    assert_eq!(story.newest().reason, "Completed");
}

#[test]
fn a_signal_long_after_an_oom_kill_of_a_child_has_another_cause() {
    let mut story = running();
    story.oom_kills(4);
    story.pass(60 * SECOND);
    story.leaves(left(4));
    story.ended(Ending::Signaled(9));
    assert_eq!(story.newest().cause, Cause::Outside { signal: 9 });
    assert_eq!(story.newest().why(), "SIGKILL from outside; the OOM killer took 1 child process");
}

#[test]
fn the_end_after_a_stop_has_the_operator_and_the_reason_of_sigkill() {
    let stop = Cause::Operator(Operator::new("stop", Some(BY)));
    for (wait, sigkill, why) in [
        (30, Sigkill::AfterGrace(30 * SECOND), "SIGKILL after 30s"),
        (1, Sigkill::Outside, "SIGKILL from outside within the grace"),
    ] {
        let mut story = running();
        story.tell(Event::Asker(Some(BY)));
        story.want(Wanted::Stopped);
        story.pass(wait * SECOND);
        story.tell(Event::Tick);
        story.ended(Ending::Signaled(9));
        let end = story.newest();
        assert_eq!((&end.cause, end.sigkill), (&stop, Some(sigkill)));
        assert_eq!(end.why(), format!("operator: stop by uid 1000 (pid 4711); {why}"));
    }
}

#[test]
fn a_stop_without_grace_kills_at_once_and_one_that_is_obeyed_not_at_all() {
    let mut story = running();
    story.tell(Event::Wanted { wanted: Wanted::Stopped, grace: Some(Duration::ZERO) });
    story.ended(Ending::Signaled(9));
    assert_eq!(story.newest().why(), "operator: stop; SIGKILL at once");
    let mut story = running();
    story.want(Wanted::Removed);
    story.ended(Ending::Signaled(15));
    assert_eq!(story.newest().why(), "operator: delete");
}

#[test]
fn verbs_name_their_operators_also_when_a_start_is_under_way() {
    let by = |verb: &str| Cause::Operator(Operator::new(verb, Some(BY)));
    let mut story = running();
    story.tell(Event::Asker(Some(BY)));
    story.tell(Event::Kill { signal: 9 });
    story.ended(Ending::Signaled(9));
    assert_eq!(story.newest().cause, by("kill -s 9"));
    story.started();
    story.tell(Event::Restart { grace: None });
    story.ended(Ending::Exited(0));
    assert_eq!(story.newest().cause, by("restart"));
    // The start after the restart is under way.
    story.want(Wanted::Stopped);
    story.tell(Event::Tick);
    story.started();
    story.ended(Ending::Exited(0));
    assert_eq!(story.newest().cause, by("stop"));
}

#[test]
fn history_has_the_newest_end_first() {
    let mut story = running();
    story.ended(Ending::Exited(1));
    story.started();
    story.ended(Ending::Exited(2));
    let codes: Vec<_> = story.machine.status().history.iter().map(|end| end.exit_code).collect();
    assert_eq!(codes, [2, 1]);
}

#[test]
fn the_next_daemon_reads_the_evidence_of_an_ended_instance() {
    let story = running();
    let (pod, memory) = (story.machine.life.definition.pod.clone(), story.machine.memory());
    let found = Recovered::Ended(Ending::Reported(137), story.now.wall, left(4));
    let container = pod.containers[0].clone();
    let (machine, _) = Machine::recover(pod, container, memory, "c".into(), [], found, story.now);
    assert_eq!(machine.memory().history.iter().next().unwrap().cause, Cause::OutOfMemory);
}

#[test]
fn the_message_is_that_of_this_end_only() {
    let mut story = running();
    story.leaves(ExitEvidence { message: Some(Ok("bye".into())), ..ExitEvidence::default() });
    story.ended(Ending::Exited(1));
    assert_eq!(story.newest().message, "bye");
    story.started();
    story.ended(Ending::Exited(1));
    assert_eq!(story.newest().message, "");
}
