//! What the screen keeps of a container.

use std::fmt::{self, Display};
use std::time::Duration;

use jiff::Timestamp;
use probelet_text::escape::Escaped;

use super::super::loads::Load;
use super::super::objects::timestamp;
use super::super::targets::PodRef;
use super::super::times::{human, latency, since};
use probelet_api::pb;
use probelet_api::pb::container_state::{State, Terminated};

/// Characters that are kept of a text of the daemon: more than a wide terminal has columns.
const LONGEST: usize = 400;
/// The exits that are kept.
const ENDS: usize = 3;

/// The kinds of probes in the order in which they are shown, with their titles.
pub const KINDS: [(&str, &str); 3] =
    [("startup", "Startup"), ("liveness", "Liveness"), ("readiness", "Readiness")];

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Id {
    pub namespace: String,
    pub pod: String,
    pub container: String,
}

impl Id {
    pub fn pod(&self) -> PodRef {
        PodRef { namespace: self.namespace.clone(), name: self.pod.clone() }
    }
}

impl Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} [{}]", self.namespace, self.pod, self.container)
    }
}

/// How a state or a result is to be taken. The order is that of urgency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tone {
    Bad,
    Doubtful,
    Good,
    Idle,
}

#[derive(Debug, Clone)]
pub struct Probe {
    pub kind: &'static str,
    pub title: &'static str,
    pub tone: Tone,
    /// When the latest attempt ended, and how long it took.
    pub last: Option<(Timestamp, Duration)>,
    outcome: String,
    consecutive: u32,
    output: String,
}

/// An exit.
#[derive(Debug, Clone)]
pub struct End {
    at: Option<Timestamp>,
    attempt: u32,
    cause: String,
    is_failure: bool,
}

/// A container. Its texts are short and escaped.
#[derive(Debug, Clone)]
pub struct Row {
    pub id: Id,
    /// STATE, with its marks.
    pub state: String,
    pub tone: Tone,
    pub restarts: u32,
    pub probes: Vec<Probe>,
    pub are_probes_paused: bool,
    pub load: Option<Load>,
    is_running: bool,
    details: String,
    next_try: Option<Timestamp>,
    /// The newest first.
    ends: Vec<End>,
}

impl Row {
    /// `None` for an init container that has completed: it is of no more interest.
    pub fn of(container: &pb::Container, now: Timestamp) -> Option<Self> {
        let current = container.state.as_ref().and_then(|state| state.state.as_ref());
        if container.init_container
            && matches!(current, Some(State::Terminated(end)) if end.exit_code == 0)
        {
            return None;
        }
        let (mut state, mut tone, details) = described(container, current);
        let paused_until = timestamp(container.probes_paused_until);
        let are_probes_paused = paused_until.is_some_and(|until| until > now);
        if are_probes_paused {
            state += ",ProbesPaused";
        }
        if container.kill_held.is_some() {
            state += ",KillHeld";
            tone = Tone::Bad;
        }
        let probe = |(kind, title): &(&'static str, &'static str)| {
            let status = container.probes.iter().find(|status| status.kind == *kind)?;
            Some(Probe::of(status, kind, title))
        };
        Some(Self {
            id: Id {
                namespace: short(&container.namespace),
                pod: short(&container.pod),
                container: short(&container.name),
            },
            state,
            tone,
            restarts: container.restart_count,
            probes: KINDS.iter().filter_map(probe).collect(),
            are_probes_paused,
            load: None,
            is_running: matches!(current, Some(State::Running(_))),
            details,
            next_try: timestamp(container.next_try),
            ends: container.history.iter().take(ENDS).map(End::of).collect(),
        })
    }

    /// Keeps the results of the probes of an instance that has ended, until the next one runs.
    pub fn keep_probes(&mut self, before: &Self) {
        if !self.is_running && self.probes.is_empty() {
            self.probes.clone_from(&before.probes);
        }
    }

    /// RESTARTS, as in `get pods`.
    pub fn restarts(&self, now: Timestamp) -> String {
        match self.ends.first().and_then(|end| end.at).filter(|_| self.restarts > 0) {
            Some(at) => format!("{} ({} ago)", self.restarts, since(Some(at), now)),
            None => self.restarts.to_string(),
        }
    }

    /// The state in a sentence.
    pub fn state_line(&self, now: Timestamp) -> String {
        let mut line = self.state.clone();
        if let Some(next) = self.next_try.filter(|next| *next > now) {
            let seconds = next.duration_since(now).as_secs();
            line += &format!(", next try in {}", human(seconds));
        }
        match self.details.is_empty() {
            true => line,
            false => format!("{line}: {}", self.details),
        }
    }

    /// What went wrong last: a probe that fails now, else the newest exit that was a failure.
    pub fn last_failure(&self, now: Timestamp) -> Option<String> {
        let failing = self.probes.iter().find(|probe| probe.tone == Tone::Bad);
        let failing = failing.filter(|_| self.is_running);
        let failing = failing.map(|probe| format!("{}: {}", probe.kind, probe.why()));
        let ended = || Some(self.ends.iter().find(|end| end.is_failure)?.line(now));
        failing.or_else(ended)
    }

    /// The exits, the newest first.
    pub fn end_lines(&self, now: Timestamp) -> impl Iterator<Item = String> {
        self.ends.iter().map(move |end| format!("attempt {}, {}", end.attempt, end.line(now)))
    }
}

impl Probe {
    fn of(status: &pb::ProbeStatus, kind: &'static str, title: &'static str) -> Self {
        let tone = match status.last_outcome.as_str() {
            "success" => Tone::Good,
            "" => Tone::Idle,
            "warning" => Tone::Doubtful,
            _ => Tone::Bad,
        };
        let took = status.last_latency.and_then(|took| Duration::try_from(took).ok());
        let last = timestamp(status.last_at).zip(took);
        Self {
            kind,
            title,
            tone,
            last,
            outcome: short(&status.last_outcome),
            consecutive: status.consecutive,
            output: short(status.last_output.lines().next().unwrap_or_default().trim_end()),
        }
    }

    /// `1.3ms`.
    pub fn latency(&self) -> String {
        self.last.map_or_else(String::new, |(_, took)| latency(took))
    }

    /// The output of the latest attempt, or else its outcome.
    fn why(&self) -> &str {
        if self.output.is_empty() { &self.outcome } else { &self.output }
    }

    /// `failure 2s ago, 3 in a row: HTTP probe failed with statuscode: 500`.
    pub fn result(&self, now: Timestamp) -> String {
        let Some((at, _)) = self.last else { return "no result yet".to_owned() };
        let mut line = format!("{} {} ago", self.outcome, since(Some(at), now));
        // An error is part of no series of results.
        if self.consecutive > 0 && self.outcome != "error" {
            line += &format!(", {} in a row", self.consecutive);
        }
        match self.output.is_empty() {
            true => line,
            false => format!("{line}: {}", self.output),
        }
    }
}

impl End {
    fn of(end: &Terminated) -> Self {
        let cause = match end.cause.as_str() {
            "" => format!("{}, exit code {}", end.reason, end.exit_code),
            cause => cause.to_owned(),
        };
        Self {
            at: timestamp(end.finished_at),
            attempt: end.attempt,
            cause: short(&cause),
            is_failure: end.exit_code != 0 && end.reason != "Stopped",
        }
    }

    fn line(&self, now: Timestamp) -> String {
        format!("{} ago: {}", since(self.at, now), self.cause)
    }
}

/// STATE, how it is to be taken, and its details.
fn described(container: &pb::Container, state: Option<&State>) -> (String, Tone, String) {
    match state {
        Some(State::Running(_)) if container.ready => {
            ("Running".to_owned(), Tone::Good, String::new())
        }
        Some(State::Running(_)) if container.init_container => {
            ("Running".to_owned(), Tone::Doubtful, String::new())
        }
        Some(State::Running(_)) => ("NotReady".to_owned(), Tone::Doubtful, String::new()),
        Some(State::Waiting(waiting)) => {
            let tone = match waiting.reason.as_str() {
                "ContainerCreating" | "PodInitializing" | "" => Tone::Doubtful,
                _ => Tone::Bad,
            };
            let reason = if waiting.reason.is_empty() { "Waiting" } else { &waiting.reason };
            (short(reason), tone, short(&waiting.message))
        }
        Some(State::Terminated(end)) => {
            let tone = match end.reason.as_str() {
                "Completed" | "Stopped" => Tone::Idle,
                _ => Tone::Bad,
            };
            let details = if end.cause.is_empty() { &end.message } else { &end.cause };
            let details = match short(details) {
                none if none.is_empty() => format!("exit code {}", end.exit_code),
                details => format!("exit code {}; {details}", end.exit_code),
            };
            (short(&end.reason), tone, details)
        }
        None => ("Unknown".to_owned(), Tone::Doubtful, String::new()),
    }
}

/// A text that controls no terminal, cut to what a screen can show.
pub fn short(text: &str) -> String {
    let start: String = text.chars().take(LONGEST).collect();
    let escaped = Escaped(&start).to_string();
    let mut cut: String = escaped.chars().take(LONGEST).collect();
    if start.len() < text.len() || cut.len() < escaped.len() {
        cut.push('…');
    }
    cut
}
