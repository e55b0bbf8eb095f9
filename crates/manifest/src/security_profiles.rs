//! Profiles of seccomp and AppArmor, both ways.

use k8s_openapi::api::core::v1 as k8s;

use crate::optional_fields::some;
use probelet_domain::spec::{AppArmorProfile, SeccompProfile, SpecError};

const TYPES: [&str; 3] = ["Localhost", "RuntimeDefault", "Unconfined"];

pub fn read_seccomp(
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

pub fn read_app_armor(
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
    let kind = TYPES.into_iter().find(|kind| *kind == text);
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

pub fn render_seccomp(profile: &SeccompProfile) -> k8s::SeccompProfile {
    let (kind, path) = match profile {
        SeccompProfile::RuntimeDefault => ("RuntimeDefault", ""),
        SeccompProfile::Unconfined => ("Unconfined", ""),
        SeccompProfile::Localhost(path) => ("Localhost", path.as_str()),
    };
    k8s::SeccompProfile { type_: kind.to_owned(), localhost_profile: some(path) }
}

pub fn render_app_armor(profile: &AppArmorProfile) -> k8s::AppArmorProfile {
    let (kind, name) = match profile {
        AppArmorProfile::RuntimeDefault => ("RuntimeDefault", ""),
        AppArmorProfile::Unconfined => ("Unconfined", ""),
        AppArmorProfile::Localhost(name) => ("Localhost", name.as_str()),
    };
    k8s::AppArmorProfile { type_: kind.to_owned(), localhost_profile: some(name) }
}
