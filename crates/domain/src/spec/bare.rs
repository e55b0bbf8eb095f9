//! Specs with the required fields alone, to which callers add the others.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{BackoffLimits, ContainerSpec, PodSpec, Probes, RestartPolicy, Source};

impl PodSpec {
    /// Makes a pod with Kubernetes' defaults in the namespace `default`.
    pub fn bare(name: String, uid: String, containers: Vec<ContainerSpec>) -> Self {
        Self {
            namespace: "default".to_owned(),
            name,
            uid,
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            restart_policy: RestartPolicy::Always,
            termination_grace: Duration::from_secs(30),
            active_deadline: None,
            hostname: None,
            service_account: None,
            pull_secrets: Vec::new(),
            init_containers: Vec::new(),
            dependents: BTreeMap::new(),
            containers,
            security: Default::default(),
            host_namespaces: Default::default(),
            network: Default::default(),
            share_process_namespace: false,
            naming: Default::default(),
            volumes: Vec::new(),
            gates: Default::default(),
            origin: None,
            ids_of_default: false,
            submitted: None,
            stored: None,
        }
    }
}

impl ContainerSpec {
    /// Makes a container that runs what its source defines, without probes, limits or mounts.
    pub fn bare(name: String, source: Source) -> Self {
        Self {
            name,
            source,
            pull_policy: None,
            command: Vec::new(),
            args: Vec::new(),
            env: Vec::new(),
            working_dir: None,
            ports: Vec::new(),
            probes: Probes::default(),
            lifecycle: Default::default(),
            restart_policy: None,
            restart_policy_rules: Vec::new(),
            termination_message: Default::default(),
            backoff: BackoffLimits::default(),
            security: Default::default(),
            resources: Default::default(),
            devices: Vec::new(),
            volume_mounts: Vec::new(),
            log_limits: Default::default(),
            streams: Default::default(),
        }
    }
}
