use std::collections::BTreeMap;

use super::*;
use crate::spec::{
    EnvVar, Header, HookHandler, OnFailure, Probes, RestartPolicy, Scheme, TcpSocket,
};

fn pod() -> PodSpec {
    PodSpec {
        namespace: "default".into(),
        name: "web".into(),
        uid: "u".into(),
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        restart_policy: RestartPolicy::Always,
        termination_grace: Duration::from_secs(30),
        active_deadline: None,
        hostname: None,
        service_account: None,
        pull_secrets: vec![],
        init_containers: vec![],
        dependents: Default::default(),
        security: Default::default(),
        host_namespaces: Default::default(),
        network: Default::default(),
        share_process_namespace: false,
        naming: Default::default(),
        volumes: vec![],
        gates: Default::default(),
        origin: None,
        ids_of_default: false,
        submitted: None,
        stored: None,
        containers: vec![container("app")],
    }
}

fn container(name: &str) -> ContainerSpec {
    ContainerSpec {
        name: name.into(),
        source: Source::Image("img".into()),
        pull_policy: None,
        command: vec![],
        args: vec![],
        env: vec![],
        working_dir: None,
        ports: vec![],
        probes: Probes { liveness: Some(ProbeSpec::new(http())), ..Probes::default() },
        lifecycle: Default::default(),
        restart_policy: None,
        restart_policy_rules: vec![],
        termination_message: Default::default(),
        backoff: BackoffLimits::default(),
        security: Default::default(),
        resources: Default::default(),
        devices: Default::default(),
        volume_mounts: vec![],
        log_limits: Default::default(),
        streams: Default::default(),
    }
}

fn sidecar(name: &str) -> ContainerSpec {
    ContainerSpec { restart_policy: Some(RestartPolicy::Always), ..container(name) }
}

fn http() -> Handler {
    Handler::HttpGet(HttpGet {
        scheme: Scheme::Http,
        host: None,
        port: PortRef::Number(8080),
        path: "/".into(),
        headers: vec![],
    })
}

fn port(name: Option<&str>, port: u16) -> ContainerPort {
    ContainerPort {
        name: name.map(Into::into),
        port,
        protocol: "TCP".into(),
        host_port: None,
        host_ip: None,
    }
}

fn live(pod: &mut PodSpec) -> &mut ProbeSpec {
    pod.containers[0].probes.liveness.as_mut().unwrap()
}

fn live_http(pod: &mut PodSpec) -> &mut HttpGet {
    let Handler::HttpGet(http) = &mut live(pod).handler else { unreachable!() };
    http
}

fn env(name: &str) -> Vec<EnvVar> {
    vec![EnvVar::new(name, "")]
}

const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters \
    or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', \
    regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric \
    characters, '-' or '.', and must start and end with an alphanumeric character (e.g. \
    'example.com', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

#[test]
fn a_choice_on_failure_is_no_matter_of_readiness() {
    let mut pod = pod();
    let probe = ProbeSpec { on_failure: Some(OnFailure::Restart), ..live(&mut pod).clone() };
    pod.containers[0].probes.liveness = Some(probe.clone());
    assert!(pod.clone().validate().is_ok());
    pod.containers[0].probes.readiness = Some(probe);
    let text = "spec.containers[0].readinessProbe.onFailure: Forbidden: may not be set for \
                readinessProbes";
    assert_eq!(pod.validate().unwrap_err().to_string(), text);
}

#[test]
fn a_sound_pod_passes() {
    assert!(pod().validate().is_ok());
    let long = "a".repeat(63);
    let mut bare = pod();
    bare.name = long.clone();
    bare.containers[0].name = long;
    assert!(bare.validate().is_ok(), "equal names share the id");
}

/// Edit that makes the pod invalid, and all errors that follow from it.
type Case = (fn(&mut PodSpec), &'static [&'static str]);

#[test]
fn every_rule_has_kubernetes_text() {
    let at = "spec.containers[0]";
    let cases: &[Case] = &[
        (|p| p.name.clear(), &["metadata.name: Required value"]),
        (|p| p.name = "Web".into(), &["metadata.name: Invalid value: \"Web\": SUBDOMAIN"]),
        (|p| p.namespace = "-a".into(), &["metadata.namespace: Invalid value: \"-a\": LABEL"]),
        (
            |p| p.namespace = "probelet-adopted".into(),
            &["metadata.namespace: Invalid value: \"probelet-adopted\": it is the namespace of \
               adopted containers, where no pod can be created"],
        ),
        (|p| p.hostname = Some("a_b".into()), &["spec.hostname: Invalid value: \"a_b\": LABEL"]),
        (|p| p.containers.clear(), &["spec.containers: Required value"]),
        (
            |p| p.containers.push(container("app")),
            &["spec.containers[1].name: Duplicate value: \"app\""],
        ),
        (
            |p| p.init_containers = vec![sidecar("app")],
            &["spec.initContainers[0].name: Duplicate value: \"app\""],
        ),
        (
            |p| {
                let mut init = container("init");
                init.lifecycle.stop_signal = Some(2);
                p.init_containers = vec![sidecar("side"), init];
            },
            &[
                "spec.initContainers[1].lifecycle: Forbidden: may not be set for init containers without restartPolicy=Always",
                "spec.initContainers[1].livenessProbe: Forbidden: may not be set for init containers without restartPolicy=Always",
            ],
        ),
        (
            |p| p.dependents = [("app".to_owned(), vec!["db".to_owned()])].into(),
            &["spec.dependents[app]: Invalid value: \"db\": names no container of this pod"],
        ),
        (
            |p| {
                p.init_containers = vec![sidecar("side")];
                p.dependents = [("app", "side"), ("side", "app")]
                    .map(|(owner, name)| (owner.to_owned(), vec![name.to_owned()]))
                    .into();
            },
            &[
                "spec.dependents[app]: Invalid value: \"app\": would restart itself by its dependents",
                "spec.dependents[side]: Invalid value: \"side\": would restart itself by its dependents",
            ],
        ),
        (|p| p.containers[0].name.clear(), &["@.name: Required value"]),
        (|p| p.containers[0].name = "a.b".into(), &["@.name: Invalid value: \"a.b\": LABEL"]),
        (|p| p.containers[0].source = Source::Image(" ".into()), &["@.image: Required value"]),
        (
            |p| {
                let (oci_spec, rootfs) = (String::new(), "rel".into());
                p.containers[0].source = Source::Bundle { oci_spec, rootfs };
            },
            &["@.rootfs: Invalid value: \"rel\": must be an absolute path"],
        ),
        (
            |p| p.containers[0].working_dir = Some("x".into()),
            &["@.workingDir: Invalid value: \"x\": must be an absolute path"],
        ),
        (
            |p| p.containers[0].working_dir = Some("/a\0".into()),
            &["@.workingDir: Invalid value: \"/a\\0\": must not contain a NUL byte"],
        ),
        (
            |p| {
                p.containers[0].command = vec!["a".into(), "b\0".into()];
                p.containers[0].args = vec!["\0".into()];
                p.containers[0].env = vec![EnvVar::new("A", "b\0c")];
            },
            &[
                "@.command[1]: Invalid value: \"b\\0\": must not contain a NUL byte",
                "@.args[0]: Invalid value: \"\\0\": must not contain a NUL byte",
                "@.env[0].value: Invalid value: \"b\\0c\": must not contain a NUL byte",
            ],
        ),
        (|p| p.containers[0].env = env(""), &["@.env[0].name: Required value"]),
        (
            |p| p.containers[0].env = env("A=B"),
            &[
                "@.env[0].name: Invalid value: \"A=B\": a valid environment variable name must consist \
               only of printable ASCII characters other than '='",
            ],
        ),
        (
            |p| p.containers[0].ports = vec![port(None, 0)],
            &["@.ports[0].containerPort: Invalid value: 0: must be between 1 and 65535, inclusive"],
        ),
        (
            |p| p.containers[0].ports = vec![port(Some("a"), 1), port(Some("a"), 2)],
            &["@.ports[1].name: Duplicate value: \"a\""],
        ),
        (
            |p| {
                p.containers[0].ports =
                    vec![ContainerPort { protocol: "X".into(), ..port(None, 1) }]
            },
            &[
                "@.ports[0].protocol: Unsupported value: \"X\": supported values: \"SCTP\", \"TCP\", \"UDP\"",
            ],
        ),
        (
            |p| p.containers[0].ports = vec![port(Some("-A--0123456789-12"), 1)],
            &[
                "@.ports[0].name: Invalid value: \"-A--0123456789-12\": must be no more than 15 bytes",
                "@.ports[0].name: Invalid value: \"-A--0123456789-12\": must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)",
                "@.ports[0].name: Invalid value: \"-A--0123456789-12\": must contain at least one letter (a-z)",
                "@.ports[0].name: Invalid value: \"-A--0123456789-12\": must not contain consecutive hyphens",
                "@.ports[0].name: Invalid value: \"-A--0123456789-12\": must not begin or end with a hyphen",
            ],
        ),
        (
            |p| live_http(p).port = PortRef::Number(0),
            &[
                "@.livenessProbe.httpGet.port: Invalid value: 0: must be between 1 and 65535, inclusive",
            ],
        ),
        (
            |p| live_http(p).port = PortRef::Name("80".into()),
            &[
                "@.livenessProbe.httpGet.port: Invalid value: \"80\": must contain at least one letter (a-z)",
            ],
        ),
        (
            |p| {
                live_http(p).port = PortRef::Name("web".into());
                p.containers[0].lifecycle.pre_stop =
                    Some(HookHandler::HttpGet(live_http(p).clone()));
            },
            &[
                "@.livenessProbe.httpGet.port: Invalid value: \"web\": no port of the container has a name",
                "@.lifecycle.preStop.httpGet.port: Invalid value: \"web\": no port of the container has a name",
            ],
        ),
        (
            |p| {
                let port = |name: &str, port| ContainerPort {
                    name: Some(name.into()),
                    port,
                    protocol: "TCP".into(),
                    host_port: None,
                    host_ip: None,
                };
                p.containers[0].ports = vec![port("http", 80), port("https", 443)];
                live_http(p).port = PortRef::Name("htpp".into());
            },
            &[
                "@.livenessProbe.httpGet.port: Invalid value: \"htpp\": no port of the container has \
               that name, but http, https",
            ],
        ),
        (|p| live_http(p).path.clear(), &["@.livenessProbe.httpGet.path: Required value"]),
        (
            |p| live_http(p).headers = vec![Header { name: "A B".into(), value: String::new() }],
            &[
                "@.livenessProbe.httpGet.httpHeaders[0].name: Invalid value: \"A B\": a valid HTTP header \
               must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for \
               validation is '[-A-Za-z0-9]+')",
            ],
        ),
        (
            |p| {
                let tcp = TcpSocket { host: None, port: PortRef::Number(0) };
                p.containers[0].probes.readiness = Some(ProbeSpec::new(Handler::TcpSocket(tcp)));
            },
            &[
                "@.readinessProbe.tcpSocket.port: Invalid value: 0: must be between 1 and 65535, inclusive",
            ],
        ),
        (
            |p| live(p).success_threshold = 2,
            &["@.livenessProbe.successThreshold: Invalid value: 2: must be 1"],
        ),
        (
            |p| {
                let probe = ProbeSpec { success_threshold: 2, ..ProbeSpec::new(http()) };
                p.containers[0].probes.startup = Some(probe);
            },
            &["@.startupProbe.successThreshold: Invalid value: 2: must be 1"],
        ),
        (
            |p| {
                let grace = Some(Duration::from_secs(5));
                let probe = ProbeSpec { termination_grace: grace, ..ProbeSpec::new(http()) };
                p.containers[0].probes.readiness =
                    Some(ProbeSpec { success_threshold: 0, ..probe });
            },
            &[
                "@.readinessProbe.successThreshold: Invalid value: 0: must be greater than or equal to 1",
                "@.readinessProbe.terminationGracePeriodSeconds: Invalid value: 5: must not be set for readinessProbes",
            ],
        ),
        (
            |p| live(p).failure_threshold = 0,
            &[
                "@.livenessProbe.failureThreshold: Invalid value: 0: must be greater than or equal to 1",
            ],
        ),
        (
            |p| live(p).termination_grace = Some(Duration::ZERO),
            &[
                "@.livenessProbe.terminationGracePeriodSeconds: Invalid value: 0: must be greater than 0",
            ],
        ),
        (
            |p| live(p).period = Duration::from_millis(99),
            &["@.livenessProbe.periodSeconds: Invalid value: 99ms: must be at least 100ms"],
        ),
        (
            |p| live(p).timeout = Duration::from_millis(9),
            &["@.livenessProbe.timeoutSeconds: Invalid value: 9ms: must be at least 10ms"],
        ),
        (
            |p| {
                p.termination_grace = Duration::from_secs(i64::MAX as u64);
                live(p).termination_grace = Some(Duration::from_secs(1 << 31));
            },
            &[
                "spec.terminationGracePeriodSeconds: Invalid value: 9223372036854775807: must be less than or equal to 2147483647",
                "@.livenessProbe.terminationGracePeriodSeconds: Invalid value: 2147483648: must be less than or equal to 2147483647",
            ],
        ),
        (
            |p| p.containers[0].backoff.cap = Duration::from_secs(9),
            &["@.backoff.cap: Invalid value: 9s: must not be less than the base"],
        ),
        (
            |p| p.containers[0].backoff.base = Duration::ZERO,
            &["@.backoff.base: Invalid value: 0ns: must be greater than 0"],
        ),
    ];
    for (index, (break_it, expected)) in cases.iter().enumerate() {
        let mut spec = pod();
        break_it(&mut spec);
        let found = spec.validate().expect_err(&format!("case {index}: {expected:?}")).0;
        let found: Vec<_> = found.iter().map(ToString::to_string).collect();
        let whole =
            |e: &&str| e.replace('@', at).replace("LABEL", LABEL).replace("SUBDOMAIN", SUBDOMAIN);
        let expected: Vec<_> = expected.iter().map(whole).collect();
        assert_eq!(found, expected, "case {index}");
    }
}

#[test]
fn a_pods_name_is_a_subdomain_and_a_containers_a_label() {
    let mut spec = pod();
    spec.name = "web.example--x.org".into();
    spec.containers[0].name = "a".repeat(63);
    spec.clone().validate().unwrap();
    spec.name = format!("{}a", "a.".repeat(126));
    spec.clone().validate().unwrap();
    spec.name.push('a');
    spec.containers[0].name = "a.b".into();
    let found: Vec<_> = spec.validate().unwrap_err().0.into_iter().map(|e| e.field).collect();
    assert_eq!(found, ["metadata.name", "spec.containers[0].name"]);
}

#[test]
fn all_findings_come_at_once() {
    let mut spec = pod();
    spec.name.clear();
    live_http(&mut spec).port = PortRef::Number(0);
    live(&mut spec).failure_threshold = 0;
    assert_eq!(spec.validate().unwrap_err().0.len(), 3);
}

#[test]
fn labels_and_annotations_are_those_of_kubernetes() {
    let errors = |labels: &[(&str, &str)], annotations: &[(&str, &str)]| -> Vec<String> {
        let map = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        let found = metadata_rules(&map(labels), &map(annotations));
        found
            .iter()
            .map(|error| error.to_string().split(": a valid").next().unwrap().to_owned())
            .collect()
    };
    let fine = [("app.kubernetes.io/name", "web_1.x"), ("a", "")];
    assert_eq!(errors(&fine, &[("Example.com/A", "any\ntext\0")]), [""; 0]);
    assert_eq!(errors(&[("a", "b\nc")], &[]), [r#"metadata.labels: Invalid value: "b\nc""#]);
    let long = "x".repeat(64);
    let why = "must be no more than 63 bytes";
    assert_eq!(
        errors(&[("a", &long)], &[]),
        [format!("metadata.labels: Invalid value: {long:?}: {why}")]
    );
    assert!(errors(&[("../a", "b")], &[])[0].contains("prefix part a lowercase RFC 1123"));
    assert!(
        errors(&[], &[("a b", "")])[0].starts_with(r#"metadata.annotations: Invalid value: "a b""#)
    );
    let huge = "x".repeat(256 << 10);
    assert_eq!(
        errors(&[], &[("a", &huge)]),
        ["metadata.annotations: Too long: may not be more than 262144 bytes"]
    );
}
