//! Differences between two specs of a pod, and which of them need new instances.

use super::{ContainerSpec, HostNamespaces, Naming, PodSpec, Source, Volume, VolumeSource};
use crate::image::PullPolicy;

/// Kind of difference between two specs of one pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The specs are equal, apart from pull policies that mean the same.
    None,
    /// Only fields differ that take effect without a new instance.
    Live,
    /// These fields need a new instance; others may differ too.
    Fixed(Vec<String>),
}

impl PodSpec {
    /// Returns this spec with the values of a live pod that no manifest contains: its UID, the
    /// conditions that callers have set, and whether an older build made its ids. Files of stored
    /// objects that do not exist any more stay.
    #[must_use]
    pub fn in_place_of(mut self, live: &Self) -> Self {
        self.uid.clone_from(&live.uid);
        self.gates.conditions.clone_from(&live.gates.conditions);
        self.ids_of_default = live.ids_of_default;
        self.keep_files(live);
        self
    }

    /// Compares this spec with `new`. Probes, hooks, the stop signal, port names, restart policies,
    /// graces, back-off limits, log limits, pull policies, labels, annotations and the content of
    /// files can change on a live pod.
    pub fn change_to(&self, new: &Self) -> Change {
        let (old, new) = (in_short(self), in_short(new));
        if old == new {
            return Change::None;
        }
        let fixed = fixed_differences(&old, &new);
        if fixed.is_empty() { Change::Live } else { Change::Fixed(fixed) }
    }
}

/// Returns the spec without pull policies that have the same effect as none. A spec that was
/// exported and applied again has a policy for every image.
fn in_short(pod: &PodSpec) -> PodSpec {
    let mut short = pod.clone();
    for container in short.init_containers.iter_mut().chain(&mut short.containers) {
        if let Source::Image(name) = &container.source {
            container.pull_policy = PullPolicy::in_effect(container.pull_policy, name);
        }
    }
    for volume in &mut short.volumes {
        if let VolumeSource::Image(image) = &mut volume.source {
            image.pull_policy = PullPolicy::in_effect(image.pull_policy, &image.reference);
        }
    }
    short
}

/// Returns the fields that differ and need a new instance.
fn fixed_differences(old: &PodSpec, new: &PodSpec) -> Vec<String> {
    // Every field is named, so that the compiler asks for a decision on a new one.
    let PodSpec {
        namespace,
        name,
        uid,
        labels: _,
        annotations: _,
        restart_policy: _,
        termination_grace: _,
        active_deadline: _,
        hostname,
        // Used at the next pull.
        pull_secrets: _,
        service_account: _,
        init_containers: _,
        containers: _,
        dependents: _,
        security,
        host_namespaces,
        network: mode,
        share_process_namespace,
        naming,
        volumes,
        // The gates affect only the pod's condition `Ready`.
        gates: _,
        // A file may be renamed without a change of its pod.
        origin: _,
        ids_of_default: _,
        // It is only given back.
        submitted: _,
        // Used at the next start.
        stored: _,
    } = old;
    let HostNamespaces { network, pid, ipc } = host_namespaces;
    let Naming { subdomain, hostname_as_fqdn, host_aliases, dns_policy, dns } = naming;
    let own = [
        ("metadata.namespace", *namespace != new.namespace),
        ("metadata.name", *name != new.name),
        ("metadata.uid", *uid != new.uid),
        ("spec.hostname", *hostname != new.hostname),
        ("spec.securityContext", *security != new.security),
        ("spec.hostNetwork", *network != new.host_namespaces.network),
        ("spec.hostPID", *pid != new.host_namespaces.pid),
        ("spec.hostIPC", *ipc != new.host_namespaces.ipc),
        ("spec.network", *mode != new.network),
        ("spec.shareProcessNamespace", *share_process_namespace != new.share_process_namespace),
        ("spec.subdomain", *subdomain != new.naming.subdomain),
        ("spec.setHostnameAsFQDN", *hostname_as_fqdn != new.naming.hostname_as_fqdn),
        ("spec.hostAliases", *host_aliases != new.naming.host_aliases),
        ("spec.dnsPolicy", *dns_policy != new.naming.dns_policy),
        ("spec.dnsConfig", *dns != new.naming.dns),
        ("spec.volumes", !volumes_are_alike(volumes, &new.volumes)),
        ("spec.initContainers", names(&old.init_containers).ne(names(&new.init_containers))),
        ("spec.containers", names(&old.containers).ne(names(&new.containers))),
    ];
    let own = own.into_iter().filter(|(_, differs)| *differs);
    let mut fixed: Vec<_> = own.map(|(field, _)| field.to_owned()).collect();
    let same = |field: &str| !fixed.iter().any(|differs| differs == field);
    // The containers are compared only if both specs have the same ones, in the same order.
    if same("spec.initContainers") && same("spec.containers") {
        for (index, (container, other)) in old.all().zip(new.all()).enumerate() {
            // A sidecar starts and stops at other times than an init container.
            let moved = (old.role_at(index) != new.role_at(index)).then_some("restartPolicy");
            let fields = container.fixed_differences(other).chain(moved);
            fixed.extend(fields.map(|field| format!("{}.{field}", old.field_at(index))));
        }
    }
    fixed
}

/// True if the volumes differ at most in the content of files, which needs no new instance.
fn volumes_are_alike(old: &[Volume], new: &[Volume]) -> bool {
    old.len() == new.len() && old.iter().zip(new).all(|(old, new)| old.differs_in_content_only(new))
}

fn names(containers: &[ContainerSpec]) -> impl Iterator<Item = &str> {
    containers.iter().map(|container| container.name.as_str())
}

impl ContainerSpec {
    /// Returns whether a running instance has to be replaced to take over `new`.
    pub fn needs_new_instance(&self, new: &Self) -> bool {
        self.fixed_differences(new).next().is_some()
    }

    fn fixed_differences(&self, new: &Self) -> impl Iterator<Item = &'static str> + use<> {
        let Self {
            name,
            source,
            // Used at the next start.
            pull_policy: _,
            command,
            args,
            // Compared below.
            env: _,
            working_dir,
            // Names of ports have no effect on an instance; host ports are compared below.
            ports: _,
            probes: _,
            lifecycle: _,
            restart_policy: _,
            restart_policy_rules: _,
            termination_message: message,
            backoff: _,
            security,
            resources,
            devices,
            volume_mounts,
            // Used at the next start.
            log_limits: _,
            streams,
        } = self;
        let differences = [
            ("name", *name != new.name),
            ("image", *source != new.source),
            ("command", *command != new.command),
            ("args", *args != new.args),
            ("env", self.fixed_env().ne(new.fixed_env())),
            ("workingDir", *working_dir != new.working_dir),
            ("securityContext", *security != new.security),
            ("resources", *resources != new.resources),
            ("devices", *devices != new.devices),
            (
                "ports",
                self.host_ports().map(|(_, port)| port).ne(new.host_ports().map(|(_, port)| port)),
            ),
            ("volumeMounts", *volume_mounts != new.volume_mounts),
            ("terminationMessagePath", message.path != new.termination_message.path),
            ("terminationMessagePolicy", message.policy != new.termination_message.policy),
            ("stdin", streams.stdin != new.streams.stdin),
            ("stdinOnce", streams.stdin_once != new.streams.stdin_once),
            ("tty", streams.tty != new.streams.tty),
        ];
        differences.into_iter().filter(|(_, differs)| *differs).map(|(field, _)| field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::*;

    type Edit = fn(&mut PodSpec);

    #[test]
    fn a_pull_policy_with_the_effect_of_none_is_no_change() {
        let pulled = |image: &str, policy| {
            let mut pod = sample::pod();
            pod.containers[0].source = Source::Image(image.into());
            pod.containers[0].pull_policy = policy;
            let image = VolumeImage { reference: image.into(), pull_policy: policy };
            pod.volumes = vec![Volume { name: "v".into(), source: VolumeSource::Image(image) }];
            pod
        };
        let default = Some(PullPolicy::IfNotPresent);
        for (image, policy, expected) in [
            ("i:1", default, Change::None),
            ("i:1", Some(PullPolicy::Always), Change::Fixed(vec!["spec.volumes".into()])),
            ("i", default, Change::Fixed(vec!["spec.volumes".into()])),
            ("i", Some(PullPolicy::Always), Change::Fixed(vec!["spec.volumes".into()])),
        ] {
            let (old, new) = (pulled(image, None), pulled(image, policy));
            assert_eq!(old.change_to(&new), expected, "{image} {policy:?}");
            assert_eq!(new.change_to(&old), expected, "{image} {policy:?}");
        }
    }

    #[test]
    fn each_field_is_fixed_or_live() {
        let old = sample::pod();
        assert_eq!(old.change_to(&old), Change::None);
        let edits: [(Edit, Option<&str>); 18] = [
            (|pod| pod.containers[0].streams.stdin = true, Some("spec.containers[0].stdin")),
            (
                |pod| pod.containers[0].streams.stdin_once = true,
                Some("spec.containers[0].stdinOnce"),
            ),
            (|pod| pod.containers[0].streams.tty = true, Some("spec.containers[0].tty")),
            (|pod| pod.share_process_namespace = true, Some("spec.shareProcessNamespace")),
            (|pod| pod.security.fs_group = Some(1), Some("spec.securityContext")),
            (|pod| pod.host_namespaces.pid = true, Some("spec.hostPID")),
            (|pod| pod.naming.subdomain = Some("s".into()), Some("spec.subdomain")),
            (
                |pod| pod.containers[0].resources.limits.cpu = Some(1),
                Some("spec.containers[0].resources"),
            ),
            (|pod| pod.hostname = Some("h".into()), Some("spec.hostname")),
            (|pod| pod.containers[0].name = "x".into(), Some("spec.containers")),
            (|pod| pod.containers[0].args = vec!["x".into()], Some("spec.containers[0].args")),
            (|pod| pod.containers[0].env.clear(), Some("spec.containers[0].env")),
            (
                |pod| pod.containers[0].source = Source::Image("y".into()),
                Some("spec.containers[0].image"),
            ),
            (
                |pod| pod.containers[0].termination_message.path = "/x".into(),
                Some("spec.containers[0].terminationMessagePath"),
            ),
            (|pod| pod.labels.clear(), None),
            (|pod| pod.restart_policy = RestartPolicy::Never, None),
            (|pod| pod.termination_grace = Default::default(), None),
            (
                |pod| {
                    let exec = Exec { command: vec!["true".into()] };
                    pod.containers[0].probes.liveness = Some(ProbeSpec::new(Handler::Exec(exec)));
                },
                None,
            ),
        ];
        for (edit, fixed) in edits {
            let mut new = old.clone();
            edit(&mut new);
            let expected =
                fixed.map_or(Change::Live, |field| Change::Fixed(vec![field.to_owned()]));
            assert_eq!(old.change_to(&new), expected);
        }
    }
}
