//! `imagePullSecrets`: the credentials in the Secrets of the same apply.

use k8s_openapi::api::core::v1::LocalObjectReference;

use crate::object_refs::ObjectScope;
use crate::objects::{Data, Found, Kind};
use probelet_domain::image::{Keyring, PullSecret};
use probelet_domain::spec::SpecError;

/// A Secret that is not applied with the pod has no credentials: then the pull fails, as in
/// Kubernetes.
pub fn pull_secrets(
    secrets: Option<Vec<LocalObjectReference>>,
    (objects, namespace): ObjectScope<'_>,
    errors: &mut Vec<SpecError>,
) -> Vec<PullSecret> {
    let mut all = Vec::new();
    for (index, LocalObjectReference { name }) in secrets.into_iter().flatten().enumerate() {
        let keyring = match objects.get(Kind::Secret, namespace, &name) {
            Found::Data(data) => keyring(data).map(Some),
            Found::Wrong | Found::Missing => Ok(None),
        };
        // A Secret of the Kubernetes API may change, so it is no error of the pod.
        let keyring = keyring.unwrap_or_else(|why| {
            if objects.are_stored() {
                return None;
            }
            let field = format!("spec.imagePullSecrets[{index}].name");
            errors.push(SpecError::invalid(field, &name, &why));
            None
        });
        all.push(PullSecret { name, keyring });
    }
    all
}

fn keyring(data: &Data) -> Result<Keyring, String> {
    let read = |key: &str, read: fn(&[u8]) -> Result<Keyring, String>| {
        let json = data.get(key)?;
        Some(read(json).map_err(|why| format!("its {key}: {why}")))
    };
    read(".dockerconfigjson", Keyring::from_docker_config)
        .or_else(|| read(".dockercfg", Keyring::from_dockercfg))
        .unwrap_or_else(|| Err("it has neither .dockerconfigjson nor .dockercfg".to_owned()))
}
