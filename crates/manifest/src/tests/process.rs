//! Security contexts, resources, devices and namespaces, read and rendered.

use super::pod_view::view;
use super::*;
use probelet_domain::pod::PodView;
use probelet_domain::spec::{DnsPolicy, QosClass};

pub const ALL: &str = r#"apiVersion: v1
kind: Pod
metadata:
  name: full
  annotations: {probelet.io/app.devices: "/dev/fuse:rw,/dev/snd:/dev/sound"}
spec:
  hostNetwork: true
  hostPID: true
  hostIPC: true
  subdomain: db
  setHostnameAsFQDN: true
  hostAliases: [{ip: 1.2.3.4, hostnames: [one, two.example.org]}]
  dnsPolicy: None
  dnsConfig:
    nameservers: [1.1.1.1]
    searches: [a.b]
    options: [{name: ndots, value: "2"}, {name: edns0}]
  securityContext:
    runAsUser: 1
    runAsGroup: 2
    runAsNonRoot: true
    fsGroup: 3
    fsGroupChangePolicy: OnRootMismatch
    supplementalGroups: [4, 5]
    supplementalGroupsPolicy: Strict
    seccompProfile: {type: Localhost, localhostProfile: mine.json}
    appArmorProfile: {type: Localhost, localhostProfile: mine}
  containers:
  - name: app
    image: i
    resources:
      limits: {cpu: "1", memory: 128Mi, hugepages-2Mi: 4Mi}
      requests: {cpu: 250m}
    securityContext:
      runAsUser: 10
      runAsGroup: 11
      runAsNonRoot: false
      capabilities: {add: [NET_ADMIN], drop: [ALL]}
      allowPrivilegeEscalation: false
      privileged: false
      readOnlyRootFilesystem: true
      procMount: Default
      seccompProfile: {type: RuntimeDefault}
      appArmorProfile: {type: Unconfined}
"#;

#[test]
fn a_port_in_the_host_network_is_a_host_port() {
    let ports = "ports: [{containerPort: 80, hostIP: 10.0.0.1}, {containerPort: 53, hostPort: 53}]";
    let init = "\n  initContainers: [{name: i, image: i, ports: [{containerPort: 81}]}]";
    let text = with_container(ports) + init;
    let spec = read(&format!("{text}\n  hostNetwork: true\n")).unwrap().spec;
    let shown: Vec<_> = spec.host_ports().map(|(field, port)| (field, port.host_port)).collect();
    let at = "spec.containers[0].ports";
    assert_eq!(
        shown,
        [
            ("spec.initContainers[0].ports[0].hostPort".to_owned(), 81),
            (format!("{at}[0].hostPort"), 80),
            (format!("{at}[1].hostPort"), 53),
        ]
    );
    let pod = to_json(&PodView { spec: spec.clone().into(), ..view() });
    assert_eq!(pod["spec"]["containers"][0]["ports"][0]["hostPort"], 80);
    let exported = export(&spec).unwrap().objects.remove(0);
    assert_eq!(exported["spec"]["containers"][0]["ports"][0]["hostPort"], 80);
    assert_eq!(read(&text).unwrap().spec.host_ports().count(), 1, "not in a network of the pod");
}

#[test]
fn every_setting_is_read_and_rendered_again() {
    let parsed = read(ALL).unwrap();
    assert_eq!(parsed.warnings, Vec::<String>::new());
    parsed.spec.clone().validate().unwrap();
    let container = &parsed.spec.containers[0];
    assert_eq!(parsed.spec.naming.dns_policy, DnsPolicy::None);
    assert_eq!(container.resources.requests.memory, Some(128 << 20), "the limit is the request");
    assert_eq!(container.devices[1].container, "/dev/sound");
    assert_eq!(QosClass::of(&parsed.spec), QosClass::Burstable);
    let mut view = view();
    view.spec = std::sync::Arc::new(parsed.spec);
    let shown = to_json(&view);
    assert_eq!(shown["spec"]["securityContext"]["seccompProfile"]["localhostProfile"], "mine.json");
    assert_eq!(shown["spec"]["containers"][0]["resources"]["limits"]["memory"], "128Mi");
    assert_eq!(shown["status"]["qosClass"], "Burstable");
    assert_eq!(parse_value(shown, "uid-1".into()).unwrap().spec, *view.spec);
}

#[test]
fn share_process_namespace_is_exported() {
    let spec = read(&with_pod("shareProcessNamespace: true")).unwrap().spec;
    assert!(spec.share_process_namespace);
    let exported = export(&spec).unwrap().objects;
    assert_eq!(exported[0]["spec"]["shareProcessNamespace"], true);
    let spec = read(STORY).unwrap().spec;
    assert!(export(&spec).unwrap().objects[0]["spec"]["shareProcessNamespace"].is_null());
}

fn with_pod(more: &str) -> String {
    format!("{STORY}  {more}\n")
}

fn with_security(more: &str) -> String {
    with_container(&format!("securityContext: {more}"))
}

fn with_resources(more: &str) -> String {
    with_container(&format!("resources: {more}"))
}

#[test]
fn kubernetes_errors_have_kubernetes_texts() {
    let types = "supported values: \"Localhost\", \"RuntimeDefault\", \"Unconfined\"";
    let sc = "spec.containers[0].securityContext";
    for (text, expected) in [
        (
            with_security("{runAsUser: -1}"),
            format!("{sc}.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive"),
        ),
        (
            with_security("{privileged: true, allowPrivilegeEscalation: false}"),
            format!(
                "{sc}.allowPrivilegeEscalation: Invalid value: false: cannot set \
                 `allowPrivilegeEscalation` to false and `privileged` to true"
            ),
        ),
        (
            with_security("{capabilities: {add: [NET_ADMINS]}}"),
            format!(
                "{sc}.capabilities.add[0]: Invalid value: \"NET_ADMINS\": is no capability that \
                 Linux has"
            ),
        ),
        (
            with_security("{seccompProfile: {type: runtime/default}}"),
            format!("{sc}.seccompProfile.type: Unsupported value: \"runtime/default\": {types}"),
        ),
        (
            with_security("{seccompProfile: {type: Localhost}}"),
            format!(
                "{sc}.seccompProfile.localhostProfile: Required value: must be set when seccomp \
                 type is Localhost"
            ),
        ),
        (
            with_security("{seccompProfile: {type: Localhost, localhostProfile: ../x}}"),
            format!(
                "{sc}.seccompProfile.localhostProfile: Invalid value: \"../x\": must not contain \
                 '..'"
            ),
        ),
        (
            with_security("{procMount: All}"),
            format!(
                "{sc}.procMount: Unsupported value: \"All\": supported values: \"Default\", \
                 \"Unmasked\""
            ),
        ),
        (
            with_security("{seLinuxOptions: {level: s0}}"),
            format!("{sc}.seLinuxOptions: not supported yet"),
        ),
        (
            with_pod("securityContext: {sysctls: [{name: vm.swappiness, value: '1'}]}"),
            "spec.securityContext.sysctls[0].name: Invalid value: \"vm.swappiness\": is not \
             namespaced: it would be the host's"
                .into(),
        ),
        (
            with_pod(
                "hostNetwork: true\n  securityContext: {sysctls: [{name: \
                 net.ipv4.tcp_syncookies, value: '1'}]}",
            ),
            "spec.securityContext.sysctls[0].name: Invalid value: \"net.ipv4.tcp_syncookies\": may \
             not be specified when 'hostNetwork' is true"
                .into(),
        ),
        (
            with_pod("hostAliases: [{ip: 1.2.3, hostnames: [a]}]"),
            "spec.hostAliases[0].ip: Invalid value: \"1.2.3\": must be a valid IP address, (e.g. \
             10.9.8.7 or 2001:db8::ffff)"
                .into(),
        ),
        (
            with_pod("dnsPolicy: None"),
            "spec.dnsConfig.nameservers: Required value: must provide at least one DNS nameserver \
             when `dnsPolicy` is None"
                .into(),
        ),
        (
            with_pod("shareProcessNamespace: true\n  hostPID: true"),
            "spec.shareProcessNamespace: Invalid value: true: ShareProcessNamespace and HostPID \
             cannot both be enabled"
                .into(),
        ),
        (
            with_resources("{limits: {cpu: 100m}, requests: {cpu: 200m}}"),
            "spec.containers[0].resources.requests: Invalid value: \"200m\": must be less than or \
             equal to cpu limit of 100m"
                .into(),
        ),
        (
            with_resources("{limits: {memory: -1}}"),
            "spec.containers[0].resources.limits[memory]: Invalid value: \"-1\": must be greater \
             than or equal to 0"
                .into(),
        ),
        (
            with_resources("{limits: {nvidia.com/gpu: 1}}"),
            "spec.containers[0].resources.limits[nvidia.com/gpu]: not supported yet: there are no \
             device plugins here"
                .into(),
        ),
        (
            with_resources("{limits: {ephemeral-storage: 1Q}}"),
            "spec.containers[0].resources.limits[ephemeral-storage]: Invalid value: \"1Q\": quantities \
             must match the regular expression \
             '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
                .into(),
        ),
        (
            with_resources("{limits: {ephemeral-storage: 1Gi}, requests: {ephemeral-storage: 2Gi}}"),
            "spec.containers[0].resources.requests: Invalid value: \"2Gi\": must be less than or \
             equal to ephemeral-storage limit of 1Gi"
                .into(),
        ),
    ] {
        let found = match read(&text) {
            Ok(parsed) => match validate(parsed.spec) {
                Ok(_) => panic!("taken: {text}"),
                Err(errors) => errors.0.iter().map(ToString::to_string).collect(),
            },
            Err(_) => refusals(&text),
        };
        assert_eq!(found, [expected], "{text}");
    }
}

#[test]
fn an_unsafe_sysctl_has_a_warning() {
    let sysctl = "securityContext: {sysctls: [{name: net.core.somaxconn, value: '9'}]}";
    let parsed = read(&with_pod(sysctl)).unwrap();
    assert_eq!(
        parsed.warnings,
        ["spec.securityContext.sysctls[0].name: net.core.somaxconn is not among Kubernetes' \
             safe sysctls; a kubelet sets it only where it is told to allow it"]
    );
    let parsed = read(&with_resources("{requests: {ephemeral-storage: 1Gi}}")).unwrap();
    assert_eq!(
        parsed.warnings,
        ["spec.containers[0].resources.requests[ephemeral-storage]: ignored: there is no \
             scheduler here"]
    );
}

/// The kubelet evicts a pod some time after it exceeds the limit.
#[test]
fn an_ephemeral_storage_limit_is_kept_and_has_a_warning() {
    let text = with_resources("{limits: {ephemeral-storage: 1Gi}}");
    let Parsed { spec, warnings } = read(&text).unwrap();
    let why = "not enforced: what a container writes beside its volumes is not measured here";
    let field = "spec.containers[0].resources.limits[ephemeral-storage]";
    assert_eq!(warnings, [format!("{field}: {why}")]);
    let exported = export(&validate(spec).unwrap()).unwrap().objects.remove(0);
    let limits = &exported["spec"]["containers"][0]["resources"]["limits"];
    assert_eq!(limits["ephemeral-storage"], "1Gi");
}

#[test]
fn a_device_is_named_by_its_annotation() {
    let text = ALL.replace("/dev/fuse:rw", "/etc/passwd");
    let found = validate(read(&text).unwrap().spec).unwrap_err().to_string();
    let key = "metadata.annotations[probelet.io/app.devices]";
    assert!(found.starts_with(&format!("{key}: Invalid value: \"/etc/passwd\"")), "{found}");
    let text = ALL.replace("/dev/fuse:rw", "/dev/a:/dev/b:rw:x");
    assert!(refusals(&text)[0].ends_with("must be a list of HOST[:CONTAINER[:rwm]]"));
}
