//! What is to be done for a container's evidence before a kill, as annotations:
//! `probelet.io/CONTAINER.evidenceSignal` and `probelet.io/CONTAINER.evidenceExec`.

use probelet_domain::signal;
use probelet_domain::spec::{ContainerSpec, Exec, PodSpec};

const SIGNAL: &str = "evidenceSignal";
const EXEC: &str = "evidenceExec";

/// Takes `CONTAINER.evidenceSignal` up; `None` for any other word.
pub(super) fn take(spec: &mut PodSpec, word: &str, text: &str) -> Option<Result<(), &'static str>> {
    let (name, setting) = word.rsplit_once('.')?;
    if ![SIGNAL, EXEC].contains(&setting) {
        return None;
    }
    let lifecycle = &mut spec.at_mut(spec.place_of(name)?)?.lifecycle;
    let taken = if setting == SIGNAL {
        signal::parse(text)
            .map(|signal| lifecycle.evidence_signal = Some(signal))
            .ok_or("must be a signal's name")
    } else {
        shlex::split(text)
            .map(|command| lifecycle.evidence_exec = Some(Exec { command }))
            .ok_or("must be a command with its quotes closed")
    };
    Some(taken)
}

/// Each word with its value.
pub(super) fn show(container: &ContainerSpec) -> Vec<(String, String)> {
    let lifecycle = &container.lifecycle;
    let signal = lifecycle.evidence_signal.map(|signal| (SIGNAL, signal::name(signal)));
    let words = lifecycle.evidence_exec.as_ref().map(|exec| exec.command.iter());
    // No argument of a process has a NUL in it.
    let exec =
        words.and_then(|words| Some((EXEC, shlex::try_join(words.map(String::as_str)).ok()?)));
    let all = signal.into_iter().chain(exec);
    all.map(|(setting, value)| (format!("{}.{setting}", container.name), value)).collect()
}

/// The annotation's word for a field that Kubernetes does not have.
pub(super) fn word_of(spec: &PodSpec, field: &str) -> Option<String> {
    let (at, rest) = field.split_once(".lifecycle.")?;
    let setting = [SIGNAL, EXEC].into_iter().find(|setting| *setting == rest)?;
    let place = spec.place_at(at)?;
    let container = &spec.at(place)?.name;
    Some(format!("{container}.{setting}"))
}
