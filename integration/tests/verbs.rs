//! The verbs of an operator, and how they are reported.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use anyhow::{Context, Result};
use probelet_integration::{Host, IMAGE, SOON, with_host};
use serde_json::{Value, json};

fn create(host: &Host, name: &str, args: &[&str], more: Value) -> Result<Value> {
    let mut request = json!({ "name": name, "image": IMAGE, "args": args, "start": true });
    if let (Some(request), Value::Object(more)) = (request.as_object_mut(), more) {
        request.extend(more);
    }
    host.call("probelet.v1.Containers/CreateContainer", &request)
}

fn is_running(status: &Value) -> bool {
    status["state"]["running"].is_object()
}

#[test]
fn restart_and_kill_start_a_new_attempt_and_the_cause_names_the_operator() -> Result<()> {
    with_host(|host| {
        create(host, "app", &["sleep"], json!({ "terminationGracePeriod": "1s" }))?;
        host.probelet(["restart", "app"])?;
        let status = host.status("app")?;
        assert_eq!(status["restartCount"], 1, "{status}");
        assert!(is_running(&status), "{status}");
        assert!(host.probelet(["describe", "pod", "app"])?.contains("operator: restart"));

        host.probelet(["kill", "app", "-s", "KILL"])?;
        let back = |status: &Value| status["restartCount"] == 2 && is_running(status);
        host.wait_status("app", SOON, back)?;
        assert!(host.probelet(["describe", "pod", "app"])?.contains("operator: kill -s 9"));
        Ok(())
    })
}

#[test]
fn start_runs_a_container_again_that_has_ended_by_itself() -> Result<()> {
    with_host(|host| {
        create(host, "job", &["exit", "3", "300"], json!({ "restartPolicy": "NEVER" }))?;
        let ended_as = |id: &str| {
            let id = format!("containerd://{id}");
            move |status: &Value| status["state"]["terminated"]["containerID"] == id.as_str()
        };
        host.wait_status("job", SOON, ended_as("job_0"))?;
        host.probelet(["start", "job"])?;
        host.wait_status("job", SOON, ended_as("job_1"))?;
        // A restart of the daemon does not start it.
        host.kill_daemon()?;
        host.start_daemon()?;
        assert!(ended_as("job_1")(&host.status("job")?));
        Ok(())
    })
}

#[test]
fn top_shows_the_cpu_use_of_each_container() -> Result<()> {
    with_host(|host| {
        create(host, "busy", &["spin"], json!({}))?;
        create(host, "idle", &["sleep"], json!({}))?;
        for name in ["busy", "idle"] {
            host.wait_status(name, SOON, is_running)?;
        }
        let table = host.probelet(["top"])?;
        let cpu = |name: &str| -> Result<u32> {
            let mut rows = table.lines().map(|row| row.split_whitespace().collect::<Vec<_>>());
            let row = rows.find(|row| row.first() == Some(&name)).context("no row")?;
            assert!(row.len() == 3 && row[2].ends_with("Mi"), "{table}");
            Ok(row[1].trim_end_matches('m').parse()?)
        };
        assert!(table.starts_with("NAME "), "{table}");
        // The bounds are wide enough for a busy machine.
        assert!(cpu("busy")? > 20 && cpu("idle")? < 20, "{table}");
        let one = host.probelet(["top", "pod", "busy", "--containers"])?;
        assert!(one.starts_with("POD ") && one.lines().count() == 2, "{one}");
        host.probelet(["stop", "idle", "--grace-period", "0"])?;
        let none = host.try_probelet(["top", "pod/idle"], "")?;
        assert_eq!(none.code, Some(1), "{none:?}");
        Ok(())
    })
}

#[test]
fn run_creates_a_pod_from_flags() -> Result<()> {
    with_host(|host| {
        let flags = ["run", "web", "--image", IMAGE, "--liveness", "http://:8080/"];
        let more = ["--restart=OnFailure", "--env=A=b=c", "-l", "app=web,tier=1", "--grace=1s"];
        let words = ["--port=8080", "--", "serve", "--fail-after", "1000"];
        let created = host.probelet([&flags[..], &more, &words].concat())?;
        assert_eq!(created, "pod/web created\n");
        host.wait_status("web", SOON, is_running)?;
        let pod = host.pod("web")?;
        let container = &pod["spec"]["containers"][0];
        assert_eq!(pod["spec"]["restartPolicy"], "OnFailure", "{pod}");
        assert_eq!(pod["spec"]["terminationGracePeriodSeconds"], 1);
        assert_eq!(pod["metadata"]["labels"], json!({ "app": "web", "tier": "1" }));
        assert_eq!(container["args"], json!(["serve", "--fail-after", "1000"]));
        assert_eq!(container["env"], json!([{ "name": "A", "value": "b=c" }]));
        assert_eq!(container["ports"][0]["containerPort"], 8080);
        assert_eq!(container["livenessProbe"]["httpGet"]["port"], 8080);

        let again = host.try_probelet(flags, "")?;
        assert!(again.code == Some(1) && again.stderr.contains("already exists"), "{again:?}");
        let entry =
            ["run", "other", "--image", IMAGE, "--command", "--", "/kubia-unhealthy", "sleep"];
        host.probelet(entry)?;
        let command = &host.pod("other")?["spec"]["containers"][0]["command"];
        assert_eq!(*command, json!(["/kubia-unhealthy", "sleep"]));
        Ok(())
    })
}

#[test]
fn a_stopped_container_stays_down_until_it_is_started() -> Result<()> {
    with_host(|host| {
        create(host, "app", &["sleep"], json!({}))?;
        let stop = json!({ "name": "app", "gracePeriod": "0s" });
        let stopped = host.call("probelet.v1.Containers/StopContainer", &stop)?;
        let cause = stopped["state"]["terminated"]["cause"].as_str().unwrap_or_default();
        assert!(cause.starts_with("operator: stop by uid 0 (pid "), "{stopped}");
        assert!(cause.ends_with("; SIGKILL at once"), "{stopped}");

        // A restart of the daemon does not start it either.
        host.kill_daemon()?;
        host.start_daemon()?;
        assert!(host.status("app")?["state"]["terminated"].is_object());
        host.probelet(["start", "app"])?;
        assert!(is_running(&host.status("app")?));
        Ok(())
    })
}

#[test]
fn wait_ends_when_its_condition_is_met_and_not_before() -> Result<()> {
    with_host(|host| {
        let wait = |condition: &str, time: &str| {
            host.try_probelet(["wait", "app", "--for", condition, "--timeout", time], "")
        };
        assert!(wait("condition=Ready", "1s")?.stderr.contains("\"app\" not found"));
        assert!(wait("delete", "1s")?.stdout.contains("pod/app condition met"));
        create(host, "app", &["sleep"], json!({ "terminationGracePeriod": "0s" }))?;
        assert!(wait("condition=Ready", "30s")?.stdout.contains("pod/app condition met"));
        let late = wait("restarts=1", "0s")?.stderr;
        assert!(late.contains("timed out waiting for the condition on pods/app"), "{late}");
        host.probelet(["kill", "app"])?;
        assert!(wait("restarts=1", "30s")?.stdout.contains("pod/app condition met"));
        assert!(wait("delete", "0s")?.stderr.contains("timed out"));
        host.probelet(["delete", "pod", "app"])?;
        assert!(wait("delete", "0s")?.stdout.contains("pod/app condition met"));
        let long = wait("delete", "2h")?.stderr;
        assert!(long.contains("timeout: Invalid value: must be one hour at most"), "{long}");
        Ok(())
    })
}

#[test]
fn a_followed_log_ends_with_its_attempt() -> Result<()> {
    with_host(|host| {
        let never = json!({ "restartPolicy": "NEVER" });
        create(host, "app", &["crash-after", "1500"], never)?;
        let followed = host.probelet(["logs", "-f", "app"])?;
        assert_eq!(followed, host.probelet(["logs", "app"])?);
        assert!(host.status("app")?["state"]["terminated"].is_object());
        Ok(())
    })
}

fn sleeper(env: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: app}}, spec: {{containers: [{{name: c, \
         image: {IMAGE}, args: [sleep], env: [{{name: A, value: {env}}}]}}]}}}}"
    )
}

#[test]
fn apply_is_idempotent_and_replaces_a_pod_that_cannot_be_changed() -> Result<()> {
    with_host(|host| {
        assert_eq!(host.apply(&sleeper("old"))?, "pod/app created\n");
        host.wait_status("app", SOON, is_running)?;
        assert_eq!(host.apply(&sleeper("old"))?, "pod/app unchanged\n");
        let replaced = host.apply(&sleeper("new"))?;
        assert_eq!(replaced, "pod/app replaced (spec.containers[0].env)\n");
        host.wait_status("app", SOON, |s| is_running(s) && s["restartCount"] == 0)?;
        assert_eq!(host.apply(&sleeper("new"))?, "pod/app unchanged\n");
        assert!(host.probelet(["export", "app"])?.contains("value: new"));

        let unknown = sleeper("newer").replace(IMAGE, "'127.0.0.1:1/unknown:1'");
        let refused = host.try_probelet(["apply", "-f", "-"], &unknown)?;
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(refused.stderr.contains("spec.containers[0].image: "), "{refused:?}");
        assert!(is_running(&host.status("app")?), "the old pod was stopped");
        host.probelet(["delete", "pod", "app", "--force", "--grace-period", "0"])?;
        host.expect_nothing_left()
    })
}

#[test]
fn readiness_is_shown_and_never_kills() -> Result<()> {
    with_host(|host| {
        let probe = json!({
            "httpGet": { "port": 8080 }, "period": "0.2s", "failureThreshold": 2,
        });
        create(
            host,
            "app",
            &["serve", "--fail-after", "3"],
            json!({ "readinessProbe": probe, "startupProbe": { "url": "tcp://:8080", "period": "0.2s" } }),
        )?;
        host.wait_status("app", SOON, |status| status["ready"] == true)?;
        let status = host.wait_status("app", SOON, |status| status["ready"] == false)?;
        assert_eq!(status["started"], true, "{status}");
        assert_eq!(status["restartCount"], 0, "{status}");
        let health = host.call("grpc.health.v1.Health/Check", &json!({ "service": "app/app" }))?;
        assert_eq!(health["status"], "NOT_SERVING", "{health}");
        let health = host.call("grpc.health.v1.Health/Check", &json!({}))?;
        assert_eq!(health["status"], "SERVING", "{health}");
        Ok(())
    })
}

#[test]
fn without_containerd_nothing_is_killed_and_exits_are_reported() -> Result<()> {
    with_host(|host| {
        create(host, "steady", &["sleep"], json!({}))?;
        create(host, "ends", &["crash-after", "2000"], json!({}))?;
        let pid = host.task_pid("steady_0")?;
        host.kill_containerd()?;
        let gone = |status: &Value| status["lastState"]["terminated"].is_object();
        let before = host.wait_status("ends", SOON, gone)?;
        // A restart counts when its instance starts, which waits for containerd.
        assert_eq!(before["restartCount"], 0, "counted without containerd: {before}");

        host.start_containerd()?;
        let back = |status: &Value| is_running(status) && status["restartCount"] != 0;
        host.wait_status("ends", SOON, back)?;
        let steady = host.status("steady")?;
        assert_eq!(steady["restartCount"], 0, "{steady}");
        assert_eq!(host.task_pid("steady_0")?, pid);
        Ok(())
    })
}
