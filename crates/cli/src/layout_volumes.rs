//! The volumes of `describe pod`.

use k8s_openapi::api::core::v1::{
    DownwardAPIVolumeSource, EmptyDirVolumeSource, ProjectedVolumeSource, Volume,
};

use super::objects::text;
use super::printed::{Printed, none_if, put};

pub fn volumes(out: &mut Printed, volumes: &[Volume]) {
    put!(out, "Volumes:{}", none_if(volumes.is_empty()));
    for volume in volumes {
        put!(out, "  {}:", volume.name);
        source(out, volume);
    }
}

fn source(out: &mut Printed, volume: &Volume) {
    if let Some(host) = &volume.host_path {
        put!(out, "    Type:\tHostPath (bare host directory volume)");
        put!(out, "    Path:\t{}", host.path);
        put!(out, "    HostPathType:\t{}", host.type_.as_deref().unwrap_or("<none>"));
    } else if let Some(dir) = &volume.empty_dir {
        empty_dir(out, dir);
    } else if let Some(secret) = &volume.secret {
        put!(out, "    Type:\tSecret (a volume populated by a Secret)");
        put!(out, "    SecretName:\t{}", text(&secret.secret_name));
        put!(out, "    Optional:\t{}", secret.optional.unwrap_or_default());
    } else if let Some(map) = &volume.config_map {
        put!(out, "    Type:\tConfigMap (a volume populated by a ConfigMap)");
        put!(out, "    Name:\t{}", map.name);
        put!(out, "    Optional:\t{}", map.optional.unwrap_or_default());
    } else if let Some(projected) = &volume.projected {
        self::projected(out, projected);
    } else if let Some(downward) = &volume.downward_api {
        downward_api(out, downward);
    } else if let Some(image) = &volume.image {
        put!(out, "    Type:\tImage (a container image or OCI artifact)");
        put!(out, "    Reference:\t{}", text(&image.reference));
        put!(out, "    PullPolicy:\t{}", text(&image.pull_policy));
    } else {
        put!(out, "    <unknown>");
    }
}

fn empty_dir(out: &mut Printed, dir: &EmptyDirVolumeSource) {
    let limit = dir.size_limit.as_ref().map_or("<unset>", |limit| limit.0.as_str());
    put!(out, "    Type:\tEmptyDir (a temporary directory that shares a pod's lifetime)");
    put!(out, "    Medium:\t{}", text(&dir.medium));
    put!(out, "    SizeLimit:\t{}", limit);
}

fn projected(out: &mut Printed, projected: &ProjectedVolumeSource) {
    let optional =
        |optional: Option<bool>| optional.map_or_else(|| "<nil>".to_owned(), |is| is.to_string());
    put!(out, "    Type:\tProjected (a volume that contains injected data from multiple sources)");
    for source in projected.sources.iter().flatten() {
        if let Some(secret) = &source.secret {
            put!(out, "    SecretName:\t{}", secret.name);
            put!(out, "    SecretOptionalName:\t{}", optional(secret.optional));
        } else if source.downward_api.is_some() {
            put!(out, "    DownwardAPI:\ttrue");
        } else if let Some(map) = &source.config_map {
            put!(out, "    ConfigMapName:\t{}", map.name);
            put!(out, "    ConfigMapOptional:\t{}", optional(map.optional));
        }
    }
}

fn downward_api(out: &mut Printed, downward: &DownwardAPIVolumeSource) {
    put!(out, "    Type:\tDownwardAPI (a volume populated by information about the pod)");
    put!(out, "    Items:");
    for item in downward.items.iter().flatten() {
        let field = item.field_ref.as_ref().map(|field| &field.field_path);
        let of = field.or(item.resource_field_ref.as_ref().map(|field| &field.resource));
        if let Some(of) = of {
            put!(out, "      {} -> {}", of, item.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const GOLDEN: &str = "\
Volumes:
  scratch:
    Type:       EmptyDir (a temporary directory that shares a pod's lifetime)
    Medium:     Memory
    SizeLimit:  64Mi
  logs:
    Type:          HostPath (bare host directory volume)
    Path:          /var/log
    HostPathType:  <none>
  key:
    Type:        Secret (a volume populated by a Secret)
    SecretName:  web-key
    Optional:    true
  config:
    Type:      ConfigMap (a volume populated by a ConfigMap)
    Name:      web
    Optional:  false
  about:
    Type:  DownwardAPI (a volume populated by information about the pod)
    Items:
      metadata.labels -> labels
      limits.cpu -> cpu
  all:
    Type:                Projected (a volume that contains injected data from multiple sources)
    SecretName:          web-key
    SecretOptionalName:  <nil>
    ConfigMapName:       web
    ConfigMapOptional:   true
    DownwardAPI:         true
  model:
    Type:        Image (a container image or OCI artifact)
    Reference:   registry.example/model:1
    PullPolicy:  IfNotPresent
";

    #[test]
    fn each_kind_as_kubectl_has_it() {
        let all: Vec<Volume> = serde_json::from_value(json!([
            {"name": "scratch", "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}},
            {"name": "logs", "hostPath": {"path": "/var/log"}},
            {"name": "key", "secret": {"secretName": "web-key", "optional": true}},
            {"name": "config", "configMap": {"name": "web"}},
            {"name": "about", "downwardAPI": {"items": [
                {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}},
                {"path": "cpu", "resourceFieldRef": {"resource": "limits.cpu"}},
            ]}},
            {"name": "all", "projected": {"sources": [
                {"secret": {"name": "web-key"}},
                {"configMap": {"name": "web", "optional": true}},
                {"downwardAPI": {"items": []}},
            ]}},
            {"name": "model", "image":
                {"reference": "registry.example/model:1", "pullPolicy": "IfNotPresent"}},
        ]))
        .unwrap();
        let mut out = Printed::default();
        volumes(&mut out, &all);
        assert_eq!(out.elastic(2), GOLDEN);
    }
}
