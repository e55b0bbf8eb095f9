//! The alert rules and the dashboard of `examples`, in a real Prometheus that reads a real daemon.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use probelet_integration::{
    Host, IMAGE, SOON, bounded, eventually, finish, free_address, root, succeed,
};
use serde_json::Value;

fn program(name: &str) -> Result<PathBuf> {
    Ok(PathBuf::from(std::env::var_os("PROMETHEUS").context("PROMETHEUS is not set")?).join(name))
}

/// A Prometheus that asks each second, with the rules of `examples`.
struct Prometheus {
    child: Child,
    address: String,
}

impl Prometheus {
    fn start(host: &Host, metrics: &str) -> Result<Self> {
        let rules = root().join("examples/prometheus/alerts.yml").canonicalize()?;
        let config = format!(
            "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\n\
             rule_files: [{}]\nscrape_configs:\n\
             - {{ job_name: probelet, static_configs: [{{ targets: [\"{metrics}\"] }}] }}\n",
            rules.display()
        );
        let (file, address) = (host.path("prometheus.yml"), free_address()?);
        fs::write(&file, config)?;
        let log = fs::File::create(host.path("prometheus.log"))?;
        let mut command = Command::new(program("prometheus")?);
        command.arg(format!("--config.file={}", file.display()));
        command.arg(format!("--storage.tsdb.path={}", host.path("tsdb").display()));
        command.arg(format!("--web.listen-address={address}")).stdin(Stdio::null());
        let child = command.stdout(Stdio::null()).stderr(log).spawn()?;
        Ok(Self { child, address })
    }

    /// Asks the HTTP API, as Grafana does.
    fn ask(&self, path: &str) -> Result<Value> {
        let mut stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(SOON))?;
        write!(stream, "GET /api/v1/{path} HTTP/1.0\r\nHost: x\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        let (_, body) = text.split_once("\r\n\r\n").context("no body")?;
        let answer: Value = serde_json::from_str(body)?;
        ensure!(answer.get("status").and_then(Value::as_str) == Some("success"), "{path}: {body}");
        Ok(answer.get("data").cloned().unwrap_or_default())
    }

    fn series(&self, query: &str) -> Result<usize> {
        let escape = |byte: u8| format!("%{byte:02X}");
        let escaped: String = query.bytes().map(escape).collect();
        let data = self.ask(&format!("query?query={escaped}"))?;
        Ok(data.get("result").and_then(Value::as_array).map_or(0, Vec::len))
    }

    fn fires(&self, alert: &str) -> Option<Value> {
        let alerts = self.ask("alerts").ok()?;
        let text = |of: &Value, at: &str| of.pointer(at).and_then(Value::as_str).map(str::to_owned);
        let alerts = alerts.get("alerts")?.as_array()?;
        let is_it = |it: &&Value| {
            text(it, "/labels/alertname").as_deref() == Some(alert)
                && text(it, "/state").as_deref() == Some("firing")
        };
        alerts.iter().find(is_it).cloned()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn each_rule_fires_as_its_unit_test_says() -> Result<()> {
    for words in [["check", "rules", "alerts.yml"], ["test", "rules", "alerts.test.yml"]] {
        let mut command = bounded(program("promtool")?);
        command.current_dir(root().join("examples/prometheus")).args(words);
        succeed(finish(&mut command, "")?)?;
    }
    let rules = fs::read_to_string(root().join("examples/prometheus/alerts.yml"))?;
    let tests = fs::read_to_string(root().join("examples/prometheus/alerts.test.yml"))?;
    for alert in rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        ensure!(tests.contains(&format!("alertname: {alert}")), "{alert} has no test");
    }
    Ok(())
}

#[test]
fn a_container_that_is_given_up_fires_an_alert_and_the_dashboard_has_data() -> Result<()> {
    let mut host = Host::start()?;
    let metrics = free_address()?;
    host.start_daemon_with(&["--metrics-address", &metrics])?;
    host.apply(&format!(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\n  annotations:\n    \
         probelet.io/app.maxRestarts: \"1\"\n    probelet.io/app.backoffBaseMilliseconds: \"100\"\n\
         spec:\n  containers:\n  - {{ name: app, image: {IMAGE}, args: [exit, \"3\"] }}\n  \
         - {{ name: good, image: {IMAGE}, args: [serve, --fail-after, \"1000\"], readinessProbe: \
         {{ httpGet: {{ port: 8080 }}, periodSeconds: 1 }} }}\n"
    ))?;
    let prometheus = Prometheus::start(&host, &metrics)?;
    let alert = eventually("the alert fires", SOON * 4, || prometheus.fires("ProbeletGaveUp"))?;
    let summary = alert.pointer("/annotations/summary").and_then(Value::as_str);
    ensure!(summary == Some("default/web (app) is not started any more"), "{alert}");

    // Each query of the dashboard is valid, and those about what happens here have data.
    let text = fs::read_to_string(root().join("examples/grafana/probelet.json"))?;
    let dashboard: Value = serde_json::from_str(&text)?;
    let panels = dashboard.get("panels").and_then(Value::as_array).context("no panels")?;
    for panel in panels {
        let title = panel.get("title").and_then(Value::as_str).context("no title")?;
        for target in panel.get("targets").and_then(Value::as_array).into_iter().flatten() {
            let query = target.get("expr").and_then(Value::as_str).context("no query")?;
            let query = ["$instance", "$namespace", "$pod"]
                .into_iter()
                .fold(query.to_owned(), |query, name| query.replace(name, ".*"));
            let query = query.replace("$__rate_interval", "1m");
            let is_empty_here = ["Restarts by container", "Probes that did not succeed"];
            match is_empty_here.contains(&title) {
                true => drop(prometheus.series(&query)?),
                false => eventually(title, SOON * 2, || {
                    (prometheus.series(&query).ok()? > 0).then_some(())
                })?,
            }
        }
    }
    Ok(())
}
