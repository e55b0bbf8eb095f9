use probelet_domain::spec::{PodSpec, SpecError};
use serde_json::Value;

use super::*;

mod batch;
mod bounds;
mod defaults;
mod directory;
mod downward;
mod examples;
mod export;
mod fields;
mod handlers;
mod init;
mod lifecycle;
mod message;
mod openapi;
mod parse;
mod pod_view;
mod probe_report;
mod process;
mod schema;
mod shapes;
mod stored;
mod submitted;
mod volumes;
mod workloads;

/// The manifest of the story that `scripts/demo` shows.
const STORY: &str = "\
apiVersion: v1
kind: Pod
metadata:
  name: kubia-liveness
spec:
  containers:
  - image: luksa/kubia-unhealthy
    name: kubia
    livenessProbe:
      httpGet:
        path: /
        port: 8080
";

fn read(text: &str) -> Result<Parsed, ManifestError> {
    parse(text, "uid-1".to_owned())
}

/// The story with more lines below its container.
fn with_container(lines: &str) -> String {
    let lines: String = lines.lines().map(|l| format!("    {l}\n")).collect();
    format!("{STORY}{lines}")
}

/// The story with another liveness probe.
fn with_probe(lines: &str) -> String {
    let base = STORY.split("      httpGet").next().unwrap();
    let lines: String = lines.lines().map(|l| format!("      {l}\n")).collect();
    format!("{base}{lines}")
}

fn refusals(text: &str) -> Vec<String> {
    read(text).unwrap_err().0.iter().map(ToString::to_string).collect()
}
