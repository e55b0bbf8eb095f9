//! The probes of a container in `describe pod`, with their last results.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, Probe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use probelet_text::escape::Escaped;

use super::layout_context::Context;
use super::objects::{text, timestamp};
use super::printed::{Printed, put};
use super::times::{latency, since, to_come};
use probelet_api::pb;
use probelet_manifest::on_failure;

/// Characters of the first line of an output that are printed.
const OUTPUT: usize = 200;

pub fn probes(
    out: &mut Printed,
    container: &Container,
    live: Option<&pb::Container>,
    context: &Context<'_>,
) {
    let now = context.now;
    let paused_until = live.and_then(|live| timestamp(live.probes_paused_until));
    if let Some(until) = paused_until.filter(|until| *until > now) {
        put!(out, "    Probes Paused Until:\t{}", to_come(until, now));
    }
    if let Some(held) = live.and_then(|live| live.kill_held.as_ref()) {
        let (probe, reason) = (&held.probe, &held.reason);
        let since = since(timestamp(held.since), now);
        put!(out, "    Kill Held:\t{} probe failed {} ago; {}", probe, since, reason);
    }
    let kinds = [
        ("Liveness", "liveness", &container.liveness_probe),
        ("Readiness", "readiness", &container.readiness_probe),
        ("Startup", "startup", &container.startup_probe),
    ];
    for (title, kind, probe) in kinds {
        let Some(probe) = probe else { continue };
        put!(out, "    {}:\t{}", title, probe_line(probe));
        if let Some(choice) = on_failure(context.annotations, &container.name, kind) {
            put!(out, "      On Failure:\t{}", choice);
        }
        let mut statuses = live.iter().flat_map(|live| &live.probes);
        if let Some(status) = statuses.find(|status| status.kind == kind) {
            put!(out, "      Last:\t{}", last_line(status, now));
        }
    }
}

/// `failure 2s ago in 3.2ms, 3 in a row for 22s: HTTP probe failed with statuscode: 500`.
fn last_line(status: &pb::ProbeStatus, now: Timestamp) -> String {
    let outcome = status.last_outcome.as_str();
    if outcome.is_empty() {
        return "<none>".to_owned();
    }
    let mut line = format!("{outcome} {} ago", since(timestamp(status.last_at), now));
    if let Some(took) = status.last_latency.and_then(|took| Duration::try_from(took).ok()) {
        line += &format!(" in {}", latency(took));
    }
    if let Some(code) = status.last_exit_code {
        line += &format!(", exit code {code}");
    }
    // An error is part of no series of results.
    if outcome != "error" && status.consecutive > 0 {
        line += &format!(", {} in a row", status.consecutive);
        if let Some(began) = timestamp(status.since) {
            line += &format!(" for {}", since(Some(began), now));
        }
    }
    match first_line(&status.last_output) {
        Some(output) => format!("{line}: {output}"),
        None => line,
    }
}

pub fn first_line(output: &str) -> Option<String> {
    let line = Escaped(output.lines().next()?.trim_end()).to_string();
    let mut cut: String = line.chars().take(OUTPUT).collect();
    if cut.len() < line.len() {
        cut.push('…');
    }
    (!cut.is_empty()).then_some(cut)
}

/// `14.2Mi (+1.2Mi since start)`.
pub fn shim_memory(shim: &pb::ShimMemory) -> String {
    let mebi = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let sign = if shim.latest < shim.first { '-' } else { '+' };
    let grown = mebi(shim.latest.abs_diff(shim.first));
    format!("{:.1}Mi ({sign}{grown:.1}Mi since start)", mebi(shim.latest))
}

/// Unset numbers read as Kubernetes' defaults, which the API server would have filled in.
fn probe_line(probe: &Probe) -> String {
    let set = |value: Option<i32>, default: i32| value.filter(|v| *v != 0).unwrap_or(default);
    let attributes = format!(
        "delay={}s timeout={}s period={}s #success={} #failure={}",
        probe.initial_delay_seconds.unwrap_or(0),
        set(probe.timeout_seconds, 1),
        set(probe.period_seconds, 10),
        set(probe.success_threshold, 1),
        set(probe.failure_threshold, 3),
    );
    let handler = if let Some(exec) = &probe.exec {
        format!("exec [{}]", exec.command.as_deref().unwrap_or_default().join(" "))
    } else if let Some(http) = &probe.http_get {
        let scheme = http.scheme.as_deref().filter(|s| !s.is_empty()).unwrap_or("HTTP");
        let mut host = text(&http.host).to_owned();
        if host.contains(':') {
            host = format!("[{host}]");
        }
        let path = http.path.as_deref().filter(|p| !p.is_empty()).unwrap_or("/");
        let slash = if path.starts_with('/') { "" } else { "/" };
        let (scheme, port) = (scheme.to_lowercase(), port(&http.port));
        format!("http-get {scheme}://{host}:{port}{slash}{path}")
    } else if let Some(tcp) = &probe.tcp_socket {
        format!("tcp-socket {}:{}", text(&tcp.host), port(&tcp.port))
    } else if let Some(grpc) = &probe.grpc {
        format!("grpc <pod>:{} {}", grpc.port, text(&grpc.service))
    } else {
        "unknown".to_owned()
    };
    format!("{handler} {attributes}")
}

fn port(port: &IntOrString) -> String {
    match port {
        IntOrString::Int(number) => number.to_string(),
        IntOrString::String(name) => name.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn probe_lines() {
        let line = |probe| probe_line(&serde_json::from_value(probe).unwrap());
        let rest = "delay=0s timeout=1s period=10s #success=1 #failure=3";
        assert_eq!(
            line(json!({"httpGet": {"port": 8080}})),
            format!("http-get http://:8080/ {rest}")
        );
        assert_eq!(
            line(json!({"httpGet": {"host": "::1", "port": 1, "path": "x", "scheme": "HTTPS"}})),
            format!("http-get https://[::1]:1/x {rest}")
        );
        assert_eq!(
            line(json!({"grpc": {"port": 9000, "service": "db"}, "initialDelaySeconds": 4})),
            "grpc <pod>:9000 db delay=4s timeout=1s period=10s #success=1 #failure=3"
        );
        assert_eq!(line(json!({})), format!("unknown {rest}"));
    }

    const NOW: i64 = 1_800_000_000;

    fn before(seconds: i64) -> Option<prost_types::Timestamp> {
        Some(prost_types::Timestamp { seconds: NOW - seconds, nanos: 0 })
    }

    fn failing() -> pb::ProbeStatus {
        pb::ProbeStatus {
            kind: "liveness".to_owned(),
            last_outcome: "failure".to_owned(),
            last_output: "HTTP probe failed with statuscode: 500".to_owned(),
            last_at: before(2),
            last_latency: Some(prost_types::Duration { seconds: 0, nanos: 3_200_000 }),
            consecutive: 3,
            since: before(22),
            ..pb::ProbeStatus::default()
        }
    }

    fn last(status: &pb::ProbeStatus) -> String {
        last_line(status, Timestamp::from_second(NOW).unwrap())
    }

    #[test]
    fn the_last_result_of_a_probe_is_one_line() {
        let mut status = failing();
        let line = "failure 2s ago in 3.2ms, 3 in a row for 22s";
        let output = "HTTP probe failed with statuscode: 500";
        assert_eq!(last(&status), format!("{line}: {output}"));
        status.last_output.clear();
        assert_eq!(last(&status), line);
        status.last_outcome = "error".to_owned();
        assert_eq!(last(&status), "error 2s ago in 3.2ms");
        status.last_outcome.clear();
        assert_eq!(last(&status), "<none>");
    }

    #[test]
    fn an_output_cannot_break_the_layout() {
        let mut status = failing();
        status.last_output = "a\tb\u{1b}[31mred\nsecond".to_owned();
        let line = last(&status);
        assert!(line.ends_with(": a\\tb\\u{1b}[31mred"), "{line}");
        status.last_output = "ü".repeat(201);
        let line = last(&status);
        assert!(line.ends_with(&format!(": {}…", "ü".repeat(200))), "{line}");
        status.last_output = "ü".repeat(200);
        assert!(!last(&status).contains('…'));
    }

    #[test]
    fn live_values_stand_with_their_probe() {
        let container = serde_json::from_value(json!({
            "name": "c", "livenessProbe": {"exec": {"command": ["cat", "/x"]}},
        }));
        let live = pb::Container {
            probes: vec![failing()],
            probes_paused_until: before(-60),
            kill_held: Some(pb::KillHeld {
                probe: "liveness".to_owned(),
                since: before(5),
                reason: "10 of 20 probed containers failed within 10s".to_owned(),
            }),
            ..pb::Container::default()
        };
        let mut out = Printed::default();
        let now = Timestamp::from_second(NOW).unwrap();
        let annotation = ("probelet.io/c.liveness.onFailure".to_owned(), "notify".to_owned());
        let annotations = [annotation].into();
        let context = Context {
            causes: &Default::default(),
            meta: &Default::default(),
            annotations: &annotations,
            live: &[],
            now,
        };
        probes(&mut out, &container.unwrap(), Some(&live), &context);
        let lines = "\x20   Probes Paused Until:\tFri, 15 Jan 2027 08:01:00 +0000 (in 60s)
    Kill Held:\tliveness probe failed 5s ago; 10 of 20 probed containers failed within 10s
    Liveness:\texec [cat /x] delay=0s timeout=1s period=10s #success=1 #failure=3
      On Failure:\tnotify
      Last:\tfailure 2s ago in 3.2ms, 3 in a row for 22s: HTTP probe failed with statuscode: 500
";
        assert_eq!(out, lines);
    }

    #[test]
    fn a_shims_growth_is_printed_with_its_size() {
        let memory = |first, latest| shim_memory(&pb::ShimMemory { first, latest, at: None });
        assert_eq!(memory(13 << 20, (13 << 20) + 1_258_291), "14.2Mi (+1.2Mi since start)");
        assert_eq!(memory(2 << 20, 1 << 20), "1.0Mi (-1.0Mi since start)");
    }
}
