//! How a container is restarted, as annotations: `probelet.io/CONTAINER.maxRestarts` and the
//! times of its back-off.

use std::time::Duration;

use probelet_domain::spec::{BackoffLimits, ContainerSpec, PodSpec};

type Setting = (&'static str, Show, Set);
/// Nothing where it is as in Kubernetes.
type Show = fn(&BackoffLimits) -> Option<String>;
type Set = fn(&mut BackoffLimits, u32);

const SETTINGS: [Setting; 4] = [
    (
        "maxRestarts",
        |limits| limits.max_restarts.map(|most| most.to_string()),
        |limits, number| limits.max_restarts = Some(number),
    ),
    (
        "backoffBaseMilliseconds",
        |limits| other(limits.base, BackoffLimits::default().base),
        |limits, number| limits.base = Duration::from_millis(number.into()),
    ),
    (
        "backoffCapMilliseconds",
        |limits| other(limits.cap, BackoffLimits::default().cap),
        |limits, number| limits.cap = Duration::from_millis(number.into()),
    ),
    (
        "backoffResetMilliseconds",
        |limits| other(limits.reset, BackoffLimits::default().reset),
        |limits, number| limits.reset = Duration::from_millis(number.into()),
    ),
];

fn other(time: Duration, default: Duration) -> Option<String> {
    (time != default).then(|| time.as_millis().to_string())
}

/// Takes `CONTAINER.maxRestarts` up; `None` for any other word.
pub(super) fn take(spec: &mut PodSpec, word: &str, text: &str) -> Option<Result<(), &'static str>> {
    let (name, setting) = word.rsplit_once('.')?;
    let (.., set) = SETTINGS.iter().find(|(known, ..)| *known == setting)?;
    let limits = &mut spec.at_mut(spec.place_of(name)?)?.backoff;
    let number = text.parse().map(|number| set(limits, number));
    Some(number.map_err(|_| "must be a whole number"))
}

/// Each word with its value.
pub(super) fn show(container: &ContainerSpec) -> Vec<(String, String)> {
    let shown = SETTINGS.iter().filter_map(|(word, show, _)| {
        Some((format!("{}.{word}", container.name), show(&container.backoff)?))
    });
    shown.collect()
}
