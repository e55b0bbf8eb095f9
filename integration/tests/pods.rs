//! Pods of several containers: shared namespaces, the order of starts and stops, and restarts of
//! one container.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use anyhow::Result;
use probelet_integration::{Host, IMAGE, SOON, eventually, with_host};
use serde_json::{Value, json};

fn container(name: &str, args: &[&str]) -> Value {
    json!({ "name": name, "image": IMAGE, "args": args })
}

/// A sidecar: an init container with `restartPolicy: Always`.
fn sidecar(name: &str, args: &[&str], more: Value) -> Value {
    with(with(container(name, args), json!({ "restartPolicy": "Always" })), more)
}

fn with(mut container: Value, more: Value) -> Value {
    if let (Some(container), Value::Object(more)) = (container.as_object_mut(), more) {
        container.extend(more);
    }
    container
}

fn apply(host: &Host, init: Value, containers: Value, more: Value) -> Result<()> {
    let spec = json!({
        "terminationGracePeriodSeconds": 2, "initContainers": init, "containers": containers,
    });
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "web" },
        "spec": with(spec, more),
    });
    host.apply(&pod.to_string()).map(drop)
}

fn is_running(status: &Value) -> bool {
    status["state"]["running"].is_object()
}

fn wait(host: &Host, container: &str, good: impl Fn(&Value) -> bool) -> Result<Value> {
    eventually(container, SOON * 2, || {
        host.status_of("web", container).ok().filter(|status| good(status))
    })
}

fn wait_column(host: &Host, wanted: &str) -> Result<()> {
    eventually(wanted, SOON * 2, || (host.column("web").ok()? == wanted).then_some(()))
}

fn gone(host: &Host) -> Result<()> {
    host.probelet(["delete", "pod", "web"])?;
    host.expect_nothing_left()
}

/// A liveness probe of the port on which the neighbour serves.
fn knock() -> Value {
    json!({ "livenessProbe": {
        "httpGet": { "port": 8080 }, "periodSeconds": 1, "failureThreshold": 1,
        "terminationGracePeriodSeconds": 1,
    } })
}

#[test]
fn containers_reach_each_other_on_localhost_and_one_restarts_without_the_other() -> Result<()> {
    with_host(|host| {
        let web = container("web", &["serve", "--fail-after", "2"]);
        let other = with(container("other", &["sleep"]), knock());
        apply(host, json!([]), json!([web, other]), json!({}))?;
        wait(host, "other", is_running)?;
        let (web, other) = (host.task_pid("web_0")?, host.task_pid("web_other_0")?);
        let namespace = |pid: u32, kind: &str| std::fs::read_link(format!("/proc/{pid}/ns/{kind}"));
        for kind in ["net", "ipc", "uts"] {
            assert_eq!(namespace(web, kind)?, namespace(other, kind)?, "{kind}");
            assert_ne!(namespace(web, kind)?, namespace(std::process::id(), kind)?, "{kind}");
        }
        assert_ne!(namespace(web, "pid")?, namespace(other, "pid")?);

        let again = |one: &Value| one["restartCount"].as_u64() >= Some(1) && is_running(one);
        wait(host, "other", again)?;
        assert_eq!(host.task_pid("web_0")?, web);
        assert_eq!(host.status_of("web", "web")?["restartCount"], 0);
        let log = host.probelet(["logs", "web", "-c", "web"])?;
        assert!(log.contains("Received request from 127.0.0.1"), "{log}");

        let done = host.try_probelet(["logs", "web"], "")?;
        let text =
            "error: a container name must be specified for pod web, choose one of: [web other]\n";
        assert_eq!((done.code, done.stderr.as_str()), (Some(1), text));
        let unknown = host.try_probelet(["restart", "web", "-c", "db"], "")?;
        assert_eq!(unknown.code, Some(1), "{unknown:?}");
        gone(host)
    })
}

#[test]
fn init_containers_run_in_order_before_the_regular_container() -> Result<()> {
    with_host(|host| {
        let init =
            json!([container("one", &["exit", "0", "500"]), container("two", &["exit", "0"])]);
        apply(host, init, json!([container("app", &["sleep"])]), json!({}))?;
        wait(host, "app", is_running)?;
        let pod = host.pod("web")?;
        let at = |pointer: &str| pod.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let init = |index: u8, field: &str| {
            at(&format!("/status/initContainerStatuses/{index}/state/terminated/{field}"))
                .to_owned()
        };
        let app = at("/status/containerStatuses/0/state/running/startedAt");
        let moments = [
            init(0, "startedAt"),
            init(0, "finishedAt"),
            init(1, "startedAt"),
            init(1, "finishedAt"),
            app.to_owned(),
        ];
        assert!(moments.iter().all(|at| !at.is_empty()) && moments.is_sorted(), "{moments:?}");
        assert_eq!(host.column("web")?, "Running");
        let described = host.probelet(["describe", "pod", "web"])?;
        assert!(described.contains("Init Containers:\n  one:"), "{described}");
        assert!(described.contains("spec.initContainers{two}: Container started"), "{described}");
        gone(host)
    })
}

#[test]
fn a_failing_init_container_backs_off_and_no_later_container_starts() -> Result<()> {
    with_host(|host| {
        let init = json!([container("bad", &["exit", "3"])]);
        apply(host, init, json!([container("app", &["sleep"])]), json!({}))?;
        wait_column(host, "Init:CrashLoopBackOff")?;
        let app = host.status_of("web", "app")?;
        assert_eq!(app["state"]["waiting"]["reason"], "PodInitializing", "{app}");
        assert_eq!(host.pod("web")?["status"]["phase"], "Pending");
        gone(host)?;

        let init = json!([container("bad", &["exit", "3"])]);
        let app = json!([container("app", &["sleep"])]);
        apply(host, init, app, json!({ "restartPolicy": "Never" }))?;
        wait_column(host, "Init:Error")?;
        assert_eq!(host.pod("web")?["status"]["phase"], "Failed");
        gone(host)
    })
}

#[test]
fn a_sidecar_delays_later_containers_until_it_has_started_and_is_stopped_last() -> Result<()> {
    with_host(|host| {
        let probe = json!({ "startupProbe": {
            "httpGet": { "port": 8080 }, "periodSeconds": 1, "initialDelaySeconds": 2,
        } });
        let side = sidecar("side", &["serve", "--fail-after", "1000"], probe);
        apply(host, json!([side]), json!([container("app", &["sleep"])]), json!({}))?;
        wait(host, "side", is_running)?;
        assert_eq!(host.column("web")?, "Init:0/1");
        wait(host, "app", is_running)?;
        assert_eq!(host.status_of("web", "side")?["started"], true);
        assert!(host.probelet(["get", "pods"])?.contains("2/2"));

        // Both ignore SIGTERM. The regular container is killed after its grace, the sidecar after
        // its own SIGTERM and the two seconds that it has at least.
        host.probelet(["stop", "web"])?;
        let finished = |name: &str| -> Result<String> {
            let status = host.status_of("web", name)?;
            let at = status["state"]["terminated"]["finishedAt"].as_str();
            Ok(at.unwrap_or_default().to_owned())
        };
        let (app, side) = (finished("app")?, finished("side")?);
        assert!(!app.is_empty() && app < side, "{app:?} {side:?}");
        gone(host)
    })
}

#[test]
fn sidecars_do_not_keep_a_finished_pod_alive() -> Result<()> {
    with_host(|host| {
        let side = sidecar("side", &["sleep"], json!({}));
        let app = json!([container("app", &["exit", "0"])]);
        apply(host, json!([side]), app, json!({ "restartPolicy": "Never" }))?;
        wait(host, "side", |status| status["state"]["terminated"].is_object())?;
        assert_eq!(host.pod("web")?["status"]["phase"], "Succeeded");
        assert_eq!(host.column("web")?, "Completed");
        gone(host)
    })
}

#[test]
fn a_death_of_the_daemon_restarts_no_container() -> Result<()> {
    with_host(|host| {
        let init = json!([
            container("one", &["exit", "0", "3000"]),
            sidecar("side", &["sleep"], json!({})),
            container("two", &["exit", "0", "1000"]),
        ]);
        let apps = json!([container("app", &["sleep"]), container("other", &["sleep"])]);
        apply(host, init, apps, json!({}))?;
        // The daemon dies while the first init container runs.
        wait(host, "one", is_running)?;
        host.kill_daemon()?;
        host.start_daemon()?;
        assert!(is_running(&host.status_of("web", "one")?));
        let app = host.status_of("web", "app")?;
        assert_eq!(app["state"]["waiting"]["reason"], "PodInitializing", "{app}");
        // The daemon dies while the second one runs, which ends before the next daemon starts.
        wait(host, "two", is_running)?;
        let two = host.task_pid("web_two_0")?;
        host.kill_daemon()?;
        eventually("the second one has ended", SOON, || {
            (!std::fs::exists(format!("/proc/{two}")).ok()?).then_some(())
        })?;
        host.start_daemon()?;
        wait(host, "other", is_running)?;
        wait(host, "app", is_running)?;

        let ids = ["web_side_0", "web_app_0", "web_other_0"];
        let before = ids.map(|id| host.task_pid(id).ok());
        host.kill_daemon()?;
        host.start_daemon()?;
        assert_eq!(ids.map(|id| host.task_pid(id).ok()), before);
        assert!(before.iter().all(Option::is_some), "{before:?}");
        for name in ["one", "side", "two", "app", "other"] {
            assert_eq!(host.status_of("web", name)?["restartCount"], 0, "{name}");
        }
        // Lost pins are restored: the next instance is in the same namespaces as its neighbours.
        for folder in ["netns", "ipcns", "utsns"] {
            for pin in std::fs::read_dir(host.path("run").join(folder))?.flatten() {
                rustix::mount::unmount(pin.path(), rustix::mount::UnmountFlags::DETACH)?;
            }
        }
        host.probelet(["restart", "web", "-c", "app"])?;
        let net = |id: &str| -> Result<_> {
            Ok(std::fs::read_link(format!("/proc/{}/ns/net", host.task_pid(id)?))?)
        };
        assert_eq!(net("web_app_1")?, net("web_other_0")?);
        gone(host)
    })
}

#[test]
fn a_pod_that_is_deleted_during_its_init_containers_leaves_nothing() -> Result<()> {
    with_host(|host| {
        let init = json!([sidecar("side", &["sleep"], json!({})), container("one", &["sleep"])]);
        apply(host, init, json!([container("app", &["sleep"])]), json!({}))?;
        wait(host, "one", is_running)?;
        assert_eq!(host.column("web")?, "Init:1/2");
        let done = host.try_probelet(["logs", "web"], "")?;
        let text = "error: container \"app\" in pod \"web\" is waiting to start: PodInitializing\n";
        assert_eq!(done.stderr, text);
        host.probelet(["stop", "web"])?;
        assert!(!is_running(&host.status_of("web", "side")?));
        host.probelet(["start", "web"])?;
        wait(host, "one", |one| is_running(one) && one["restartCount"] == 1)?;
        gone(host)
    })
}

#[test]
fn a_rule_restarts_all_containers_of_the_pod() -> Result<()> {
    with_host(|host| {
        let rule = json!({
            "restartPolicy": "Never",
            "restartPolicyRules": [{
                "action": "RestartAllContainers",
                "exitCodes": { "operator": "In", "values": [42] },
            }],
        });
        let init = json!([container("one", &["exit", "0"])]);
        let app = with(container("app", &["exit", "42", "2000"]), rule);
        apply(host, init, json!([app, container("other", &["sleep"])]), json!({}))?;
        let again = |status: &Value| status["restartCount"].as_u64() >= Some(1);
        let other = wait(host, "other", |status| again(status) && is_running(status))?;
        let last = &other["lastState"]["terminated"];
        assert_eq!(last["reason"], "RestartingAllContainers", "{other}");
        assert_eq!(last["exitCode"], 137, "{other}");
        let app = wait(host, "app", again)?;
        let asked = &app["lastState"]["terminated"];
        assert_eq!((&asked["reason"], &asked["exitCode"]), (&last["reason"], &json!(42)), "{app}");
        let conditions = host.pod("web")?["status"]["conditions"].clone();
        assert_eq!(conditions[5]["type"], "AllContainersRestarting", "{conditions}");
        assert!(again(&host.status_of("web", "one")?));
        gone(host)
    })
}
