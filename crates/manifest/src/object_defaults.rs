//! The defaults that Kubernetes' API server gives to a pod that a client writes.
//!
//! Source: the functions `SetDefaults_*` of `pkg/apis/core/v1/defaults.go`, v1.36, and the service
//! account that admission sets.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1 as k8s;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde_json::{Map, Value, json};

use crate::defaults::SCHEDULER;
use crate::server_annotations::ServerMade;
use crate::strict;
use probelet_domain::image::PullPolicy;

/// Mode of files of volumes, in decimal as in the API: 0644.
const MODE: i32 = 0o644;
const GRACE: i64 = 30;
const TOKEN: i64 = 3600;
const ACCOUNT: &str = "default";

/// Fills the defaults in. A pull policy that is `Always` by default is marked by an annotation, since
/// it differs here from one that the manifest sets. An object of another form is left as it is.
pub fn set_defaults(object: &mut Value) {
    let Some(given) = object.get("spec") else { return };
    let Ok(mut spec) = strict::read::<k8s::PodSpec>(given, &mut |_| {}) else { return };
    let mut marks = BTreeMap::new();
    pod_spec(&mut spec, &mut marks);
    let (Ok(spec), Some(object)) = (serde_json::to_value(spec), object.as_object_mut()) else {
        return;
    };
    object.insert("spec".to_owned(), spec);
    if marks.is_empty() {
        return;
    }
    let below = |map: &mut Map<String, Value>, key: &str| {
        let place = map.entry(key).or_insert(Value::Null);
        if place.is_null() {
            *place = json!({});
        }
    };
    below(object, "metadata");
    if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
        below(metadata, "annotations");
        if let Some(Value::Object(annotations)) = metadata.get_mut("annotations") {
            annotations.extend(marks.into_iter().map(|(key, value)| (key, Value::from(value))));
        }
    }
}

fn pod_spec(spec: &mut k8s::PodSpec, marks: &mut BTreeMap<String, String>) {
    default(&mut spec.restart_policy, "Always");
    default(&mut spec.dns_policy, "ClusterFirst");
    default(&mut spec.scheduler_name, SCHEDULER);
    spec.termination_grace_period_seconds.get_or_insert(GRACE);
    spec.security_context.get_or_insert_default();
    spec.enable_service_links.get_or_insert(true);
    let account = spec.service_account_name.take().filter(|name| !name.is_empty());
    let account = account.or(spec.service_account.take()).filter(|name| !name.is_empty());
    let account = account.unwrap_or_else(|| ACCOUNT.to_owned());
    // The older name of the same field.
    spec.service_account = Some(account.clone());
    spec.service_account_name = Some(account);
    let on_host = spec.host_network == Some(true);
    for volume in spec.volumes.iter_mut().flatten() {
        volume_source(volume, marks);
    }
    let containers = spec.init_containers.iter_mut().flatten().chain(&mut spec.containers);
    for one in containers {
        container(one, on_host, marks);
    }
}

fn container(one: &mut k8s::Container, on_host: bool, marks: &mut BTreeMap<String, String>) {
    let image = one.image.as_deref().unwrap_or_default();
    if default_pull(&mut one.image_pull_policy, image) {
        marks.insert(ServerMade::DefaultPull.key(&one.name), always());
    }
    default(&mut one.termination_message_path, "/dev/termination-log");
    default(&mut one.termination_message_policy, "File");
    let resources = one.resources.get_or_insert_default();
    if let Some(limits) = &resources.limits {
        let requests = resources.requests.get_or_insert_default();
        for (name, amount) in limits {
            requests.entry(name.clone()).or_insert_with(|| amount.clone());
        }
    }
    for port in one.ports.iter_mut().flatten() {
        default(&mut port.protocol, "TCP");
        if on_host && port.container_port != 0 && port.host_port.unwrap_or_default() == 0 {
            port.host_port = Some(port.container_port);
        }
    }
    for from in one.env.iter_mut().flatten().filter_map(|var| var.value_from.as_mut()) {
        from.field_ref.iter_mut().for_each(field);
        from.resource_field_ref.iter_mut().for_each(divisor);
    }
    let probes = [&mut one.liveness_probe, &mut one.readiness_probe, &mut one.startup_probe];
    for probe in probes.into_iter().flatten() {
        for (number, value) in [
            (&mut probe.timeout_seconds, 1),
            (&mut probe.period_seconds, 10),
            (&mut probe.success_threshold, 1),
            (&mut probe.failure_threshold, 3),
        ] {
            if number.unwrap_or_default() == 0 {
                *number = Some(value);
            }
        }
        probe.http_get.iter_mut().for_each(http);
        if let Some(grpc) = &mut probe.grpc {
            grpc.service.get_or_insert_default();
        }
    }
    if let Some(lifecycle) = &mut one.lifecycle {
        let hooks = [&mut lifecycle.post_start, &mut lifecycle.pre_stop];
        hooks.into_iter().flatten().flat_map(|hook| &mut hook.http_get).for_each(http);
    }
}

fn volume_source(volume: &mut k8s::Volume, marks: &mut BTreeMap<String, String>) {
    let bare = k8s::Volume { name: volume.name.clone(), ..k8s::Volume::default() };
    if *volume == bare {
        volume.empty_dir = Some(k8s::EmptyDirVolumeSource::default());
    }
    if let Some(secret) = &mut volume.secret {
        secret.default_mode.get_or_insert(MODE);
    }
    if let Some(map) = &mut volume.config_map {
        map.default_mode.get_or_insert(MODE);
    }
    if let Some(path) = &mut volume.host_path {
        path.type_.get_or_insert_default();
    }
    if let Some(downward) = &mut volume.downward_api {
        downward.default_mode.get_or_insert(MODE);
        downward.items.iter_mut().flatten().for_each(downward_item);
    }
    if let Some(projected) = &mut volume.projected {
        projected.default_mode.get_or_insert(MODE);
        for part in projected.sources.iter_mut().flatten() {
            let downward = part.downward_api.iter_mut().flat_map(|it| it.items.iter_mut());
            downward.flatten().for_each(downward_item);
            if let Some(token) = &mut part.service_account_token {
                token.expiration_seconds.get_or_insert(TOKEN);
            }
        }
    }
    if let Some(image) = &mut volume.image {
        let reference = image.reference.clone().unwrap_or_default();
        if default_pull(&mut image.pull_policy, &reference) {
            marks.insert(ServerMade::DefaultVolumePull.key(&volume.name), always());
        }
    }
}

fn downward_item(item: &mut k8s::DownwardAPIVolumeFile) {
    item.field_ref.iter_mut().for_each(field);
    item.resource_field_ref.iter_mut().for_each(divisor);
}

fn field(field: &mut k8s::ObjectFieldSelector) {
    default(&mut field.api_version, "v1");
}

fn divisor(resource: &mut k8s::ResourceFieldSelector) {
    resource.divisor.get_or_insert_with(|| Quantity("0".to_owned()));
}

fn http(http: &mut k8s::HTTPGetAction) {
    default(&mut http.path, "/");
    default(&mut http.scheme, "HTTP");
}

fn default(place: &mut Option<String>, value: &str) {
    if place.as_deref().unwrap_or_default().is_empty() {
        *place = Some(value.to_owned());
    }
}

/// Sets the policy that is the default for this image. True if it is `Always`.
fn default_pull(policy: &mut Option<String>, image: &str) -> bool {
    if policy.as_deref().is_some_and(|policy| !policy.is_empty()) || image.is_empty() {
        return false;
    }
    let found = PullPolicy::default_for(image);
    *policy = Some(found.as_str().to_owned());
    found == PullPolicy::Always
}

fn always() -> String {
    PullPolicy::Always.as_str().to_owned()
}
