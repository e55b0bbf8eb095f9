//! `metrics.k8s.io`: the CPU time and the memory that containers and the host use, for `kubectl top`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use probelet_kube_wire::quantity::canonical;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::times::seconds;
use crate::evidence::usage;
use crate::files;
use crate::supervisor::{PodView, Supervisor, now};

/// A rate is measured over at least this time.
const SHORTEST: Duration = Duration::from_millis(500);
/// A measurement is used for all requests of this time.
const SHARED: Duration = Duration::from_secs(1);
/// An older measurement is no base of a rate.
const LONGEST: Duration = Duration::from_secs(120);
/// The kernel counts CPU time in `/proc/stat` in units of 1/100 s.
const TICK_MILLIS: u64 = 10;

/// CPU time and memory.
#[derive(Debug, Clone, Copy, Default)]
struct Amount {
    cpu: Duration,
    memory: u64,
}

/// The use of all containers and of the host at one time.
#[derive(Debug, Clone)]
struct Sample {
    at: SystemTime,
    host: Amount,
    /// By the pid of each container's first process.
    containers: BTreeMap<u32, Amount>,
}

/// Measures the use of CPU and memory when it is asked.
#[derive(Clone)]
pub struct UsageMeter {
    supervisor: Arc<Supervisor>,
    node: Arc<str>,
    /// The newest measurement. Concurrent requests wait for one and share it.
    last: Arc<Mutex<Option<(Sample, Sample)>>>,
}

impl UsageMeter {
    /// `node` is the name of this host.
    pub fn new(supervisor: Arc<Supervisor>, node: &str) -> Self {
        Self { supervisor, node: node.into(), last: Arc::default() }
    }

    /// Returns the `PodMetrics` of all running pods.
    pub async fn pods(&self) -> Vec<Value> {
        let (views, before, sample) = self.measure().await;
        views.iter().filter_map(|view| pod(view, &before, &sample)).collect()
    }

    /// Returns the `NodeMetrics` of this host.
    pub async fn node(&self) -> Value {
        let (_, before, sample) = self.measure().await;
        json!({
            "apiVersion": "metrics.k8s.io/v1beta1",
            "kind": "NodeMetrics",
            "metadata": {"name": &*self.node, "creationTimestamp": seconds(sample.at)},
            "timestamp": seconds(sample.at),
            "window": window(&before, &sample),
            "usage": used(Some(before.host), sample.host, &before, &sample),
        })
    }

    /// Returns the pods, an earlier sample, and one of now. Without an earlier sample this takes
    /// half a second.
    async fn measure(&self) -> (Vec<PodView>, Sample, Sample) {
        let mut last = self.last.lock().await;
        let age = |sample: &Sample| now().wall.duration_since(sample.at).unwrap_or(LONGEST);
        let views = self.supervisor.list();
        if let Some((base, sample)) = &*last
            && age(sample) < SHARED
        {
            return (views, base.clone(), sample.clone());
        }
        let base = match last.take() {
            Some((_, sample)) if age(&sample) < LONGEST => sample,
            _ => {
                let base = self.sample(views).await;
                tokio::time::sleep(SHORTEST).await;
                base
            }
        };
        let views = self.supervisor.list();
        let sample = self.sample(views.clone()).await;
        *last = Some((base.clone(), sample.clone()));
        (views, base, sample)
    }

    async fn sample(&self, views: Vec<PodView>) -> Sample {
        let read = move || {
            let pids = views.iter().flat_map(|view| view.status.all()).filter_map(|it| it.pid);
            let of = |pid| {
                let used = usage(pid)?;
                Some((pid, Amount { cpu: used.cpu, memory: used.memory }))
            };
            Sample { at: now().wall, host: host(), containers: pids.filter_map(of).collect() }
        };
        let empty =
            |_| Sample { at: now().wall, host: Amount::default(), containers: BTreeMap::new() };
        tokio::task::spawn_blocking(read).await.unwrap_or_else(empty)
    }
}

fn pod(view: &PodView, before: &Sample, sample: &Sample) -> Option<Value> {
    let running = view.status.all().filter_map(|status| {
        let pid = status.pid?;
        let amount = *sample.containers.get(&pid)?;
        let earlier = before.containers.get(&pid).copied();
        let usage = used(earlier, amount, before, sample);
        Some(json!({"name": status.name, "usage": usage}))
    });
    let (containers, key): (Vec<_>, _) = (running.collect(), view.spec.key());
    (!containers.is_empty()).then(|| {
        json!({
            "apiVersion": "metrics.k8s.io/v1beta1",
            "kind": "PodMetrics",
            "metadata": {
                "name": key.name(),
                "namespace": key.namespace(),
                "labels": view.spec.labels,
                "creationTimestamp": seconds(sample.at),
            },
            "timestamp": seconds(sample.at),
            "window": window(before, sample),
            "containers": containers,
        })
    })
}

/// Returns the rate of CPU time in cores, as nanocores, and the memory. A container that is younger
/// than the earlier sample has used all its time since.
fn used(earlier: Option<Amount>, amount: Amount, before: &Sample, sample: &Sample) -> Value {
    let time = sample.at.duration_since(before.at).unwrap_or_default().as_nanos();
    let cpu = amount.cpu.saturating_sub(earlier.unwrap_or_default().cpu).as_nanos();
    let nanocores = cpu.saturating_mul(1_000_000_000).checked_div(time).unwrap_or_default();
    json!({
        "cpu": canonical(&format!("{nanocores}n")),
        "memory": canonical(&format!("{}Ki", amount.memory / 1024)),
    })
}

fn window(before: &Sample, sample: &Sample) -> String {
    let window = sample.at.duration_since(before.at).unwrap_or_default();
    format!("{}ms", window.as_millis())
}

/// The use of the host by all processes.
fn host() -> Amount {
    let stat = files::read_kernel("/proc/stat").unwrap_or_default();
    let meminfo = files::read_kernel("/proc/meminfo").unwrap_or_default();
    Amount { cpu: busy(&stat), memory: occupied(&meminfo).unwrap_or_default() }
}

/// Returns the time that the processors were busy: all but idle and waiting for I/O.
fn busy(stat: &str) -> Duration {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "));
    let times = line.unwrap_or_default().split_whitespace().map(|time| time.parse::<u64>());
    // user, nice, system, idle, iowait, irq, softirq, steal; guest time is in user.
    let busy = times.take(8).enumerate().filter(|(at, _)| !matches!(at, 3 | 4));
    let ticks = busy.filter_map(|(_, time)| time.ok()).fold(0, u64::saturating_add);
    Duration::from_millis(ticks.saturating_mul(TICK_MILLIS))
}

/// Returns the bytes that are not available to new processes.
fn occupied(meminfo: &str) -> Option<u64> {
    let kib = |name: &str| -> Option<u64> {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    };
    kib("MemTotal:")?.saturating_sub(kib("MemAvailable:")?).checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_busy_without_idle_and_io_wait() {
        assert_eq!(busy("cpu  10 1 20 5000 7 0 2 0 0 0\ncpu0 1\n").as_millis(), 330);
        assert_eq!(busy(""), Duration::ZERO);
        let meminfo = "MemTotal: 2048 kB\nMemFree: 1 kB\nMemAvailable: 1024 kB\n";
        assert_eq!(occupied(meminfo), Some(1 << 20));
    }

    #[test]
    fn a_rate_is_in_cores() {
        let at = |seconds| Sample {
            at: SystemTime::UNIX_EPOCH + Duration::from_secs(seconds),
            host: Amount::default(),
            containers: BTreeMap::new(),
        };
        let amount = |millis, memory| Amount { cpu: Duration::from_millis(millis), memory };
        let usage = used(Some(amount(500, 0)), amount(1500, 4096), &at(10), &at(12));
        assert_eq!(usage, json!({"cpu": "500m", "memory": "4Ki"}));
    }
}
