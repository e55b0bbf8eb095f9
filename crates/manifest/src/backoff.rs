//! The limit of restarts and the times of the back-off, as annotations:
//! `probelet.io/CONTAINER.maxRestarts`, `backoffBaseMilliseconds`, …

use std::time::Duration;

use probelet_domain::spec::{BackoffLimits, ContainerSpec, PodSpec};

/// The last part of a key, and how the setting is rendered and read.
type Setting = (&'static str, Render, Set);
/// `None` for Kubernetes' default.
type Render = fn(&BackoffLimits) -> Option<String>;
type Set = fn(&mut BackoffLimits, u32);

const SETTINGS: [Setting; 4] = [
    (
        "maxRestarts",
        |limits| limits.max_restarts.map(|most| most.to_string()),
        |limits, number| limits.max_restarts = Some(number),
    ),
    (
        "backoffBaseMilliseconds",
        |limits| unless_default(limits.base, BackoffLimits::default().base),
        |limits, number| limits.base = Duration::from_millis(number.into()),
    ),
    (
        "backoffCapMilliseconds",
        |limits| unless_default(limits.cap, BackoffLimits::default().cap),
        |limits, number| limits.cap = Duration::from_millis(number.into()),
    ),
    (
        "backoffResetMilliseconds",
        |limits| unless_default(limits.reset, BackoffLimits::default().reset),
        |limits, number| limits.reset = Duration::from_millis(number.into()),
    ),
];

/// The names of the settings.
pub fn names() -> impl Iterator<Item = &'static str> {
    SETTINGS.into_iter().map(|(name, ..)| name)
}

fn unless_default(time: Duration, default: Duration) -> Option<String> {
    (time != default).then(|| time.as_millis().to_string())
}

/// Reads `CONTAINER.maxRestarts` and the like; `None` for another setting.
pub fn read(spec: &mut PodSpec, setting: &str, text: &str) -> Option<Result<(), &'static str>> {
    let (name, setting) = setting.rsplit_once('.')?;
    let (.., set) = SETTINGS.iter().find(|(last, ..)| *last == setting)?;
    let limits = &mut spec.at_mut(spec.place_of(name)?)?.backoff;
    let number = text.parse().map(|number| set(limits, number));
    Some(number.map_err(|_| "must be a whole number"))
}

/// The settings of a container, with their values.
pub fn render(container: &ContainerSpec) -> Vec<(String, String)> {
    let all = SETTINGS.iter().filter_map(|(setting, render, _)| {
        Some((format!("{}.{setting}", container.name), render(&container.backoff)?))
    });
    all.collect()
}
