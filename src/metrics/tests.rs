//! The page over a scripted runtime.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;

use super::host::HostMetrics;
use super::snapshot::Snapshot;
use crate::connections;
use crate::domain::container::Wanted;
use crate::domain::exit::Ending;
use crate::domain::probe::Outcome;
use crate::domain::spec::{ContainerSpec, Handler, PortRef, ProbeSpec, TcpSocket, sample};
use crate::domain::status::ContainerState;
use crate::node::fake::Fake;
use crate::node::{FailedCalls, Target};
use crate::prober::{Attempt, Prober};
use crate::process::own;
use crate::supervisor::{PodView, Supervisor};

const MINUTE: Duration = Duration::from_secs(60);

struct Good;

#[async_trait]
impl Prober for Good {
    async fn attempt(&self, _: Arc<dyn Target>, _: &ContainerSpec, _: &ProbeSpec) -> Attempt {
        Attempt { outcome: Outcome::Success(String::new()), latency: Duration::from_millis(3) }
    }
}

/// Of a host with one container, which crashed once and runs again.
async fn page() -> String {
    let runtime = Arc::new(Fake::default());
    let supervisor = Supervisor::new(runtime.clone(), Arc::new(Good));
    let mut spec = sample::pod();
    let handler = Handler::TcpSocket(TcpSocket { host: None, port: PortRef::Number(80) });
    spec.containers[0].probes.liveness = Some(ProbeSpec::new(handler));
    let pod = spec.key();
    supervisor.apply(spec.validate().unwrap(), Wanted::Running).await.unwrap();
    let runs = |restarts: u32| {
        let reached = move |view: &PodView| {
            let status = &view.status.containers[0];
            let runs = matches!(status.state, ContainerState::Running { .. });
            runs && status.restart_count == restarts
        };
        supervisor.wait(&pod, "running", MINUTE, reached)
    };
    runs(0).await.unwrap();
    tokio::time::sleep(MINUTE).await;
    runtime.end(Ending::Signaled(11));
    runs(1).await.unwrap();
    let host = HostMetrics {
        started: SystemTime::UNIX_EPOCH,
        usage: own::usage(),
        brake: supervisor.brake(),
        reachable: true,
        failed_calls: FailedCalls::from([(("Tasks.Start", "timeout"), 2)]),
        slots: vec![connections::Usage { name: "unix", open: 1, closed: 2 }],
    };
    let (pods, counts) = (supervisor.list(), supervisor.counters().counts());
    Snapshot { host, pods, counts }.render().unwrap()
}

#[tokio::test(start_paused = true)]
async fn each_metric_is_in_the_table_and_each_row_is_a_metric() {
    let page = page().await;
    let on_page: BTreeSet<(String, String)> = page
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .map(|(name, kind)| {
            let total = if kind == "counter" { "_total" } else { "" };
            (format!("{name}{total}"), kind.to_owned())
        })
        .collect();
    let documented: BTreeSet<(String, String)> = include_str!("../../METRICS.md")
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` | "))
        .map(|(name, rest)| (name.to_owned(), rest.split(' ').next().unwrap().to_owned()))
        .collect();
    assert_eq!(on_page, documented);
    // Nobody would see on the page that a family has no value.
    for (name, kind) in &on_page {
        let suffix = if kind == "histogram" { "_bucket" } else { "" };
        let series = format!("{name}{suffix}");
        let has_value = page.lines().any(|line| {
            line.strip_prefix(&series).is_some_and(|rest| rest.starts_with([' ', '{']))
        });
        assert!(has_value, "{name} has no value:\n{page}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_page_has_the_values() {
    let page = page().await;
    let spec = sample::pod();
    let container = format!(
        "namespace=\"{}\",pod=\"{}\",container=\"{}\"",
        spec.namespace, spec.name, spec.containers[0].name
    );
    for line in [
        format!("probelet_container_restarts_total{{{container}}} 1.0"),
        format!("probelet_container_ends_total{{{container},cause=\"crash\"}} 1.0"),
        format!("probelet_container_last_exit_code{{{container}}} 139.0"),
        format!("probelet_container_state{{{container},state=\"running\",reason=\"\"}} 1.0"),
        "probelet_containers{state=\"running\"} 1.0".to_owned(),
        "probelet_brake_state{state=\"free\"} 1.0".to_owned(),
        "probelet_brake_tokens 10.0".to_owned(),
        "probelet_containerd_failed_calls_total{call=\"Tasks.Start\",kind=\"timeout\"} 2.0"
            .to_owned(),
        "# EOF".to_owned(),
    ] {
        assert!(page.lines().any(|found| found == line), "no {line} in\n{page}");
    }
    let value = |series: &str| -> f64 {
        let line = page.lines().find_map(|line| line.strip_prefix(series));
        line.unwrap_or_else(|| panic!("no {series}")).trim().parse().unwrap()
    };
    let probes = value(&format!(
        "probelet_probes_total{{{container},probe=\"liveness\",outcome=\"success\"}}"
    ));
    assert!(probes >= 6.0, "{probes}");
    let bucket = "probelet_probe_duration_seconds_bucket{le=\"";
    assert_eq!(value(&format!("{bucket}0.0025\",probe=\"liveness\"}}")), 0.0);
    assert_eq!(value(&format!("{bucket}0.005\",probe=\"liveness\"}}")), probes);
    assert_eq!(value(&format!("{bucket}+Inf\",probe=\"liveness\"}}")), probes);
}
