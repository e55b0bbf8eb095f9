//! The page over a scripted runtime, and over invented facts.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use probelet_text::escape::is_hazard;

use super::document::render;
use super::facts::{CASES, Facts, Host, ROWS, Row, counted};
use super::standing::Standing;
use super::trouble::{self, Case};
use crate::domain::container::Wanted;
use crate::domain::evidence::{Captured, Evidence, Process, Thread};
use crate::domain::exit::{Cause, Ending, Terminated};
use crate::domain::history::History;
use crate::domain::pod::PodView;
use crate::domain::probe::Outcome;
use crate::domain::spec::{
    ContainerSpec, Handler, PortRef, ProbeKind, ProbeSpec, TcpSocket, sample,
};
use crate::domain::status::{ContainerState, PodStatus};
use crate::node::Target;
use crate::node::fake::Fake;
use crate::prober::{Attempt, Prober};
use crate::supervisor::Supervisor;

const MINUTE: Duration = Duration::from_secs(60);
const HOSTILE: &str = "</pre><script>alert(1)</script>\"'&\u{202e}\u{1b}[2J";

struct Bad;

#[async_trait]
impl Prober for Bad {
    async fn attempt(&self, _: Arc<dyn Target>, _: &ContainerSpec, _: &ProbeSpec) -> Attempt {
        let outcome = Outcome::Failure(HOSTILE.to_owned());
        Attempt { outcome, latency: Duration::from_millis(3) }
    }
}

/// A pod whose only container has crashed and runs again, and whose readiness probe fails.
async fn restarted() -> PodView {
    let runtime = Arc::new(Fake::default());
    let supervisor = Supervisor::new(runtime.clone(), Arc::new(Bad));
    let mut spec = sample::pod();
    let handler = Handler::TcpSocket(TcpSocket { host: None, port: PortRef::Number(80) });
    spec.containers[0].probes.readiness = Some(ProbeSpec::new(handler));
    let pod = spec.key();
    supervisor.apply(spec.validate().unwrap(), Wanted::Running).await.unwrap();
    let runs = |restarts: u32| {
        let reached = move |view: &PodView| {
            let status = &view.status.containers[0];
            let runs = matches!(status.state, ContainerState::Running { .. });
            runs && status.restart_count == restarts
        };
        supervisor.wait(&pod, "running", MINUTE, reached)
    };
    runs(0).await.unwrap();
    runtime.end(Ending::Signaled(11));
    runs(1).await.unwrap();
    tokio::time::sleep(MINUTE).await;
    supervisor.get(&pod).unwrap()
}

/// The same pod under this name, with this status.
fn named(view: &PodView, name: &str, change: impl FnOnce(&mut PodStatus)) -> PodView {
    let (mut spec, mut status) = ((*view.spec).clone(), (*view.status).clone());
    spec.name = name.to_owned();
    change(&mut status);
    PodView { spec: Arc::new(spec), status: Arc::new(status), ..view.clone() }
}

fn end(view: &PodView) -> Terminated {
    view.status.containers[0].last_state.clone().unwrap()
}

/// The facts of these pods, as a daemon would find them.
fn facts(views: Vec<PodView>, texts: bool) -> Facts {
    let now = views.first().map_or(SystemTime::UNIX_EPOCH, |view| {
        view.status.containers[0].last_state.as_ref().unwrap().finished_at + MINUTE
    });
    let mut pods: Vec<_> = views.into_iter().map(|view| (Standing::of(&view), view)).collect();
    pods.sort_by_cached_key(|(standing, view)| (*standing, view.spec.key()));
    let mut cases = trouble::cases(&pods, now);
    let cases_left = cases.len().saturating_sub(CASES);
    cases.truncate(CASES);
    let standings = || pods.iter().map(|(standing, _)| *standing);
    let (counts, rows_left) = (counted(standings()), counted(standings().skip(ROWS)));
    let row = |(standing, view): (Standing, PodView)| Row {
        standing,
        view,
        ready: "1/1".to_owned(),
        status: "Running".to_owned(),
        restarts: "1 (60s ago)".to_owned(),
        age: "2m".to_owned(),
    };
    Facts {
        now,
        host: Host {
            name: "node-7".to_owned(),
            version: "0.1.0".to_owned(),
            containerd: "1.7.24".to_owned(),
            away_since: None,
            started: now - MINUTE * 3,
            brake: None,
        },
        counts,
        cases,
        cases_left,
        rows: pods.into_iter().take(ROWS).map(row).collect(),
        rows_left,
        durations: BTreeMap::new(),
        texts,
    }
}

fn evidence(attempt: &Terminated) -> Evidence {
    let thread = Thread { name: HOSTILE.to_owned(), ..Thread::default() };
    Evidence {
        attempt: attempt.attempt,
        reading: vec![format!("thread {HOSTILE} looks spinning")],
        captured: Captured {
            processes: vec![Process { threads: vec![thread], ..Process::default() }],
            log: vec![format!("password {HOSTILE}")],
            command_output: Some(format!("password {HOSTILE}")),
            ..Captured::default()
        },
        ..Evidence::default()
    }
}

/// A pod whose texts are all hostile.
fn hostile(view: &PodView) -> Facts {
    let bad = named(view, HOSTILE, |status| {
        let container = &mut status.containers[0];
        let mut end = container.last_state.clone().unwrap();
        let output = format!("password {HOSTILE}");
        end.cause = Cause::Probe { kind: ProbeKind::Liveness, output };
        end.message = format!("password {HOSTILE}");
        container.history = History::from(vec![end.clone()]);
        container.last_state = Some(end);
    });
    let last = end(&bad);
    let mut facts = facts(vec![bad], true);
    facts.host.name = HOSTILE.to_owned();
    facts.cases[0].evidence = Some(evidence(&last));
    facts
}

#[tokio::test(start_paused = true)]
async fn no_text_of_a_container_becomes_markup() {
    let facts = hostile(&restarted().await);
    let page = render(&facts);
    assert!(!page.contains("<script") && !page.contains("</pre><s"), "{page}");
    let hazards: Vec<_> = page.chars().filter(|c| is_hazard(*c) && *c != '\n').collect();
    assert!(hazards.is_empty(), "{hazards:?}");
    // The texts are there, and can be read.
    let shown = "&lt;/pre&gt;&lt;script&gt;alert(1)&lt;/script&gt;&quot;'&amp;\\u{202e}\\u{1b}[2J";
    assert!(page.matches(shown).count() >= 6, "{page}");
    assert!(page.matches("password").count() >= 4, "{page}");
}

#[tokio::test(start_paused = true)]
async fn what_containers_wrote_is_shown_only_if_it_is_wanted() {
    let mut facts = hostile(&restarted().await);
    facts.texts = false;
    let page = render(&facts);
    assert!(!page.contains("password"), "{page}");
    assert!(page.contains("liveness probe failed") && page.contains("looks spinning"), "{page}");
    assert!(page.contains("is not shown here"), "{page}");
}

#[tokio::test(start_paused = true)]
async fn the_case_says_what_happened() {
    let view = restarted().await;
    let page = render(&facts(vec![view.clone()], true));
    let spec = &view.spec;
    for text in [
        "The only pod needs attention",
        "Running, not ready",
        "restarted once",
        "crashed with SIGSEGV",
        "exit code 139 (SIGSEGV)",
        "failure",
        "1 unexpected end in the last hour, 60s ago",
        &format!("probelet logs {} -c {} --previous", spec.name, spec.containers[0].name),
    ] {
        assert!(page.contains(text), "no {text} in {page}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_worst_comes_first() {
    let view = restarted().await;
    let ready = |status: &mut PodStatus| {
        status.conditions.iter_mut().for_each(|condition| condition.is_true = true);
        status.containers[0].ready = true;
    };
    let calm = named(&view, "calm", |status| {
        ready(status);
        status.containers[0].history = History::default();
        status.containers[0].last_state = None;
    });
    let again = named(&view, "again", ready);
    let facts = facts(vec![view.clone(), calm, again], true);
    let names = |cases: &[Case]| -> Vec<_> {
        cases.iter().map(|case| (case.view.spec.name.clone(), case.is_now)).collect()
    };
    let bad = view.spec.name.clone();
    assert_eq!(names(&facts.cases), [(bad.clone(), true), ("again".to_owned(), false)]);
    let rows: Vec<_> = facts.rows.iter().map(|row| row.view.spec.name.clone()).collect();
    assert_eq!(rows, [bad, "again".to_owned(), "calm".to_owned()]);
    let page = render(&facts);
    assert!(page.contains("1 of 3 pods needs attention"), "{page}");
    assert!(page.contains("Ended unexpectedly in the last hour, and runs again"), "{page}");
}

#[tokio::test(start_paused = true)]
async fn five_hundred_pods_with_long_texts_stay_a_small_page() {
    let mut facts = hostile(&restarted().await);
    let long = |name: &str| {
        named(&facts.cases[0].view, name, |status| {
            let container = &mut status.containers[0];
            let mut end = container.last_state.clone().unwrap();
            end.message = HOSTILE.repeat(1000);
            end.cause = Cause::Probe { kind: ProbeKind::Liveness, output: HOSTILE.repeat(1000) };
            container.history = History::from(vec![end.clone(); 10]);
            container.last_state = Some(end);
        })
    };
    let pods: Vec<_> = (0..500).map(|n| long(&format!("{}{n:03}", "n".repeat(250)))).collect();
    let stored = Evidence {
        reading: vec![HOSTILE.repeat(100); 13],
        captured: Captured {
            log: vec![HOSTILE.repeat(100); 100],
            command_output: Some(format!("{}\n", HOSTILE.repeat(100)).repeat(1000)),
            ..Captured::default()
        },
        ..evidence(&end(&pods[0]))
    };
    facts = self::facts(pods, true);
    facts.cases.iter_mut().for_each(|case| case.evidence = Some(stored.clone()));
    assert_eq!((facts.cases.len(), facts.cases_left), (CASES, 500 - CASES));
    let page = render(&facts);
    assert!(page.len() < 2 << 20, "{}", page.len());
    assert!(page.contains("480 more containers are not described here"), "{page}");
    let left =
        "400 more pods are not in this table: 400 need attention. <code>probelet get pods -A";
    assert!(page.contains(left));
}

#[test]
fn a_host_without_pods_has_a_page_too() {
    let mut facts = facts(Vec::new(), false);
    assert!(render(&facts).contains("No pods on this host"));
    facts.host.away_since = Some(facts.now - MINUTE);
    facts.host.containerd.clear();
    let page = render(&facts);
    assert!(page.contains("containerd has not answered for 60s"), "{page}");
    assert!(page.contains("does not answer"), "{page}");
}
