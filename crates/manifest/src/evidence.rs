//! What collects evidence in a container before a kill, as annotations:
//! `probelet.io/CONTAINER.evidenceSignal` and `probelet.io/CONTAINER.evidenceExec`.

use probelet_domain::signal;
use probelet_domain::spec::{ContainerSpec, Exec, PodSpec};

const SIGNAL: &str = "evidenceSignal";
const EXEC: &str = "evidenceExec";
/// The names of the settings.
pub const NAMES: [&str; 2] = [SIGNAL, EXEC];

/// Reads `CONTAINER.evidenceSignal` and `evidenceExec`; `None` for another setting.
pub fn read(spec: &mut PodSpec, setting: &str, text: &str) -> Option<Result<(), &'static str>> {
    let (name, setting) = setting.rsplit_once('.')?;
    if ![SIGNAL, EXEC].contains(&setting) {
        return None;
    }
    let lifecycle = &mut spec.at_mut(spec.place_of(name)?)?.lifecycle;
    let read = if setting == SIGNAL {
        signal::parse(text)
            .map(|signal| lifecycle.evidence_signal = Some(signal))
            .ok_or("must be a signal's name")
    } else {
        shlex::split(text)
            .map(|command| lifecycle.evidence_exec = Some(Exec { command }))
            .ok_or("must be a command with its quotes closed")
    };
    Some(read)
}

/// The settings of a container, with their values.
pub fn render(container: &ContainerSpec) -> Vec<(String, String)> {
    let lifecycle = &container.lifecycle;
    let signal = lifecycle.evidence_signal.map(|signal| (SIGNAL, signal::name(signal)));
    let arguments = lifecycle.evidence_exec.as_ref().map(|exec| exec.command.iter());
    // Quoting fails only for a NUL, which no argument of a process has.
    let joined = arguments.and_then(|all| shlex::try_join(all.map(String::as_str)).ok());
    let exec = joined.map(|command| (EXEC, command));
    let all = signal.into_iter().chain(exec);
    all.map(|(setting, value)| (format!("{}.{setting}", container.name), value)).collect()
}

/// The setting that an error's field stands for; `None` if it is another field.
pub fn setting_for(spec: &PodSpec, field: &str) -> Option<String> {
    let (at, rest) = field.split_once(".lifecycle.")?;
    let setting = [SIGNAL, EXEC].into_iter().find(|setting| *setting == rest)?;
    let index = spec.place_at(at)?;
    let container = &spec.at(index)?.name;
    Some(format!("{container}.{setting}"))
}
