//! Kubernetes' validation rules and texts for the fields that probelet knows.
//!
//! Source: `pkg/apis/core/validation/validation.go` and apimachinery's `util/validation`, v1.36.
//! Additions: limits that whole seconds never needed (100 ms period, 10 ms timeout), and what
//! containerd and runc would refuse only at the start of a container.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use super::{
    BackoffLimits, ContainerPort, ContainerSpec, EnvVar, Exec, Handler, HttpGet, PodSpec, PortRef,
};
use super::{ProbeKind, ProbeSpec, Role, Source, Validated};
use crate::pod_key::ADOPTED_NAMESPACE;
use crate::shorten;
use crate::time::MAX_LENGTH;

mod dependents;
mod exec_via;
mod init;
mod lifecycle;
mod names;
mod nul;
mod ports;
mod security;
mod surroundings;
#[cfg(test)]
mod tests;
mod volumes;

/// Error of one field, named as in a manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct SpecError {
    /// Path of the field, as in `spec.containers[0].name`; at most about 1024 bytes.
    pub field: String,
    /// Kubernetes' text of the error; at most about 1024 bytes.
    pub reason: String,
}

/// All errors of a spec, in the order in which they were found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", Self::summary(.0, SUMMARY))]
pub struct SpecErrors(pub Vec<SpecError>);

/// Maximum size in bytes of an error's field and of its reason, both of which may quote the
/// manifest.
const LONGEST: usize = 1024;
/// Maximum number of errors that one summary lists.
const SUMMED: usize = 20;
/// Approximate length in bytes of the text that lists several errors.
pub const SUMMARY: usize = 1024;

impl SpecErrors {
    /// Returns the first errors in one line of about `longest` bytes, and the number of the others.
    pub fn summary(errors: &[SpecError], longest: usize) -> String {
        let mut summary = String::new();
        for (index, error) in errors.iter().enumerate() {
            let text = error.to_string();
            if index > 0 {
                if index >= SUMMED || summary.len() + text.len() > longest {
                    summary.push_str(&format!("; and {} more", errors.len() - index));
                    break;
                }
                summary.push_str("; ");
            }
            summary.push_str(&text);
        }
        summary
    }
}

const PROTOCOLS: [&str; 3] = ["SCTP", "TCP", "UDP"];

/// Most bytes of all annotations of an object, as in Kubernetes.
const LARGEST_ANNOTATIONS: usize = 256 << 10;

const MIN_PERIOD: Duration = Duration::from_millis(100);
const MIN_TIMEOUT: Duration = Duration::from_millis(10);

/// The constructors of Kubernetes' `field.Error`, with the same texts.
impl SpecError {
    /// Makes an error; shortens `field` and `reason` to 1024 bytes each.
    pub fn new(field: impl Into<String>, reason: impl Into<String>) -> Self {
        let (mut field, mut reason) = (field.into(), reason.into());
        shorten(&mut field, LONGEST);
        shorten(&mut reason, LONGEST);
        Self { field, reason }
    }

    /// Makes the error of an invalid value, which is printed as in Kubernetes: strings in double
    /// quotes (`{:?}`), numbers without.
    pub fn invalid(field: impl Into<String>, value: impl std::fmt::Debug, why: &str) -> Self {
        Self::new(field, format!("Invalid value: {value:?}: {why}"))
    }

    /// Makes the error of a port number that is not from 1 to 65535.
    pub fn port_range(field: impl Into<String>, number: impl std::fmt::Debug) -> Self {
        Self::invalid(field, number, "must be between 1 and 65535, inclusive")
    }

    /// Makes the error of a missing value; `why` may be empty.
    pub fn required(field: impl Into<String>, why: &str) -> Self {
        let sep = if why.is_empty() { "" } else { ": " };
        Self::new(field, format!("Required value{sep}{why}"))
    }

    /// Makes the error of a field that must not be set.
    pub fn forbidden(field: impl Into<String>, why: &str) -> Self {
        Self::new(field, format!("Forbidden: {why}"))
    }

    /// Makes the error of a value that must be unique.
    pub fn duplicate(field: impl Into<String>, value: &str) -> Self {
        Self::new(field, format!("Duplicate value: {value:?}"))
    }

    /// Makes the error of a value that is not one of `supported`.
    pub fn unsupported(field: impl Into<String>, value: &str, supported: &[&str]) -> Self {
        let list = supported.iter().map(|s| format!("{s:?}")).collect::<Vec<_>>().join(", ");
        Self::new(field, format!("Unsupported value: {value:?}: supported values: {list}"))
    }
}

/// Errors that the checks have found so far.
#[derive(Default)]
struct Findings(Vec<SpecError>);

impl Findings {
    fn add(&mut self, error: SpecError) {
        self.0.push(error);
    }

    fn check(&mut self, ok: bool, error: impl FnOnce() -> SpecError) {
        if !ok {
            self.add(error());
        }
    }

    fn bounded(&mut self, field: String, value: Duration) {
        self.check(value <= MAX_LENGTH, || {
            let why = format!("must be less than or equal to {}", MAX_LENGTH.as_secs());
            SpecError::invalid(field, value.as_secs(), &why)
        });
    }

    /// Checks a name, with one error for each broken rule, as in Kubernetes.
    fn name(&mut self, field: &str, name: &str, rules: fn(&str) -> Vec<String>) {
        if name.is_empty() {
            return self.add(SpecError::required(field, ""));
        }
        for broken in rules(name) {
            self.add(SpecError::invalid(field, name, &broken));
        }
    }
}

impl EnvVar {
    /// Checks the name of a variable, or the prefix of an `envFrom`; empty if it is valid.
    pub fn check_name(field: &str, name: &str) -> Vec<SpecError> {
        let mut found = Findings::default();
        found.name(field, name, names::env_name);
        found.0
    }
}

/// Checks the type of a condition; empty if it is valid.
pub fn condition_type(field: &str, name: &str) -> Vec<SpecError> {
    let mut found = Findings::default();
    found.name(field, name, names::qualified);
    found.0
}

/// Checks the labels and annotations of an object of Kubernetes; empty if they are valid.
pub fn metadata_rules(
    labels: &BTreeMap<String, String>,
    annotations: &BTreeMap<String, String>,
) -> Vec<SpecError> {
    let mut found = Findings::default();
    for (key, value) in labels {
        found.name("metadata.labels", key, names::qualified);
        for broken in names::label_value(value) {
            found.add(SpecError::invalid("metadata.labels", value, &broken));
        }
    }
    let mut size = 0_usize;
    for (key, value) in annotations {
        size = size.saturating_add(key.len()).saturating_add(value.len());
        for broken in names::qualified(&key.to_lowercase()) {
            found.add(SpecError::invalid("metadata.annotations", key, &broken));
        }
    }
    found.check(size <= LARGEST_ANNOTATIONS, || {
        let why = format!("Too long: may not be more than {LARGEST_ANNOTATIONS} bytes");
        SpecError::new("metadata.annotations", why)
    });
    found.0
}

impl PodSpec {
    /// Checks the spec. The supervisor accepts only a spec that has passed.
    ///
    /// # Errors
    ///
    /// All broken rules at once, each with its field.
    pub fn validate(self) -> Result<Validated<Self>, SpecErrors> {
        let mut found = Findings::default();
        // An adopted pod has names from containerd, which has its own rules for them.
        if !self.is_adopted() {
            found.name("metadata.name", &self.name, names::dns_subdomain);
            found.name("metadata.namespace", &self.namespace, names::dns_label);
            found.check(self.namespace != ADOPTED_NAMESPACE, || {
                let why = "it is the namespace of adopted containers, where no pod can be created";
                SpecError::invalid("metadata.namespace", &self.namespace, why)
            });
        }
        for (index, kind) in self.gates.types.iter().enumerate() {
            let field = format!("spec.readinessGates[{index}].conditionType");
            found.0.extend(condition_type(&field, kind));
        }
        if let Some(hostname) = &self.hostname {
            found.name("spec.hostname", hostname, names::dns_label);
        }
        found.bounded("spec.terminationGracePeriodSeconds".into(), self.termination_grace);
        found.check(!self.containers.is_empty(), || SpecError::required("spec.containers", ""));
        // Regular containers come first, so that a duplicate name is reported at the init
        // container.
        let regular = self.init_containers.len()..self.count();
        let mut seen = BTreeSet::new();
        for index in regular.chain(0..self.init_containers.len()) {
            let (Some(container), at) = (self.at(index), self.field_at(index)) else { continue };
            container_rules(&mut found, &at, container);
            let lifecycle_at = format!("{at}.lifecycle");
            let grace = self.termination_grace;
            lifecycle::lifecycle_rules(&mut found, &lifecycle_at, container, grace);
            if self.role_at(index) == Role::Init {
                init::rules(&mut found, &at, container);
            }
            lifecycle::evidence_rules(&mut found, &lifecycle_at, &container.lifecycle);
            found.check(container.termination_message.path.starts_with('/'), || {
                let path = &container.termination_message.path;
                let field = format!("{at}.terminationMessagePath");
                SpecError::invalid(field, path, "must be an absolute path")
            });
            if !container.name.is_empty() && !seen.insert(container.name.as_str()) {
                found.add(SpecError::duplicate(format!("{at}.name"), &container.name));
            }
        }
        dependents::rules(&mut found, &self);
        security::pod_rules(&mut found, &self);
        surroundings::pod_rules(&mut found, &self);
        ports::pod_rules(&mut found, &self);
        exec_via::pod_rules(&mut found, &self);
        volumes::pod_rules(&mut found, &self);
        nul::pod_rules(&mut found, &self);
        if found.0.is_empty() { Ok(Validated(self)) } else { Err(SpecErrors(found.0)) }
    }
}

fn container_rules(found: &mut Findings, at: &str, container: &ContainerSpec) {
    if !matches!(container.source, Source::Adopted(_)) {
        found.name(&format!("{at}.name"), &container.name, names::dns_label);
    }
    match &container.source {
        Source::Image(image) => {
            found.check(!image.trim().is_empty(), || SpecError::required(format!("{at}.image"), ""))
        }
        Source::Bundle { rootfs, .. } => found.check(rootfs.is_absolute(), || {
            SpecError::invalid(format!("{at}.rootfs"), rootfs, "must be an absolute path")
        }),
        Source::Adopted(_) => {}
    }
    for (index, var) in container.env.iter().enumerate() {
        found.0.extend(EnvVar::check_name(&format!("{at}.env[{index}].name"), &var.name));
    }
    if let Some(dir) = &container.working_dir {
        found.check(Path::new(dir).is_absolute(), || {
            SpecError::invalid(format!("{at}.workingDir"), dir, "must be an absolute path")
        });
    }
    port_rules(found, at, &container.ports);
    for kind in ProbeKind::ALL {
        if let Some(probe) = container.probes.get(kind) {
            let at = format!("{at}.{}Probe", kind.lower());
            handler_rules(found, &at, &probe.handler, &container.ports);
            probe_rules(found, &at, kind, probe);
        }
    }
    lifecycle::restart_rules(found, at, container);
    security::container_rules(found, at, container);
    surroundings::container_rules(found, at, container);
    backoff_rules(found, &format!("{at}.backoff"), &container.backoff);
}

fn port_rules(found: &mut Findings, at: &str, ports: &[ContainerPort]) {
    let mut seen = BTreeSet::new();
    for (index, port) in ports.iter().enumerate() {
        let at = format!("{at}.ports[{index}]");
        if let Some(name) = &port.name {
            found.name(&format!("{at}.name"), name, names::port_name);
            if !seen.insert(name) {
                found.add(SpecError::duplicate(format!("{at}.name"), name));
            }
        }
        let field = format!("{at}.containerPort");
        found.check(port.port != 0, || SpecError::port_range(field, port.port));
        found.check(PROTOCOLS.contains(&port.protocol.as_str()), || {
            SpecError::unsupported(format!("{at}.protocol"), &port.protocol, &PROTOCOLS)
        });
    }
}

/// Checks a probe's handler. `ports` are those of the container, by whose names it can refer to a
/// port.
fn handler_rules(found: &mut Findings, at: &str, handler: &Handler, ports: &[ContainerPort]) {
    match handler {
        Handler::HttpGet(http) => http_rules(found, &format!("{at}.httpGet"), http, ports),
        Handler::TcpSocket(tcp) => {
            port_ref_rules(found, &format!("{at}.tcpSocket"), &tcp.port, ports);
        }
        Handler::Grpc(grpc) => port_ref_rules(found, &format!("{at}.grpc"), &grpc.port, ports),
        Handler::Exec(exec) => exec_rules(found, at, exec),
    }
}

fn probe_rules(found: &mut Findings, at: &str, kind: ProbeKind, probe: &ProbeSpec) {
    if let Some(faster) = probe.startup_period {
        startup_period_rules(found, format!("{at}.startupPeriodSeconds"), kind, probe, faster);
    }
    let least = [("period", probe.period, MIN_PERIOD), ("timeout", probe.timeout, MIN_TIMEOUT)];
    for (what, value, min) in least {
        found.check(value >= min, || {
            let why = format!("must be at least {}ms", min.as_millis());
            SpecError::new(
                format!("{at}.{what}Seconds"),
                format!("Invalid value: {value:?}: {why}"),
            )
        });
    }
    let grace = probe.termination_grace.unwrap_or_default();
    let longest = [
        ("initialDelay", probe.initial_delay),
        ("period", probe.period),
        ("timeout", probe.timeout),
        ("terminationGracePeriod", grace),
    ];
    for (what, value) in longest {
        found.bounded(format!("{at}.{what}Seconds"), value);
    }
    let (good, bad) = (probe.success_threshold, probe.failure_threshold);
    let one = "must be greater than or equal to 1";
    let field = format!("{at}.successThreshold");
    match kind {
        ProbeKind::Readiness => found.check(good >= 1, || SpecError::invalid(field, good, one)),
        _ => found.check(good == 1, || SpecError::invalid(field, good, "must be 1")),
    }
    found.check(bad >= 1, || SpecError::invalid(format!("{at}.failureThreshold"), bad, one));
    if let Some(grace) = probe.termination_grace {
        grace_rules(found, format!("{at}.terminationGracePeriodSeconds"), kind, grace);
    }
    found.check(probe.on_failure.is_none() || kind != ProbeKind::Readiness, || {
        SpecError::forbidden(format!("{at}.onFailure"), "may not be set for readinessProbes")
    });
}

fn startup_period_rules(
    found: &mut Findings,
    field: String,
    kind: ProbeKind,
    probe: &ProbeSpec,
    faster: Duration,
) {
    if kind == ProbeKind::Liveness {
        // A liveness probe counts as passed from the start, so a shorter period has no purpose.
        found.add(SpecError::forbidden(field, "may not be set for livenessProbes"));
    } else if faster < MIN_PERIOD {
        let why = format!("must be at least {}ms", MIN_PERIOD.as_millis());
        found.add(SpecError::new(field, format!("Invalid value: {faster:?}: {why}")));
    } else if faster > probe.period {
        let why = format!("must be no longer than the period, {:?}", probe.period);
        found.add(SpecError::new(field, format!("Invalid value: {faster:?}: {why}")));
    }
}

fn grace_rules(found: &mut Findings, field: String, kind: ProbeKind, grace: Duration) {
    let (seconds, zero) = (grace.as_secs(), grace.is_zero());
    if kind == ProbeKind::Readiness {
        found.add(SpecError::invalid(field, seconds, "must not be set for readinessProbes"));
    } else if zero {
        found.add(SpecError::invalid(field, seconds, "must be greater than 0"));
    }
}

fn http_rules(found: &mut Findings, at: &str, http: &HttpGet, ports: &[ContainerPort]) {
    found.check(!http.path.is_empty(), || SpecError::required(format!("{at}.path"), ""));
    port_ref_rules(found, at, &http.port, ports);
    for (index, header) in http.headers.iter().enumerate() {
        let field = format!("{at}.httpHeaders[{index}].name");
        for broken in names::header_name(&header.name) {
            found.add(SpecError::invalid(&field, &header.name, &broken));
        }
    }
}

fn exec_rules(found: &mut Findings, at: &str, exec: &Exec) {
    let empty = exec.command.is_empty();
    found.check(!empty, || SpecError::required(format!("{at}.exec.command"), ""));
}

fn port_ref_rules(found: &mut Findings, at: &str, port: &PortRef, ports: &[ContainerPort]) {
    let field = format!("{at}.port");
    match port {
        PortRef::Number(number) => {
            found.check(*number != 0, || SpecError::port_range(field, number));
        }
        PortRef::Name(name) => {
            let broken = names::port_name(name);
            if broken.is_empty() && !ports.iter().any(|port| port.name.as_ref() == Some(name)) {
                let known: Vec<_> = ports.iter().filter_map(|port| port.name.as_deref()).collect();
                let why = match known.as_slice() {
                    [] => "no port of the container has a name".to_owned(),
                    known => {
                        format!("no port of the container has that name, but {}", known.join(", "))
                    }
                };
                found.add(SpecError::invalid(&field, name, &why));
            }
            for broken in broken {
                found.add(SpecError::invalid(&field, name, &broken));
            }
        }
    }
}

fn backoff_rules(found: &mut Findings, at: &str, limits: &BackoffLimits) {
    let all = [("base", limits.base), ("cap", limits.cap), ("reset", limits.reset)];
    for (what, value) in all {
        found.check(!value.is_zero(), || {
            SpecError::invalid(format!("{at}.{what}"), value, "must be greater than 0")
        });
        found.bounded(format!("{at}.{what}"), value);
    }
    found.check(limits.base <= limits.cap, || {
        SpecError::invalid(format!("{at}.cap"), limits.cap, "must not be less than the base")
    });
}
