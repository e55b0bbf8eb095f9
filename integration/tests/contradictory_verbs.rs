//! Twenty clients apply, delete, restart, stop, start, kill, pause and run commands in one pod at the
//! same time. Their answers are those of some order of the calls, and nothing is left.

#![allow(clippy::indexing_slicing, reason = "positions of calls come from the list of calls")]

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use probelet_integration::{Done, Host, IMAGE, SOON, eventually, now, processes_with, with_host};

const CLIENTS: u64 = 20;
/// Calls of each client.
const CALLS: usize = 12;
/// The seed of the calls, so that a failure can be repeated.
const SEED: u64 = 18;

/// What an answer says about the pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// The pod did not exist and was created.
    Created,
    /// The pod existed, and exists after the call.
    Exists,
    /// The pod existed and was deleted.
    Deleted,
    /// The pod did not exist.
    Missing,
    /// The pod was being deleted or replaced, so either may be true.
    Between,
}

/// A call with the times at which it was sent and answered.
#[derive(Debug, Clone)]
struct Call {
    from: Duration,
    to: Duration,
    answer: Answer,
}

/// A search for an order of the calls in which each answer is true. A call may come before another
/// one only if it was sent before the other was answered.
struct Search<'a> {
    calls: &'a [Call],
    /// The states from which no order was found: the calls that are in the order, and whether the
    /// pod exists.
    dead: BTreeSet<(Vec<bool>, bool)>,
    /// The most calls that an order had.
    longest: usize,
}

impl Search<'_> {
    fn go_on(&mut self, mut done: Vec<bool>, exists: bool) -> bool {
        loop {
            let number = done.iter().filter(|&&done| done).count();
            self.longest = self.longest.max(number);
            if number == self.calls.len() {
                return true;
            }
            // Answers that change nothing are in the order as soon as they are true.
            let read = self.candidates(&done).find(|(_, call)| match call.answer {
                Answer::Exists => exists,
                Answer::Missing => !exists,
                Answer::Between => true,
                Answer::Created | Answer::Deleted => false,
            });
            let Some((at, _)) = read else { break };
            done[at] = true;
        }
        if !self.dead.insert((done.clone(), exists)) {
            return false;
        }
        let writes: Vec<_> = self.candidates(&done).map(|(at, call)| (at, call.answer)).collect();
        for (at, answer) in writes {
            let after = match (answer, exists) {
                (Answer::Created, false) => true,
                (Answer::Deleted, true) => false,
                // Two deletions at the same time wait for the same end.
                (Answer::Deleted, false) if self.has_twin(at) => false,
                _ => continue,
            };
            let mut next = done.clone();
            next[at] = true;
            if self.go_on(next, after) {
                return true;
            }
        }
        false
    }

    /// The calls that may be the next one in the order.
    fn candidates(&self, done: &[bool]) -> impl Iterator<Item = (usize, &Call)> {
        let open: Vec<usize> = (0..self.calls.len()).filter(|at| !done[*at]).collect();
        let first = open.iter().map(|at| self.calls[*at].to).min().unwrap_or_default();
        open.into_iter().map(|at| (at, &self.calls[at])).filter(move |(_, call)| call.from <= first)
    }

    fn has_twin(&self, at: usize) -> bool {
        let call = &self.calls[at];
        self.calls.iter().enumerate().any(|(other, twin)| {
            other != at
                && twin.answer == Answer::Deleted
                && twin.from <= call.to
                && call.from <= twin.to
        })
    }
}

/// Fails if there is no order of the calls in which all answers are true, of a pod that does not
/// exist at the beginning.
fn check(calls: &[Call]) -> Result<()> {
    let mut search = Search { calls, dead: BTreeSet::new(), longest: 0 };
    if search.go_on(vec![false; calls.len()], false) {
        return Ok(());
    }
    Err(anyhow!("no order of the answers: {} of {} calls", search.longest, calls.len()))
}

#[test]
fn an_order_is_found_exactly_if_there_is_one() {
    let call = |from, to, answer| Call {
        from: Duration::from_secs(from),
        to: Duration::from_secs(to),
        answer,
    };
    use Answer::{Created, Deleted, Exists, Missing};
    let check = |calls: &[Call]| check(calls).is_ok();
    assert!(check(&[call(0, 1, Created), call(2, 3, Exists), call(4, 5, Deleted)]));
    assert!(!check(&[call(0, 1, Created), call(2, 3, Missing)]));
    assert!(!check(&[call(0, 1, Exists)]));
    // At the same time each order is possible.
    assert!(check(&[call(0, 9, Created), call(1, 2, Missing), call(3, 4, Exists)]));
    assert!(!check(&[call(0, 9, Created), call(1, 2, Exists), call(3, 4, Missing)]));
    assert!(!check(&[call(0, 1, Created), call(2, 3, Created)]));
    assert!(check(&[call(0, 1, Created), call(2, 5, Deleted), call(3, 6, Deleted)]));
    assert!(!check(&[call(0, 1, Created), call(2, 3, Deleted), call(4, 5, Deleted)]));
    assert!(check(&[
        call(0, 1, Created),
        call(2, 9, Deleted),
        call(3, 8, Created),
        call(10, 11, Exists)
    ]));
}

const VERBS: [&[&str]; 9] = [
    &["apply", "-f", "-"],
    &["apply", "-f", "-"],
    &["delete", "pod", "web", "--grace-period", "0"],
    &["restart", "web"],
    &["stop", "web"],
    &["start", "web"],
    &["kill", "web"],
    &["pause", "--for", "200ms", "web"],
    &["exec", "web", "--", "/kubia-unhealthy", "exit", "0"],
];

/// What the client's output says. Fails for an unexpected error.
fn read(verb: &[&str], done: &Done) -> Result<Answer> {
    let (out, error) = (done.stdout.as_str(), done.stderr.as_str());
    let unexpected = || anyhow!("{verb:?}: {done:?}");
    Ok(match (verb.first().copied().unwrap_or_default(), done.code) {
        ("apply", Some(0)) if out.contains("created") => Answer::Created,
        ("apply", Some(0)) if out.contains("unchanged") => Answer::Exists,
        ("delete", Some(0)) => Answer::Deleted,
        ("exec" | "restart" | "stop" | "start" | "kill" | "pause", Some(0)) => Answer::Exists,
        (_, Some(0)) => return Err(unexpected()),
        _ if error.contains("not found") => Answer::Missing,
        _ if BETWEEN.iter().any(|words| error.contains(words)) => Answer::Between,
        _ if REFUSED.iter().any(|words| error.contains(words)) => Answer::Exists,
        _ => return Err(unexpected()),
    })
}

/// Refusals by a pod that is being deleted, or that is not listed yet.
const BETWEEN: [&str; 2] = ["is being deleted", "is being created"];
/// Refusals by a pod that exists, since its container does not run or is about to end.
const REFUSED: [&str; 3] = ["not running", "is stopped", "is busy: too many requests are waiting"];

fn manifest() -> String {
    format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: web, annotations: \
         {{probelet.io/app.backoffBaseMilliseconds: '100', \
         probelet.io/app.backoffCapMilliseconds: '100'}}}}, spec: \
         {{terminationGracePeriodSeconds: 0, \
         containers: [{{name: app, image: {IMAGE}, args: [sleep]}}]}}}}"
    )
}

#[test]
fn the_answers_of_twenty_clients_have_an_order_and_nothing_is_left() -> Result<()> {
    println!("seed {SEED}");
    with_host(|host| {
        let daemon = host.daemon_pid()?;
        let begin = now();
        let host: &Host = host;
        let client = |number: u64| -> Result<Vec<(&str, Result<Call>)>> {
            let mut rng = fastrand::Rng::with_seed(SEED * CLIENTS + number);
            let mut calls = Vec::new();
            for _ in 0..CALLS {
                let verb = rng.choice(VERBS).context("no verbs")?;
                let from = begin.elapsed();
                let done = host.try_probelet(verb, &manifest())?;
                let to = begin.elapsed();
                calls.push((verb[0], read(verb, &done).map(|answer| Call { from, to, answer })));
            }
            Ok(calls)
        };
        let histories = thread::scope(|scope| {
            let clients: Vec<_> =
                (0..CLIENTS).map(|number| scope.spawn(move || client(number))).collect();
            let joined = clients.into_iter().map(|client| client.join());
            joined.map(|calls| calls.map_err(|_| anyhow!("a client panicked"))?).collect::<Vec<_>>()
        });
        let mut calls = Vec::new();
        let mut unexpected = BTreeSet::new();
        for history in histories {
            for (verb, call) in history? {
                match call {
                    Ok(call) => calls.push((verb, call)),
                    Err(error) => drop(unexpected.insert(error.to_string())),
                }
            }
        }
        ensure!(unexpected.is_empty(), "{unexpected:#?}");
        let mut counts = BTreeMap::new();
        for (verb, call) in &calls {
            *counts.entry((*verb, format!("{:?}", call.answer))).or_insert(0) += 1;
        }
        println!("{counts:?}");
        let answered =
            |answer: Answer| calls.iter().filter(|(_, call)| call.answer == answer).count();
        ensure!(answered(Answer::Created) > 1 && answered(Answer::Deleted) > 1, "{counts:?}");
        let calls: Vec<_> = calls.into_iter().map(|(_, call)| call).collect();
        check(&calls)?;
        // The pod is as usable as ever, and its deletion leaves nothing.
        let _ = host.try_probelet(["delete", "pod", "web", "--grace-period", "0"], "")?;
        host.apply(&manifest())?;
        let running = |status: &serde_json::Value| status.pointer("/state/running").is_some();
        host.wait_status("web", SOON, running)?;
        host.probelet(["delete", "pod", "web", "--grace-period", "0"])?;
        ensure!(host.daemon_pid()? == daemon, "another daemon runs");
        let mut left = Vec::new();
        let gone = eventually("nothing is left", SOON * 3, || {
            left = host.leftovers().ok()?;
            let shims = processes_with(host.namespace()).into_iter();
            left.extend(shims.filter(|line| line.contains("containerd-shim")));
            let logs = host.path("log/web");
            left.extend(logs.exists().then(|| logs.display().to_string()));
            left.is_empty().then_some(())
        });
        gone.with_context(|| format!("left: {left:#?}"))
    })
}
