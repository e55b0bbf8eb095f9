use super::*;
use crate::spec::sample;
use crate::spec::{Exec, HttpGet, PortRef, Probes, Scheme, TcpSocket};

fn http(host: Option<&str>, path: &str) -> ProbeSpec {
    ProbeSpec::new(Handler::HttpGet(HttpGet {
        host: host.map(str::to_owned),
        port: PortRef::Number(80),
        path: path.into(),
        headers: vec![],
        scheme: Scheme::Http,
    }))
}

fn exec(command: &[&str]) -> ProbeSpec {
    let command = command.iter().map(|&word| word.to_owned()).collect();
    ProbeSpec::new(Handler::Exec(Exec { command }))
}

/// Gives a probe an initial delay that leaves enough time to start.
fn patient(probe: ProbeSpec) -> ProbeSpec {
    ProbeSpec { initial_delay: Duration::from_secs(60), ..probe }
}

fn codes(probes: Probes) -> Vec<&'static str> {
    let mut pod = sample::pod();
    pod.containers[0].probes = probes;
    advise(&pod).into_iter().map(|advice| advice.code).collect()
}

fn alive(probe: ProbeSpec) -> Vec<&'static str> {
    codes(Probes { liveness: Some(probe), ..Probes::default() })
}

#[test]
fn a_good_pod_is_left_in_peace() {
    let startup = Some(http(None, "/healthz"));
    let liveness = Some(http(None, "/healthz"));
    let readiness = Some(http(None, "/ready"));
    assert_eq!(codes(Probes { startup, liveness, readiness }), [""; 0]);
}

#[test]
fn no_liveness_probe_at_all() {
    assert_eq!(codes(Probes::default()), ["no-liveness-probe"]);
    let mut pod = sample::pod();
    pod.init_containers = pod.containers.clone();
    let advice = advise(&pod);
    assert_eq!(advice.len(), 1, "an init container needs none: {advice:?}");
    assert_eq!(advice[0].field, "spec.containers[0]");
}

#[test]
fn a_start_needs_time() {
    assert_eq!(alive(http(None, "/")), ["no-time-to-start"]);
    assert_eq!(alive(patient(http(None, "/"))), [""; 0]);
    let slow = ProbeSpec { failure_threshold: 10, ..http(None, "/") };
    assert_eq!(alive(slow), [""; 0]);
}

#[test]
fn a_single_failure_is_no_hang() {
    let once = ProbeSpec { failure_threshold: 1, ..patient(http(None, "/")) };
    assert_eq!(alive(once.clone()), ["one-failure-kills"]);
    let notifying = ProbeSpec { on_failure: Some(OnFailure::Notify), ..once };
    assert_eq!(alive(notifying), [""; 0]);
}

#[test]
fn a_timeout_beyond_the_period() {
    let slow = ProbeSpec { timeout: Duration::from_secs(11), ..patient(http(None, "/")) };
    assert_eq!(alive(slow), ["timeout-exceeds-period"]);
}

#[test]
fn readiness_that_repeats_liveness() {
    let liveness = Some(patient(http(None, "/")));
    let same = Some(http(None, "/"));
    let probes = Probes { liveness: liveness.clone(), readiness: same, startup: None };
    assert_eq!(codes(probes), ["readiness-is-liveness"]);
    let first = Some(ProbeSpec { failure_threshold: 1, ..http(None, "/") });
    assert_eq!(codes(Probes { liveness, readiness: first, startup: None }), [""; 0]);
}

#[test]
fn liveness_that_asks_others() {
    for probe in [
        http(Some("db.example"), "/"),
        http(None, "/health/database"),
        exec(&["pg_isready", "-h", "db.example"]),
        ProbeSpec::new(Handler::TcpSocket(TcpSocket {
            host: Some("10.0.0.1".into()),
            port: PortRef::Number(5432),
        })),
    ] {
        assert_eq!(alive(patient(probe.clone())), ["liveness-asks-a-dependency"], "{probe:?}");
        let ready = Probes {
            liveness: Some(patient(http(None, "/"))),
            readiness: Some(probe),
            startup: None,
        };
        assert_eq!(codes(ready), [""; 0], "readiness may");
    }
    for probe in [
        http(Some("localhost"), "/debug"),
        http(None, "/dbx"),
        exec(&["redis-cli", "ping"]),
        exec(&["pg_isready", "-h", "127.0.0.1"]),
    ] {
        assert_eq!(alive(patient(probe.clone())), [""; 0], "{probe:?}");
    }
}

#[test]
fn commands_that_cost_too_much() {
    for (command, expected) in [
        (&["cat", "/tmp/healthy"][..], &[""; 0][..]),
        (&["/usr/bin/java", "-jar", "check.jar"], &["probe-starts-a-jvm"]),
        (&["sh", "-c", "nodetool status | grep UN"], &["probe-starts-a-jvm"]),
        (&["sh", "-c", "curl -f http://localhost:8080/"], &["probe-runs-a-client"]),
        (&["sh", "-c", "/usr/bin/curl -f http://[::1]:8080/"], &["probe-runs-a-client"]),
        (&["sh", "-c", "until test -f /x; do sleep 1; done"], &["probe-retries"]),
        (
            &["curl", "--retry", "3", "http://db.example/"],
            &["probe-runs-a-client", "probe-retries", "liveness-asks-a-dependency"],
        ),
    ] {
        assert_eq!(alive(patient(exec(command))), expected, "{command:?}");
    }
}
