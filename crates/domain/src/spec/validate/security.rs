//! Security contexts and sysctls.

use std::collections::BTreeSet;

use super::{Findings, SpecError};
use crate::spec::capability;
use crate::spec::{
    AppArmorProfile, ContainerSpec, Identity, PodSpec, SeccompProfile, Security, Source, Sysctl,
};

const MAX_ID: i64 = i32::MAX as i64;
const MAX_SYSCTL: usize = 253;
const LONGEST_PROFILE: usize = 4095;

pub fn pod_rules(found: &mut Findings, pod: &PodSpec) {
    let (at, security) = ("spec.securityContext", &pod.security);
    identity_rules(found, at, &security.identity);
    id_rule(found, format!("{at}.fsGroup"), security.fs_group);
    for (index, group) in security.supplemental_groups.iter().enumerate() {
        id_rule(found, format!("{at}.supplementalGroups[{index}]"), Some(*group));
    }
    profile_rules(found, at, security.seccomp.as_ref(), security.app_armor.as_ref());
    let mut seen = BTreeSet::new();
    for (index, sysctl) in security.sysctls.iter().enumerate() {
        let at = format!("{at}.sysctls[{index}].name");
        sysctl_rules(found, &at, pod, sysctl);
        if !seen.insert(sysctl.dotted()) {
            found.add(SpecError::duplicate(at, &sysctl.name));
        }
    }
}

pub fn container_rules(found: &mut Findings, at: &str, container: &ContainerSpec) {
    let security = &container.security;
    let is_bundle = matches!(container.source, Source::Bundle { .. });
    if is_bundle && *security != Security::default() {
        let why = "the OCI spec defines it";
        return found.add(SpecError::forbidden(format!("{at}.securityContext"), why));
    }
    let at = format!("{at}.securityContext");
    identity_rules(found, &at, &security.identity);
    profile_rules(found, &at, security.seccomp.as_ref(), security.app_armor.as_ref());
    for (list, names) in [("add", &security.add), ("drop", &security.drop)] {
        for (index, name) in names.iter().enumerate() {
            found.check(capability::name(name).is_some(), || {
                let field = format!("{at}.capabilities.{list}[{index}]");
                SpecError::invalid(field, name, "is no capability that Linux has")
            });
        }
    }
    if security.allow_privilege_escalation == Some(false) {
        let adds = |name: &String| capability::name(name) == Some("SYS_ADMIN");
        let field = format!("{at}.allowPrivilegeEscalation");
        if security.is_privileged() {
            let why = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true";
            found.add(SpecError::invalid(field, false, why));
        } else if security.add.iter().any(adds) {
            let why = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` \
                       CAP_SYS_ADMIN";
            found.add(SpecError::invalid(field, false, why));
        }
    }
}

fn identity_rules(found: &mut Findings, at: &str, identity: &Identity) {
    id_rule(found, format!("{at}.runAsUser"), identity.user);
    id_rule(found, format!("{at}.runAsGroup"), identity.group);
}

fn id_rule(found: &mut Findings, field: String, id: Option<i64>) {
    let Some(id) = id else { return };
    found.check((0..=MAX_ID).contains(&id), || {
        SpecError::invalid(field, id, "must be between 0 and 2147483647, inclusive")
    });
}

fn profile_rules(
    found: &mut Findings,
    at: &str,
    seccomp: Option<&SeccompProfile>,
    app_armor: Option<&AppArmorProfile>,
) {
    if let Some(SeccompProfile::Localhost(path)) = seccomp {
        let field = format!("{at}.seccompProfile.localhostProfile");
        if path.is_empty() {
            let why = "must be set when seccomp type is Localhost";
            found.add(SpecError::required(field, why));
        } else if path.starts_with('/') {
            found.add(SpecError::invalid(field, path, "must be a relative path"));
        } else if path.split('/').any(|part| part == "..") {
            found.add(SpecError::invalid(field, path, "must not contain '..'"));
        }
    }
    if let Some(AppArmorProfile::Localhost(name)) = app_armor {
        let field = format!("{at}.appArmorProfile.localhostProfile");
        if name.trim().is_empty() {
            let why = "must be set when AppArmor type is Localhost";
            found.add(SpecError::required(field, why));
        } else if name.trim() != name {
            let why = "must not be padded with whitespace";
            found.add(SpecError::invalid(field, name, why));
        } else if name.len() > LONGEST_PROFILE {
            let reason = format!("Too long: may not be more than {LONGEST_PROFILE} bytes");
            found.add(SpecError::new(field, reason));
        }
    }
}

fn sysctl_rules(found: &mut Findings, at: &str, pod: &PodSpec, sysctl: &Sysctl) {
    let name = &sysctl.name;
    let is_part = |part: &str| {
        let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        part.starts_with(edge)
            && part.ends_with(edge)
            && part.chars().all(|c| edge(c) || c == '-' || c == '_')
    };
    if name.is_empty() {
        return found.add(SpecError::required(at, ""));
    }
    if name.len() > MAX_SYSCTL || !name.split(['.', '/']).all(is_part) {
        let why = "must have at most 253 characters and match regex \
                   ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$";
        return found.add(SpecError::invalid(at, name, why));
    }
    if !sysctl.is_of_network() && !sysctl.is_of_ipc() {
        let why = "is not namespaced: it would be the host's";
        found.add(SpecError::invalid(at, name, why));
    }
    if sysctl.is_of_network() && pod.host_namespaces.network {
        let why = "may not be specified when 'hostNetwork' is true";
        found.add(SpecError::invalid(at, name, why));
    }
    if sysctl.is_of_ipc() && pod.host_namespaces.ipc {
        let why = "may not be specified when 'hostIPC' is true";
        found.add(SpecError::invalid(at, name, why));
    }
}
