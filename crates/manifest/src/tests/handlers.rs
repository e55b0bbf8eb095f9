use std::sync::Arc;
use std::time::Duration;

use super::*;
use probelet_domain::spec::{Exec, Grpc, Handler, OnFailure, PortRef, ProbeSpec, Scheme};

/// Story whose liveness probe has these lines.
fn liveness(lines: &str) -> ProbeSpec {
    let spec = read(&with_probe(lines)).unwrap().spec.validate().unwrap().into_inner();
    spec.containers[0].probes.liveness.clone().unwrap()
}

fn invalid(text: &str) -> Vec<String> {
    let errors = read(text).unwrap().spec.validate().unwrap_err();
    errors.0.iter().map(ToString::to_string).collect()
}

#[test]
fn exec_and_grpc_are_read_as_in_kubernetes() {
    let exec = liveness("exec: {command: [cat, /tmp/healthy]}").handler;
    let command = vec!["cat".into(), "/tmp/healthy".into()];
    assert_eq!(exec, Handler::Exec(Exec { command }));
    let grpc = |service: &str| {
        let (port, service) = (PortRef::Number(9000), service.into());
        Handler::Grpc(Grpc { port, service, tls: false, host: None })
    };
    assert_eq!(liveness("grpc: {port: 9000}").handler, grpc(""));
    assert_eq!(liveness("grpc: {port: 9000, service: db}").handler, grpc("db"));
}

#[test]
fn https_is_honoured() {
    let Handler::HttpGet(http) = liveness("httpGet: {port: 8443, scheme: HTTPS}").handler else {
        panic!("not http")
    };
    assert_eq!(http.scheme, Scheme::Https);
}

#[test]
fn a_command_and_a_port_are_required() {
    let command = "spec.containers[0].livenessProbe.exec.command: Required value";
    assert_eq!(invalid(&with_probe("exec: {command: []}")), [command]);
    let port = "spec.containers[0].livenessProbe.grpc.port: Invalid value: 0: must be between 1 \
                and 65535, inclusive";
    assert_eq!(invalid(&with_probe("grpc: {port: 0}")), [port]);
    assert!(refusals(&with_probe("grpc: {port: rpc}"))[0].contains("livenessProbe.grpc.port"));
}

/// The story with two probes that have settings in annotations.
const EXTENDED: &str = "\
apiVersion: v1
kind: Pod
metadata:
  name: web
  annotations:
    probelet.io/app.readiness.startupPeriodMilliseconds: '2000'
    probelet.io/app.liveness.grpcTLS: 'true'
    probelet.io/app.startup.onFailure: notify
spec:
  containers:
  - name: app
    image: i
    ports: [{name: rpc, containerPort: 9000}]
    readinessProbe:
      httpGet: {port: 8443, scheme: HTTPS}
    livenessProbe:
      grpc: {port: 9000, service: db}
    startupProbe:
      exec: {command: [cat, /x]}
";

#[test]
fn annotations_set_the_probe_and_are_rendered_again() {
    let parsed = read(EXTENDED).unwrap();
    let probes = &parsed.spec.containers[0].probes;
    let readiness = probes.readiness.as_ref().unwrap();
    assert_eq!(readiness.startup_period, Some(Duration::from_secs(2)));
    let liveness = &probes.liveness.as_ref().unwrap().handler;
    assert!(matches!(liveness, Handler::Grpc(grpc) if grpc.tls), "{liveness:?}");
    let startup = probes.startup.as_ref().unwrap();
    assert_eq!(startup.on_failure, Some(OnFailure::Notify));

    let mut view = pod_view::view();
    view.spec = Arc::new(parsed.spec.clone());
    let again = parse_value(to_json(&view), "uid-1".into()).unwrap();
    assert_eq!(again.spec, parsed.spec);
}

#[test]
fn an_invalid_startup_period_is_reported_with_its_annotation() {
    let errors = |text: &str| validate(read(text).unwrap().spec).unwrap_err().0;
    let key = "metadata.annotations[probelet.io/app.readiness.startupPeriodMilliseconds]";
    assert_eq!(errors(&EXTENDED.replace("'2000'", "'20000'"))[0].field, key);
    let key = key.replace("readiness", "liveness");
    assert_eq!(errors(&EXTENDED.replace("readiness.startup", "liveness.startup"))[0].field, key);
}

#[test]
fn an_invalid_on_failure_is_reported_with_its_annotation() {
    let key = |kind: &str| format!("metadata.annotations[probelet.io/app.{kind}.onFailure]");
    let why = "must be restart, stop or notify";
    assert_eq!(
        refusals(&EXTENDED.replace("onFailure: notify", "onFailure: Stop")),
        [format!("{}: Invalid value: \"Stop\": {why}", key("startup"))]
    );
    let spec = read(&EXTENDED.replace("startup.onFailure", "readiness.onFailure")).unwrap().spec;
    assert_eq!(validate(spec).unwrap_err().0[0].field, key("readiness"));
}

#[test]
fn grpc_tls_is_true_or_false() {
    let off = read(&EXTENDED.replace("'true'", "'false'")).unwrap().spec;
    let handler = &off.containers[0].probes.liveness.as_ref().unwrap().handler;
    assert!(matches!(handler, Handler::Grpc(grpc) if !grpc.tls), "{handler:?}");
    assert_eq!(
        refusals(&EXTENDED.replace("'true'", "'yes'")),
        [
            "metadata.annotations[probelet.io/app.liveness.grpcTLS]: Invalid value: \"yes\": must be \
          true or false"
        ]
    );
}

#[test]
fn a_grpc_port_by_name_shows_its_number() {
    let mut view = pod_view::view();
    let mut spec = read(EXTENDED).unwrap().spec;
    let probe = spec.containers[0].probes.liveness.as_mut().unwrap();
    let Handler::Grpc(grpc) = &mut probe.handler else { panic!("not grpc") };
    grpc.port = PortRef::Name("rpc".into());
    view.spec = Arc::new(spec);
    let shown = to_json(&view);
    assert_eq!(shown["spec"]["containers"][0]["livenessProbe"]["grpc"]["port"], 9000);
}
