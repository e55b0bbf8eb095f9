//! The 30 containers of a run and the expected state of each.

use serde_json::{Value, json};

use probelet_integration::IMAGE;
use probelet_integration::target::TARGET_IMAGE;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Runs and is ready; only a fault that is aimed at it ends it.
    Steady,
    /// Exits by itself with this code, after each restart.
    Loops(i64),
    /// Its liveness probe fails after some answers, so that probelet kills it.
    Condemned,
    /// Exits once with this code and is not restarted.
    Ends(i64),
}

#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) pod: String,
    pub(crate) name: String,
    pub(crate) role: Role,
}

impl Member {
    /// The part of an attempt's id before its number.
    pub(crate) fn key(&self) -> String {
        if self.pod == self.name { self.pod.clone() } else { format!("{}_{}", self.pod, self.name) }
    }

    /// `POD/CONTAINER`, the key in the table of statuses.
    pub(crate) fn path(&self) -> String {
        format!("{}/{}", self.pod, self.name)
    }
}

pub(crate) struct Workload {
    pub(crate) members: Vec<Member>,
    /// The name and the manifest of each pod.
    pub(crate) manifests: Vec<(String, String)>,
}

struct Part {
    spec: Value,
    annotations: Vec<(&'static str, &'static str)>,
    role: Role,
    is_init: bool,
}

const NEVER_FAILS: &str = "1000000000";

impl Workload {
    pub(crate) fn thirty() -> Self {
        let mut workload = Self { members: Vec::new(), manifests: Vec::new() };
        for number in 0..5 {
            workload.add(&format!("http{number}"), "Always", vec![web("app")]);
        }
        for number in 0..3 {
            workload.add(&format!("tcp{number}"), "Always", vec![tcp("app")]);
        }
        for number in 0..2 {
            workload.add(&format!("grpc{number}"), "OnFailure", vec![grpc("app")]);
        }
        workload.add("exec0", "Always", vec![exec("app", &["exit", "0"])]);
        // The command hangs, so there is always a command to clean up when something dies.
        let hangs = annotated(exec("app", &["sleep"]), "liveness.onFailure", "notify");
        workload.add("exec1", "Always", vec![hangs]);
        for number in 0..3 {
            // It serves on a port of its own, so the death of its neighbour does not fail its
            // probe.
            let args = ["serve", "--addr", "127.0.0.1:8081", "--fail-after", NEVER_FAILS];
            let handler = json!({ "httpGet": { "port": 8081 } });
            let mut neighbour = both(steady("beside", IMAGE, &args), handler);
            let mount = |name| json!({ "name": name, "mountPath": format!("/{name}") });
            put(&mut neighbour.spec, "volumeMounts", ["memory", "disk"].map(mount).into());
            workload.add(&format!("duo{number}"), "Always", vec![web("app"), neighbour]);
        }
        for number in 0..2 {
            let mut first = part("first", IMAGE, &["exit", "0"], Role::Ends(0));
            first.is_init = true;
            let mut side = steady("side", IMAGE, &["sleep"]);
            side.is_init = true;
            put(&mut side.spec, "restartPolicy", json!("Always"));
            workload.add(&format!("train{number}"), "Always", vec![first, side, web("app")]);
        }
        let crash = part("app", IMAGE, &["crash-after", "700"], Role::Loops(1));
        workload.add("loop0", "Always", vec![crash]);
        let done = part("app", IMAGE, &["exit", "0", "900"], Role::Loops(0));
        workload.add("loop1", "Always", vec![done]);
        let ill = ["serve", "--fail-after", "6"];
        let ill = probed(part("app", IMAGE, &ill, Role::Condemned), "liveness", http());
        workload.add("ill", "Always", vec![ill]);
        let once = |code: &str, role| part("app", IMAGE, &["exit", code, "400"], role);
        workload.add("once0", "Never", vec![once("0", Role::Ends(0))]);
        workload.add("once1", "Never", vec![once("5", Role::Ends(5))]);
        workload.add("once2", "OnFailure", vec![once("0", Role::Ends(0))]);
        workload
    }

    fn add(&mut self, pod: &str, policy: &str, parts: Vec<Part>) {
        let mut annotations = serde_json::Map::new();
        let (mut init, mut regular) = (Vec::new(), Vec::new());
        let mut volumes = json!([]);
        for Part { spec, annotations: own, role, is_init } in parts {
            let name = spec.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
            // Short back-offs keep the rounds short.
            for (setting, value) in [("Base", "100"), ("Cap", "400")] {
                let key = format!("probelet.io/{name}.backoff{setting}Milliseconds");
                annotations.insert(key, value.into());
            }
            for kind in ["liveness", "readiness"] {
                if spec.get(format!("{kind}Probe")).is_some() {
                    let key = format!("probelet.io/{name}.{kind}.periodMilliseconds");
                    annotations.insert(key, "500".into());
                }
            }
            if spec.get("volumeMounts").is_some() {
                let memory = json!({ "name": "memory", "emptyDir": { "medium": "Memory" } });
                volumes = json!([memory, { "name": "disk", "emptyDir": {} }]);
            }
            for (setting, value) in own {
                annotations.insert(format!("probelet.io/{name}.{setting}"), value.into());
            }
            self.members.push(Member { pod: pod.to_owned(), name, role });
            if is_init { &mut init } else { &mut regular }.push(spec);
        }
        let manifest = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": { "name": pod, "annotations": annotations },
            "spec": {
                "terminationGracePeriodSeconds": 0, "restartPolicy": policy,
                "initContainers": init, "containers": regular,
                "volumes": volumes,
            },
        });
        self.manifests.push((pod.to_owned(), manifest.to_string()));
    }
}

fn part(name: &str, image: &str, args: &[&str], role: Role) -> Part {
    let spec = json!({ "name": name, "image": image, "args": args });
    Part { spec, annotations: Vec::new(), role, is_init: false }
}

fn steady(name: &str, image: &str, args: &[&str]) -> Part {
    part(name, image, args, Role::Steady)
}

fn put(spec: &mut Value, key: &str, value: Value) {
    if let Some(spec) = spec.as_object_mut() {
        spec.insert(key.to_owned(), value);
    }
}

/// Adds a probe that fails after three failures in a row, which also holds on a busy machine.
fn probed(mut part: Part, kind: &str, handler: Value) -> Part {
    let mut probe = json!({ "timeoutSeconds": 3, "failureThreshold": 3 });
    if let (Some(probe), Value::Object(handler)) = (probe.as_object_mut(), handler) {
        probe.extend(handler);
    }
    put(&mut part.spec, &format!("{kind}Probe"), probe);
    part
}

fn both(part: Part, handler: Value) -> Part {
    probed(probed(part, "liveness", handler.clone()), "readiness", handler)
}

fn http() -> Value {
    json!({ "httpGet": { "port": 8080 } })
}

fn web(name: &str) -> Part {
    both(steady(name, IMAGE, &["serve", "--fail-after", NEVER_FAILS]), http())
}

fn tcp(name: &str) -> Part {
    let server = steady(name, TARGET_IMAGE, &["http", "127.0.0.1:9000"]);
    both(server, json!({ "tcpSocket": { "port": 9000 } }))
}

fn grpc(name: &str) -> Part {
    let server = steady(name, TARGET_IMAGE, &["grpc", "127.0.0.1:9000"]);
    both(server, json!({ "grpc": { "port": 9000 } }))
}

fn exec(name: &str, args: &[&str]) -> Part {
    let command: Vec<&str> = ["/kubia-unhealthy"].iter().chain(args).copied().collect();
    let handler = json!({ "exec": { "command": command } });
    probed(steady(name, IMAGE, &["sleep"]), "liveness", handler)
}

fn annotated(mut part: Part, setting: &'static str, value: &'static str) -> Part {
    part.annotations.push((setting, value));
    part
}
