//! The Kubernetes API: the memory that it costs, the time of a Table, and the time until a change
//! reaches a watcher.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use hyper::Method;
use hyper::body::Incoming;
use probelet_integration::api_client::{Access, Connection, next_part, whole};
use probelet_integration::{Host, IMAGE, SOON, eventually, free_address, now};
use serde_json::{Value, json};

use crate::report::Row;
use crate::size::resident;

const PODS: usize = 200;
const WATCHES: usize = 20;
const COMMANDS: usize = 10;
const TABLES: usize = 200;
const CHANGES: usize = 1000;

const LIST: &str = "/api/v1/namespaces/default/pods?limit=500";
const OBJECT: &str = "/api/v1/namespaces/default/configmaps/bench";
const JSON: &str = "application/json";
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

pub fn run() -> Result<Vec<Row>> {
    let mut host = Host::start()?;
    host.start_daemon()?;
    let without = resident(&host)?;
    host.kill_daemon()?;
    let address = free_address()?;
    let flags = ["--kube-api", address.as_str()];
    host.start_daemon_with(&flags)?;
    let idle = resident(&host)?;
    let mut rows = vec![Row::alone("memory of the idle API", "MiB", idle - without)];

    create_pods(&host)?;
    host.kill_daemon()?;
    host.start_daemon()?;
    all_run(&host)?;
    let without = resident(&host)?;
    host.kill_daemon()?;
    host.start_daemon_with(&flags)?;
    all_run(&host)?;
    let pods = resident(&host)? - without;
    rows.push(Row::alone(format!("memory with {PODS} pods"), "MiB", pods));
    let kubeconfig = host.probelet(["kubeconfig", "--name", "bench", "--token"])?;
    let access = Access::from_kubeconfig(&kubeconfig, &address)?;
    let commands = Commands::start(&host, &kubeconfig)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut watches = Vec::new();
        for _ in 0..WATCHES {
            watches.push(Watch::open(&access, &format!("{LIST}&watch=true")).await?);
        }
        let with = resident(&host)?;
        let what = format!("memory with {PODS} pods, {WATCHES} watches, {COMMANDS} commands");
        rows.push(Row::alone(what, "MiB", with - without));
        drop(watches);
        rows.extend(tables(&access).await?);
        rows.extend(changes(&access).await?);
        anyhow::Ok(())
    })?;
    drop(commands);
    Ok(rows)
}

fn create_pods(host: &Host) -> Result<()> {
    let pods: Vec<String> = (0..PODS)
        .map(|number| {
            let pod = json!({
                "apiVersion": "v1", "kind": "Pod", "metadata": { "name": format!("bench-{number}") },
                "spec": { "containers": [{ "name": "app", "image": IMAGE, "imagePullPolicy": "Never",
                    "args": ["sleep"] }] },
            });
            pod.to_string()
        })
        .collect();
    for some in pods.chunks(50) {
        host.apply(&some.join("\n---\n"))?;
    }
    all_run(host)
}

fn all_run(host: &Host) -> Result<()> {
    eventually("all pods run", SOON * 8, || {
        let text = host.probelet(["get", "pods"]).ok()?;
        let running = text.lines().filter(|line| line.contains("Running")).count();
        (running == PODS).then_some(())
    })
}

/// Commands that run in pods, each started by kubectl.
struct Commands(Vec<Child>);

impl Commands {
    fn start(host: &Host, kubeconfig: &str) -> Result<Self> {
        let file = host.path("bench-kubeconfig");
        std::fs::write(&file, kubeconfig)?;
        let program = std::env::var_os("KUBECTL").context("KUBECTL is not set")?;
        let mut commands = Self(Vec::new());
        for number in 0..COMMANDS {
            let mut command = Command::new(&program);
            command.env("KUBECONFIG", &file).env("HOME", host.path("home"));
            command.args(["exec", &format!("bench-{number}"), "--", "/kubia-unhealthy", "serve"]);
            commands
                .0
                .push(command.args(["--addr", "127.0.0.1:9"]).stdout(Stdio::piped()).spawn()?);
        }
        for child in &mut commands.0 {
            // Its first line shows that it runs.
            let out = child.stdout.as_mut().context("no pipe")?;
            let read = std::io::Read::read(out, &mut [0; 64])?;
            ensure!(read > 0, "a command did not start");
        }
        Ok(commands)
    }
}

impl Drop for Commands {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A watch; its connection carries nothing else.
struct Watch {
    _connection: Connection,
    body: Incoming,
    rest: Vec<u8>,
}

impl Watch {
    async fn open(access: &Access, path: &str) -> Result<Self> {
        let mut connection = access.connect().await?;
        let body = connection.send(Method::GET, path, JSON, None).await?.into_body();
        Ok(Self { _connection: connection, body, rest: Vec::new() })
    }

    /// The next event, and when its last byte arrived.
    async fn next(&mut self) -> Result<(Value, Instant)> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                return Ok((serde_json::from_slice(&line)?, now()));
            }
            let part = next_part(&mut self.body).await?.context("the watch ended")?;
            self.rest.extend_from_slice(&part);
        }
    }
}

async fn tables(access: &Access) -> Result<Vec<Row>> {
    let mut connection = access.connect().await?;
    let mut times = Vec::new();
    for _ in 0..TABLES {
        let start = now();
        let answer = connection.send(Method::GET, LIST, TABLE, None).await?;
        let body = whole(answer.into_body()).await?;
        times.push(start.elapsed());
        let table: Value = serde_json::from_slice(&body)?;
        let rows = table.get("rows").and_then(Value::as_array).map_or(0, Vec::len);
        ensure!(rows == PODS, "{rows} rows");
    }
    Ok(quantiles(&format!("Table of {PODS} pods"), times))
}

/// The time from the answer to a change until a watcher has it; 0 if the watcher is first.
async fn changes(access: &Access) -> Result<Vec<Row>> {
    let mut connection = access.connect().await?;
    let object = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "bench" },
        "data": { "number": "none" },
    });
    let folder = OBJECT.strip_suffix("/bench").unwrap_or(OBJECT);
    let body = Some((JSON, object.to_string()));
    whole(connection.send(Method::POST, folder, JSON, body).await?.into_body()).await?;
    let path = format!("{folder}?watch=true&fieldSelector=metadata.name=bench");
    let mut watch = Watch::open(access, &path).await?;
    watch.next().await?;
    let (mut after_answer, mut after_request) = (Vec::new(), Vec::new());
    for number in 0..CHANGES {
        let patch = json!({ "data": { "number": number.to_string() } }).to_string();
        let body = Some(("application/merge-patch+json", patch));
        let start = now();
        let change = async {
            let answer = connection.send(Method::PATCH, OBJECT, JSON, body).await?;
            whole(answer.into_body()).await?;
            anyhow::Ok(now())
        };
        let (answered, (event, arrived)) = tokio::try_join!(change, watch.next())?;
        let seen = event.pointer("/object/data/number").and_then(Value::as_str);
        ensure!(seen == Some(number.to_string().as_str()), "{event}");
        after_answer.push(arrived.saturating_duration_since(answered));
        after_request.push(arrived.duration_since(start));
    }
    let mut rows = quantiles("answer of a change to its watch event", after_answer);
    rows.extend(quantiles("request of a change to its watch event", after_request));
    Ok(rows)
}

fn quantiles(what: &str, mut times: Vec<Duration>) -> Vec<Row> {
    times.sort_unstable();
    let at = |share: f64| {
        let last = times.len().saturating_sub(1) as f64;
        times.get((last * share).round() as usize).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
    };
    vec![
        Row::alone(format!("{what}, median"), "ms", at(0.5)),
        Row::alone(format!("{what}, 99 %"), "ms", at(0.99)),
    ]
}
