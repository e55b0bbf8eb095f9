//! Fields of a manifest about the process, in the runtime spec.

use super::*;
use probelet_domain::spec::{
    AppArmorProfile, EnvVar, HostNamespaces, ProcMount, SeccompProfile, Security, Sysctl,
};

fn of(host: Host, edit: impl FnOnce(&mut PodSpec)) -> Value {
    let mut pod = pod();
    edit(&mut pod);
    let bytes = from_image(&image(web()), &pod, &pod.containers[0], &host).unwrap();
    serde_json::from_slice::<oci_spec::runtime::Spec>(&bytes).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

fn with_security(edit: impl FnOnce(&mut Security)) -> Value {
    of(host(), |pod| edit(&mut pod.containers[0].security))
}

fn mount_at<'a>(spec: &'a Value, target: &str) -> &'a Value {
    let mut all = spec["mounts"].as_array().unwrap().iter();
    all.find(|mount| mount["destination"] == target).unwrap()
}

fn kinds(spec: &Value) -> Vec<&str> {
    let all = spec["linux"]["namespaces"].as_array().unwrap().iter();
    all.map(|namespace| namespace["type"].as_str().unwrap()).collect()
}

#[test]
fn a_terminal_has_a_type_that_the_image_or_the_pod_may_change() {
    let term = |env: &Value| {
        let lines = env.as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned());
        lines.filter(|line| line.starts_with("TERM=")).collect::<Vec<_>>()
    };
    let without = of(host(), |_| {});
    assert_eq!(without.pointer("/process/terminal"), None);
    assert!(term(&without["process"]["env"]).is_empty());
    let with = of(host(), |pod| pod.containers[0].streams.tty = true);
    assert_eq!(with["process"]["terminal"], true);
    assert_eq!(term(&with["process"]["env"]), ["TERM=xterm"]);
    let other = of(host(), |pod| {
        pod.containers[0].streams.tty = true;
        pod.containers[0].env.push(EnvVar::new("TERM", "linux"));
    });
    assert_eq!(term(&other["process"]["env"]), ["TERM=linux"]);
}

#[test]
fn unset_fields_are_left_out() {
    let spec = of(host(), |_| {});
    for pointer in ["/linux/seccomp", "/linux/devices", "/process/apparmorProfile"] {
        assert_eq!(spec.pointer(pointer), None, "{pointer}");
    }
    let masked = spec["linux"]["maskedPaths"].as_array().unwrap();
    for path in ["/proc/kcore", "/sys/firmware", "/sys/devices/virtual/powercap"] {
        assert!(masked.contains(&json!(path)), "{path}");
    }
    let resources = &spec["linux"]["resources"];
    assert_eq!(resources["cpu"], json!({ "shares": 2 }));
    assert_eq!(resources.get("memory"), None);
}

#[test]
fn a_restricted_container_is_one() {
    let spec = with_security(|security| {
        security.allow_privilege_escalation = Some(false);
        security.read_only_root_filesystem = Some(true);
        security.drop = vec!["ALL".into()];
        security.seccomp = Some(SeccompProfile::RuntimeDefault);
    });
    assert_eq!(spec["process"]["noNewPrivileges"], true);
    assert_eq!(spec["process"]["capabilities"]["bounding"], json!([]));
    assert_eq!(spec["root"]["readonly"], true);
    assert_eq!(spec["linux"]["seccomp"]["defaultAction"], "SCMP_ACT_ERRNO");
    assert_eq!(mount_at(&spec, "/etc/hosts")["options"], json!(["rbind", "rprivate", "ro"]));
}

#[test]
fn a_privileged_container_has_everything() {
    let null = DeviceNode {
        path: "/dev/x".into(),
        kind: 'c',
        major: 1,
        minor: 3,
        mode: 0o666,
        uid: 0,
        gid: 5,
        access: "rwm".into(),
    };
    let facts = Facts { cgroup2: true, ..host().facts };
    let host = Host { devices: vec![null], facts, ..host() };
    let spec = of(host, |pod| {
        pod.security.seccomp = Some(SeccompProfile::RuntimeDefault);
        pod.containers[0].security.privileged = Some(true);
    });
    let capabilities = spec["process"]["capabilities"]["effective"].as_array().unwrap();
    assert_eq!(capabilities.len(), 41);
    let linux = &spec["linux"];
    assert_eq!((&linux["maskedPaths"], &linux["readonlyPaths"]), (&json!([]), &json!([])));
    assert_eq!(linux["resources"]["devices"], json!([{ "allow": true, "access": "rwm" }]));
    assert_eq!(linux["devices"][0]["path"], "/dev/x");
    assert_eq!(linux["devices"][0]["fileMode"], 0o666);
    assert_eq!(spec.pointer("/linux/seccomp"), None);
    assert!(mount_at(&spec, "/sys")["options"].as_array().unwrap().contains(&json!("rw")));
    assert!(!kinds(&spec).contains(&"cgroup"));
}

#[test]
fn a_device_that_was_asked_for_is_there_and_allowed() {
    let fuse = DeviceNode {
        path: "/dev/fuse".into(),
        kind: 'c',
        major: 10,
        minor: 229,
        mode: 0o600,
        uid: 0,
        gid: 0,
        access: "rw".into(),
    };
    let spec = of(Host { devices: vec![fuse], ..host() }, |_| {});
    let rules = spec["linux"]["resources"]["devices"].as_array().unwrap();
    let rule = json!({ "allow": true, "type": "c", "major": 10, "minor": 229, "access": "rw" });
    assert_eq!((&rules[0]["allow"], rules.last()), (&json!(false), Some(&rule)));
}

#[test]
fn limits_become_the_cgroups() {
    let limited = |swap_limit: bool| {
        let facts = Facts { swap_limit, ..host().facts };
        of(Host { facts, ..host() }, |pod| {
            let resources = &mut pod.containers[0].resources;
            resources.requests.cpu = Some(250);
            resources.requests.memory = Some(4_000_000_000);
            resources.limits.cpu = Some(500);
            resources.limits.memory = Some(4_000_000_000);
            resources.limits.huge_pages = [(2 << 20, 4 << 20)].into();
        })
    };
    let spec = limited(true);
    let resources = &spec["linux"]["resources"];
    assert_eq!(resources["cpu"], json!({ "shares": 256, "quota": 50_000, "period": 100_000 }));
    let memory = json!({ "limit": 4_000_000_000u64, "swap": 4_000_000_000u64 });
    assert_eq!(resources["memory"], memory);
    assert_eq!(resources["hugepageLimits"], json!([{ "pageSize": "2MB", "limit": 4 << 20 }]));
    assert_eq!(spec["process"]["oomScoreAdj"], 500);
    let memory = &limited(false)["linux"]["resources"]["memory"];
    assert_eq!(*memory, json!({ "limit": 4_000_000_000u64 }));
}

#[test]
fn an_oom_score_is_limited_to_the_lowest_permitted_value() {
    let facts = Facts { least_oom_score_adj: Some(0), ..host().facts };
    let guaranteed = of(Host { facts, ..host() }, |pod| {
        let resources = &mut pod.containers[0].resources;
        (resources.limits.cpu, resources.limits.memory) = (Some(1), Some(1));
        resources.requests = resources.limits.clone();
    });
    assert_eq!(guaranteed["process"]["oomScoreAdj"], 0);
}

#[test]
fn the_hosts_namespaces_are_left_out_and_its_name_goes_with_its_network() {
    let shared = vec![("network", "/run/netns/u".into()), ("uts", "/run/utsns/u".into())];
    let spec = of(Host { shared, ..host() }, |pod| {
        pod.host_namespaces = HostNamespaces { network: true, pid: true, ipc: true };
    });
    assert_eq!(kinds(&spec), ["mount"]);
    assert_eq!(spec.get("hostname"), None);
    assert!(spec["process"]["env"].as_array().unwrap().contains(&json!("HOSTNAME=box")));
    assert_eq!(mount_at(&spec, "/dev/shm")["source"], "/dev/shm");
}

#[test]
fn a_pods_shm_is_bound_and_its_full_name_set() {
    let spec = of(Host { shm: Some("/run/pods/u/shm".into()), ..host() }, |pod| {
        pod.naming.subdomain = Some("db".into());
        pod.naming.hostname_as_fqdn = true;
    });
    assert_eq!(mount_at(&spec, "/dev/shm")["source"], "/run/pods/u/shm");
    assert_eq!(spec["hostname"], "web.db.default.svc.cluster.local");
}

#[test]
fn in_its_own_network_a_pod_may_use_low_ports_and_ping() {
    let sysctls = |change: fn(&mut PodSpec)| of(host(), change)["linux"]["sysctl"].clone();
    let (ports, ping) = ("net.ipv4.ip_unprivileged_port_start", "net.ipv4.ping_group_range");
    assert_eq!(sysctls(|_| {}), json!({ ports: "0", ping: "0 2147483647" }));
    assert_eq!(sysctls(|pod| pod.host_namespaces.network = true), Value::Null);
    let own = sysctls(|pod| {
        let name = "net/ipv4/ip_unprivileged_port_start".into();
        pod.security.sysctls = vec![Sysctl { name, value: "1024".into() }];
    });
    assert_eq!(own, json!({ ports: "1024", ping: "0 2147483647" }));
    let facts = Facts { unprivileged_ports: false, ping_groups: false, ..host().facts };
    let without = of(Host { facts, ..host() }, |_| {});
    assert_eq!(without["linux"].get("sysctl"), None, "a kernel without them");
}

#[test]
fn sysctls_profiles_and_proc_go_as_asked() {
    let mine = json!({ "defaultAction": "SCMP_ACT_ALLOW" });
    let host = Host { seccomp: Some(mine.clone()), app_armor: Some("mine".into()), ..host() };
    let spec = of(host, |pod| {
        let sysctl = |name: &str, value: &str| Sysctl { name: name.into(), value: value.into() };
        pod.security.sysctls =
            vec![sysctl("net.core.somaxconn", "99"), sysctl("kernel/sem", "1 2 3 4")];
        pod.security.seccomp = Some(SeccompProfile::Localhost("mine.json".into()));
        pod.security.app_armor = Some(AppArmorProfile::Localhost("mine".into()));
        pod.containers[0].security.proc_mount = Some(ProcMount::Unmasked);
    });
    let sysctls = &spec["linux"]["sysctl"];
    assert_eq!(
        (&sysctls["net.core.somaxconn"], &sysctls["kernel.sem"]),
        (&json!("99"), &json!("1 2 3 4"))
    );
    assert_eq!(spec["linux"]["seccomp"], mine);
    assert_eq!(spec["process"]["apparmorProfile"], "mine");
    assert_eq!(spec["linux"]["maskedPaths"], json!([]));
}
