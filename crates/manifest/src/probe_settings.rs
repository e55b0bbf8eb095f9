//! Settings of probes that Kubernetes has no fields for, as annotations:
//! `probelet.io/CONTAINER.PROBE.SETTING`. Times have a fraction of a second here.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::server_annotations::PREFIX;
use probelet_domain::spec::{
    ContainerSpec, ExecVia, Handler, OnFailure, PodSpec, ProbeKind, ProbeSpec,
};

/// The last part of a key, and how the setting is rendered and read.
type Setting = (&'static str, Render, Set);
/// `None` if the setting has its default, or a field of Kubernetes holds it.
type Render = fn(&ProbeSpec) -> Option<String>;
/// The error follows `Invalid value: "…": `.
type Set = fn(&mut ProbeSpec, &str) -> Result<(), &'static str>;

const STARTUP_PERIOD: &str = "startupPeriodMilliseconds";
const ON_FAILURE: &str = "onFailure";
const EXEC_VIA: &str = "execVia";

const SETTINGS: [Setting; 7] = [
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
    ("grpcTLS", render_tls, set_tls),
    (ON_FAILURE, render_on_failure, set_on_failure),
    (EXEC_VIA, |p| p.exec_via.map(|via| via.as_str().into()), set_exec_via),
];

/// The names of the settings.
pub fn names() -> impl Iterator<Item = &'static str> {
    SETTINGS.into_iter().map(|(name, ..)| name)
}

fn fraction(time: Duration) -> Option<String> {
    (time.subsec_nanos() != 0).then(|| time.as_millis().to_string())
}

fn millis(text: &str) -> Result<Duration, &'static str> {
    let millis: u32 = text.parse().map_err(|_| "must be whole milliseconds")?;
    Ok(Duration::from_millis(millis.into()))
}

fn render_tls(probe: &ProbeSpec) -> Option<String> {
    matches!(&probe.handler, Handler::Grpc(grpc) if grpc.tls).then(|| "true".into())
}

fn set_tls(probe: &mut ProbeSpec, text: &str) -> Result<(), &'static str> {
    let Handler::Grpc(grpc) = &mut probe.handler else { return Err("this is no grpc probe") };
    grpc.tls = text.parse().map_err(|_| "must be true or false")?;
    Ok(())
}

fn render_on_failure(probe: &ProbeSpec) -> Option<String> {
    probe.on_failure.map(|choice| choice.as_str().into())
}

fn set_on_failure(probe: &mut ProbeSpec, text: &str) -> Result<(), &'static str> {
    let choice = OnFailure::ALL.into_iter().find(|choice| choice.as_str() == text);
    probe.on_failure = Some(choice.ok_or("must be restart, stop or notify")?);
    Ok(())
}

fn set_exec_via(probe: &mut ProbeSpec, text: &str) -> Result<(), &'static str> {
    if !matches!(probe.handler, Handler::Exec(_)) {
        return Err("this is no exec probe");
    }
    let via = ExecVia::ALL.into_iter().find(|via| via.as_str() == text);
    probe.exec_via = Some(via.ok_or("must be containerd or direct")?);
    Ok(())
}

/// Sets `app.liveness.periodMilliseconds`; `None` if the pod has no such setting.
pub fn read(spec: &mut PodSpec, setting: &str, text: &str) -> Option<Result<(), &'static str>> {
    let mut parts = setting.rsplitn(3, '.');
    let (setting, kind, name) = (parts.next()?, parts.next()?, parts.next()?);
    let (.., set) = SETTINGS.iter().find(|(name, ..)| *name == setting)?;
    let container = spec.at_mut(spec.place_of(name)?)?;
    let probe = match kind {
        "startup" => container.probes.startup.as_mut(),
        "readiness" => container.probes.readiness.as_mut(),
        "liveness" => container.probes.liveness.as_mut(),
        _ => None,
    }?;
    Some(set(probe, text))
}

/// The settings of a container's probes, with their values.
pub fn render(container: &ContainerSpec) -> Vec<(String, String)> {
    let probes = ProbeKind::ALL.into_iter();
    let probes = probes.filter_map(|kind| Some((kind, container.probes.get(kind)?)));
    let all = probes.flat_map(|(kind, probe)| {
        SETTINGS.iter().filter_map(move |(setting, render, _)| {
            let key = format!("{}.{}.{setting}", container.name, kind.lower());
            Some((key, render(probe)?))
        })
    });
    all.collect()
}

/// The setting that an error's field stands for; `None` if it is another field.
pub fn setting_for(spec: &PodSpec, field: &str) -> Option<String> {
    let all = [
        ("Probe.startupPeriodSeconds", STARTUP_PERIOD),
        ("Probe.onFailure", ON_FAILURE),
        ("Probe.execVia", EXEC_VIA),
    ];
    let mut all = all.into_iter();
    let (at, setting) = all.find_map(|(end, setting)| Some((field.strip_suffix(end)?, setting)))?;
    let (container, kind) = at.split_once("].")?;
    let index = spec.place_at(&format!("{container}]"))?;
    let container = &spec.at(index)?.name;
    Some(format!("{container}.{kind}.{setting}"))
}

/// The `onFailure` setting of a probe in the annotations of a shown pod: `restart`, `stop` or
/// `notify`; `None` for the default. `kind` is `startup`, `readiness` or `liveness`.
pub fn on_failure<'a>(
    annotations: &'a BTreeMap<String, String>,
    container: &str,
    kind: &str,
) -> Option<&'a str> {
    annotations.get(&format!("{PREFIX}{container}.{kind}.{ON_FAILURE}")).map(String::as_str)
}
