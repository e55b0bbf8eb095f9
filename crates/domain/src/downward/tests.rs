use super::*;
use crate::spec::{Amounts, EnvSource, EnvVar, sample};

fn node_addresses() -> NodeAddresses {
    NodeAddresses {
        node_name: "host".into(),
        node_addresses: vec!["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()],
        pod_addresses: Vec::new(),
        allocatable: Amounts { cpu: Some(4000), memory: Some(8 << 30), ..Amounts::default() },
    }
}

#[test]
fn a_field_path_reads_back_and_has_its_value() {
    let mut pod = sample::pod();
    pod.annotations.insert("a/b".into(), "note".into());
    for (path, value) in [
        ("metadata.name", "web"),
        ("metadata.namespace", "default"),
        ("metadata.uid", "0a1b"),
        ("metadata.labels['app']", "web"),
        ("metadata.labels['none']", ""),
        ("metadata.annotations['a/b']", "note"),
        ("spec.nodeName", "host"),
        ("spec.serviceAccountName", "default"),
        ("status.hostIP", "192.0.2.1"),
        ("status.hostIPs", "192.0.2.1,2001:db8::1"),
        ("status.podIP", ""),
        ("status.podIPs", ""),
    ] {
        let field = PodField::parse(path).unwrap();
        assert_eq!(field.path(), path);
        let var = EnvVar { from: Some(EnvSource::Field(field)), ..EnvVar::new("X", "") };
        assert_eq!(
            DownwardValues::new(&pod, &node_addresses()).variable(&pod.containers[0], &var),
            value,
            "{path}"
        );
    }
    for path in ["", "metadata.labels", "metadata.labels['']", "status.phase"] {
        assert_eq!(PodField::parse(path), None, "{path}");
    }
}

#[test]
fn a_pods_address_is_its_own_or_the_hosts() {
    let mut pod = sample::pod();
    let at = NodeAddresses { pod_addresses: vec!["10.0.0.7".parse().unwrap()], ..node_addresses() };
    assert_eq!(DownwardValues::new(&pod, &at).field(&PodField::PodIp), "10.0.0.7");
    pod.host_namespaces.network = true;
    assert_eq!(DownwardValues::new(&pod, &at).field(&PodField::PodIp), "192.0.2.1");
    assert_eq!(DownwardValues::new(&pod, &at).field(&PodField::PodIps), "192.0.2.1,2001:db8::1");
}

#[test]
fn the_service_account_is_the_manifests() {
    let pod = PodSpec { service_account: Some("robot".into()), ..sample::pod() };
    assert_eq!(
        DownwardValues::new(&pod, &node_addresses()).field(&PodField::ServiceAccountName),
        "robot"
    );
}

#[test]
fn a_resource_is_counted_in_divisors_as_the_kubelet_counts() {
    let mut pod = sample::pod();
    let resources = &mut pod.containers[0].resources;
    resources.requests.cpu = Some(250);
    resources.limits.memory = Some((64 << 20) + 1);
    resources.limits.huge_pages.insert(2 << 20, 4 << 20);
    for (resource, divisor, expected) in [
        ("requests.cpu", None, "1"),
        ("requests.cpu", Some("1m"), "250"),
        ("requests.cpu", Some("0"), "1"),
        ("requests.memory", None, "0"),
        ("limits.cpu", None, "4"),
        ("limits.cpu", Some("1m"), "4000"),
        ("limits.memory", None, "67108865"),
        ("limits.memory", Some("1Mi"), "65"),
        ("limits.memory", Some("1k"), "67109"),
        ("limits.hugepages-2Mi", Some("1Mi"), "4"),
        ("limits.hugepages-1Gi", None, "0"),
    ] {
        let field = ResourceField::parse("x", None, resource, divisor).unwrap();
        assert_eq!(field.name(), resource);
        let value =
            DownwardValues::new(&pod, &node_addresses()).resource(&field, Some(&pod.containers[0]));
        assert_eq!(value, expected, "{resource} {divisor:?}");
    }
}

#[test]
fn another_containers_resource_is_found_by_its_name() {
    let mut pod = sample::pod();
    let mut init = pod.containers[0].clone();
    init.name = "init".into();
    init.resources.limits.cpu = Some(2000);
    pod.init_containers.push(init);
    let field = ResourceField::parse("x", Some("init".into()), "limits.cpu", None).unwrap();
    assert_eq!(
        DownwardValues::new(&pod, &node_addresses()).resource(&field, Some(&pod.containers[0])),
        "2"
    );
    assert_eq!(DownwardValues::new(&pod, &node_addresses()).resource(&field, None), "2");
}

#[test]
fn a_divisor_reads_back() {
    for (resource, divisor) in
        [("limits.cpu", "1m"), ("limits.memory", "1T"), ("requests.memory", "1Gi")]
    {
        let field = ResourceField::parse("x", None, resource, Some(divisor)).unwrap();
        assert_eq!(field.divisor_text(), Some(divisor));
    }
    let whole = ResourceField::parse("x", None, "limits.cpu", Some("1")).unwrap();
    assert_eq!(whole.divisor_text(), None, "it goes without saying");
}

#[test]
fn invalid_fields_have_kubernetes_errors() {
    for (resource, divisor, expected) in [
        ("", None, "x.resource: Required value"),
        (
            "limits.gpu",
            None,
            "x.resource: Unsupported value: \"limits.gpu\": supported values: \"limits.cpu\", \
             \"limits.memory\", \"requests.cpu\", \"requests.memory\"",
        ),
        (
            "limits.cpu",
            Some("2"),
            "x.divisor: Invalid value: \"2\": only divisor's values 1m, 1 are supported with the \
             cpu resource",
        ),
        (
            "limits.memory",
            Some("3Mi"),
            "x.divisor: Invalid value: \"3Mi\": only divisor's values 1, 1k, 1M, 1G, 1T, 1P, 1E, \
             1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei are supported with the memory resource",
        ),
    ] {
        let error = ResourceField::parse("x", None, resource, divisor).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}
