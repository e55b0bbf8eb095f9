//! The containers in trouble, one card each: the state, why the last instance ended, what it was doing,
//! and the command that shows more.

use maud::{Markup, html};

use super::causes::{cause, last_end, recent};
use super::facts::Facts;
use super::picture;
use super::trouble::Case;
use super::values::{age, latency, short};
use crate::domain::evidence::{Evidence, Process};
use crate::domain::exit::Terminated;
use crate::domain::pod_key::DEFAULT_NAMESPACE;
use crate::domain::probe::ProbeStatus;
use crate::domain::signal;
use crate::domain::status::{ContainerState, ContainerStatus};

/// The numbers of processes, of threads of each, and of lines that a card shows.
const PROCESSES: usize = 3;
const THREADS: usize = 8;
const LINES: usize = 20;

pub fn troubles(facts: &Facts) -> Markup {
    let (now, earlier): (Vec<&Case>, Vec<&Case>) = facts.cases.iter().partition(|case| case.is_now);
    html! {
        (section("now", "Needs attention", &now, facts))
        (section("earlier", "Ended unexpectedly in the last hour, and runs again", &earlier, facts))
        @if facts.cases_left > 0 {
            p.left {
                (facts.cases_left) " more containers are not described here. "
                code { "probelet status" } " lists them with their causes."
            }
        }
    }
}

fn section(id: &str, title: &str, cases: &[&Case], facts: &Facts) -> Markup {
    html! {
        @if !cases.is_empty() {
            section aria-labelledby=(id) {
                h2 id=(id) { (title) }
                div.cards { @for case in cases { (card(case, facts)) } }
            }
        }
    }
}

fn card(case: &Case, facts: &Facts) -> Markup {
    let (key, now) = (case.view.spec.key(), facts.now);
    let containers = case.view.status.all().count();
    html! {
        article class=(if case.is_now { "bad" } else { "earlier" }) {
            h3 {
                @if key.namespace() != DEFAULT_NAMESPACE { span.space { (key.namespace()) "/" } }
                (key.name())
                @if let Some(container) = case.container.as_ref().filter(|_| containers > 1) {
                    span.space { " container " } (container.name)
                }
            }
            @if let Some(container) = &case.container {
                @let evidence = case.evidence.as_ref().filter(|one| is_of_last_end(one, container));
                p.state { (state(case, container, facts)) }
                @if recent(container, now).next().is_some() {
                    (picture::ends(std::iter::once(container), now))
                }
                dl {
                    @if let Some(held) = &container.kill_held {
                        dt { "Kill held" } dd { (short(held.reason.as_str())) }
                    }
                    @if let Some(end) = last_end(container) {
                        dt { "Last end" } dd { (last(end, facts)) }
                    }
                    @for probe in &container.probes {
                        dt { (probe.kind.lower()) } dd { (probe_line(probe, facts)) }
                    }
                    @if let Some(evidence) = evidence {
                        dt { "Evidence" }
                        dd { ul { @for line in &evidence.reading { li { (short(line.as_str())) } } } }
                    }
                }
                @if let Some(evidence) = evidence {
                    (details(evidence, facts))
                }
            }
            @if let Some(error) = &case.view.manifest_error {
                p { "The pod differs from its manifest" @if facts.texts { ": " (short(error.as_str())) } "." }
            }
            p.more { code { (command(case)) } }
        }
    }
}

/// The evidence of an older end would only mislead.
fn is_of_last_end(evidence: &Evidence, container: &ContainerStatus) -> bool {
    let is_last = last_end(container).is_some_and(|end| end.attempt == evidence.attempt);
    // The instance that is being killed has no end yet.
    is_last || container.instance == evidence.attempt
}

fn state(case: &Case, container: &ContainerStatus, facts: &Facts) -> Markup {
    let now = facts.now;
    let restarts = match container.restart_count {
        0 => "not restarted".to_owned(),
        1 => "restarted once".to_owned(),
        count => format!("restarted {count} times"),
    };
    let next = container.next_try.and_then(|next| next.duration_since(now).ok());
    html! {
        b {
            @match &container.state {
                ContainerState::Waiting { reason, .. } => (reason.as_str()),
                ContainerState::Running { .. } if container.ready => "Running",
                ContainerState::Running { .. } => "Running, not ready",
                ContainerState::Terminated(end) => (end.reason),
            }
        }
        @if let ContainerState::Running { started_at } = container.state {
            " for " (age(started_at, now))
        }
        @if let Some(next) = next { ", next start in " (next.as_secs()) "s" }
        @if container.given_up { ", given up: " code { "maxRestarts" } " is reached" }
        ", " (restarts)
        @if let Some(why) = &case.view.status.expired { ", " (why.reason()) }
        @if let ContainerState::Waiting { message, .. } = &container.state {
            @if facts.texts && !message.is_empty() { ": " (short(message.as_str())) }
        }
    }
}

fn last(end: &Terminated, facts: &Facts) -> Markup {
    let ran = end.started_at.and_then(|start| end.finished_at.duration_since(start).ok());
    html! {
        (short(cause(end, facts.texts)))
        span.ago {
            " " (age(end.finished_at, facts.now)) " ago; exit code " (end.exit_code)
            @if let Some(number) = end.signal { " (" (signal::name(i32::from(number))) ")" }
            @if let Some(ran) = ran { ", ran " (latency(ran)) }
        }
        @if facts.texts && !end.message.is_empty() { pre { (short(end.message.as_str())) } }
    }
}

fn probe_line(probe: &ProbeStatus, facts: &Facts) -> Markup {
    let Some(last) = &probe.last else { return html! { "has not run yet" } };
    html! {
        (last.outcome.as_str()) span.ago {
            " " (age(last.at, facts.now)) " ago in " (latency(last.latency))
            @if probe.consecutive > 1 { ", " (probe.consecutive) " in a row" }
        }
        @if facts.texts && !last.outcome.output().is_empty() { ": " (short(last.outcome.output())) }
    }
}

fn details(evidence: &Evidence, facts: &Facts) -> Markup {
    let seen = &evidence.captured;
    let left = seen.processes.len().saturating_sub(PROCESSES);
    html! {
        details {
            summary { "What attempt " (evidence.attempt) " was doing when it was killed" }
            @for process in seen.processes.iter().take(PROCESSES) { (threads(process)) }
            @if left > 0 { p { (left) " more processes" } }
            @if facts.texts {
                @if !seen.log.is_empty() {
                    p { "Last lines of its log" }
                    pre {
                        @for line in seen.log.iter().skip(seen.log.len().saturating_sub(LINES)) {
                            (short(line.as_str())) "\n"
                        }
                    }
                }
                @if let Some(output) = &seen.command_output {
                    p { "Output of the capture command" }
                    pre {
                        @for line in output.lines().take(LINES) { (short(line)) "\n" }
                    }
                }
            }
            @if !seen.missing.is_empty() { p { "Not captured: " (short(seen.missing.join("; "))) } }
        }
    }
}

fn threads(process: &Process) -> Markup {
    let left = (process.thread_count as usize).saturating_sub(THREADS.min(process.threads.len()));
    html! {
        table {
            caption {
                (process.name) " (" (process.pid) "), " (process.resident_bytes >> 20) " MiB, "
                (process.descriptors.open) " descriptors"
            }
            thead { tr { @for name in ["Thread", "State", "Ran", "System call", "Sleeps in"] {
                th scope="col" { (name) }
            } } }
            tbody {
                @for thread in process.threads.iter().take(THREADS) {
                    tr {
                        td { (thread.name) }
                        td { (thread.state) }
                        td { (thread.ran_microseconds / 1000) "ms" }
                        td { (thread.syscall) }
                        td { (thread.wchan) }
                    }
                }
            }
        }
        @if left > 0 { p { (left) " more threads" } }
    }
}

/// The command that shows more: what is stored of a probe's kill, or else what the ended instance wrote.
fn command(case: &Case) -> String {
    let key = case.view.spec.key();
    let namespace = match key.namespace() {
        DEFAULT_NAMESPACE => String::new(),
        _ if key.is_adopted() => String::new(),
        namespace => format!(" -n {namespace}"),
    };
    let name = key.name();
    let ended = case.container.as_ref().filter(|container| last_end(container).is_some());
    match (&case.evidence, ended) {
        (Some(_), _) => format!("probelet describe pod {name}{namespace} --evidence"),
        (None, None) => format!("probelet describe pod {name}{namespace}"),
        (None, Some(container)) => {
            // The log of a running instance is that of another one than the ended.
            let runs = matches!(container.state, ContainerState::Running { .. });
            let previous = if runs { " --previous" } else { "" };
            format!("probelet logs {name}{namespace} -c {}{previous}", container.name)
        }
    }
}
