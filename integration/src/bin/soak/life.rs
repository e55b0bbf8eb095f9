//! A host's life, compressed: containers crash, fail their probes, run out of memory and write logs;
//! clients restart, create, delete, execute, list, watch and follow. Nothing may grow, no call may
//! fail, and nothing is left at the end.

use std::fmt::Write as _;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use probelet_integration::image::BUSYBOX_IMAGE;
use probelet_integration::kube::{Background, Kube};
use probelet_integration::target::TARGET_IMAGE;
use probelet_integration::{Host, IMAGE, bounded, finish, now, succeed};
use serde_json::json;

use crate::growth::{Sample, growth};

/// The time between two samples.
const SAMPLE: Duration = Duration::from_secs(10);
/// The time that a watch or a followed log lasts.
const WATCH: Duration = Duration::from_secs(60);
/// Errors of clients that are printed.
const PRINTED: usize = 20;

const STEADY: usize = 6;
const NOISY: usize = 3;

pub fn soak(minutes: u32) -> Result<Vec<String>> {
    let mut host = Host::start()?;
    host.import("prober-target")?;
    host.import("kubia-unhealthy")?;
    host.busybox_image(&json!({}))?;
    host.flags.extend(["--metrics-address".to_owned(), probelet_integration::free_address()?]);
    let kube = Kube::start_on(host)?;
    live(&kube, Duration::from_secs(60) * minutes).inspect_err(|_| kube.host.show_logs())
}

fn live(kube: &Kube, length: Duration) -> Result<Vec<String>> {
    kube.apply(&["apply", "-f", "-"], &cast())?;
    for pod in ["asked", "noisy-0", "noisy-1"] {
        kube.ready(pod)?;
    }
    let clients = Clients::default();
    let samples = thread::scope(|scope| {
        for (pause, client) in CLIENTS {
            scope.spawn(|| clients.repeat(*pause, || client(kube, &clients)));
        }
        let samples = watch(&kube.host, &clients, length);
        clients.over.store(true, Ordering::Relaxed);
        samples
    })?;
    let mut faults = growth(&samples);
    let failed = clients.failed.load(Ordering::Relaxed);
    println!("{} calls, {failed} failed", clients.calls.load(Ordering::Relaxed));
    if failed > 0 {
        faults.push(format!("{failed} calls of clients failed"));
    }
    kube.kubectl(&["delete", "pods,deployments", "--all", "--grace-period=1"])?;
    if let Err(error) = kube.host.expect_nothing_left() {
        faults.push(format!("{error:#}"));
    }
    println!("at the end   {}", Sample::of(&kube.host)?.line());
    Ok(faults)
}

/// The calls of all clients so far.
#[derive(Default)]
struct Clients {
    over: AtomicBool,
    calls: AtomicUsize,
    failed: AtomicUsize,
}

type Client = fn(&Kube, &Clients) -> Result<()>;

/// What clients do, and the pause between two times.
const CLIENTS: &[(Duration, Client)] = &[
    (Duration::from_secs(2), restart),
    (Duration::from_secs(3), come_and_go),
    (Duration::from_secs(1), execute),
    (Duration::from_secs(1), read),
    (Duration::from_secs(60), roll_out),
    (Duration::ZERO, follow),
];

impl Clients {
    fn repeat(&self, pause: Duration, client: impl Fn() -> Result<()>) {
        while !self.over.load(Ordering::Relaxed) {
            self.calls.fetch_add(1, Ordering::Relaxed);
            if let Err(error) = client()
                && self.failed.fetch_add(1, Ordering::Relaxed) < PRINTED
            {
                eprintln!("a client: {error:#}");
            }
            self.sleep(pause);
        }
    }

    fn sleep(&self, length: Duration) {
        let end = now() + length;
        while now() < end && !self.over.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(100));
        }
    }
}

/// Takes samples, and prints one each five minutes.
fn watch(host: &Host, clients: &Clients, length: Duration) -> Result<Vec<Sample>> {
    println!("minute       {}", Sample::header());
    let (begin, mut samples) = (now(), Vec::new());
    while begin.elapsed() < length {
        clients.sleep(SAMPLE);
        let sample = Sample::of(host)?;
        if samples.len() % 30 == 0 {
            println!("{:<13}{}", begin.elapsed().as_secs() / 60, sample.line());
        }
        samples.push(sample);
    }
    Ok(samples)
}

/// The pods and the Deployment that stay.
fn cast() -> String {
    let mut yaml = String::new();
    let pod = |name: &str, container: &str| {
        format!(
            "---\n{{apiVersion: v1, kind: Pod, metadata: {{name: {name}}}, spec: {{ \
             terminationGracePeriodSeconds: 1, containers: [{{name: app, {container}}}]}}}}\n"
        )
    };
    for number in 0..STEADY {
        let container = format!(
            "image: {TARGET_IMAGE}, args: [http, \"127.0.0.1:8080\"], livenessProbe: {{httpGet: \
             {{path: /ok, host: 127.0.0.1, port: 8080}}, periodSeconds: 1}}, readinessProbe: \
             {{tcpSocket: {{host: 127.0.0.1, port: 8080}}, periodSeconds: 1}}"
        );
        yaml.push_str(&pod(&format!("steady-{number}"), &container));
    }
    for number in 0..NOISY {
        let line = "x".repeat(100);
        let script = format!(
            "while :; do n=0; while [ $n -lt 500 ]; do echo {line} $n; n=$((n+1)); done; \
             sleep 1; done"
        );
        yaml.push_str(&pod(&format!("noisy-{number}"), &shell(&script)));
    }
    let asked = format!(
        "{}, livenessProbe: {{exec: {{command: [\"true\"]}}, periodSeconds: 5, \
         timeoutSeconds: 20}}",
        shell("while :; do sleep 60; done")
    );
    yaml.push_str(&pod("asked", &asked));
    yaml.push_str(&pod("crashing", &shell("echo ending; sleep 1; exit 3")));
    let sick = format!(
        "image: {IMAGE}, args: [serve, --fail-after, \"3\"], livenessProbe: \
         {{httpGet: {{port: 8080}}, periodSeconds: 1}}"
    );
    yaml.push_str(&pod("sick", &sick));
    let fat = "dd if=/dev/zero of=/dev/null bs=128M count=1; sleep 1";
    let fat = format!("{}, resources: {{limits: {{memory: 32Mi}}}}", shell(fat));
    yaml.push_str(&pod("fat", &fat));
    let _ = write!(
        yaml,
        "---\n{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: web}}, spec: {{selector: \
         {{matchLabels: {{app: web}}}}, template: {{metadata: {{labels: {{app: web}}}}, spec: \
         {{terminationGracePeriodSeconds: 1, containers: [{{name: app, {}}}]}}}}}}}}\n",
        shell("while :; do sleep 60; done")
    );
    yaml
}

/// A container's fields that run this script.
fn shell(script: &str) -> String {
    format!("image: {BUSYBOX_IMAGE}, command: [sh, -c, {}]", json!(script))
}

/// Restarts a steady container.
fn restart(kube: &Kube, _: &Clients) -> Result<()> {
    let pod = format!("steady-{}", fastrand::usize(0..STEADY));
    kube.host.probelet(["restart", &pod]).map(drop)
}

/// Creates a pod, waits until it runs, and deletes it.
fn come_and_go(kube: &Kube, _: &Clients) -> Result<()> {
    let container = shell("echo hello; while :; do sleep 60; done");
    kube.host.apply(&format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: guest}}, spec: {{ \
         terminationGracePeriodSeconds: 0, volumes: [{{name: scratch, emptyDir: {{}}}}], \
         containers: [{{name: app, {container}, volumeMounts: \
         [{{name: scratch, mountPath: /scratch}}]}}]}}}}"
    ))?;
    kube.host.probelet(["wait", "pod", "guest", "--for", "condition=Ready"])?;
    kube.host.probelet(["delete", "pod", "guest"]).map(drop)
}

/// Executes a command, each second time through the Kubernetes API.
fn execute(kube: &Kube, _: &Clients) -> Result<()> {
    let said = if fastrand::bool() {
        kube.host.probelet(["exec", "asked", "--", "echo", "hello"])?
    } else {
        kube.kubectl(&["exec", "asked", "--", "echo", "hello"])?
    };
    ensure!(said == "hello\n", "{said:?}");
    Ok(())
}

/// Reads what people and scripts read.
fn read(kube: &Kube, _: &Clients) -> Result<()> {
    kube.host.probelet(["get", "pods"])?;
    kube.host.probelet(["describe", "pod", "sick"])?;
    kube.host.probelet(["logs", "noisy-0", "--tail", "100"])?;
    kube.kubectl(&["get", "pods", "-o", "json"])?;
    kube.kubectl(&["get", "events"])?;
    let address = kube.host.flags.iter().skip_while(|flag| *flag != "--metrics-address").nth(1);
    let url = format!("http://{}/metrics", address.context("no address")?);
    let page = succeed(finish(bounded("curl").args(["-sSf", &url]), "")?)?;
    ensure!(page.contains("probelet_"), "{page}");
    Ok(())
}

fn roll_out(kube: &Kube, _: &Clients) -> Result<()> {
    kube.kubectl(&["rollout", "restart", "deployment/web"])?;
    kube.kubectl(&["rollout", "status", "deployment/web", "--timeout=50s"]).map(drop)
}

/// Watches and follows for a minute, with readers of each kind.
fn follow(kube: &Kube, clients: &Clients) -> Result<()> {
    let mut readers: Vec<Background> = Vec::new();
    for _ in 0..5 {
        readers.push(kube.kubectl.spawn(&["get", "pods", "--watch", "-o", "name"])?);
    }
    readers.push(kube.kubectl.spawn(&["logs", "--follow", "--tail=10", "noisy-1"])?);
    let mut events = Command::new(probelet_integration::probelet_bin());
    events.args(["get", "events", "--watch", "--socket"]).arg(kube.host.socket());
    readers.push(Background::start(&mut events)?);
    // Nothing reads their pipes, so the daemon also has slow watchers.
    clients.sleep(WATCH);
    let ended = |reader: &mut Background| matches!(reader.0.try_wait(), Ok(Some(_)));
    let early = readers.iter_mut().filter_map(|reader| ended(reader).then_some(())).count();
    for mut reader in readers {
        probelet_integration::clean::end(&mut reader.0);
    }
    ensure!(early == 0, "{early} readers ended by themselves");
    Ok(())
}
