//! What Kubernetes' fields cannot say, as annotations: fractions of a second and other settings of
//! probes, and on the way out why a container ended last and what its probes say.
//!
//! They live in manifests only: read, they move into the spec; shown, they are made from it. So
//! what is applied, shown and applied again stays the same spec.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{backoff, defaults, evidence, log_limits, resources};
use probelet_domain::spec::{
    Handler, NetworkMode, OnFailure, PodSpec, ProbeKind, ProbeSpec, SpecError,
};

const PREFIX: &str = "probelet.io/";

/// What only the server writes of a pod: the kubelet's word for one that a file keeps, that file,
/// and why what a file says of it is not so.
pub(super) const CONFIG_SOURCE: &str = "kubernetes.io/config.source";
pub(super) const CONFIG_FILE: &str = "probelet.io/config-file";
pub const MANIFEST_ERROR: &str = "probelet.io/manifest-error";

/// What only the server writes of a container or a volume, as `probelet.io/WORD.NAME`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerMade {
    /// Why the container ended last.
    LastCause,
    /// What its probes say, as JSON.
    Probes,
    /// RFC 3339.
    ProbesPausedUntil,
    /// Why the kill that a probe decided has to wait.
    KillHeld,
    /// The pull policy that is shown of its image is Kubernetes' default; none was asked for, which
    /// is not the same: see `domain::image::need`.
    DefaultPull,
    /// The same of the image that is the pod's volume of this name.
    DefaultVolumePull,
}

impl ServerMade {
    const ALL: [Self; 6] = [
        Self::LastCause,
        Self::Probes,
        Self::ProbesPausedUntil,
        Self::KillHeld,
        Self::DefaultPull,
        Self::DefaultVolumePull,
    ];

    fn word(self) -> &'static str {
        match self {
            Self::LastCause => "last-cause",
            Self::Probes => "probes",
            Self::ProbesPausedUntil => "probes-paused-until",
            Self::KillHeld => "kill-held",
            Self::DefaultPull => "default-pull",
            Self::DefaultVolumePull => "default-volume-pull",
        }
    }

    pub(super) fn key(self, container: &str) -> String {
        format!("{PREFIX}{}.{container}", self.word())
    }

    /// What a key stands for, and its container. A container's name has no dot, so the longer key
    /// of a setting is none of these.
    pub fn of(key: &str) -> Option<(Self, &str)> {
        let (word, container) = key.strip_prefix(PREFIX)?.split_once('.')?;
        let made = Self::ALL.into_iter().find(|made| made.word() == word)?;
        (!container.contains('.')).then_some((made, container))
    }
}

/// Each setting of a probe by its annotation's last word.
type Setting = (&'static str, Show, Set);
/// Nothing where a field of Kubernetes says it.
type Show = fn(&ProbeSpec) -> Option<String>;
/// The error is what follows `Invalid value: "…": `.
type Set = fn(&mut ProbeSpec, &str) -> Result<(), &'static str>;

/// `probelet.io/OWNER.dependents: "a,b"`: those restart with it.
const DEPENDENTS: &str = ".dependents";
/// `probelet.io/network: none`: no plugin connects the pod.
const NETWORK: &str = "network";
const NO_NETWORK: &str = "none";
const STARTUP_PERIOD: &str = "startupPeriodMilliseconds";
const ON_FAILURE: &str = "onFailure";

const SETTINGS: [Setting; 6] = [
    (
        "periodMilliseconds",
        |p| fraction(p.period),
        |p, text| millis(text).map(|time| p.period = time),
    ),
    (
        "timeoutMilliseconds",
        |p| fraction(p.timeout),
        |p, text| millis(text).map(|time| p.timeout = time),
    ),
    (
        "initialDelayMilliseconds",
        |p| fraction(p.initial_delay),
        |p, text| millis(text).map(|time| p.initial_delay = time),
    ),
    (
        STARTUP_PERIOD,
        |p| p.startup_period.map(|period| period.as_millis().to_string()),
        |p, text| millis(text).map(|time| p.startup_period = Some(time)),
    ),
    ("grpcTLS", show_tls, set_tls),
    (ON_FAILURE, show_on_failure, set_on_failure),
];

fn fraction(time: Duration) -> Option<String> {
    (time.subsec_nanos() != 0).then(|| time.as_millis().to_string())
}

fn millis(text: &str) -> Result<Duration, &'static str> {
    let millis: u32 = text.parse().map_err(|_| "must be whole milliseconds")?;
    Ok(Duration::from_millis(millis.into()))
}

fn show_tls(probe: &ProbeSpec) -> Option<String> {
    matches!(&probe.handler, Handler::Grpc(grpc) if grpc.tls).then(|| "true".into())
}

fn set_tls(probe: &mut ProbeSpec, text: &str) -> Result<(), &'static str> {
    let Handler::Grpc(grpc) = &mut probe.handler else { return Err("this is no grpc probe") };
    grpc.tls = text.parse().map_err(|_| "must be true or false")?;
    Ok(())
}

fn show_on_failure(probe: &ProbeSpec) -> Option<String> {
    probe.on_failure.map(|choice| choice.as_str().into())
}

fn set_on_failure(probe: &mut ProbeSpec, text: &str) -> Result<(), &'static str> {
    let choice = OnFailure::ALL.into_iter().find(|choice| choice.as_str() == text);
    probe.on_failure = Some(choice.ok_or("must be restart, stop or notify")?);
    Ok(())
}

/// Takes up probelet's own annotations, which beat the fields in seconds.
pub(super) fn apply(spec: &mut PodSpec, errors: &mut Vec<SpecError>, warnings: &mut Vec<String>) {
    let own = |key: &String| key.starts_with(PREFIX) || key == CONFIG_SOURCE;
    let keys: Vec<_> = spec.annotations.keys().filter(|k| own(k)).cloned().collect();
    for key in keys {
        let field = format!("metadata.annotations[{key}]");
        let word = key.strip_prefix(PREFIX).unwrap_or_default();
        let text = spec.annotations.remove(&key).unwrap_or_default();
        let taken = evidence::take(spec, word, &text)
            .or_else(|| backoff::take(spec, word, &text))
            .or_else(|| log_limits::take(spec, word, &text))
            .or_else(|| resources::take_devices(spec, word, &text));
        if let Some(taken) = taken {
            errors.extend(taken.err().map(|why| SpecError::invalid(field, text, why)));
            continue;
        }
        if ServerMade::of(&key).is_some_and(|(made, name)| defaults::unset_pull(spec, made, name)) {
            continue;
        }
        if [CONFIG_SOURCE, CONFIG_FILE, MANIFEST_ERROR].contains(&key.as_str())
            || ServerMade::of(&key).is_some()
        {
            warnings.push(format!("{field}: ignored: made by the server"));
            continue;
        }
        if word == NETWORK {
            match text.as_str() {
                NO_NETWORK => spec.network = NetworkMode::None,
                _ => errors.push(SpecError::unsupported(field, &text, &[NO_NETWORK])),
            }
            continue;
        }
        if let Some(owner) = word.strip_suffix(DEPENDENTS) {
            let names = text.split(',').map(|name| name.trim().to_owned()).collect();
            spec.dependents.insert(owner.to_owned(), names);
            continue;
        }
        let Some((probe, set)) = target(spec, word) else {
            errors.push(SpecError::new(
                field,
                "names no known setting of a probe or container of this pod",
            ));
            continue;
        };
        if let Err(why) = set(probe, &text) {
            errors.push(SpecError::invalid(field, text, why));
        }
    }
}

/// `app.liveness.periodMilliseconds` → that probe, and how to set that.
fn target<'a>(spec: &'a mut PodSpec, word: &str) -> Option<(&'a mut ProbeSpec, Set)> {
    let mut parts = word.rsplitn(3, '.');
    let (setting, kind, name) = (parts.next()?, parts.next()?, parts.next()?);
    let set = SETTINGS.iter().find(|(word, ..)| *word == setting).map(|(_, _, set)| *set)?;
    let container = spec.at_mut(spec.place_of(name)?)?;
    let probe = match kind {
        "startup" => container.probes.startup.as_mut(),
        "readiness" => container.probes.readiness.as_mut(),
        "liveness" => container.probes.liveness.as_mut(),
        _ => None,
    }?;
    Some((probe, set))
}

fn dependents_key(owner: &str) -> String {
    format!("{PREFIX}{owner}{DEPENDENTS}")
}

/// What a shown pod says of a probe's choice; nothing for the default.
pub fn on_failure<'a>(
    annotations: &'a BTreeMap<String, String>,
    container: &str,
    kind: &str,
) -> Option<&'a str> {
    annotations.get(&format!("{PREFIX}{container}.{kind}.{ON_FAILURE}")).map(String::as_str)
}

/// An error's field as a manifest has it: some settings are no fields of Kubernetes.
pub(super) fn field(spec: &PodSpec, field: &str) -> Option<String> {
    if let Some(owner) = field.strip_prefix("spec.dependents[").and_then(|at| at.strip_suffix(']'))
    {
        return Some(format!("metadata.annotations[{}]", dependents_key(owner)));
    }
    if field == "spec.network" {
        return Some(format!("metadata.annotations[{PREFIX}{NETWORK}]"));
    }
    let word = evidence::word_of(spec, field).or_else(|| resources::word_of(spec, field));
    if let Some(word) = word {
        return Some(format!("metadata.annotations[{PREFIX}{word}]"));
    }
    let own = [("Probe.startupPeriodSeconds", STARTUP_PERIOD), ("Probe.onFailure", ON_FAILURE)];
    let mut own = own.into_iter();
    let (at, word) = own.find_map(|(end, word)| Some((field.strip_suffix(end)?, word)))?;
    let (container, kind) = at.split_once("].")?;
    let place = spec.place_at(&format!("{container}]"))?;
    let container = &spec.at(place)?.name;
    Some(format!("metadata.annotations[{PREFIX}{container}.{kind}.{word}]"))
}

/// The pod's annotations, and with them whatever of its probes Kubernetes' fields cannot say.
pub(super) fn export(spec: &PodSpec) -> BTreeMap<String, String> {
    let mut all = spec.annotations.clone();
    if spec.network == NetworkMode::None {
        all.insert(format!("{PREFIX}{NETWORK}"), NO_NETWORK.to_owned());
    }
    let dependents = spec.dependents.iter();
    all.extend(dependents.map(|(owner, names)| (dependents_key(owner), names.join(","))));
    for container in spec.all() {
        let settings = evidence::show(container).into_iter().chain(backoff::show(container));
        let settings = settings.chain(log_limits::show(container));
        let settings = settings.chain(resources::show_devices(container));
        all.extend(settings.map(|(word, value)| (format!("{PREFIX}{word}"), value)));
        for kind in ProbeKind::ALL {
            let Some(probe) = container.probes.get(kind) else { continue };
            for (word, show, _) in SETTINGS {
                if let Some(value) = show(probe) {
                    let key = format!("{PREFIX}{}.{}.{word}", container.name, kind.lower());
                    all.insert(key, value);
                }
            }
        }
    }
    all
}
