use serde_json::json;

use super::*;

fn spec(linux: Value) -> Value {
    json!({ "process": { "args": ["a"], "cwd": "/" }, "linux": linux })
}

fn namespaces(kinds: &[&str]) -> Value {
    let kinds: Vec<_> = kinds.iter().map(|kind| json!({ "type": kind })).collect();
    json!({ "namespaces": kinds })
}

#[test]
fn namespaces_are_those_of_the_spec() {
    let own = Namespaces::read(&spec(namespaces(&["mount", "pid", "network"]))).unwrap();
    assert!(own.has(Kind::Mount) && own.has(Kind::Pid) && own.has(Kind::Network));
    assert!(!own.has(Kind::Ipc) && !own.has(Kind::User));
}

#[test]
fn what_only_the_runtime_can_do_is_refused_by_its_name() {
    let with = |name: &str, value: Value| {
        let mut linux = namespaces(&["mount"]);
        linux[name] = value;
        Namespaces::read(&spec(linux)).map_err(|error| error.to_string())
    };
    let seccomp = with("seccomp", json!({ "defaultAction": "SCMP_ACT_ALLOW" })).unwrap_err();
    assert!(seccomp.starts_with("cannot be run directly: linux.seccomp: "), "{seccomp}");
    assert!(with("uidMappings", json!([{ "containerID": 0 }])).is_err());
    assert!(with("personality", json!({ "domain": "LINUX32" })).is_err());
    assert!(with("uidMappings", json!([])).is_ok() && with("seccomp", json!(null)).is_ok());
    // What holds for the container as a whole does not concern its commands.
    assert!(with("maskedPaths", json!(["/proc/kcore"])).is_ok());
    for kinds in [&["mount", "user"][..], &["pid"], &[], &["mount", "future"]] {
        assert!(Namespaces::read(&spec(namespaces(kinds))).is_err(), "{kinds:?}");
    }
    assert!(Namespaces::read(&json!({})).is_err());
}

fn process(more: Value) -> Result<Process, String> {
    let mut all = json!({ "args": ["check"], "cwd": "/" });
    for (name, value) in more.as_object().unwrap() {
        all[name] = value.clone();
    }
    Process::read(all.to_string().as_bytes()).map_err(|error| error.to_string())
}

#[test]
fn a_process_is_read_with_all_of_its_parts() {
    let read = process(json!({
        "user": { "uid": 7, "gid": 8, "additionalGids": [9, 10] },
        "env": ["A=1"],
        "capabilities": {
            "bounding": ["CAP_CHOWN", "CAP_KILL"], "effective": ["CAP_CHOWN"],
            "permitted": ["CAP_CHECKPOINT_RESTORE"], "ambient": ["CAP_KILL"],
        },
        "rlimits": [{ "type": "RLIMIT_NOFILE", "hard": 9, "soft": 8 }],
        "noNewPrivileges": true,
        "oomScoreAdj": -5,
        "apparmorProfile": "",
        "terminal": false,
    }))
    .unwrap();
    let user = User { uid: 7, gid: 8, additional_gids: vec![9, 10] };
    assert_eq!(read.user, user);
    let capabilities = Capabilities {
        bounding: 0b10_0001,
        effective: 1,
        permitted: 1 << 40,
        ambient: 0b10_0000,
        inheritable: 0,
    };
    assert_eq!(read.capabilities, capabilities);
    assert_eq!(read.limits, [Limit { resource: 7, soft: 8, hard: 9 }]);
    assert!(read.no_new_privileges && read.oom_score_adj == Some(-5));
    assert_eq!(process(json!({})).unwrap().capabilities, Capabilities::default());
}

#[test]
fn a_part_of_a_process_that_cannot_be_reproduced_is_refused() {
    for (more, field) in [
        (json!({ "apparmorProfile": "a" }), "process.apparmorProfile"),
        (json!({ "selinuxLabel": "s" }), "process.selinuxLabel"),
        (json!({ "scheduler": { "policy": "SCHED_FIFO" } }), "process.scheduler"),
        (json!({ "ioPriority": { "class": "IOPRIO_CLASS_IDLE" } }), "process.ioPriority"),
        (json!({ "user": { "uid": 0, "username": "a" } }), "process.user.username"),
        (json!({ "user": { "uid": 0, "umask": 0o27 } }), "process.user.umask"),
        (json!({ "capabilities": { "bounding": ["CAP_FUTURE"] } }), "process.capabilities"),
        (json!({ "rlimits": [{ "type": "RLIMIT_X", "soft": 1, "hard": 1 }] }), "process.rlimits"),
        (json!({ "terminal": true }), "process.terminal"),
        (json!({ "args": "one" }), "process"),
    ] {
        let error = process(more).unwrap_err();
        assert!(error.starts_with(&format!("cannot be run directly: {field}: ")), "{error}");
    }
}
