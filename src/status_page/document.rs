//! The document: HTML without a script, in which every value is escaped.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use probelet_text::escape::Escaped;

use super::facts::{Facts, Row, number};
use super::picture;
use super::standing::Standing;
use super::values::{age, short};
use super::{cards, causes};
use crate::domain::brake::Standing as Brake;

/// The style sheet, whose hash the page's policy has.
pub const STYLE: &str = include_str!("style.css");

/// Renders the page. Values are escaped for HTML where they are inserted; what could reorder or hide text
/// is escaped everywhere at the end, because no text of the page itself has it.
pub fn render(facts: &Facts) -> String {
    let lines = document(facts).into_string();
    let lines: Vec<_> = lines.split('\n').map(|line| Escaped(line).to_string()).collect();
    lines.join("\n")
}

fn document(facts: &Facts) -> Markup {
    let (standing, headline) = headline(facts);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (standing.sign()) " " (headline) " · " (facts.host.name) }
                link rel="icon" href=(icon(standing));
                style { (PreEscaped(STYLE)) }
            }
            body class=(standing.class()) {
                header {
                    h1 { (sign(standing)) " " (headline) }
                    (counts(facts))
                    (host(facts))
                }
                main {
                    (cards::troubles(facts))
                    (table(facts))
                    (latencies(facts))
                }
                footer { (foot(facts)) }
            }
        }
    }
}

fn sign(standing: Standing) -> Markup {
    html! { span class={ "sign " (standing.class()) } aria-hidden="true" { (standing.sign()) } }
}

/// What an operator has to know first, and its colour.
fn headline(facts: &Facts) -> (Standing, String) {
    let (total, bad) = (facts.total(), facts.count(Standing::Bad));
    if let Some(since) = facts.host.away_since {
        let since = age(since, facts.now);
        let text = format!("containerd has not answered for {since}; containers run on unwatched");
        return (Standing::Bad, text);
    }
    match (total, bad) {
        (0, _) => (Standing::Idle, "No pods on this host".to_owned()),
        (1, 1) => (Standing::Bad, "The only pod needs attention".to_owned()),
        (total, 1) => (Standing::Bad, format!("1 of {total} pods needs attention")),
        (total, bad @ 2..) => (Standing::Bad, format!("{bad} of {total} pods need attention")),
        (total, _) if facts.count(Standing::Pending) > 0 => {
            let pending = facts.count(Standing::Pending);
            let verb = if pending == 1 { "is" } else { "are" };
            (Standing::Pending, format!("{pending} of {total} pods {verb} starting or ending"))
        }
        (1, _) => (Standing::Good, "The only pod is as it should be".to_owned()),
        (total, _) => (Standing::Good, format!("All {total} pods are as they should be")),
    }
}

/// A disc in the colour of the standing, for the browser's tab.
fn icon(standing: Standing) -> String {
    let colour = match standing {
        Standing::Bad => "c22",
        Standing::Pending => "c80",
        Standing::Good => "2a5",
        Standing::Idle => "888",
    };
    format!(
        "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 8 8'%3E\
         %3Ccircle cx='4' cy='4' r='4' fill='%23{colour}'/%3E%3C/svg%3E"
    )
}

fn counts(facts: &Facts) -> Markup {
    let all = Standing::ALL.into_iter().map(|standing| (standing, facts.count(standing)));
    html! {
        @if facts.total() > 0 {
            ul.counts {
                @for (standing, count) in all.filter(|(_, count)| *count > 0) {
                    li {
                        (sign(standing))
                        " " b { (count) } " " (standing.words(count))
                    }
                }
            }
        }
    }
}

fn host(facts: &Facts) -> Markup {
    let host = &facts.host;
    let containerd = if host.containerd.is_empty() { "does not answer" } else { &host.containerd };
    html! {
        dl.host {
            div { dt { "Host" } dd { (host.name) } }
            div { dt { "probelet" } dd { (host.version) ", up " (age(host.started, facts.now)) } }
            div { dt { "containerd" } dd { (containerd) } }
            div { dt { "Brake" } dd { (brake(facts)) } }
        }
    }
}

fn brake(facts: &Facts) -> String {
    let Some(brake) = facts.host.brake else { return "off: no kill is held".to_owned() };
    let standing = match brake.standing {
        Brake::Free => "free",
        Brake::Storm => "storm: many containers fail at once, kills are held",
        Brake::Starved => "starved: the host is overloaded, kills for timeouts are held",
    };
    match brake.waiting {
        0 => standing.to_owned(),
        1 => format!("{standing}; 1 kill waits"),
        waiting => format!("{standing}; {waiting} kills wait"),
    }
}

fn table(facts: &Facts) -> Markup {
    let left: usize = facts.rows_left.iter().sum();
    html! {
        section aria-labelledby="pods" {
            h2 id="pods" { "Pods" }
            @if facts.rows.is_empty() {
                p.none { "There are no pods. " code { "probelet apply -f FILE" } " creates them." }
            } @else {
                // The roles stay although a narrow screen shows the rows as blocks.
                table role="table" {
                    thead role="rowgroup" {
                        tr role="row" {
                            @for name in COLUMNS { th scope="col" role="columnheader" { (name) } }
                        }
                    }
                    tbody role="rowgroup" {
                        @for row in &facts.rows { (table_row(row, facts)) }
                    }
                }
            }
            @if left > 0 {
                p.left {
                    (left) " more pods are not in this table: " (left_out(&facts.rows_left)) ". "
                    code { "probelet get pods -A" } " lists all of them."
                }
            }
        }
    }
}

const COLUMNS: [&str; 8] =
    ["Status", "Namespace", "Name", "Ready", "Restarts", "Age", "Last hour", "Last end"];

fn table_row(row: &Row, facts: &Facts) -> Markup {
    let key = row.view.spec.key();
    let statuses = || row.view.status.all();
    let last = statuses().filter_map(causes::last_end).max_by_key(|end| end.finished_at);
    html! {
        tr class=(row.standing.class()) role="row" {
            td.status role="cell" {
                (sign(row.standing)) " " (row.status)
            }
            td role="cell" data-name="Namespace" { (key.namespace()) }
            th scope="row" role="rowheader" { (key.name()) }
            td role="cell" data-name="Ready" { (row.ready) }
            td role="cell" data-name="Restarts" { (row.restarts) }
            td role="cell" data-name="Age" { (row.age) }
            td role="cell" data-name="Last hour" { (picture::ends(statuses(), facts.now)) }
            td.end role="cell" data-name="Last end" {
                @if let Some(end) = last {
                    (short(causes::cause(end, facts.texts)))
                    span.ago { " " (age(end.finished_at, facts.now)) " ago" }
                }
            }
        }
    }
}

fn left_out(left: &[usize; 4]) -> String {
    let counts = Standing::ALL.into_iter().map(|standing| (number(left, standing), standing));
    let words = counts.filter(|(count, _)| *count > 0);
    let words = words.map(|(count, standing)| format!("{count} {}", standing.words(count)));
    words.collect::<Vec<_>>().join(", ")
}

fn latencies(facts: &Facts) -> Markup {
    html! {
        @if !facts.durations.is_empty() {
            section aria-labelledby="latencies" {
                h2 id="latencies" { "How long probes took since the daemon started" }
                div.latencies {
                    @for (kind, histogram) in &facts.durations {
                        (picture::latencies(kind.lower(), histogram))
                    }
                }
            }
        }
    }
}

fn foot(facts: &Facts) -> Markup {
    let at = jiff::Timestamp::try_from(facts.now).map(|at| at.strftime("%F %T UTC").to_string());
    html! {
        p {
            "As of " (at.unwrap_or_default()) ". The page is loaded again each 10 seconds ("
            a href="/?refresh=off" { "stop" } ", " a href="/" { "go on" } ")."
        }
        @if !facts.texts {
            p {
                "What containers wrote, such as answers to probes and lines of logs, is not shown here: "
                code { "probelet describe pod NAME --evidence" } " and "
                code { "probelet logs NAME --previous" } " show it."
            }
        }
        p { a href="/metrics" { "Metrics" } " for Prometheus have all pods." }
    }
}
