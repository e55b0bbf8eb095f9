//! The pod of a record, and what its containers share.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use super::container::{ContainerSpec, RestartPolicy};
use super::convert::{Convert, choice, plain, record};
use super::security::PodSecurity;
use super::volumes::Volume;
use crate::domain::{image, spec};

record!(PodSpec = spec::PodSpec {
    namespace: String,
    name: String,
    uid: String,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    restart_policy: RestartPolicy,
    termination_grace: Duration,
    #[serde(default)]
    active_deadline: Option<Duration>,
    hostname: Option<String>,
    #[serde(default)]
    service_account: Option<String>,
    #[serde(default)]
    pull_secrets: Vec<PullSecret>,
    #[serde(default)]
    init_containers: Vec<ContainerSpec>,
    containers: Vec<ContainerSpec>,
    #[serde(default)]
    dependents: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    security: PodSecurity,
    #[serde(default)]
    host_namespaces: HostNamespaces,
    #[serde(default)]
    share_process_namespace: bool,
    #[serde(default)]
    network: NetworkMode,
    #[serde(default)]
    naming: Naming,
    #[serde(default)]
    volumes: Vec<Volume>,
    #[serde(default)]
    gates: Gates,
    #[serde(default)]
    origin: Option<Origin>,
    #[serde(skip)]
    ids_of_default: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    submitted: Option<Box<Submitted>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stored: Option<StoredReferences>,
});

record!(StoredReferences = spec::StoredReferences {
    missing: Vec<MissingReference>,
});

record!(MissingReference = spec::MissingReference { user: ReferenceUser, message: String });

choice!(ReferenceUser = spec::ReferenceUser {
    Container(name: String),
    Volume(name: String),
});

record!(
    Submitted = spec::Submitted {
        object: String,
        #[serde(default)]
        managers: String,
        generation: u64,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        finalizers: Vec<String>,
    }
);

record!(Origin = spec::Origin { file: String, directory: u64 });

record!(
    #[derive(Default)]
    Gates = spec::Gates {
        types: Vec<String>,
        #[serde(default)]
        conditions: BTreeMap<String, SetCondition>,
    }
);

record!(
    SetCondition = spec::SetCondition {
        status: ConditionStatus,
        reason: String,
        message: String,
        since: SystemTime,
    }
);

plain!(ConditionStatus = spec::ConditionStatus: True, False, Unknown);

record!(
    #[derive(Default)]
    #[serde(default)]
    HostNamespaces = spec::HostNamespaces { network: bool, pid: bool, ipc: bool }
);

plain!(#[derive(Default)] NetworkMode = spec::NetworkMode: #[default] Cni, None);

record!(
    #[derive(Default)]
    #[serde(default)]
    Naming = spec::Naming {
        subdomain: Option<String>,
        hostname_as_fqdn: bool,
        host_aliases: Vec<HostAlias>,
        dns_policy: DnsPolicy,
        dns: Option<DnsConfig>,
    }
);

record!(HostAlias = spec::HostAlias {
    ip: String,
    hostnames: Vec<String>,
});

plain!(
    #[derive(Default)]
    DnsPolicy = spec::DnsPolicy:
    #[default] ClusterFirst, ClusterFirstWithHostNet, Default, None
);

record!(
    #[derive(Default)]
    #[serde(default)]
    DnsConfig = spec::DnsConfig {
        nameservers: Vec<String>,
        searches: Vec<String>,
        options: Vec<(String, Option<String>)>,
    }
);

record!(Device = spec::Device { host: String, container: String, access: String });

choice!(Login = image::Login {
    Basic { username: String, password: String },
    Bearer(value: String),
});

record!(PullSecret = image::PullSecret {
    name: String,
    keyring: Option<Keyring>,
});

/// Logins, each with the registry or repository that it is for.
#[derive(serde::Serialize, serde::Deserialize)]
pub struct Keyring(Vec<(String, Login)>);

impl Convert<Keyring> for image::Keyring {
    fn convert(self) -> Keyring {
        Keyring(self.into_logins().convert())
    }
}

impl Convert<image::Keyring> for Keyring {
    fn convert(self) -> image::Keyring {
        image::Keyring::of_logins(self.0.convert())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, from_value, to_value};

    use super::*;
    use crate::domain::spec::sample;

    fn retain(object: &mut Value, first: &[&str]) {
        object.as_object_mut().unwrap().retain(|field, _| first.contains(&field.as_str()));
    }

    #[test]
    fn fields_that_came_later_may_be_missing() {
        let pod = sample::pod();
        let mut old = to_value(Convert::<PodSpec>::convert(pod.clone())).unwrap();
        let first = [
            "namespace",
            "name",
            "uid",
            "labels",
            "annotations",
            "restart_policy",
            "termination_grace",
            "hostname",
            "containers",
        ];
        retain(&mut old, &first);
        let first = [
            "name",
            "source",
            "command",
            "args",
            "env",
            "working_dir",
            "ports",
            "probes",
            "restart_policy",
            "backoff",
        ];
        for container in old["containers"].as_array_mut().unwrap() {
            retain(container, &first);
            for variable in container["env"].as_array_mut().unwrap() {
                retain(variable, &["name", "value"]);
            }
        }
        let read: spec::PodSpec = from_value::<PodSpec>(old).unwrap().convert();
        assert_eq!(read, pod);
    }
}
