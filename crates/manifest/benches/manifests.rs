//! The cost of a List of 1,000 ordinary pods, read as `validate` and `apply` read it. It may use 1 s
//! of processor time and 100 MB of memory at the peak; more fails. One thread does all the work, so
//! on an idle machine the processor time is the elapsed time.
//!
//!     cargo bench -p probelet-manifest --bench manifests

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark reads the clock and /proc"
)]

use std::time::{Duration, Instant};

use probelet_manifest::{File, Severity, Sources};

const PODS: usize = 1000;
/// Processor time.
const LONGEST: Duration = Duration::from_secs(1);
/// Kilobytes.
const MOST: u64 = 100_000;
/// Clock ticks in a second, as /proc counts.
const TICKS: u64 = 100;

const POD: &str = "\
- apiVersion: v1
  kind: Pod
  metadata:
    name: web-NUMBER
    namespace: production
    labels: {app.kubernetes.io/name: web, app.kubernetes.io/instance: web-NUMBER, tier: front}
    annotations:
      prometheus.io/scrape: 'true'
      prometheus.io/port: '9090'
  spec:
    restartPolicy: Always
    terminationGracePeriodSeconds: 30
    securityContext: {runAsNonRoot: true, runAsUser: 1000, fsGroup: 1000}
    initContainers:
    - name: prepare
      image: registry.example/prepare:1.0
      command: [sh, -c, 'cp -r /seed/. /data/']
      volumeMounts: [{name: data, mountPath: /data}]
    containers:
    - name: app
      image: registry.example/web:1.27.3
      imagePullPolicy: IfNotPresent
      args: [--listen, ':8080', --data, /data]
      ports: [{name: http, containerPort: 8080}, {name: metrics, containerPort: 9090}]
      env:
      - {name: LEVEL, value: info}
      - {name: POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
      resources:
        requests: {cpu: 100m, memory: 128Mi}
        limits: {memory: 256Mi}
      securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
      livenessProbe:
        httpGet: {path: /live, port: http}
        initialDelaySeconds: 5
        periodSeconds: 10
        timeoutSeconds: 2
      readinessProbe:
        httpGet: {path: /ready, port: http}
        periodSeconds: 5
      startupProbe:
        httpGet: {path: /live, port: http}
        periodSeconds: 2
        failureThreshold: 30
      volumeMounts: [{name: data, mountPath: /data}, {name: tmp, mountPath: /tmp}]
    - name: exporter
      image: registry.example/exporter:0.9
      ports: [{containerPort: 9113}]
      livenessProbe: {tcpSocket: {port: 9113}, periodSeconds: 15}
    volumes:
    - {name: data, emptyDir: {sizeLimit: 100Mi}}
    - {name: tmp, emptyDir: {medium: Memory}}
";

/// User and system time of this process.
fn processor() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    // The name of the program may have spaces. The times are fields 14 and 15.
    let fields: Vec<_> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    let ticks = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 1000 / TICKS)
}

/// The most memory that this process has had, in kilobytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn main() {
    let pods = (0..PODS).map(|number| POD.replace("NUMBER", &number.to_string()));
    let text = "apiVersion: v1\nkind: List\nitems:\n".to_owned() + &pods.collect::<String>();
    let (size, before) = (text.len(), peak());
    let (start, used_before) = (Instant::now(), processor());
    let sources = Sources::read(vec![File { name: "pods.yaml".to_owned(), text }]);
    let read = peak();
    let findings = sources.findings();
    let (elapsed, used, peak) = (start.elapsed(), processor() - used_before, peak());
    let errors = findings.iter().filter(|it| it.severity == Severity::Error).count();
    println!("{PODS} pods, {size} bytes: {used:.2?} of processor time, {elapsed:.2?} elapsed");
    println!("memory: {before} kB at the start, {read} kB after reading, {peak} kB at the peak");
    assert_eq!((errors, sources.values.len()), (0, PODS));
    assert!(used <= LONGEST && peak <= MOST, "more than {LONGEST:?} or {MOST} kB");
}
