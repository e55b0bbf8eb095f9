use std::path::Path;

use super::*;
use probelet_domain::spec::EnvVar;
use probelet_domain::spec::sample::pod;

fn image(config: Value) -> ImageConfiguration {
    serde_json::from_value(json!({
        "architecture": "amd64", "os": "linux", "config": config,
        "rootfs": { "type": "layers", "diff_ids": [] },
    }))
    .unwrap()
}

const EVERYTHING: u64 = (1 << 41) - 1;

fn host() -> Host {
    Host {
        facts: Facts {
            cgroup2: false,
            swap_limit: true,
            memory: 8_000_000_000,
            cpu: 2000,
            hostname: "box".into(),
            capabilities: EVERYTHING,
            unprivileged_ports: true,
            ping_groups: true,
            least_oom_score_adj: None,
        },
        cgroups_path: "/probelet/web_app_0".into(),
        message_path: Some("/log/0.message".into()),
        files: "/data/pods/u/etc".into(),
        users: ImageUsers { user: "1000:2000".into(), ..ImageUsers::default() },
        ..Host::default()
    }
}

fn web() -> Value {
    json!({
        "Entrypoint": ["/serve"], "Cmd": ["--port", "80"], "User": "1000:2000",
        "Env": ["PATH=/bin", "MODE=image", "HOME=/srv"], "WorkingDir": "/srv",
        "Volumes": null, "ExposedPorts": { "80/tcp": {} },
    })
}

fn made(config: Value, pod: &PodSpec) -> Value {
    let bytes = from_image(&image(config), pod, &pod.containers[0], &host()).unwrap();
    serde_json::from_slice::<oci_spec::runtime::Spec>(&bytes).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

#[test]
fn the_process_of_an_image() {
    let mut pod = pod();
    pod.containers[0].env =
        vec![EnvVar::new("MODE", "spec"), EnvVar::new("GREETING", "$(MODE) $(HOME)")];
    let capabilities = capability::of(&Default::default(), EVERYTHING);
    assert_eq!(
        made(web(), &pod)["process"],
        json!({
            "user": { "uid": 1000, "gid": 2000, "additionalGids": [2000] },
            "args": ["/serve", "--port", "80"],
            "env": [
                "PATH=/bin", "HOSTNAME=web", "MODE=spec", "HOME=/srv", "GREETING=spec $(HOME)",
            ],
            "cwd": "/srv",
            "capabilities": {
                "bounding": capabilities, "effective": capabilities, "permitted": capabilities,
            },
            "noNewPrivileges": false,
            "oomScoreAdj": 1000,
        })
    );
}

#[test]
fn the_rest_of_a_spec() {
    let mut pod = pod();
    pod.hostname = Some(format!("{}-tail", "h".repeat(62)));
    let spec = made(web(), &pod);
    assert_eq!(spec["hostname"], "h".repeat(62));
    assert_eq!(spec["root"], json!({ "path": "rootfs", "readonly": false }));
    let linux = &spec["linux"];
    assert_eq!(linux["cgroupsPath"], "/probelet/web_app_0");
    assert_eq!(
        linux["namespaces"],
        json!([
            { "type": "pid" }, { "type": "ipc" }, { "type": "uts" }, { "type": "mount" },
            { "type": "network" },
        ])
    );
    assert_eq!(linux["resources"]["devices"][0], json!({ "allow": false, "access": "rwm" }));
    let targets: Vec<_> =
        spec["mounts"].as_array().unwrap().iter().map(|m| m["destination"].clone()).collect();
    assert_eq!(
        targets,
        [
            "/proc",
            "/dev",
            "/dev/pts",
            "/dev/shm",
            "/dev/mqueue",
            "/sys",
            "/sys/fs/cgroup",
            "/etc/hosts",
            "/etc/resolv.conf",
            "/dev/termination-log",
        ]
    );
}

#[test]
fn a_cgroup_2_host_gives_a_cgroup_namespace() {
    let pod = pod();
    let facts = Facts { cgroup2: true, ..host().facts };
    let host = Host { facts, ..host() };
    let bytes = from_image(&image(web()), &pod, &pod.containers[0], &host).unwrap();
    let spec: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(spec["linux"]["namespaces"][5]["type"], "cgroup");
}

#[test]
fn command_and_args_follow_kubernetes_table() {
    let words = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
    for (command, args, expected) in [
        (&[] as &[&str], &[] as &[&str], &["/serve", "--port", "80"] as &[&str]),
        (&["/other"], &[], &["/other"]),
        (&[], &["-v"], &["/serve", "-v"]),
        (&["/other"], &["$(MODE)"], &["/other", "a=b \"c\""]),
    ] {
        let mut pod = pod();
        pod.containers[0].command = words(command);
        pod.containers[0].args = words(args);
        assert_eq!(made(web(), &pod)["process"]["args"], json!(expected));
    }
}

#[test]
fn an_image_without_a_command_is_invalid() {
    let pod = pod();
    let error = check_image(&image(json!({})), &pod.containers[0]).unwrap_err();
    assert_eq!(error.field, "command", "{error}");
}

#[test]
fn a_user_that_the_image_does_not_know_is_the_images_fault() {
    let users = ImageUsers { user: "nginx".into(), ..ImageUsers::default() };
    let host = Host { users, ..host() };
    let error = from_image(&image(web()), &pod(), &pod().containers[0], &host).unwrap_err();
    assert!(error.to_string().starts_with("image: unable to find user nginx"), "{error}");
}

fn bundle(spec: Value) -> Result<Value, InvalidSpec> {
    from_bundle(&spec.to_string(), Path::new("/srv/root"), "/probelet/x_0")
        .map(|bytes| serde_json::from_slice(&bytes).unwrap())
}

#[test]
fn a_bundles_spec_is_changed_only_in_its_paths() {
    let process = json!({ "terminal": true, "args": ["sh"], "cwd": "/", "newField": 1 });
    let made = bundle(json!({ "ociVersion": "1.0.2", "process": process })).unwrap();
    assert_eq!(
        made,
        json!({
            "ociVersion": "1.0.2",
            "process": { "terminal": false, "args": ["sh"], "cwd": "/", "newField": 1 },
            "root": { "path": "/srv/root" },
            "linux": { "cgroupsPath": "/probelet/x_0", "namespaces": [{ "type": "mount" }] },
        })
    );
    let own = json!({
        "ociVersion": "1.0.2", "process": { "args": ["sh"], "cwd": "/" },
        "root": { "path": "/srv/root", "readonly": true },
        "linux": {
            "cgroupsPath": "/mine", "maskedPaths": ["/proc/keys"],
            "namespaces": [{ "type": "pid" }, { "type": "mount" }],
        },
    });
    assert_eq!(bundle(own.clone()).unwrap(), own);
    let elsewhere = bundle(json!({
        "ociVersion": "1.0.2", "process": { "args": ["sh"], "cwd": "/" },
        "root": { "path": "/own" },
    }));
    assert_eq!(
        elsewhere.unwrap_err().to_string(),
        "ociSpec.root.path: Invalid value: \"/own\": is not rootfs"
    );
    let relative = json!({
        "ociVersion": "1.0.2", "process": { "args": ["sh"], "cwd": "/" },
        "root": { "path": "rootfs", "readonly": true },
    });
    assert_eq!(bundle(relative).unwrap()["root"], json!({ "path": "/srv/root", "readonly": true }));
}

#[test]
fn every_error_of_a_bundle_is_named_by_its_path() {
    for (text, expected) in [
        ("{", &["ociSpec: Invalid value: not a JSON object: EOF"][..]),
        ("[]", &["ociSpec: Invalid value: not a JSON object"]),
        (r#"{"process":{}}"#, &["ociSpec.process.args: Required", "ociSpec.process.cwd: Required"]),
        (r#"{"ociVersion":"1.0.2"}"#, &["ociSpec.process: Required value"]),
        (
            r#"{"ociVersion":"1.0.2","process":5}"#,
            &["ociSpec.process: Invalid value: invalid type"],
        ),
        (
            r#"{"ociVersion":"1.0.2","process":{"args":["a", 1],"cwd":"x"},"root":{"path":"/o"}}"#,
            &[
                "ociSpec.process.cwd: Invalid value: \"x\": must be an absolute path",
                "ociSpec.root.path: Invalid value: \"/o\": is not rootfs",
                "ociSpec.process.args[1]: Invalid value: invalid type",
            ],
        ),
        (
            r#"{"ociVersion":"1.0.2","process":{"args":["a"],"cwd":"/"},"mounts":[{"type":"x"}]}"#,
            &["ociSpec.mounts[0].destination: Required value"],
        ),
        (
            r#"{"ociVersion":"1.0.2","process":{"args":["a"],"cwd":"/"},"linux":{"namespaces":{}}}"#,
            &["ociSpec.linux.namespaces: Invalid value: invalid type"],
        ),
    ] {
        let found = bundle_errors(text, Path::new("/r"));
        let found: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), expected.len(), "{text}: {found:?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(expected), "{text}: {found}");
        }
        let first = from_bundle(text, Path::new("/r"), "/x").unwrap_err();
        assert_eq!(Some(&first.to_string()), found.first());
    }
}

#[test]
fn namespaces_that_a_pod_shares_are_joined_by_path() {
    let shared = vec![("network", "/run/netns/u".into()), ("ipc", "/run/ipcns/u".into())];
    let host = Host { shared, ..host() };
    let bytes = from_image(&image(web()), &pod(), &pod().containers[0], &host).unwrap();
    let spec: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(
        spec["linux"]["namespaces"],
        json!([
            { "type": "pid" }, { "type": "ipc", "path": "/run/ipcns/u" }, { "type": "uts" },
            { "type": "mount" }, { "type": "network", "path": "/run/netns/u" },
        ])
    );
}

mod process;
