//! Security contexts, both ways.

use k8s_openapi::api::core::v1 as k8s;

use crate::optional_fields::{filled, list};
use crate::security_profiles::{read_app_armor, read_seccomp, render_app_armor, render_seccomp};
use probelet_domain::spec::{
    FsGroupChangePolicy, GroupsPolicy, Identity, PodSecurity, ProcMount, Security, SpecError,
    Sysctl,
};

pub fn read_pod(
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
        seccomp: read_seccomp(at, context.seccomp_profile, errors),
        app_armor: read_app_armor(at, context.app_armor_profile, errors),
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

pub fn read_container(
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
        seccomp: read_seccomp(at, context.seccomp_profile, errors),
        app_armor: read_app_armor(at, context.app_armor_profile, errors),
        add: capabilities.add.unwrap_or_default(),
        drop: capabilities.drop.unwrap_or_default(),
        privileged: context.privileged,
        allow_privilege_escalation: context.allow_privilege_escalation,
        read_only_root_filesystem: context.read_only_root_filesystem,
        proc_mount: one_of(at, "procMount", context.proc_mount, &mounts, errors),
    }
}

/// The value with this name; nothing if none is set.
fn one_of<T: Copy>(
    at: &str,
    field: &str,
    text: Option<String>,
    values: &[(&str, T)],
    errors: &mut Vec<SpecError>,
) -> Option<T> {
    let text = filled(text)?;
    let found = values.iter().find(|(name, _)| *name == text);
    if found.is_none() {
        let names: Vec<_> = values.iter().map(|(name, _)| *name).collect();
        errors.push(SpecError::unsupported(format!("{at}.{field}"), &text, &names));
    }
    found.map(|(_, value)| *value)
}

pub fn render_pod(security: &PodSecurity) -> Option<k8s::PodSecurityContext> {
    if *security == PodSecurity::default() {
        return None;
    }
    Some(k8s::PodSecurityContext {
        run_as_user: security.identity.user,
        run_as_group: security.identity.group,
        run_as_non_root: security.identity.non_root,
        seccomp_profile: security.seccomp.as_ref().map(render_seccomp),
        app_armor_profile: security.app_armor.as_ref().map(render_app_armor),
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

pub fn render_container(security: &Security) -> Option<k8s::SecurityContext> {
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
        seccomp_profile: security.seccomp.as_ref().map(render_seccomp),
        app_armor_profile: security.app_armor.as_ref().map(render_app_armor),
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
