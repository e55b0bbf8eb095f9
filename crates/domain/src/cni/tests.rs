use serde_json::json;

use super::*;

fn list(more: Value) -> Result<Network, String> {
    let mut conf = json!({
        "cniVersion": "1.0.0", "name": "pods",
        "plugins": [
            { "type": "bridge", "bridge": "cni0", "ipam": { "type": "host-local" } },
            { "type": "portmap", "capabilities": { "portMappings": true } },
        ],
    });
    for (key, value) in more.as_object().unwrap() {
        conf[key] = value.clone();
    }
    parse("10-pods.conflist", &conf.to_string())
}

fn web() -> HostPort {
    let protocol = "TCP".into();
    HostPort { host_ip: None, host_port: 8080, container_port: 80, protocol }
}

#[test]
fn the_first_file_by_its_name_counts() {
    let named = |names: &[&str]| first(names.iter().map(|name| (*name).to_owned()).collect());
    assert_eq!(named(&["20-b.conflist", "10-a.conf", "00-readme.txt"]).unwrap(), "10-a.conf");
    assert_eq!(named(&["x.json"]).unwrap(), "x.json");
    assert_eq!(named(&["README", "a.conflist.bak"]), None);
}

#[test]
fn a_configuration_with_one_plugin_is_a_list_of_one() {
    let text = r#"{"cniVersion": "0.3.1", "name": "n", "type": "ptp", "mtu": 1400}"#;
    let network = parse("a.conf", text).unwrap();
    assert_eq!((network.name.as_str(), network.plugins.len()), ("n", 1));
    assert_eq!(network.plugins[0].kind, "ptp");
    assert_eq!(network.request(&network.plugins[0], None, &[])["mtu"], 1400);
    assert!(!network.can_check() && !network.maps_ports());
}

#[test]
fn an_invalid_configuration_is_an_error_of_its_field() {
    for (more, why) in [
        (json!({ "name": null }), "name: must be a string"),
        (json!({ "name": "" }), "name: Required value"),
        (json!({ "name": "a b" }), "name: Invalid value: \"a b\": must begin with a letter"),
        (json!({ "cniVersion": "0.2.0" }), "cniVersion: Unsupported value: \"0.2.0\": supported"),
        (json!({ "plugins": [] }), "plugins: Required value: at least one plugin"),
        (json!({ "plugins": {} }), "plugins: Required value: a list of plugins"),
        (json!({ "plugins": [{ "type": "a" }, {}] }), "plugins[1].type: Required value"),
        (json!({ "plugins": [{ "type": "../a" }] }), "plugins[0].type: Invalid value: \"../a\""),
        (json!({ "disableCheck": 1 }), "disableCheck: must be true or false"),
    ] {
        let error = list(more.clone()).unwrap_err();
        assert!(error.starts_with(why), "{more}: {error}");
    }
    assert!(parse("a.conflist", "{").is_err());
    assert_eq!(parse("a.conflist", "[]").unwrap_err(), "must be a JSON object");
}

#[test]
fn a_request_has_the_network_the_previous_result_and_capabilities() {
    let network = list(json!({})).unwrap();
    let before = json!({ "ips": [] });
    let [bridge, portmap] = network.plugins.as_slice() else { panic!() };
    let request = network.request(bridge, None, &[web()]);
    assert_eq!(
        request,
        json!({
            "cniVersion": "1.0.0", "name": "pods", "type": "bridge", "bridge": "cni0",
            "ipam": { "type": "host-local" },
        })
    );
    let request = network.request(portmap, Some(&before), &[web()]);
    assert_eq!(request["prevResult"], before);
    let mappings = json!([{ "hostPort": 8080, "containerPort": 80, "protocol": "tcp" }]);
    assert_eq!(request["runtimeConfig"], json!({ "portMappings": mappings }));
    assert!(network.request(portmap, Some(&before), &[]).get("runtimeConfig").is_none());
}

#[test]
fn check_is_called_only_if_the_version_has_it() {
    assert!(list(json!({})).unwrap().can_check());
    assert!(list(json!({ "cniVersion": "0.4.0" })).unwrap().can_check());
    assert!(!list(json!({ "cniVersion": "0.3.1" })).unwrap().can_check());
    assert!(!list(json!({ "disableCheck": true })).unwrap().can_check());
    assert!(!list(json!({ "disableCheck": "true" })).unwrap().can_check());
}

#[test]
fn the_addresses_are_the_pods_and_ipv4_comes_first() {
    let result = json!({
        "interfaces": [{ "name": "cni0" }, { "name": "eth0", "sandbox": "/run/netns/x" }],
        "ips": [
            { "address": "10.1.0.1/24", "interface": 0 },
            { "address": "fd00::5/64", "interface": 1 },
            { "address": "10.1.0.5/24", "interface": 1 },
            { "address": "nonsense" },
        ],
    });
    assert_eq!(addresses(&result), ["10.1.0.5", "fd00::5"]);
    assert_eq!(addresses(&json!({ "ips": [{ "address": "10.2.0.9/16" }] })), ["10.2.0.9"]);
    assert!(addresses(&Value::Null).is_empty());
}

#[test]
fn a_failure_has_the_plugins_message_if_there_is_one() {
    let answer = r#"{"cniVersion": "1.0.0", "code": 7, "msg": "no pool", "details": "10.0.0.0/8"}"#;
    let failed =
        |stdout, stderr| complaint("bridge", Command::Add, stdout, stderr, "exit status: 1");
    let start = "plugin type=\"bridge\" failed (add): ";
    assert_eq!(failed(answer, "noise"), format!("{start}no pool; 10.0.0.0/8"));
    assert_eq!(failed("", " broken \n"), format!("{start}exit status: 1: broken"));
    assert_eq!(failed("", ""), format!("{start}exit status: 1"));
}

#[test]
fn the_example_is_a_network_that_maps_ports() {
    let network =
        parse("a.conflist", include_str!("../../../../examples/bridge.conflist")).unwrap();
    assert!(network.maps_ports() && network.can_check());
}
