//! The host's seccomp profiles, and AppArmor.

use std::io::ErrorKind;
use std::path::Path;

use serde_json::Value;

use super::error::NodeError;
use crate::domain::spec::{
    AppArmorProfile, ContainerSpec, EffectiveSecurity, PodSpec, SeccompProfile,
};
use crate::{files, trusted};

const SECCOMP: &str = "securityContext.seccompProfile.localhostProfile";
const APP_ARMOR: &str = "securityContext.appArmorProfile";
/// The profile of containerd, if its CRI plugin has loaded it.
const DEFAULT_APP_ARMOR: &str = "cri-containerd.apparmor.d";

/// Reads the profile that the container names, below `dir`.
pub fn seccomp(
    pod: &PodSpec,
    container: &ContainerSpec,
    dir: &Path,
) -> Result<Option<Value>, NodeError> {
    let Some(SeccompProfile::Localhost(name)) = EffectiveSecurity::of(pod, container).seccomp()
    else {
        return Ok(None);
    };
    let path = dir.join(name);
    let shown = path.display();
    let invalid = |reason: String| NodeError::Invalid { field: SECCOMP.into(), reason };
    let text = trusted::check(&path)
        .map_err(Into::into)
        .and_then(|()| files::read_text(&path, files::CONFIGURATION));
    let text =
        text.map_err(|error| invalid(format!("cannot load seccomp profile {shown}: {error}")))?;
    let value: Value = serde_json::from_str(&text)
        .map_err(|error| invalid(format!("cannot load seccomp profile {shown}: {error}")))?;
    serde_json::from_value::<oci_spec::runtime::LinuxSeccomp>(value.clone())
        .map_err(|error| invalid(format!("{shown} is no seccomp profile: {error}")))?;
    Ok(Some(value))
}

/// Returns the name of the AppArmor profile; an error if it is not loaded.
pub fn app_armor(pod: &PodSpec, container: &ContainerSpec) -> Result<Option<String>, NodeError> {
    let name = match EffectiveSecurity::of(pod, container).app_armor() {
        None | Some(AppArmorProfile::Unconfined) => return Ok(None),
        Some(AppArmorProfile::RuntimeDefault) => DEFAULT_APP_ARMOR,
        Some(AppArmorProfile::Localhost(name)) => name,
    };
    let invalid = |reason: String| NodeError::Invalid { field: APP_ARMOR.into(), reason };
    let enabled = files::read_kernel("/sys/module/apparmor/parameters/enabled");
    if !enabled.is_ok_and(|text| text.trim() == "Y") {
        let why = "Cannot enforce AppArmor: AppArmor is not enabled on the host";
        return Err(invalid(why.to_owned()));
    }
    match files::read_kernel("/sys/kernel/security/apparmor/profiles") {
        Ok(loaded) if loaded.lines().any(|line| is_profile(line, name)) => {
            Ok(Some(name.to_owned()))
        }
        Ok(_) => {
            let why = format!("Cannot enforce AppArmor: profile {name:?} is not loaded");
            Err(invalid(why))
        }
        // The loaded profiles are not listed, so the runtime checks the name.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Some(name.to_owned())),
        Err(error) => Err(invalid(format!("Cannot enforce AppArmor: {error}"))),
    }
}

/// True if `line`, which has the form `NAME (MODE)`, is the profile's.
fn is_profile(line: &str, name: &str) -> bool {
    line.rsplit_once(" (").is_some_and(|(found, _)| found == name)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::domain::spec::sample;

    #[test]
    fn a_profile_of_the_hosts_own_is_read_and_what_is_none_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let mut pod = sample::pod();
        let read = |pod: &PodSpec| seccomp(pod, &pod.containers[0], dir.path());
        assert_eq!(read(&pod), Ok(None));
        pod.security.seccomp = Some(SeccompProfile::Localhost("mine.json".into()));
        let missing = read(&pod).unwrap_err().to_string();
        assert!(
            missing.starts_with(&format!("{SECCOMP}: cannot load seccomp profile")),
            "{missing}"
        );
        fs::write(dir.path().join("mine.json"), "{}").unwrap();
        assert!(read(&pod).unwrap_err().to_string().contains("is no seccomp profile"));
        fs::write(dir.path().join("mine.json"), r#"{"defaultAction": "SCMP_ACT_ALLOW"}"#).unwrap();
        assert_eq!(read(&pod).unwrap().unwrap()["defaultAction"], "SCMP_ACT_ALLOW");
    }

    #[test]
    fn a_loaded_profile_is_found_by_its_whole_name() {
        assert!(is_profile("docker-default (enforce)", "docker-default"));
        assert!(!is_profile("docker-default (enforce)", "docker"));
    }
}
