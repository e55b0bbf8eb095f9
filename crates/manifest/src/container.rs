//! Kubernetes' Container → [`ContainerSpec`].

use k8s_openapi::api::core::v1 as k8s;

use crate::object_refs::ObjectScope;
use crate::optional_fields::filled;
use crate::{
    env, lifecycle, message, ports, probes, pull_policy, resources, restart_policy, security,
    streams, volume_mounts,
};
use probelet_domain::spec::{BackoffLimits, ContainerSpec, Probes, Source, SpecError};

/// Converts a container; `at` is the path of its fields.
pub fn read(
    at: &str,
    container: k8s::Container,
    objects: ObjectScope<'_>,
    errors: &mut Vec<SpecError>,
    warnings: &mut Vec<String>,
) -> ContainerSpec {
    let image = container.image.unwrap_or_default();
    let policy_at = format!("{at}.imagePullPolicy");
    let pull_policy = pull_policy::read(&policy_at, container.image_pull_policy.as_deref(), errors);
    let (restart, rules) = (format!("{at}.restartPolicy"), format!("{at}.restartPolicyRules"));
    let mut probe = |name: &str, probe: Option<k8s::Probe>| {
        probe.map(|p| probes::read(&format!("{at}.{name}Probe"), p, errors))
    };
    let probes = Probes {
        startup: probe("startup", container.startup_probe),
        readiness: probe("readiness", container.readiness_probe),
        liveness: probe("liveness", container.liveness_probe),
    };
    let (path, policy) = (container.termination_message_path, container.termination_message_policy);
    let message = message::read(at, path, policy, errors);
    let env = env::read(at, (container.env_from, container.env), objects, errors);
    let security_at = format!("{at}.securityContext");
    ContainerSpec {
        name: container.name,
        source: Source::Image(image),
        pull_policy,
        command: container.command.unwrap_or_default(),
        args: container.args.unwrap_or_default(),
        env,
        working_dir: filled(container.working_dir),
        ports: ports::read(at, container.ports.unwrap_or_default(), errors, warnings),
        probes,
        lifecycle: lifecycle::read(&format!("{at}.lifecycle"), container.lifecycle, errors),
        restart_policy: restart_policy::read(&restart, container.restart_policy, errors),
        restart_policy_rules: restart_policy::read_rules(
            &rules,
            container.restart_policy_rules,
            errors,
        ),
        termination_message: message,
        backoff: BackoffLimits::default(),
        security: security::read_container(&security_at, container.security_context, errors),
        resources: resources::read(at, container.resources, errors, warnings),
        devices: Vec::new(),
        volume_mounts: volume_mounts::read(at, container.volume_mounts, errors),
        log_limits: Default::default(),
        streams: streams::read(container.stdin, container.stdin_once, container.tty),
    }
}
