//! Security contexts, both ways.

use k8s_openapi::api::core::v1 as k8s;

use super::convert::filled;
use super::spec_out::{list, some};
use probelet_domain::spec::{
    AppArmorProfile, FsGroupChangePolicy, GroupsPolicy, Identity, PodSecurity, ProcMount,
    SeccompProfile, Security, SpecError, Sysctl,
};

const TYPES: [&str; 3] = ["Localhost", "RuntimeDefault", "Unconfined"];

pub(super) fn pod(
    at: &str,
    context: Option<k8s::PodSecurityContext>,
    errors: &mut Vec<SpecError>,
    warnings: &mut Vec<String>,
) -> PodSecurity {
    let Some(context) = context else { return PodSecurity::default() };
    let sysctls = context.sysctls.unwrap_or_default().into_iter();
    let sysctls: Vec<_> = sysctls.map(|s| Sysctl { name: s.name, value: s.value }).collect();
    for (index, sysctl) in sysctls.iter().enumerate() {
        if !sysctl.is_safe() && (sysctl.is_of_network() || sysctl.is_of_ipc()) {
            let name = &sysctl.name;
            warnings.push(format!(
                "{at}.sysctls[{index}].name: {name} is not among Kubernetes' safe sysctls; a \
                 kubelet sets it only where it is told to allow it"
            ));
        }
    }
    let policies = [("Merge", GroupsPolicy::Merge), ("Strict", GroupsPolicy::Strict)];
    let changes = [
        ("OnRootMismatch", FsGroupChangePolicy::OnRootMismatch),
        ("Always", FsGroupChangePolicy::Always),
    ];
    let (groups, change) = (context.supplemental_groups_policy, context.fs_group_change_policy);
    PodSecurity {
        identity: Identity {
            user: context.run_as_user,
            group: context.run_as_group,
            non_root: context.run_as_non_root,
        },
        seccomp: seccomp(at, context.seccomp_profile, errors),
        app_armor: app_armor(at, context.app_armor_profile, errors),
        fs_group: context.fs_group,
        fs_group_change_policy: one_of(at, "fsGroupChangePolicy", change, &changes, errors),
        supplemental_groups: context.supplemental_groups.unwrap_or_default(),
        supplemental_groups_policy: one_of(
            at,
            "supplementalGroupsPolicy",
            groups,
            &policies,
            errors,
        ),
        sysctls,
    }
}

pub(super) fn container(
    at: &str,
    context: Option<k8s::SecurityContext>,
    errors: &mut Vec<SpecError>,
) -> Security {
    let Some(context) = context else { return Security::default() };
    let capabilities = context.capabilities.unwrap_or_default();
    let mounts = [("Default", ProcMount::Default), ("Unmasked", ProcMount::Unmasked)];
    Security {
        identity: Identity {
            user: context.run_as_user,
            group: context.run_as_group,
            non_root: context.run_as_non_root,
        },
        seccomp: seccomp(at, context.seccomp_profile, errors),
        app_armor: app_armor(at, context.app_armor_profile, errors),
        add: capabilities.add.unwrap_or_default(),
        drop: capabilities.drop.unwrap_or_default(),
        privileged: context.privileged,
        allow_privilege_escalation: context.allow_privilege_escalation,
        read_only_root_filesystem: context.read_only_root_filesystem,
        proc_mount: one_of(at, "procMount", context.proc_mount, &mounts, errors),
    }
}

/// A value of an enumeration by its name.
fn one_of<T: Copy>(
    at: &str,
    field: &str,
    text: Option<String>,
    known: &[(&str, T)],
    errors: &mut Vec<SpecError>,
) -> Option<T> {
    let text = filled(text)?;
    let found = known.iter().find(|(name, _)| *name == text);
    if found.is_none() {
        let names: Vec<_> = known.iter().map(|(name, _)| *name).collect();
        errors.push(SpecError::unsupported(format!("{at}.{field}"), &text, &names));
    }
    found.map(|(_, value)| *value)
}

fn seccomp(
    at: &str,
    profile: Option<k8s::SeccompProfile>,
    errors: &mut Vec<SpecError>,
) -> Option<SeccompProfile> {
    let profile = profile?;
    let at = format!("{at}.seccompProfile");
    let kind = kind(&at, "seccomp", &profile.type_, &profile.localhost_profile, errors)?;
    Some(match kind {
        "RuntimeDefault" => SeccompProfile::RuntimeDefault,
        "Localhost" => SeccompProfile::Localhost(profile.localhost_profile.unwrap_or_default()),
        _ => SeccompProfile::Unconfined,
    })
}

fn app_armor(
    at: &str,
    profile: Option<k8s::AppArmorProfile>,
    errors: &mut Vec<SpecError>,
) -> Option<AppArmorProfile> {
    let profile = profile?;
    let at = format!("{at}.appArmorProfile");
    let kind = kind(&at, "AppArmor", &profile.type_, &profile.localhost_profile, errors)?;
    Some(match kind {
        "RuntimeDefault" => AppArmorProfile::RuntimeDefault,
        "Localhost" => AppArmorProfile::Localhost(profile.localhost_profile.unwrap_or_default()),
        _ => AppArmorProfile::Unconfined,
    })
}

fn kind(
    at: &str,
    what: &str,
    text: &str,
    localhost: &Option<String>,
    errors: &mut Vec<SpecError>,
) -> Option<&'static str> {
    if text.is_empty() {
        errors.push(SpecError::required(format!("{at}.type"), "type is required when set"));
        return None;
    }
    let kind = TYPES.into_iter().find(|known| *known == text);
    match (kind, localhost) {
        (None, _) => errors.push(SpecError::unsupported(format!("{at}.type"), text, &TYPES)),
        (Some(kind), Some(path)) if kind != "Localhost" => {
            let why = format!("can only be set when {what} type is Localhost");
            errors.push(SpecError::invalid(format!("{at}.localhostProfile"), path, &why));
        }
        _ => {}
    }
    kind
}

pub(super) fn pod_out(security: &PodSecurity) -> Option<k8s::PodSecurityContext> {
    if *security == PodSecurity::default() {
        return None;
    }
    Some(k8s::PodSecurityContext {
        run_as_user: security.identity.user,
        run_as_group: security.identity.group,
        run_as_non_root: security.identity.non_root,
        seccomp_profile: security.seccomp.as_ref().map(seccomp_out),
        app_armor_profile: security.app_armor.as_ref().map(app_armor_out),
        fs_group: security.fs_group,
        fs_group_change_policy: security.fs_group_change_policy.map(|policy| {
            match policy {
                FsGroupChangePolicy::OnRootMismatch => "OnRootMismatch",
                FsGroupChangePolicy::Always => "Always",
            }
            .to_owned()
        }),
        supplemental_groups: list(&security.supplemental_groups, |group| *group),
        supplemental_groups_policy: security.supplemental_groups_policy.map(|policy| {
            match policy {
                GroupsPolicy::Merge => "Merge",
                GroupsPolicy::Strict => "Strict",
            }
            .to_owned()
        }),
        sysctls: list(&security.sysctls, |sysctl| k8s::Sysctl {
            name: sysctl.name.clone(),
            value: sysctl.value.clone(),
        }),
        ..k8s::PodSecurityContext::default()
    })
}

pub(super) fn container_out(security: &Security) -> Option<k8s::SecurityContext> {
    if *security == Security::default() {
        return None;
    }
    let capabilities = k8s::Capabilities {
        add: list(&security.add, Clone::clone),
        drop: list(&security.drop, Clone::clone),
    };
    let has_any = capabilities != k8s::Capabilities::default();
    Some(k8s::SecurityContext {
        run_as_user: security.identity.user,
        run_as_group: security.identity.group,
        run_as_non_root: security.identity.non_root,
        seccomp_profile: security.seccomp.as_ref().map(seccomp_out),
        app_armor_profile: security.app_armor.as_ref().map(app_armor_out),
        capabilities: has_any.then_some(capabilities),
        privileged: security.privileged,
        allow_privilege_escalation: security.allow_privilege_escalation,
        read_only_root_filesystem: security.read_only_root_filesystem,
        proc_mount: security.proc_mount.map(|mount| {
            match mount {
                ProcMount::Default => "Default",
                ProcMount::Unmasked => "Unmasked",
            }
            .to_owned()
        }),
        ..k8s::SecurityContext::default()
    })
}

fn seccomp_out(profile: &SeccompProfile) -> k8s::SeccompProfile {
    let (kind, path) = match profile {
        SeccompProfile::RuntimeDefault => ("RuntimeDefault", ""),
        SeccompProfile::Unconfined => ("Unconfined", ""),
        SeccompProfile::Localhost(path) => ("Localhost", path.as_str()),
    };
    k8s::SeccompProfile { type_: kind.to_owned(), localhost_profile: some(path) }
}

fn app_armor_out(profile: &AppArmorProfile) -> k8s::AppArmorProfile {
    let (kind, name) = match profile {
        AppArmorProfile::RuntimeDefault => ("RuntimeDefault", ""),
        AppArmorProfile::Unconfined => ("Unconfined", ""),
        AppArmorProfile::Localhost(name) => ("Localhost", name.as_str()),
    };
    k8s::AppArmorProfile { type_: kind.to_owned(), localhost_profile: some(name) }
}
