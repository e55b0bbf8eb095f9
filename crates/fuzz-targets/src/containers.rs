//! What images, containers and plugins give: users, configurations, OCI specs, results, `/proc`.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use oci_spec::image::ImageConfiguration;
use probelet_domain::adopt::Document;
use probelet_domain::cni::{Command, addresses, complaint, is_result, parse};
use probelet_domain::hosts::{hosts_file, is_out_of_reach, resolver_file};
use probelet_domain::node::{Found, node_addresses};
use probelet_domain::spec::sample;
use probelet_domain::user::{ImageUsers, check_non_root, user};
use probelet_host::mountinfo::Mount;
use probelet_host::process::stat::Stat;
use probelet_oci::{
    Host, bundle_errors, check_image, from_bundle, from_image, shares_names, stop_signal, user_of,
};
use serde_json::Value;

use crate::{parts, texts};

const ROOTFS: &str = "/var/lib/rootfs";
const CGROUP: &str = "/probelet/a";

/// The user of an image, its `/etc/passwd` and its `/etc/group`.
pub fn passwd(data: &[u8]) {
    let [name, passwd, group] = texts(data);
    let lines = group.lines().count();
    let users = ImageUsers { user: name, passwd, group };
    let pod = sample::pod();
    let container = pod.containers.first().expect("the sample has a container");
    if let Ok(user) = user(&pod, container, &users) {
        assert_eq!(user.groups.first(), Some(&user.gid), "the primary group comes first");
        assert!(user.groups.len() <= lines.saturating_add(1), "each line is one group at most");
        let unique: BTreeSet<_> = user.groups.iter().collect();
        assert_eq!(unique.len(), user.groups.len(), "no group is there twice");
    }
    let _ = check_non_root(&pod, container, &users);
}

/// The configuration of an image, and another document of one.
pub fn image_config(data: &[u8]) {
    let [config, document] = parts(data);
    for json in [config, document] {
        if let Ok(read) = Document::read(json) {
            assert!(read.digests.iter().all(|digest| digest.contains(':')));
        }
    }
    let Ok(config) = ImageConfiguration::from_reader(config) else { return };
    let pod = sample::pod();
    let container = pod.containers.first().expect("the sample has a container");
    let _ = stop_signal(&config);
    let has_command = check_image(&config, container).is_ok();
    let host = Host { cgroups_path: CGROUP.to_owned(), ..Host::default() };
    if let Ok(spec) = from_image(&config, &pod, container, &host) {
        assert!(has_command, "a spec needs a command");
        let text = String::from_utf8(spec).expect("a spec is UTF-8");
        // The root is added by the runtime's adapter.
        let typed: Value = serde_json::from_str(&text).expect("a spec is JSON");
        assert!(typed.pointer("/process/args/0").is_some(), "{text}");
    }
}

/// An OCI runtime spec that a user writes.
pub fn oci_spec(data: &[u8]) {
    let [text] = texts(data);
    let rootfs = Path::new(ROOTFS);
    let errors = bundle_errors(&text, rootfs);
    let made = from_bundle(&text, rootfs, CGROUP);
    assert_eq!(errors.is_empty(), made.is_ok(), "{errors:?}");
    let _ = shares_names(&text);
    let Ok(made) = made else { return };
    assert!(user_of(&made).is_some(), "the process of a spec has a user");
    let made = String::from_utf8(made).expect("a spec is UTF-8");
    let again = from_bundle(&made, rootfs, CGROUP).expect("the result is a spec");
    assert_eq!(made.as_bytes(), again, "a complete spec stays as it is");
}

/// A CNI configuration, and the stdout and stderr of a plugin.
pub fn cni(data: &[u8]) {
    let [conf, stdout, stderr] = texts(data);
    let result = serde_json::from_str::<Value>(&stdout).ok();
    if let Some(result) = &result {
        let _ = is_result(result);
        let found = addresses(result);
        assert!(found.iter().all(|ip| ip.parse::<IpAddr>().is_ok()), "{found:?}");
    }
    for file in ["10-a.conflist", "10-a.conf"] {
        let Ok(network) = parse(file, &conf) else { continue };
        assert!(!network.plugins.is_empty(), "a network has a plugin");
        for plugin in &network.plugins {
            assert!(!plugin.kind.contains('/'), "a plugin is no path: {:?}", plugin.kind);
            let request = network.request(plugin, result.as_ref(), &[]);
            assert_eq!(request.get("name").and_then(Value::as_str), Some(network.name.as_str()));
        }
    }
    assert!(complaint("bridge", Command::Add, &stdout, &stderr, "exit").contains("bridge"));
}

/// Lines of `/proc`, of which a container chooses its processes' names, and the host's resolver.
pub fn proc(data: &[u8]) {
    let [stat, routes, routes6, resolver] = texts(data);
    if let Some(read) = Stat::parse(7, &stat) {
        assert_eq!(read.identity.pid, 7);
    }
    for line in stat.as_bytes().split(|byte| *byte == b'\n') {
        if let Some(mount) = Mount::parse(line) {
            assert!(mount.point.as_os_str().len() <= line.len());
        }
    }
    let address = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    let found = [Found { interface: "eth0".to_owned(), address }];
    assert_eq!(node_addresses(&found, &routes, &routes6), [address]);
    let pod = sample::pod();
    let text = resolver_file(&pod, &resolver);
    let servers = text.lines().filter(|line| line.starts_with("nameserver")).count();
    let written = resolver.lines().filter(|line| line.trim().starts_with("nameserver")).count();
    assert!(servers <= written.max(3), "{text}");
    let _ = is_out_of_reach(&resolver);
    assert!(hosts_file(&pod, &resolver, Some("192.0.2.2")).contains("192.0.2.2"));
}
