//! Rules of host ports and of the network mode.

use core::net::IpAddr;
use std::collections::BTreeSet;

use super::{Findings, SpecError};
use crate::spec::{NetworkMode, PodSpec, Source};

pub fn pod_rules(found: &mut Findings, pod: &PodSpec) {
    let has_hosts = pod.host_namespaces.network;
    found.check(!(has_hosts && pod.network == NetworkMode::None), || {
        SpecError::forbidden("spec.network", "may not be set when `hostNetwork` is true")
    });
    let is_bundle = pod.all().any(|it| matches!(it.source, Source::Bundle { .. }));
    let mut seen = BTreeSet::new();
    for (field, port) in pod.host_ports() {
        let (host, own) = (port.host_port, port.container_port);
        if host == 0 {
            found.add(SpecError::port_range(&field, host));
        } else if has_hosts {
            let why = "must match `containerPort` when `hostNetwork` is true";
            found.check(host == own, || SpecError::invalid(&field, host, why));
        } else if pod.network == NetworkMode::None {
            found.add(SpecError::forbidden(&field, "the pod has its loopback alone"));
        } else if is_bundle {
            found.add(SpecError::forbidden(&field, "the OCI spec defines the network"));
        }
        let ip = port.host_ip.unwrap_or_default();
        if !ip.is_empty() && ip.parse::<IpAddr>().is_err() {
            let at = field.strip_suffix("hostPort").unwrap_or(&field);
            let why = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
            found.add(SpecError::invalid(format!("{at}hostIP"), &ip, why));
        }
        let key = format!("{}/{ip}/{host}", port.protocol);
        if !seen.insert(key.clone()) {
            found.add(SpecError::duplicate(field, &key));
        }
    }
}
