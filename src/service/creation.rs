//! `CreateContainer`'s request as a pod of one container. All errors of the request are found at once.

use std::path::PathBuf;
use std::time::Duration;

use super::convert::of_the_request;
use super::error::field;
use super::findings::Findings;
use super::{lifecycle, probes};
use crate::domain::image::PullPolicy;
use crate::domain::pod_key::PodKey;
use crate::domain::spec::{
    BackoffLimits, ContainerPort, ContainerSpec, EnvVar, MessagePolicy, PodSpec, RestartPolicy,
    Source, SpecError, SpecErrors, Streams, TerminationMessage, Validated,
};
use crate::{pb, structs};

/// The pod of a container that is created without a pod: it has the container's name.
pub fn pod_of_one(
    request: pb::CreateContainerRequest,
    uid: String,
) -> Result<Validated<PodSpec>, SpecErrors> {
    let mut found = Findings::default();
    let spec = read(request, uid, &mut found);
    match spec.validate() {
        Ok(valid) => found.end(valid),
        Err(errors) => {
            let errors = of_the_request(errors);
            found.follow(errors.clone());
            // There is an error, so this returns all of them.
            found.end(()).and(Err(errors))
        }
    }
}

/// A field with an error has its default.
fn read(request: pb::CreateContainerRequest, uid: String, found: &mut Findings) -> PodSpec {
    let source = source(request.source, request.rootfs, found);
    let is_image = matches!(source, Source::Image(_));
    let restart_policy = policy(request.restart_policy, found);
    let rules = lifecycle::rules(request.restart_policy_rules, found);
    let grace = request.termination_grace_period;
    let grace = found.value(probes::duration("terminationGracePeriod", grace));
    let (path, policy) = (request.termination_message_path, request.termination_message_policy);
    let termination_message = message(path, &policy, is_image, found);
    let container = ContainerSpec {
        name: request.name.clone(),
        source,
        pull_policy: found.value(pull_policy(&request.image_pull_policy, is_image)),
        command: request.command,
        args: request.args,
        env: request.env.into_iter().map(|e| EnvVar::new(e.name, e.value)).collect(),
        working_dir: Some(request.working_dir).filter(|dir| !dir.is_empty()),
        ports: request.ports.into_iter().enumerate().map(|at| port(at, found)).collect(),
        probes: probes::probes(
            (request.startup_probe, request.readiness_probe, request.liveness_probe),
            found,
        ),
        lifecycle: lifecycle::lifecycle(request.lifecycle, found),
        // Rules go with a policy of the container's own.
        restart_policy: (!rules.is_empty()).then_some(restart_policy),
        restart_policy_rules: rules,
        termination_message,
        backoff: backoff(request.backoff, found),
        security: Default::default(),
        resources: Default::default(),
        devices: Default::default(),
        volume_mounts: vec![],
        log_limits: Default::default(),
        streams: Streams { stdin: request.stdin, stdin_once: request.stdin_once, tty: request.tty },
    };
    refuse_process_of_a_bundle(&container, found);
    PodSpec {
        namespace: PodKey::named(&request.namespace, "").namespace().to_owned(),
        name: request.name,
        uid,
        labels: request.labels.into_iter().collect(),
        annotations: Default::default(),
        restart_policy,
        termination_grace: grace.unwrap_or(Duration::from_secs(30)),
        active_deadline: None,
        hostname: None,
        service_account: None,
        pull_secrets: vec![],
        init_containers: vec![],
        dependents: Default::default(),
        security: Default::default(),
        host_namespaces: Default::default(),
        network: Default::default(),
        share_process_namespace: false,
        naming: Default::default(),
        volumes: vec![],
        gates: Default::default(),
        origin: None,
        ids_of_default: false,
        submitted: None,
        stored: None,
        containers: vec![container],
    }
}

fn pull_policy(policy: &str, is_image: bool) -> Result<Option<PullPolicy>, SpecError> {
    const FIELD: &str = "imagePullPolicy";
    if policy.is_empty() {
        return Ok(None);
    }
    if !is_image {
        return Err(field(FIELD, "Forbidden: a bundle has no image"));
    }
    let found = PullPolicy::ALL.into_iter().find(|supported| supported.as_str() == policy);
    let supported = PullPolicy::ALL.map(PullPolicy::as_str);
    Ok(Some(found.ok_or_else(|| SpecError::unsupported(FIELD, policy, &supported))?))
}

fn message(path: String, policy: &str, is_image: bool, found: &mut Findings) -> TerminationMessage {
    let mut message = TerminationMessage::default();
    if !path.is_empty() && is_image {
        message.path = path;
    } else if !path.is_empty() {
        let why = "Forbidden: a bundle's mounts are the OCI spec's";
        found.add(field("terminationMessagePath", why));
    }
    match MessagePolicy::parse(policy) {
        _ if policy.is_empty() => {}
        Some(policy) => message.policy = policy,
        None => {
            let supported = MessagePolicy::ALL.map(MessagePolicy::as_str);
            found.add(SpecError::unsupported("terminationMessagePolicy", policy, &supported));
        }
    }
    message
}

fn source(
    source: Option<pb::create_container_request::Source>,
    rootfs: String,
    found: &mut Findings,
) -> Source {
    use pb::create_container_request::Source as Given;
    let oci_spec = match source {
        None => {
            found.add(field("image", "Required value: image, ociSpec or ociSpecJson"));
            return Source::Image(String::new());
        }
        Some(Given::Image(image)) => {
            if !rootfs.is_empty() {
                found.add(field("rootfs", "Forbidden: may not be set with an image"));
            }
            return Source::Image(image);
        }
        Some(Given::OciSpec(object)) => structs::to_json(object).to_string(),
        Some(Given::OciSpecJson(text)) => text,
    };
    let rootfs = PathBuf::from(rootfs);
    for error in probelet_oci::bundle_errors(&oci_spec, &rootfs) {
        found.add(field(error.field, error.reason));
    }
    Source::Bundle { oci_spec, rootfs }
}

/// Refuses fields that a bundle's own OCI spec sets: they would be ignored.
fn refuse_process_of_a_bundle(container: &ContainerSpec, found: &mut Findings) {
    if matches!(container.source, Source::Image(_)) {
        return;
    }
    let set = [
        ("command", !container.command.is_empty()),
        ("args", !container.args.is_empty()),
        ("env", !container.env.is_empty()),
        ("workingDir", container.working_dir.is_some()),
        ("stdin", container.streams.stdin),
        ("tty", container.streams.tty),
    ];
    for (name, _) in set.iter().filter(|(_, is_set)| *is_set) {
        found.add(field(*name, "Forbidden: the OCI spec's process sets it"));
    }
}

fn port((index, port): (usize, pb::ContainerPort), found: &mut Findings) -> ContainerPort {
    let mut number = |name: &str, value: u32| {
        let of_range = |_| SpecError::port_range(format!("ports[{index}].{name}"), value);
        found.value(u16::try_from(value).map_err(of_range))
    };
    let host_port = number("hostPort", port.host_port);
    let container_port = number("containerPort", port.container_port);
    if port.host_port == 0 && !port.host_ip.is_empty() {
        found.add(field(format!("ports[{index}].hostIp"), "Forbidden: there is no hostPort"));
    }
    ContainerPort {
        name: Some(port.name).filter(|name| !name.is_empty()),
        port: container_port,
        protocol: if port.protocol.is_empty() { "TCP".into() } else { port.protocol },
        host_port: (host_port != 0).then_some(host_port),
        host_ip: Some(port.host_ip).filter(|ip| !ip.is_empty()),
    }
}

fn policy(policy: i32, found: &mut Findings) -> RestartPolicy {
    match pb::RestartPolicy::try_from(policy) {
        Ok(pb::RestartPolicy::Unspecified | pb::RestartPolicy::Always) => RestartPolicy::Always,
        Ok(pb::RestartPolicy::OnFailure) => RestartPolicy::OnFailure,
        Ok(pb::RestartPolicy::Never) => RestartPolicy::Never,
        Err(_) => {
            found.add(field("restartPolicy", format!("Unsupported value: {policy}")));
            RestartPolicy::Always
        }
    }
}

fn backoff(backoff: Option<pb::Backoff>, found: &mut Findings) -> BackoffLimits {
    let mut limits = BackoffLimits::default();
    let Some(backoff) = backoff else { return limits };
    let mut length = |name: &str, given| found.value(probes::duration(name, given));
    limits.base = length("backoff.base", backoff.base).unwrap_or(limits.base);
    limits.cap = length("backoff.cap", backoff.cap).unwrap_or(limits.cap);
    limits.reset = length("backoff.reset", backoff.reset).unwrap_or(limits.reset);
    limits.max_restarts = backoff.max_restarts;
    limits
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(request: pb::CreateContainerRequest) -> Vec<String> {
        let errors = pod_of_one(request, "u".into()).unwrap_err().0;
        errors.into_iter().map(|error| error.field).collect()
    }

    #[test]
    fn every_bad_field_of_a_request_is_named_at_once() {
        use pb::create_container_request::Source::{Image, OciSpec};
        use pb::probe::Handler::{HttpGet, Url};
        let seconds = |seconds| Some(prost_types::Duration { seconds, nanos: 0 });
        let probe = |handler| Some(pb::Probe { handler, ..Default::default() });
        let port = Some(prost_types::Value {
            kind: Some(prost_types::value::Kind::NumberValue(70_000.0)),
        });
        let scheme = "FTP".to_owned();
        let request = pb::CreateContainerRequest {
            name: "No Label".into(),
            source: Some(Image("i".into())),
            rootfs: "/r".into(),
            restart_policy: 9,
            image_pull_policy: "Sometimes".into(),
            termination_message_policy: "x".into(),
            ports: vec![pb::ContainerPort { container_port: 70_000, ..Default::default() }],
            termination_grace_period: seconds(-1),
            liveness_probe: Some(pb::Probe {
                period: seconds(-1),
                timeout: Some(prost_types::Duration { seconds: 0, nanos: 1 }),
                ..probe(Some(HttpGet(pb::HttpGetAction { port, scheme, ..Default::default() })))
                    .unwrap()
            }),
            readiness_probe: probe(None),
            startup_probe: probe(Some(Url("ftp://x".into()))),
            lifecycle: Some(pb::Lifecycle { stop_signal: "X".into(), ..Default::default() }),
            restart_policy_rules: vec![pb::RestartRule::default()],
            backoff: Some(pb::Backoff {
                base: seconds(-1),
                cap: seconds(-1),
                ..Default::default()
            }),
            ..Default::default()
        };
        let mut found = fields(request);
        found.sort();
        assert_eq!(
            found,
            [
                "backoff.base",
                "backoff.cap",
                "imagePullPolicy",
                "lifecycle.stopSignal",
                "livenessProbe.httpGet.port",
                "livenessProbe.httpGet.scheme",
                "livenessProbe.period",
                "livenessProbe.timeout",
                "name",
                "ports[0].containerPort",
                "readinessProbe",
                "restartPolicy",
                "restartPolicyRules[0].operator",
                "rootfs",
                "startupProbe.url",
                "terminationGracePeriod",
                "terminationMessagePolicy",
            ]
        );
        let spec = json!({ "process": { "cwd": "x" } });
        let spec = structs::from_json(spec).unwrap();
        let request = pb::CreateContainerRequest {
            name: "a".into(),
            source: Some(OciSpec(spec)),
            args: vec!["x".into()],
            ..Default::default()
        };
        let found = fields(request);
        let expected = ["ociSpec.process.args", "ociSpec.process.cwd", "args", "rootfs"];
        assert_eq!(found, expected);
    }
}
