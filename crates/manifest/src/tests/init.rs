//! Init containers and sidecars, read and rendered.

use super::*;
use probelet_domain::spec::Role;

const POD: &str = "\
apiVersion: v1
kind: Pod
metadata:
  name: web
  annotations:
    probelet.io/proxy.dependents: app, log
    probelet.io/proxy.startup.periodMilliseconds: \"1500\"
spec:
  initContainers:
  - name: setup
    image: setup
  - name: proxy
    image: proxy
    restartPolicy: Always
    startupProbe: {tcpSocket: {port: 80}}
  containers:
  - name: app
    image: app
  - name: log
    image: log
";

#[test]
fn both_lists_are_read() {
    let parsed = read(POD).unwrap();
    assert_eq!(parsed.warnings, [""; 0]);
    let spec = parsed.spec;
    let names: Vec<_> = spec.all().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["setup", "proxy", "app", "log"]);
    let roles: Vec<_> = (0..4).map(|index| spec.role_at(index)).collect();
    assert_eq!(roles, [Role::Init, Role::Sidecar, Role::Regular, Role::Regular]);
    let startup = spec.init_containers[1].probes.startup.as_ref().unwrap();
    assert_eq!(startup.period.as_millis(), 1500);
    assert_eq!(spec.dependents_of("proxy").collect::<Vec<_>>(), [2, 3]);
    assert!(validate(spec).is_ok());
}

#[test]
fn a_rendered_pod_reads_as_the_same_pod() {
    let spec = read(POD).unwrap().spec;
    let shown = render::pod_spec(&spec);
    let annotations = annotations::render(&spec);
    assert_eq!(annotations["probelet.io/proxy.dependents"], "app,log");
    let shown = serde_json::json!({
        "apiVersion": "v1", "kind": "Pod", "spec": shown,
        "metadata": { "name": "web", "annotations": annotations },
    });
    assert_eq!(parse_value(shown, "uid-1".into()).unwrap().spec, spec);
}

#[test]
fn errors_name_the_list_and_the_annotation() {
    let wrong =
        POD.replace("image: setup", "image: setup\n    volumeDevices: [{name: a, devicePath: /a}]");
    assert_eq!(refusals(&wrong), ["spec.initContainers[0].volumeDevices: not supported yet"]);
    let field = |text: &str| {
        let errors = validate(read(text).unwrap().spec).unwrap_err().0;
        errors.into_iter().map(|error| error.field).collect::<Vec<_>>()
    };
    let unknown = POD.replace("app, log", "db");
    assert_eq!(field(&unknown), ["metadata.annotations[probelet.io/proxy.dependents]"]);
    let probed =
        POD.replace("image: setup", "image: setup\n    readinessProbe: {tcpSocket: {port: 1}}");
    assert_eq!(field(&probed), ["spec.initContainers[0].readinessProbe"]);
}
