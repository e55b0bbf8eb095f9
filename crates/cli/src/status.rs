//! `status`: the daemon and its pods on one screen.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::ValueEnum;
use jiff::Timestamp;
use serde::Serialize;
use tonic::Code;

use super::columns;
use super::connect::{Client, UNARY, call};
use super::error::{Error, Result};
use super::io::{Io, now};
use super::objects::{self, timestamp};
use super::table::Table;
use super::times::since;
use probelet_api::pb;
use probelet_text::build_line;

/// Restarts that ended longer ago are not listed.
const RECENT: Duration = Duration::from_secs(3600);
/// The index of STATUS in a row of `get pods`.
const STATUS: usize = 2;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print JSON: an object with `version`, `containerdVersion` (empty if containerd does not
    /// answer), `kernelVersion`, `pods` by status, `notReady`, `heldKills`, `host` and `restarts`.
    #[arg(short, long, value_enum)]
    output: Option<Format>,
    // systemctl's `status NAME`: the error says what to do instead.
    #[arg(hide = true, value_name = "POD")]
    pods: Vec<String>,
}

impl Args {
    /// Reports wrong usage, which needs no daemon.
    pub fn check(&self) -> Result<()> {
        let Some(pod) = self.pods.first() else { return Ok(()) };
        let why = "`status` is about the daemon and all pods".to_owned();
        let hint = format!("`probelet describe pod {pod}` is about one");
        Err(Error::Usage(why).hint(hint))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Json,
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    version: String,
    containerd_version: String,
    kernel_version: String,
    /// The number of pods with each STATUS of `get pods`.
    pods: BTreeMap<String, usize>,
    not_ready: Vec<PodLine>,
    /// The pods of which a kill by a probe waits for the brake.
    held_kills: Vec<PodLine>,
    /// What the daemon finds of its host, the good findings too.
    host: Vec<Finding>,
    /// The ends within the last hour that a restart followed or will follow, newest first.
    restarts: Vec<Restart>,
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Finding {
    subject: String,
    verdict: String,
    found: String,
    advice: String,
}

impl From<pb::HostFinding> for Finding {
    fn from(finding: pb::HostFinding) -> Self {
        let pb::HostFinding { subject, verdict, found, advice } = finding;
        Self { subject, verdict, found, advice }
    }
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct PodLine {
    namespace: String,
    pod: String,
    status: String,
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Restart {
    namespace: String,
    pod: String,
    container: String,
    at: Timestamp,
    cause: String,
}

/// Prints the report. The exit status is 1 if containerd does not answer.
pub async fn run(client: &Client, args: &Args, io: &mut Io<'_>) -> Result<()> {
    let (mut meta, mut api) = (client.meta(), client.pods());
    let version = call(pb::GetVersionRequest {}, UNARY, |r| meta.get_version(r)).await?;
    let pods = call(pb::ListPodsRequest::default(), UNARY, |r| api.list_pods(r)).await?.pods;
    let now = now();
    let mut report = report(version, &pods, now)?;
    report.host = findings(client).await?;
    match args.output {
        Some(Format::Json) => io.json(&report)?,
        None => print(&report, now, io)?,
    }
    match report.containerd_version.is_empty() {
        true => Err(Error::Other("containerd does not answer; the containers run on".to_owned())),
        false => Ok(()),
    }
}

/// A daemon of an older version has no findings.
async fn findings(client: &Client) -> Result<Vec<Finding>> {
    let mut meta = client.meta();
    match call(pb::CheckHostRequest {}, UNARY, |request| meta.check_host(request)).await {
        Ok(found) => Ok(found.findings.into_iter().map(Finding::from).collect()),
        Err(error) if error.code() == Some(Code::Unimplemented) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn report(version: pb::GetVersionResponse, pods: &[pb::Pod], now: Timestamp) -> Result<Report> {
    let pb::GetVersionResponse { version, commit, build_date, containerd_version, kernel_version } =
        version;
    let mut report = Report {
        version: build_line(&version, &commit, &build_date),
        containerd_version,
        kernel_version,
        pods: BTreeMap::new(),
        not_ready: Vec::new(),
        held_kills: Vec::new(),
        host: Vec::new(),
        restarts: Vec::new(),
    };
    for pod in pods {
        let row = columns::row(&objects::pod(pod)?).cells(false, now);
        let status = row.get(STATUS).cloned().unwrap_or_default();
        let line = || PodLine {
            namespace: pod.namespace.clone(),
            pod: pod.name.clone(),
            status: status.clone(),
        };
        // A pod that has completed is as it should be.
        if !pod.ready && pod.phase != "Succeeded" {
            report.not_ready.push(line());
        }
        if pod.containers.iter().any(|container| container.kill_held.is_some()) {
            report.held_kills.push(line());
        }
        report.restarts.extend(pod.containers.iter().flat_map(|one| restarts(pod, one, now)));
        let count = report.pods.entry(status.clone()).or_default();
        *count = count.saturating_add(1);
    }
    report.restarts.sort_by_key(|restart| std::cmp::Reverse(restart.at));
    Ok(report)
}

/// The recent ends of a container of earlier attempts than the present one.
fn restarts<'a>(
    pod: &'a pb::Pod,
    container: &'a pb::Container,
    now: Timestamp,
) -> impl Iterator<Item = Restart> + 'a {
    let ends = container.history.iter().filter(|end| end.attempt < container.attempt);
    ends.filter_map(move |end| {
        let at = timestamp(end.finished_at)?;
        let is_recent = now.duration_since(at).unsigned_abs() <= RECENT;
        is_recent.then(|| Restart {
            namespace: pod.namespace.clone(),
            pod: pod.name.clone(),
            container: container.name.clone(),
            at,
            cause: match end.cause.as_str() {
                "" => format!("{}, exit code {}", end.reason, end.exit_code),
                cause => cause.to_owned(),
            },
        })
    })
}

fn print(report: &Report, now: Timestamp, io: &mut Io<'_>) -> Result<()> {
    let or_unknown =
        |text: &str| if text.is_empty() { "<unknown>".to_owned() } else { text.to_owned() };
    io.line(&format!("probelet:    {}", report.version))?;
    io.line(&format!("containerd:  {}", or_unknown(&report.containerd_version)))?;
    io.line(&format!("Kernel:      {}", or_unknown(&report.kernel_version)))?;
    let all: usize = report.pods.values().sum();
    let counts: Vec<_> = report.pods.iter().map(|(status, n)| format!("{n} {status}")).collect();
    let counts = if counts.is_empty() { String::new() } else { format!(": {}", counts.join(", ")) };
    io.line(&format!("Pods:        {all}{counts}"))?;
    for (title, lines) in
        [("Not ready", &report.not_ready), ("Kills that wait for the brake", &report.held_kills)]
    {
        let rows: Vec<_> = lines
            .iter()
            .map(|line| vec![line.namespace.clone(), line.pod.clone(), line.status.clone()])
            .collect();
        section(io, title, &["NAMESPACE", "POD", "STATUS"], &rows)?;
    }
    // What is good needs no line.
    let rows: Vec<_> = report
        .host
        .iter()
        .filter(|finding| finding.verdict != "good")
        .map(|finding| {
            let Finding { subject, verdict, found, advice } = finding;
            vec![subject.clone(), verdict.clone(), found.clone(), advice.clone()]
        })
        .collect();
    section(io, "Host", &["SUBJECT", "VERDICT", "FOUND", "ADVICE"], &rows)?;
    let rows: Vec<_> = report
        .restarts
        .iter()
        .map(|restart| {
            let Restart { namespace, pod, container, at, cause } = restart;
            let ago = format!("{} ago", since(Some(*at), now));
            vec![namespace.clone(), pod.clone(), container.clone(), ago, cause.clone()]
        })
        .collect();
    let header = ["NAMESPACE", "POD", "CONTAINER", "ENDED", "CAUSE"];
    section(io, "Restarts in the last hour", &header, &rows)
}

fn section(io: &mut Io<'_>, title: &str, header: &[&str], rows: &[Vec<String>]) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    io.line("")?;
    io.line(&format!("{title}:"))?;
    io.print(&Table::new(header).lines(rows))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(name: &str, phase: &str, containers: Vec<pb::Container>) -> pb::Pod {
        let object = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
            "spec": {"containers": [{"name": "app"}]}, "status": {"phase": phase},
        });
        pb::Pod {
            name: name.to_owned(),
            namespace: "default".to_owned(),
            phase: phase.to_owned(),
            ready: phase == "Running",
            containers,
            object: Some(probelet_api::structs::from_json(object).unwrap()),
            ..pb::Pod::default()
        }
    }

    fn ended(attempt: u32, seconds: i64, cause: &str) -> pb::container_state::Terminated {
        pb::container_state::Terminated {
            attempt,
            cause: cause.to_owned(),
            reason: "Error".to_owned(),
            exit_code: 1,
            finished_at: Some(prost_types::Timestamp { seconds, nanos: 0 }),
            ..Default::default()
        }
    }

    #[test]
    fn the_report_has_what_is_wrong_and_recent_restarts() {
        let now = Timestamp::from_second(10_000).unwrap();
        let container = pb::Container {
            name: "app".to_owned(),
            attempt: 3,
            history: vec![
                // The present attempt has no successor, and the first ended too long ago.
                ended(3, 9_999, "is being restarted"),
                ended(2, 9_990, "liveness probe failed"),
                ended(1, 9_000, ""),
                ended(0, 6_000, "too old"),
            ],
            kill_held: Some(pb::KillHeld::default()),
            ..Default::default()
        };
        let pods = [
            pod("web", "Running", vec![container]),
            pod("job", "Succeeded", Vec::new()),
            pod("new", "Pending", Vec::new()),
        ];
        let version = pb::GetVersionResponse {
            version: "1.0".to_owned(),
            containerd_version: "1.7".to_owned(),
            ..Default::default()
        };
        let mut report = report(version, &pods, now).unwrap();
        let finding = |subject: &str, verdict: &str| pb::HostFinding {
            subject: subject.to_owned(),
            verdict: verdict.to_owned(),
            found: "12:00".to_owned(),
            advice: "set it".to_owned(),
        };
        report.host = vec![finding("brake", "good").into(), finding("clock", "degraded").into()];
        let (mut out, mut err) = (Vec::new(), Vec::new());
        print(&report, now, &mut Io::new(&mut out, &mut err)).unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<_> = text
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(
            lines,
            [
                "probelet: 1.0",
                "containerd: 1.7",
                "Kernel: <unknown>",
                "Pods: 3: 1 Pending, 1 Running, 1 Succeeded",
                "",
                "Not ready:",
                "NAMESPACE POD STATUS",
                "default new Pending",
                "",
                "Kills that wait for the brake:",
                "NAMESPACE POD STATUS",
                "default web Running",
                "",
                "Host:",
                "SUBJECT VERDICT FOUND ADVICE",
                "clock degraded 12:00 set it",
                "",
                "Restarts in the last hour:",
                "NAMESPACE POD CONTAINER ENDED CAUSE",
                "default web app 10s ago liveness probe failed",
                "default web app 16m ago Error, exit code 1",
            ]
        );
    }
}
