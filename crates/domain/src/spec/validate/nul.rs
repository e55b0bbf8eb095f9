//! Texts that the kernel takes as C strings. A NUL would end them early, or fail each start.

use super::{Findings, SpecError};
use crate::spec::{ContainerSpec, Handler, HookHandler, PodSpec, ProbeKind, VolumeSource};

const WHY: &str = "must not contain a NUL byte";

pub fn pod_rules(found: &mut Findings, pod: &PodSpec) {
    for (index, volume) in pod.volumes.iter().enumerate() {
        if let VolumeSource::HostPath { path, .. } = &volume.source {
            text(found, || format!("spec.volumes[{index}].hostPath.path"), path);
        }
    }
    for (index, container) in pod.all().enumerate() {
        container_rules(found, &pod.field_at(index), container);
    }
}

fn container_rules(found: &mut Findings, at: &str, container: &ContainerSpec) {
    words(found, &format!("{at}.command"), &container.command);
    words(found, &format!("{at}.args"), &container.args);
    for (index, var) in container.env.iter().enumerate() {
        text(found, || format!("{at}.env[{index}].value"), &var.value);
    }
    let dir = container.working_dir.as_deref().unwrap_or_default();
    text(found, || format!("{at}.workingDir"), dir);
    text(found, || format!("{at}.terminationMessagePath"), &container.termination_message.path);
    for (index, mount) in container.volume_mounts.iter().enumerate() {
        text(found, || format!("{at}.volumeMounts[{index}].mountPath"), &mount.mount_path);
    }
    for kind in ProbeKind::ALL {
        if let Some(Handler::Exec(exec)) = container.probes.get(kind).map(|probe| &probe.handler) {
            words(found, &format!("{at}.{}Probe.exec.command", kind.lower()), &exec.command);
        }
    }
    let hooks = [
        ("postStart", &container.lifecycle.post_start),
        ("preStop", &container.lifecycle.pre_stop),
    ];
    for (name, hook) in hooks {
        if let Some(HookHandler::Exec(exec)) = hook {
            words(found, &format!("{at}.lifecycle.{name}.exec.command"), &exec.command);
        }
    }
}

fn words(found: &mut Findings, at: &str, words: &[String]) {
    for (index, word) in words.iter().enumerate() {
        text(found, || format!("{at}[{index}]"), word);
    }
}

fn text(found: &mut Findings, field: impl FnOnce() -> String, value: &str) {
    found.check(!value.contains('\0'), || SpecError::invalid(field(), value, WHY));
}
