//! Golden records, as released builds wrote them. This build must read each one, and must lose
//! nothing when it writes it again.
//!
//! `golden/` has the `Any` of each record from containerd, or (`pending_…`) from the run folder.
//! Version 0.1 wrote them on a real host, `namespaced_…` the first build with namespaces, and
//! `submitted_…` the first one that keeps objects of the Kubernetes API, `token_…` the first one with
//! tokens in volumes and with finalizers, and `interactive_…` the first one with inputs and terminals;
//! only the host's path and boot id are replaced. A file is never changed: a new shape gets new files.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use prost::Message;
use prost_types::Any;
use serde_json::Value;

use super::*;
use crate::domain::Incarnation;
use crate::domain::container::{Next, Wanted};
use crate::domain::exit::{Cause, Ending, Sigkill};
use crate::domain::spec::{
    ContainerSpec, EnvSource, Handler, HookHandler, HookKind, MessagePolicy, OnFailure, ProbeKind,
    RestartAction, RestartPolicy, Source, VolumeSource,
};
use crate::domain::status::Expired;

const SECOND: Duration = Duration::from_secs(1);

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/node/record/golden")
}

fn any(name: &str) -> Extension {
    let bytes = std::fs::read(folder().join(name).with_extension("any")).unwrap();
    let Any { type_url, value } = Any::decode(bytes.as_slice()).unwrap();
    Extension { type_url, value }
}

fn read(name: &str) -> (PodSpec, Memory) {
    decode(&any(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn names() -> BTreeSet<String> {
    let files = std::fs::read_dir(folder()).unwrap().map(|file| file.unwrap().path());
    files.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

/// True if `new` contains all that `old` does.
fn covers(new: &Value, old: &Value) -> bool {
    match (new, old) {
        (Value::Object(new), Value::Object(old)) => {
            old.iter().all(|(key, old)| new.get(key).map_or(old.is_null(), |new| covers(new, old)))
        }
        (Value::Array(new), Value::Array(old)) => {
            new.len() == old.len() && new.iter().zip(old).all(|(new, old)| covers(new, old))
        }
        (new, old) => new == old,
    }
}

#[test]
fn what_is_read_and_written_again_is_all_there() {
    let names = names();
    assert_eq!(names.len(), 38);
    for name in names.iter().filter(|name| *name != "adopted_released") {
        let (pod, memory) = read(name);
        let (old, new) = (unwrap(&any(name)).unwrap(), encode(&pod, &memory).unwrap());
        let new = unwrap(&new).unwrap();
        for (old, new) in [(&old.pod, &new.pod), (&old.memory, &new.memory)] {
            let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
            assert!(covers(&json(new), &json(old)), "{name}:\n{old}\n{new}");
        }
        assert_eq!(old.version, new.version, "{name}");
    }
}

#[test]
fn an_object_of_the_kubernetes_api_is_kept() {
    let (pod, _) = read("submitted_app_0");
    let submitted = pod.submitted.clone().unwrap();
    assert_eq!(submitted.generation, 2);
    let object: Value = serde_json::from_str(&submitted.object).unwrap();
    assert_eq!(object["spec"]["nodeSelector"]["disk"], "ssd");
    assert_eq!(object["spec"]["containers"][0]["name"], only(&pod).name.as_str());
    let managers: Value = serde_json::from_str(&submitted.managers).unwrap();
    assert_eq!(managers["ann"]["metadata"]["labels"]["app"], "web");
}

#[test]
fn a_token_and_the_finalizers_are_kept() {
    let (pod, _) = read("token_app_0");
    assert_eq!(pod.finalizers(), ["example.com/a"]);
    let (volume, token) = pod.account_tokens().next().unwrap();
    assert_eq!((volume, token.path.as_str()), ("t", "token"));
    assert_eq!((token.audience.as_deref(), token.expiration_seconds), (Some("vault"), 3607));
    let issued = token.issued.as_ref().unwrap();
    assert_eq!(issued.expires.duration_since(issued.from).unwrap(), 3607 * SECOND);
    assert!(issued.content.0.starts_with(b"eyJ") && !issued.account_uid.is_empty());
}

#[test]
fn an_input_and_a_terminal_are_kept() {
    let (pod, memory) = read("interactive_app_0");
    let streams = only(&pod).streams;
    assert!(streams.stdin && streams.stdin_once && streams.tty && memory.started);
    let (older, _) = read("token_app_0");
    assert!(!only(&older).streams.is_interactive());
}

fn image() -> Source {
    Source::Image("docker.io/library/app:1".into())
}

fn only(pod: &PodSpec) -> &ContainerSpec {
    let [container] = pod.containers.as_slice() else { panic!("several") };
    container
}

/// Checks what all records have in common; each test checks the rest.
fn own(name: &str) -> (PodSpec, Memory) {
    let (pod, memory) = read(name);
    assert!(!pod.uid.is_empty() && !pod.is_adopted(), "{name}");
    let day = SystemTime::UNIX_EPOCH + 1_795_993_262 * SECOND;
    assert!(memory.created_at > day && memory.created_at < day + 10 * SECOND, "{name}");
    assert_eq!(memory.boot_id.as_deref(), Some("00000000-0000-4000-8000-000000000001"), "{name}");
    assert!(memory.booted_at.is_some_and(|at| at < memory.created_at), "{name}");
    (pod, memory)
}

/// Checks that the container runs in this attempt, with as many restarts.
fn runs(name: &str, attempt: u32) -> (PodSpec, Memory) {
    let (pod, memory) = own(name);
    assert_eq!(memory.wanted, Wanted::Running, "{name}");
    assert_eq!((memory.attempt, memory.restart_count), (Incarnation(attempt), attempt), "{name}");
    assert!(memory.started && memory.ready && memory.started_at.is_some(), "{name}");
    assert_eq!((&memory.ended, memory.restart_at, memory.held), (&None, None, false), "{name}");
    (pod, memory)
}

/// Returns how the newest attempt ended.
fn ended(memory: &Memory) -> (Ending, &str, &Cause, Option<Sigkill>) {
    let ended = memory.ended.as_ref().unwrap();
    assert_eq!(ended.attempt, memory.attempt);
    assert_eq!(ended.exit_code, ended.ending.exit_code());
    assert_eq!(memory.history.iter().next(), Some(ended));
    (ended.ending, &ended.reason, &ended.cause, ended.sigkill)
}

fn attempts(memory: &Memory) -> Vec<u32> {
    memory.history.iter().map(|end| end.attempt.0).collect()
}

#[test]
fn a_running_one_with_its_probes() {
    let (pod, memory) = runs("probed_app_0", 0);
    assert_eq!((pod.name.as_str(), pod.namespace.as_str()), ("probed", "default"));
    assert_eq!(pod.hostname.as_deref(), Some("probed-host"));
    assert_eq!((pod.labels["tier"].as_str(), pod.annotations["note"].as_str()), ("1", "kept"));
    assert_eq!(pod.pull_secrets[0].name, "pull");
    let container = only(&pod);
    assert_eq!((&container.source, container.ports[0].port), (&image(), 8080));
    let probe = |kind| container.probes.get(kind).unwrap();
    let startup = probe(ProbeKind::Startup);
    assert!(matches!(startup.handler, Handler::TcpSocket(_)) && startup.failure_threshold == 30);
    let readiness = probe(ProbeKind::Readiness);
    assert_eq!(readiness.period, SECOND / 2);
    assert_eq!(readiness.startup_period, Some(SECOND / 5));
    let liveness = probe(ProbeKind::Liveness);
    let Handler::HttpGet(get) = &liveness.handler else { panic!("{liveness:?}") };
    assert_eq!((get.path.as_str(), get.headers[0].name.as_str()), ("/missing", "X-From"));
    assert_eq!(liveness.on_failure, Some(OnFailure::Notify));
    assert_eq!(liveness.termination_grace, Some(5 * SECOND));
    assert_eq!(memory.events.len(), 4);
}

#[test]
fn ones_that_wait_for_a_restart() {
    let (pod, memory) = own("crashing_app_2");
    assert_eq!(pod.restart_policy, RestartPolicy::OnFailure);
    assert_eq!(ended(&memory), (Ending::Exited(3), "Error", &Cause::Itself, None));
    assert_eq!(memory.ended.as_ref().unwrap().message, "out of luck\n");
    assert_eq!(memory.last_state.as_ref().unwrap().attempt, Incarnation(1));
    assert_eq!(attempts(&memory), [2, 1, 0]);
    let finished = memory.ended.as_ref().unwrap().finished_at;
    assert_eq!(memory.restart_at, Some(finished + 20 * SECOND));
    let mut next = memory.backoff;
    assert_eq!(next.step(&only(&pod).backoff, SECOND, false), Some(40 * SECOND));

    let (_, memory) = own("killed_app_2");
    let probe = Cause::Probe { kind: ProbeKind::Liveness, output: "broken\n".into() };
    let sigkill = Some(Sigkill::AfterGrace(SECOND));
    assert_eq!(ended(&memory), (Ending::Signaled(9), "Error", &probe, sigkill));
    assert!(memory.events.iter().any(|event| event.reason == "Evidence"));

    let (pod, memory) = own("unhooked_app_2");
    let hook = Cause::Hook { kind: HookKind::PostStart, output: "no\n".into() };
    assert_eq!(ended(&memory), (Ending::Signaled(9), "Error", &hook, sigkill));
    let hook = only(&pod).lifecycle.post_start.as_ref();
    assert!(matches!(hook, Some(HookHandler::Exec(exec)) if exec.command.len() == 3));
}

#[test]
fn ones_that_are_over() {
    let sigkill = Some(Sigkill::AfterGrace(SECOND));
    let (pod, memory) = own("done_app_0");
    assert_eq!(pod.restart_policy, RestartPolicy::Never);
    assert_eq!(ended(&memory), (Ending::Exited(0), "Completed", &Cause::Itself, None));

    let (_, memory) = own("stopped_app_0");
    assert_eq!(memory.wanted, Wanted::Stopped);
    let (ending, _, cause, killed) = ended(&memory);
    assert_eq!((ending, killed), (Ending::Signaled(9), sigkill));
    let Cause::Operator(operator) = cause else { panic!("{cause:?}") };
    assert_eq!((operator.verb.as_str(), operator.uid), ("stop", Some(0)));

    let (pod, memory) = own("given-up_app_2");
    assert!(memory.given_up && memory.restart_at.is_none());
    let backoff = &only(&pod).backoff;
    assert_eq!((backoff.max_restarts, backoff.base), (Some(2), SECOND / 10));
    assert_eq!(attempts(&memory), [2, 1, 0]);

    let (pod, memory) = own("expired_app_0");
    assert_eq!(pod.active_deadline, Some(2 * SECOND));
    assert_eq!(memory.expired, Some(Expired::Deadline));
    assert_eq!(ended(&memory), (Ending::Signaled(9), "Error", &Cause::Deadline, sigkill));

    let (pod, memory) = own("evicted_app_0");
    let why = "Usage of EmptyDir volume \"cache\" exceeds the limit \"1Mi\".".to_owned();
    assert_eq!(memory.expired, Some(Expired::Evicted { message: why.clone() }));
    assert_eq!(*ended(&memory).2, Cause::Evicted { why });
    assert_eq!(crate::domain::spec::volume_limits(&pod).collect::<Vec<_>>(), [("cache", 1 << 20)]);

    let (pod, memory) = own("oom_app_0");
    assert_eq!(ended(&memory), (Ending::Signaled(9), "OOMKilled", &Cause::OutOfMemory, None));
    assert_eq!((memory.oom.seen(), memory.ended.as_ref().unwrap().oom_kills), (1, 1));
    let limits = &only(&pod).resources.limits;
    assert_eq!((limits.memory, limits.cpu), (Some(16 << 20), Some(500)));

    let (_, memory) = own("no-command_app_0");
    assert_eq!(ended(&memory), (Ending::Exited(128), "StartError", &Cause::Start, None));
    assert_eq!(memory.started_at, None);
}

#[test]
fn ones_that_are_on_their_way() {
    let (_, memory) = own("stopping_app_0");
    let stopping = memory.stopping.unwrap();
    assert_eq!((memory.wanted, stopping.next), (Wanted::Stopped, Next::Policy));
    assert!(stopping.signaled && stopping.hooked && !stopping.killed);
    assert_eq!(stopping.grace, 3600 * SECOND);

    let (pod, memory) = own("hooked_app_0");
    let stopping = memory.stopping.unwrap();
    assert!(!stopping.signaled && !stopping.hooked && !stopping.waits);
    let hook = only(&pod).lifecycle.pre_stop.as_ref();
    assert!(matches!(hook, Some(HookHandler::Sleep(length)) if *length == 3000 * SECOND));

    let (_, memory) = own("removing_app_0");
    assert_eq!(memory.wanted, Wanted::Removed);
    assert_eq!(memory.stopping.unwrap().cause.to_string(), "operator: delete by uid 0 (pid 23824)");

    let (pod, memory) = runs("paused_app_0", 0);
    assert_eq!(memory.paused_for, Some(3600 * SECOND));
    assert!(memory.paused_until.is_some_and(|until| until > memory.created_at + 3600 * SECOND));
    let liveness = only(&pod).probes.liveness.as_ref().unwrap();
    assert!(matches!(&liveness.handler, Handler::Grpc(grpc) if grpc.service == "app"));

    let (pod, memory) = own("no-image_app_0");
    assert_eq!((memory.image_id.as_str(), memory.started_at), ("", None));
    assert_eq!(only(&pod).source, Source::Image("docker.io/library/missing:1".into()));
}

#[test]
fn a_pod_of_several_with_all_that_it_has() {
    let (pod, memory) = runs("several_web_2", 2);
    assert_eq!((pod.name.as_str(), pod.namespace.as_str()), ("several", "shop"));
    assert!(pod.share_process_namespace && pod.service_account.as_deref() == Some("shop"));
    assert_eq!(pod.dependents["web"], ["cache"]);
    assert_eq!((pod.security.fs_group, pod.security.sysctls.len()), (Some(2000), 1));
    assert_eq!(pod.naming.host_aliases[0].hostnames, ["db.example"]);
    assert_eq!(pod.naming.dns.as_ref().unwrap().searches, ["shop.example"]);
    let all: Vec<_> = pod.all().map(|container| container.name.as_str()).collect();
    assert_eq!(all, ["prepare", "proxy", "web", "cache"]);
    assert_eq!(pod.init_containers[1].restart_policy, Some(RestartPolicy::Always));
    let [web, cache] = pod.containers.as_slice() else { panic!("{all:?}") };
    let env: Vec<_> = web.env.iter().map(|var| (var.name.as_str(), var.value.as_str())).collect();
    assert_eq!(env[..3], [("PLAIN", "a"), ("MODE", "fast"), ("PASSWORD", "not-a-secret")]);
    assert!(matches!(web.env[4].from, Some(EnvSource::Resource(_))));
    assert_eq!(web.restart_policy, Some(RestartPolicy::OnFailure));
    assert_eq!(web.restart_policy_rules[0].values, [42, 43]);
    assert_eq!((web.security.identity.user, web.security.add.len()), (Some(1000), 1));
    assert_eq!(web.volume_mounts.len(), 5);
    assert_eq!(cache.termination_message.path, "/tmp/last");
    assert_eq!(cache.termination_message.policy, MessagePolicy::FallbackToLogsOnError);
    let volumes: Vec<_> = pod.volumes.iter().map(|volume| volume.name.as_str()).collect();
    assert_eq!(volumes, ["settings", "login", "scratch", "host", "all"]);
    assert!(matches!(pod.volumes[3].source, VolumeSource::HostPath { .. }));
    let last = memory.last_state.unwrap();
    assert_eq!((last.attempt, last.ending), (Incarnation(1), Ending::Exited(42)));

    let (same, memory) = runs("several_cache_2", 2);
    assert_eq!(same, pod);
    assert_eq!(memory.last_state.unwrap().cause, Cause::Dependency { owner: "web".into() });
    assert_eq!(runs("several_proxy_0", 0).0, pod);
    assert_eq!(ended(&own("several_prepare_0").1).0, Ending::Exited(0));
}

#[test]
fn ones_that_wait_for_their_turn_and_rounds() {
    let (pod, memory) = own("held_web_0");
    assert!(memory.held && memory.started_at.is_none() && memory.ended.is_none());
    assert_eq!(pod.init_containers[0].name, "slow");
    assert!(!own("held_slow_0").1.held);

    let (pod, memory) = runs("rounds_web_1", 1);
    assert_eq!(memory.round, 1);
    let action = pod.containers[0].restart_policy_rules[0].action;
    assert_eq!(action, RestartAction::RestartAllContainers);
    let (_, memory) = runs("rounds_other_1", 1);
    let last = memory.last_state.unwrap();
    assert_eq!((last.reason.as_str(), last.cause), ("RestartingAllContainers", Cause::AllRestart));
    assert_eq!(attempts(&own("rounds_prepare_1").1), [1, 0]);
}

#[test]
fn ones_of_a_bundle_and_of_a_file() {
    let (pod, _) = runs("bundle_0", 0);
    let container = only(&pod);
    let Source::Bundle { oci_spec, rootfs } = &container.source else { panic!("{container:?}") };
    assert_eq!(*rootfs, Path::new("/srv/probelet/node1/bundle/rootfs"));
    let spec: Value = serde_json::from_str(oci_spec).unwrap();
    assert_eq!(spec["process"]["args"][0], "/bin/sleep");
    let lifecycle = &container.lifecycle;
    assert_eq!((lifecycle.stop_signal, lifecycle.evidence_signal), (Some(3), Some(10)));
    assert_eq!(container.backoff.cap, 60 * SECOND);

    let (pod, _) = runs("kept_app_0", 0);
    assert_eq!(pod.origin.unwrap().file, "/srv/probelet/node1/files/kept.yaml");
}

#[test]
fn adopted_ones_and_a_released_one() {
    let cared = |name| match decode_foreign(&any(name)) {
        Some(Remembered::Supervised(cared)) => *cared,
        other => panic!("{name}: {other:?}"),
    };
    let (pod, memory) = cared("adopted_labelled");
    assert_eq!((pod.name.as_str(), pod.namespace.as_str()), ("elsewhere/labelled", "elsewhere"));
    let adopted = pod.adopted().unwrap();
    assert!(!adopted.named && adopted.labels["probelet/restart"] == "on-failure:5");
    assert_eq!(pod.restart_policy, RestartPolicy::OnFailure);
    assert_eq!(only(&pod).backoff.max_restarts, Some(5));
    assert_eq!((memory.attempt, memory.restart_count), (Incarnation(1), 1));
    assert_eq!(memory.last_state.unwrap().cause, Cause::Outside { signal: 9 });

    let (pod, memory) = cared("adopted_named");
    assert!(pod.adopted().unwrap().named && memory.started && !memory.ready);
    assert_eq!(pod.restart_policy, RestartPolicy::Never);

    let released = decode_foreign(&any("adopted_released"));
    let labels = BTreeMap::from([("probelet/restart".to_owned(), "always".to_owned())]);
    assert_eq!(released, Some(Remembered::Released(labels)));
}

#[test]
fn pending_ones_are_newer_than_their_records() {
    for (name, record) in [
        ("pending_crashing_app", "crashing_app_2"),
        ("pending_killed_app", "killed_app_2"),
        ("pending_paused_app", "paused_app_0"),
        ("pending_adopted_labelled", "adopted_labelled"),
    ] {
        let ((pod, pending), (recorded, memory)) = (read(name), read(record));
        assert_eq!(pod, recorded, "{name}");
        assert!(pending.outdates(memory.attempt), "{name}");
        assert!(pending.history.iter().count() >= memory.history.iter().count(), "{name}");
    }
    let (_, memory) = read("pending_paused_app");
    assert_eq!(memory.last_state.unwrap().cause, Cause::Outside { signal: 9 });
    let (_, memory) = read("pending_adopted_labelled");
    assert_eq!(memory.ended.unwrap().attempt, Incarnation(1));
}

#[test]
fn one_of_another_namespace_is_left_alone_by_older_builds() {
    let any = any("namespaced_app_0");
    assert_eq!(unwrap(&any).unwrap().version, WITH_NAMESPACE);
    let (pod, memory) = decode(&any).unwrap();
    assert_eq!((pod.name.as_str(), pod.namespace.as_str()), ("web", "a"));
    assert!(!pod.ids_of_default && memory.started_at.is_some());
    // Builds without namespaces wrote version 1 for every pod.
    for (name, ids_of_default) in
        [("several_web_2", true), ("probed_app_0", false), ("adopted_labelled", false)]
    {
        assert_eq!(read(name).0.ids_of_default, ids_of_default, "{name}");
    }
    let newer = pb::Record { version: WITH_NAMESPACE + 1, ..pb::Record::default() };
    assert!(matches!(unwrap(&wrap(&newer)), Err(RecordError::Newer(3))));
}
