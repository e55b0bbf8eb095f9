//! What reading manifests costs: a List of 1,000 ordinary pods, read as `validate` and `apply`
//! read it. The bounds are 1 s and 100 MB at the peak; more than that fails.
//!
//!     cargo bench --bench manifests

#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "a benchmark reads the clock")]

use std::time::{Duration, Instant};

use probelet::manifest::{File, Severity, Sources};

const PODS: usize = 1000;
const LONGEST: Duration = Duration::from_secs(1);
/// In kB, as the kernel counts.
const MOST: u64 = 100_000;

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

fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn main() {
    let pods = (0..PODS).map(|number| POD.replace("NUMBER", &number.to_string()));
    let text = "apiVersion: v1\nkind: List\nitems:\n".to_owned() + &pods.collect::<String>();
    let (size, before) = (text.len(), peak());
    let start = Instant::now();
    let sources = Sources::read(vec![File { name: "pods.yaml".to_owned(), text }]);
    let findings = sources.findings();
    let (took, peak) = (start.elapsed(), peak());
    let errors = findings.iter().filter(|it| it.severity == Severity::Error).count();
    println!("{PODS} pods, {size} bytes: {took:.2?}, {peak} kB at the peak ({before} kB before)");
    assert_eq!((errors, sources.values().len()), (0, PODS));
    assert!(took <= LONGEST && peak <= MOST, "more than {LONGEST:?} or {MOST} kB");
}
