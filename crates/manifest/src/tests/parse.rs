use std::time::Duration;

use super::*;
use probelet_domain::spec::{Handler, HttpGet, PortRef, ProbeSpec, RestartPolicy, Scheme, Source};

#[test]
fn the_story_is_read_with_kubernetes_defaults() {
    let Parsed { spec, warnings } = read(STORY).unwrap();
    assert_eq!(warnings, Vec::<String>::new());
    assert_eq!((spec.name.as_str(), spec.namespace.as_str()), ("kubia-liveness", "default"));
    assert_eq!(spec.uid, "uid-1");
    assert_eq!(spec.restart_policy, RestartPolicy::Always);
    assert_eq!(spec.termination_grace, Duration::from_secs(30));
    let container = &spec.containers[0];
    assert_eq!(container.source, Source::Image("luksa/kubia-unhealthy".into()));
    let port = PortRef::Number(8080);
    let http =
        HttpGet { scheme: Scheme::Http, host: None, port, path: "/".into(), headers: vec![] };
    assert_eq!(container.probes.liveness, Some(ProbeSpec::new(Handler::HttpGet(http))));
    spec.validate().unwrap();
}

#[test]
fn json_reads_as_yaml_does_also_with_tabs() {
    let yaml: Value = serde_norway::from_str(STORY).unwrap();
    let json = serde_json::to_string_pretty(&yaml).unwrap().replace("  ", "\t");
    assert_eq!(read(&json).unwrap(), read(STORY).unwrap());
    assert_eq!(parse_value(yaml, "uid-1".into()).unwrap(), read(STORY).unwrap());
}

#[test]
fn every_honoured_field_reaches_the_spec() {
    let text = "\
apiVersion: v1
kind: Pod
metadata:
  name: web
  namespace: prod
  labels: {app: web}
  annotations:
    note: hi
    probelet.io/app.readiness.periodMilliseconds: '250'
spec:
  restartPolicy: OnFailure
  terminationGracePeriodSeconds: 5
  hostname: h
  containers:
  - name: app
    image: i
    imagePullPolicy: Never
    command: [/bin/app]
    args: [-v]
    env: [{name: A, value: '1'}, {name: B}]
    workingDir: /srv
    ports: [{name: http, containerPort: 80, protocol: UDP}]
    restartPolicy: Never
    readinessProbe:
      tcpSocket: {port: http, host: 10.0.0.1}
      initialDelaySeconds: 1
      timeoutSeconds: 2
      periodSeconds: 3
      successThreshold: 4
      failureThreshold: 5
    startupProbe:
      httpGet: {port: 80, scheme: HTTP, httpHeaders: [{name: X, value: y}]}
      periodSeconds: 0
      terminationGracePeriodSeconds: 9
";
    let Parsed { spec, warnings } = read(text).unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
    check_all(&spec);
    spec.validate().unwrap();
}

/// Checks the fields one by one, so that a new field of the domain does not break this test.
fn check_all(spec: &PodSpec) {
    assert_eq!((spec.namespace.as_str(), spec.labels["app"].as_str()), ("prod", "web"));
    assert_eq!(spec.annotations["note"], "hi");
    assert_eq!(spec.restart_policy, RestartPolicy::OnFailure);
    assert_eq!(spec.termination_grace, Duration::from_secs(5));
    assert_eq!(spec.hostname.as_deref(), Some("h"));
    let c = &spec.containers[0];
    assert_eq!((&c.command[..], &c.args[..]), (&["/bin/app".into()][..], &["-v".into()][..]));
    assert_eq!((c.env[0].value.as_str(), c.env[1].value.as_str()), ("1", ""));
    assert_eq!(c.working_dir.as_deref(), Some("/srv"));
    assert_eq!((c.ports[0].port, c.ports[0].protocol.as_str()), (80, "UDP"));
    assert_eq!(c.restart_policy, Some(RestartPolicy::Never));
    let ready = c.probes.readiness.as_ref().unwrap();
    let times = (ready.initial_delay, ready.timeout, ready.period);
    let s = Duration::from_secs;
    assert_eq!(times, (s(1), s(2), Duration::from_millis(250)));
    assert_eq!((ready.success_threshold, ready.failure_threshold), (4, 5));
    let start = c.probes.startup.as_ref().unwrap();
    assert_eq!((start.period, start.termination_grace), (s(10), Some(s(9))));
    let Handler::HttpGet(http) = &start.handler else { panic!("{start:?}") };
    assert_eq!((http.path.as_str(), http.headers[0].value.as_str()), ("/", "y"));
}

#[test]
fn a_text_must_hold_one_document() {
    let cases = [
        (String::new(), "manifest: is empty: expected one Pod"),
        ("# nothing\n---\n".into(), "manifest: is empty: expected one Pod"),
        (format!("{STORY}---\n{STORY}"), "manifest: holds 2 documents: expected one Pod"),
        ("- a".into(), "manifest: is not a mapping: expected one Pod"),
        (
            "a: [".into(),
            "manifest: while parsing a node, did not find expected node content at line 2 column 1",
        ),
        ("a: 1\na: 2".into(), "manifest: duplicate entry with key \"a\""),
        (
            "b:\n  a: 1\n  a: 2".into(),
            "manifest: b: duplicate entry with key \"a\" at line 2 column 3",
        ),
        ("{\"a\": 1, \"a\": 2}".into(), "manifest: duplicate entry with key \"a\""),
    ];
    for (text, expected) in cases {
        assert_eq!(refusals(&text), [expected], "{text}");
    }
    for (text, position) in
        [("b: \t@", "line 1 column 5"), ("{\"a\": nonsense: }", "line 1 column 15")]
    {
        let found = refusals(text);
        assert!(found.len() == 1 && found[0].ends_with(position), "{found:?}");
    }
    assert!(read(&format!("---\n{STORY}---\n# the end\n")).is_ok(), "empty documents do not count");
}

#[test]
fn only_a_v1_pod_is_read() {
    let other = STORY.replace("kind: Pod", "kind: Deployment").replace(": v1", ": apps/v1");
    assert_eq!(
        refusals(&other),
        [
            "apiVersion: Unsupported value: \"apps/v1\": supported values: \"v1\"",
            "kind: Unsupported value: \"Deployment\": supported values: \"Pod\"",
        ]
    );
    assert_eq!(refusals("apiVersion: v1"), ["kind: Required value: must be Pod"]);
}

#[test]
fn unknown_fields_and_wrong_types_have_their_paths() {
    let text = with_container("livenessProb: {}").replace("path:", "paht:") + "  hostNam: x\n";
    assert_eq!(
        refusals(&text),
        [
            "spec.containers[0].livenessProb: unknown field: did you mean \"livenessProbe\"?",
            "spec.containers[0].livenessProbe.httpGet.paht: unknown field: did you mean \"path\"?",
            "spec.hostNam: unknown field: did you mean \"hostname\"?",
        ]
    );
    assert_eq!(
        refusals(&with_container("env: [{name: A, value: 1}]")),
        ["spec.containers[0].env[0].value: invalid type: integer `1`, expected a string"]
    );
}

#[test]
fn every_error_has_its_text() {
    let at = "spec.containers[0]";
    let cases: &[(String, &[&str])] = &[
        (
            with_probe("grpc: {port: 70000}"),
            &[
                "@.livenessProbe.grpc.port: Invalid value: 70000: must be between 1 and 65535, inclusive",
            ],
        ),
        (
            with_probe("grpc: {port: 1}\nexec: {command: [x]}"),
            &["@.livenessProbe.grpc: Forbidden: may not specify more than 1 handler type"],
        ),
        (with_probe("{}"), &["@.livenessProbe: Required value: must specify a handler type"]),
        (
            with_probe("httpGet: {port: 1}\ntcpSocket: {port: 1}"),
            &["@.livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type"],
        ),
        (
            with_probe("httpGet: {port: 1, scheme: FTP}"),
            &[
                "@.livenessProbe.httpGet.scheme: Unsupported value: \"FTP\": supported values: \"HTTP\", \"HTTPS\"",
            ],
        ),
        (
            with_probe("httpGet: {port: 70000}"),
            &[
                "@.livenessProbe.httpGet.port: Invalid value: 70000: must be between 1 and 65535, inclusive",
            ],
        ),
        (
            with_probe("httpGet: {port: 1}\nperiodSeconds: -1\nterminationGracePeriodSeconds: -1"),
            &[
                "@.livenessProbe.periodSeconds: Invalid value: -1: must be greater than or equal to 0",
                "@.livenessProbe.terminationGracePeriodSeconds: Invalid value: -1: must be greater than 0",
            ],
        ),
        (
            with_container("volumeDevices: [{name: a, devicePath: /a}]"),
            &["@.volumeDevices: not supported yet"],
        ),
        (
            with_container(
                "env: [{name: A, valueFrom: {resourceFieldRef: {resource: limits.cpu, divisor: 2}}}]",
            ),
            &["@.env[0].valueFrom.resourceFieldRef.divisor: Invalid value: \"2\": only divisor's \
                 values 1m, 1 are supported with the cpu resource"],
        ),
        (
            with_container(
                "ports: [{containerPort: 1, hostPort: 70000}, {containerPort: 2, hostPort: 2, \
                 hostIP: here}, {containerPort: 3, hostPort: 2}, {containerPort: 4, hostPort: 2}]",
            ),
            &[
                "@.ports[0].hostPort: Invalid value: 70000: must be between 1 and 65535, inclusive",
                "@.ports[1].hostIP: Invalid value: \"here\": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",
                "@.ports[3].hostPort: Duplicate value: \"TCP//2\"",
            ],
        ),
        (
            with_container("imagePullPolicy: Sometimes"),
            &[
                "@.imagePullPolicy: Unsupported value: \"Sometimes\": supported values: \"Always\", \"IfNotPresent\", \"Never\"",
            ],
        ),
        (
            with_container("restartPolicy: always"),
            &[
                "@.restartPolicy: Unsupported value: \"always\": supported values: \"Always\", \"OnFailure\", \"Never\"",
            ],
        ),
        (format!("{STORY}  hostUsers: false\n"), &["spec.hostUsers: not supported yet"]),
        (
            format!("{STORY}  ephemeralContainers: [{{name: a, image: b}}]\n"),
            &["spec.ephemeralContainers: not supported yet"],
        ),
        // The errors of the validation are reported too.
        (
            with_container("volumeDevices: [{name: a, devicePath: /a}]")
                .replace("kubia-liveness", "Kubia")
                .replace("8080", "0"),
            &[
                "@.volumeDevices: not supported yet",
                "metadata.name: Invalid value: \"Kubia\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
                "@.livenessProbe.httpGet.port: Invalid value: 0: must be between 1 and 65535, inclusive",
            ],
        ),
    ];
    for (text, expected) in cases {
        let expected: Vec<_> = expected.iter().map(|e| e.replace('@', at)).collect();
        assert_eq!(refusals(text), expected, "{text}");
    }
}

#[test]
fn annotations_without_a_setting_are_refused() {
    let annotated = |key: &str, value: &str| {
        let line = format!("  name: kubia-liveness\n  annotations: {{{key}: '{value}'}}\n");
        STORY.replace("  name: kubia-liveness\n", &line)
    };
    let nowhere = "names no known setting of a probe or container of this pod";
    for key in ["kubia.readiness.periodMilliseconds", "x.liveness.periodMilliseconds", "typo"] {
        let key = format!("probelet.io/{key}");
        assert_eq!(
            refusals(&annotated(&key, "1")),
            [format!("metadata.annotations[{key}]: {nowhere}")]
        );
    }
    let wrong = [
        ("timeoutMilliseconds", "1s", "must be whole milliseconds"),
        ("startupPeriodMilliseconds", "", "must be whole milliseconds"),
        ("grpcTLS", "true", "this is no grpc probe"),
    ];
    for (setting, value, why) in wrong {
        let key = format!("probelet.io/kubia.liveness.{setting}");
        let text = format!("metadata.annotations[{key}]: Invalid value: {value:?}: {why}");
        assert_eq!(refusals(&annotated(&key, value)), [text]);
    }
}

#[test]
fn a_field_without_an_effect_has_a_warning() {
    let more = "imagePullPolicy: Always\nenv: [{name: A, value: b}]\nargs: ['$(A)', '$(date)']\n\
                resources: {}";
    let text = with_container(more)
        + "  nodeName: n\n  dnsPolicy: ClusterFirstWithHostNet\n  \
                terminationGracePeriodSeconds: -3\nstatus: {phase: Running}\n";
    let parsed = read(&text).unwrap();
    assert_eq!(
        parsed.warnings,
        [
            "spec.nodeName: ignored: there is no scheduler here",
            "status: ignored: made by the server",
            "spec.dnsPolicy: there is no cluster DNS here, the host's resolver is asked",
            "spec.terminationGracePeriodSeconds: -3 counts as 1",
        ]
    );
    assert_eq!(parsed.spec.termination_grace, Duration::from_secs(1));
}

#[test]
fn several_documents_are_separated() {
    let all = documents(&format!("---\n{STORY}---\n---\n{STORY}")).unwrap();
    assert_eq!(all.len(), 2);
    assert_eq!(parse_value(all[1].clone(), "uid-1".into()), read(STORY));
}

#[test]
fn a_key_that_is_not_a_string_has_its_position_and_its_parent() {
    let template = STORY.replace("name: kubia\n", "name: {{ .Values.name }}\n");
    let text = format!("{STORY}---\n{template}");
    let sources = Sources::read(vec![File { name: "pod.yaml".to_owned(), text }]);
    let [error] = &sources.findings()[..] else { panic!("{:?}", sources.errors) };
    assert_eq!(
        format!("{}: {}", error.position, error.text()),
        "pod.yaml:21:12: spec.containers[0].name: Invalid value: {\".Values.name\":null}: a key \
         must be a string at line 21 column 12"
    );
    for (key, shown) in [("~", "null"), ("? [a, b]\n", "[\"a\",\"b\"]")] {
        let error = format!("manifest: Invalid value: {shown}: a key must be a string at line 13 ");
        let found = refusals(&format!("{STORY}{key}: x\n"));
        assert!(found.len() == 1 && found[0].starts_with(&error), "{found:?}");
    }
    // kubectl reads the keys of labels as strings, too.
    let labelled = STORY.replace("metadata:", "metadata:\n  labels: {1: a, true: b}");
    let parsed = read(&labelled).unwrap();
    assert_eq!(parsed.spec.labels.keys().collect::<Vec<_>>(), ["1", "true"]);
}

#[test]
fn aliases_are_bounded() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let refs = vec![format!("*a{}", level - 1); 10].join(", ");
        text += &format!("a{level}: &a{level} [{refs}]\n");
    }
    assert_eq!(refusals(&text), ["manifest: Too many: aliases stand for more than 50000 values"]);
}

#[test]
fn deep_nesting_is_refused() {
    let too_deep = "manifest: Too many: mappings and lists are nested more than 100 deep";
    assert_eq!(refusals(&"[".repeat(1_000_000)), [too_deep]);
    assert_eq!(refusals(&"{\"a\":".repeat(100_000)), [too_deep]);
    assert_eq!(refusals(&"- ".repeat(1_000)), [too_deep]);
    assert_eq!(refusals(&"? ".repeat(1_000_000)), [too_deep]);
    assert!(read(&STORY.replace("path: /", &format!("path: '{}'", "[".repeat(50_000)))).is_ok());
}
