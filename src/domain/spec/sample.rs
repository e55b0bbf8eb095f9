//! A pod for tests.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;

pub(crate) fn pod() -> PodSpec {
    PodSpec {
        namespace: "default".into(),
        name: "web".into(),
        uid: "0a1b".into(),
        labels: BTreeMap::from([("app".into(), "web".into())]),
        annotations: BTreeMap::new(),
        restart_policy: RestartPolicy::OnFailure,
        termination_grace: Duration::from_secs(30),
        active_deadline: None,
        hostname: None,
        pull_secrets: vec![],
        init_containers: vec![],
        dependents: Default::default(),
        security: Default::default(),
        host_namespaces: Default::default(),
        naming: Default::default(),
        volumes: vec![],
        containers: vec![ContainerSpec {
            name: "app".into(),
            source: Source::Image("docker.io/library/web:1".into()),
            pull_policy: None,
            command: vec![],
            args: vec![],
            env: vec![EnvVar::new("MODE", "a=b \"c\"")],
            working_dir: None,
            ports: vec![],
            probes: Probes::default(),
            lifecycle: Default::default(),
            restart_policy: None,
            restart_policy_rules: vec![],
            termination_message: Default::default(),
            backoff: BackoffLimits::default(),
            security: Default::default(),
            resources: Default::default(),
            devices: Default::default(),
            volume_mounts: vec![],
        }],
    }
}
