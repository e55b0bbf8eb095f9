//! Deployments, DaemonSets, StatefulSets, Jobs and CronJobs by kubectl itself.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use anyhow::{Context, Result, ensure};
use probelet_integration::image::BUSYBOX_IMAGE;
use probelet_integration::kube::Kube;
use probelet_integration::{IMAGE, SOON, eventually};
use serde_json::{Value, json};

fn pods(kube: &Kube) -> Result<Vec<Value>> {
    let list = kube.json(&["get", "pods"])?;
    list["items"].as_array().cloned().context("no items")
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// A manifest whose pod runs a script of busybox and ends soon when it is deleted.
fn manifest(api_version: &str, kind: &str, name: &str, script: &str, spec: Value) -> String {
    let mut object = json!({
        "apiVersion": api_version, "kind": kind, "metadata": {"name": name}, "spec": {
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {
                    "terminationGracePeriodSeconds": 1,
                    "containers": [{
                        "name": "main", "image": BUSYBOX_IMAGE, "command": ["sh", "-c", script],
                    }],
                },
            },
        },
    });
    if kind == "Job" {
        object["spec"]["template"]["spec"]["restartPolicy"] = json!("Never");
    } else {
        object["spec"]["selector"] = json!({"matchLabels": {"app": name}});
    }
    probelet_integration::target::extend(&mut object["spec"], spec);
    object.to_string()
}

fn with_busybox() -> Result<Kube> {
    let kube = Kube::start()?;
    kube.host.busybox_image(&json!({}))?;
    Ok(kube)
}

/// The events of Deployments that `probelet` and kubectl show, as `NAMESPACE/NAME REASON COUNT`.
fn events_of_deployments(kube: &Kube) -> Result<[Vec<String>; 2]> {
    let own: Value =
        serde_json::from_str(&kube.host.probelet(["get", "events", "-A", "-o", "json"])?)?;
    let shown = |list: Value| {
        let items = list["items"].as_array().cloned().unwrap_or_default();
        let of_deployments =
            items.into_iter().filter(|event| event["involvedObject"]["kind"] == "Deployment");
        let mut texts = of_deployments
            .map(|event| {
                let object = &event["involvedObject"];
                let (namespace, name) = (text(object, "/namespace"), text(object, "/name"));
                ensure!(object["apiVersion"] == "apps/v1", "{object}");
                Ok(format!("{namespace}/{name} {} {}", text(&event, "/reason"), event["count"]))
            })
            .collect::<Result<Vec<String>>>()?;
        texts.sort();
        Ok::<_, anyhow::Error>(texts)
    };
    Ok([shown(own)?, shown(kube.json(&["get", "events", "-A"])?)?])
}

#[test]
fn the_events_of_a_deployment_are_the_same_for_all_clients() -> Result<()> {
    let mut kube = with_busybox()?;
    let script = "trap 'exit 0' TERM; while :; do sleep 0.1; done";
    let create = ["create", "deployment", "web", "--image", BUSYBOX_IMAGE, "--", "sh", "-c"];
    kube.kubectl(&[&create[..], &[script]].concat())?;
    kube.kubectl(&["wait", "--for=condition=available", "deploy/web", "--timeout=60s"])?;
    let [own, of_kubectl] = events_of_deployments(&kube)?;
    ensure!(own.iter().any(|it| it.starts_with("default/web ScalingReplicaSet")), "{own:?}");
    ensure!(own == of_kubectl, "{own:?} {of_kubectl:?}");
    let table = kube.host.probelet(["get", "events"])?;
    ensure!(table.contains("deployment/web"), "{table}");
    // The pod of the same name has events of its own.
    let described = kube.host.probelet(["describe", "pod", "web"])?;
    ensure!(!described.contains("ScalingReplicaSet"), "{described}");
    kube.crash()?;
    let after = eventually("the events are there again", SOON, || {
        events_of_deployments(&kube).ok().filter(|[own, _]| !own.is_empty())
    })?;
    ensure!(after == [own, of_kubectl], "{after:?}");
    Ok(())
}

#[test]
fn a_deployment_is_created_rolled_out_scaled_and_deleted() -> Result<()> {
    let kube = with_busybox()?;
    // kubectl sends it as protobuf.
    let script = "trap 'exit 0' TERM; echo ready; while :; do sleep 0.1; done";
    let create = ["create", "deployment", "web", "--image", BUSYBOX_IMAGE, "--", "sh", "-c"];
    let made = kube.kubectl(&[&create[..], &[script]].concat())?;
    ensure!(made == "deployment.apps/web created\n", "{made}");
    let status = kube.kubectl(&["rollout", "status", "deploy/web", "--timeout=60s"])?;
    ensure!(status.contains("successfully rolled out"), "{status}");
    kube.kubectl(&["wait", "--for=condition=available", "deploy/web", "--timeout=60s"])?;
    let pod = kube.pod("web")?;
    ensure!(text(&pod, "/metadata/ownerReferences/0/kind") == "Deployment", "{pod}");
    ensure!(text(&pod, "/metadata/labels/app") == "web", "{pod}");
    for (args, wanted) in [
        (&["get", "deploy,ds,sts,job,cj"][..], "deployment.apps/web   1/1     1            1"),
        (&["get", "all"], "deployment.apps/web"),
        (&["get", "rs"], ""),
        (&["get", "deploy", "-o", "wide"], BUSYBOX_IMAGE),
        (&["logs", "deploy/web"], "ready"),
        (&["exec", "deploy/web", "--", "hostname"], "web"),
        (&["get", "events"], "SuccessfulCreate"),
        (&["api-resources"], "deployments"),
        (&["explain", "deployment.spec.replicas"], "replicas"),
    ] {
        let printed = kube.kubectl(args)?;
        ensure!(printed.contains(wanted), "kubectl {args:?}: {printed}");
    }
    let described = kube.kubectl(&["describe", "deploy", "web"])?;
    for wanted in ["1 desired | 1 updated | 1 total | 1 available", "Created pod: web"] {
        ensure!(described.contains(wanted), "{wanted} is not in\n{described}");
    }

    // Each change of the template is another pod.
    let uid = || Ok::<_, anyhow::Error>(text(&kube.pod("web")?, "/metadata/uid").to_owned());
    let first = uid()?;
    kube.kubectl(&["rollout", "restart", "deploy/web"])?;
    kube.kubectl(&["rollout", "status", "deploy/web", "--timeout=90s"])?;
    let second = uid()?;
    ensure!(first != second);
    // The cause of the first pod's end.
    let events = kube.kubectl(&["get", "events"])?;
    ensure!(events.contains("by deployment/web"), "{events}");
    // A wrong image does not pass, and the next one replaces it.
    kube.kubectl(&["set", "image", "deploy/web", "*=registry.invalid/none:1"])?;
    eventually("the pod has the other image", SOON * 3, || {
        let pod = kube.pod("web").ok()?;
        (text(&pod, "/spec/containers/0/image") == "registry.invalid/none:1").then_some(())
    })?;
    let stuck = kube.try_kubectl(&["rollout", "status", "deploy/web", "--timeout=2s"], "")?;
    ensure!(stuck.code != Some(0), "{}", stuck.stdout);
    kube.kubectl(&["set", "image", "deploy/web", &format!("*={BUSYBOX_IMAGE}")])?;
    kube.kubectl(&["rollout", "status", "deploy/web", "--timeout=90s"])?;

    kube.kubectl(&["scale", "deploy/web", "--replicas=0"])?;
    eventually("no pod is left", SOON * 3, || pods(&kube).ok().filter(Vec::is_empty))?;
    ensure!(kube.kubectl(&["get", "deploy", "web"])?.contains("0/0"));
    let refused = kube.refused(&["scale", "deploy/web", "--replicas=2"], "")?;
    ensure!(refused.contains("spec.replicas") && refused.contains("one host"), "{refused}");
    kube.kubectl(&["scale", "deploy/web", "--replicas=1", "--current-replicas=0"])?;
    kube.kubectl(&["rollout", "status", "deploy/web", "--timeout=60s"])?;
    // A deleted pod is created again.
    let before = uid()?;
    kube.kubectl(&["delete", "pod", "web", "--now"])?;
    eventually("the pod is created again", SOON * 3, || uid().ok().filter(|uid| *uid != before))?;

    ensure!(kube.kubectl(&["delete", "deploy", "web"])?.contains("deleted"));
    eventually("the pod is deleted", SOON * 3, || pods(&kube).ok().filter(Vec::is_empty))?;
    Ok(())
}

#[test]
fn a_manifest_is_applied_and_its_errors_are_kubernetes() -> Result<()> {
    let kube = with_busybox()?;
    let web = manifest("apps/v1", "Deployment", "web", "exec sleep 1000", json!({}));
    ensure!(kube.apply(&["apply", "-f", "-"], &web)?.contains("created"));
    kube.kubectl(&["rollout", "status", "deploy/web", "--timeout=60s"])?;
    ensure!(kube.apply(&["apply", "-f", "-"], &web)?.contains("unchanged"));
    ensure!(kube.try_kubectl(&["diff", "-f", "-"], &web)?.code == Some(0));
    let uid = text(&kube.pod("web")?, "/metadata/uid").to_owned();
    // Labels of the object are no part of the template.
    kube.kubectl(&["label", "deploy", "web", "tier=front"])?;
    ensure!(text(&kube.pod("web")?, "/metadata/uid") == uid);
    let server = ["apply", "--server-side", "--field-manager=ann", "-f", "-"];
    let other = web.replace("\"web\"", "\"other\"");
    ensure!(kube.apply(&server, &other)?.contains("serverside-applied"));
    kube.kubectl(&["wait", "--for=condition=available", "deploy/other", "--timeout=60s"])?;
    for (from, to, wanted) in [
        ("\"replicas\":1", "\"replicas\":3", "spec.replicas: Invalid value: 3"),
        ("\"name\":\"main\"", "\"name\":\"Main_\"", "spec.template.spec.containers[0].name"),
        (
            "{\"matchLabels\":{\"app\":\"web\"}}",
            "{\"matchLabels\":{\"app\":\"x\"}}",
            "`selector` does not match template `labels`",
        ),
    ] {
        let web = manifest("apps/v1", "Deployment", "bad", "true", json!({"replicas": 1}));
        let web = web.replace("\"app\":\"bad\"", "\"app\":\"web\"");
        ensure!(web.contains(from), "{from} is not in {web}");
        let refused = kube.refused(&["create", "-f", "-"], &web.replace(from, to))?;
        ensure!(refused.contains(wanted), "{refused}");
    }
    // A pod that is not the Deployment's keeps its name and its life.
    kube.apply(&["apply", "-f", "-"], &json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "taken"},
        "spec": {"containers": [{"name": "main", "image": BUSYBOX_IMAGE, "command": ["sleep", "1000"]}]},
    }).to_string())?;
    let taken = manifest("apps/v1", "Deployment", "taken", "exec sleep 1000", json!({}));
    kube.apply(&["create", "-f", "-"], &taken)?;
    eventually("an event says why", SOON, || {
        let events = kube.kubectl(&["events", "--for", "deployment/taken"]).ok()?;
        events.contains(r#"pods "taken" already exists"#).then_some(())
    })?;
    ensure!(kube.json(&["get", "pod", "taken"])?["metadata"]["ownerReferences"].is_null());
    Ok(())
}

#[test]
fn a_deletion_orphans_waits_or_goes_ahead() -> Result<()> {
    let kube = with_busybox()?;
    for name in ["left", "first", "later"] {
        let object = manifest("apps/v1", "Deployment", name, "exec sleep 1000", json!({}));
        kube.apply(&["apply", "-f", "-"], &object)?;
        kube.kubectl(&["rollout", "status", &format!("deploy/{name}"), "--timeout=60s"])?;
    }
    kube.kubectl(&["delete", "deploy", "left", "--cascade=orphan"])?;
    let left = kube.json(&["get", "pod", "left"])?;
    ensure!(left["metadata"]["ownerReferences"].is_null(), "{left}");
    ensure!(left["metadata"]["deletionTimestamp"].is_null(), "{left}");
    // The object stays until its pod does not.
    kube.kubectl(&["delete", "deploy", "first", "--cascade=foreground"])?;
    ensure!(kube.refused(&["get", "pod", "first"], "")?.contains("not found"));
    kube.kubectl(&["delete", "deploy", "later"])?;
    eventually("its pod follows", SOON * 3, || pods(&kube).ok().filter(|pods| pods.len() == 1))?;
    // The released pod has no owner, also after a restart of the daemon.
    let uid = text(&left, "/metadata/uid").to_owned();
    ensure!(text(&kube.json(&["get", "pod", "left"])?, "/metadata/uid") == uid);
    Ok(())
}

#[test]
fn daemon_sets_and_stateful_sets_have_their_pod() -> Result<()> {
    let kube = with_busybox()?;
    let daemon = manifest("apps/v1", "DaemonSet", "agent", "exec sleep 1000", json!({}));
    let state =
        manifest("apps/v1", "StatefulSet", "db", "exec sleep 1000", json!({"serviceName": "db"}));
    kube.apply(&["apply", "-f", "-"], &daemon)?;
    kube.apply(&["apply", "-f", "-"], &state)?;
    for of in ["ds/agent", "sts/db"] {
        kube.kubectl(&["rollout", "status", of, "--timeout=60s"])?;
        kube.kubectl(&["rollout", "restart", of])?;
        kube.kubectl(&["rollout", "status", of, "--timeout=90s"])?;
        ensure!(kube.kubectl(&["exec", of, "--", "echo", "here"])?.contains("here"));
        kube.kubectl(&["describe", of])?;
    }
    let names: Vec<_> =
        pods(&kube)?.iter().map(|pod| text(pod, "/metadata/name").to_owned()).collect();
    ensure!(names == ["agent", "db-0"], "{names:?}");
    kube.kubectl(&["scale", "sts/db", "--replicas=0"])?;
    eventually("the pod is deleted", SOON * 3, || pods(&kube).ok().filter(|pods| pods.len() == 1))?;
    kube.kubectl(&["delete", "ds,sts", "--all"])?;
    eventually("no pod is left", SOON * 3, || pods(&kube).ok().filter(Vec::is_empty))?;
    Ok(())
}

#[test]
fn a_job_completes_and_a_failing_one_gives_up() -> Result<()> {
    let kube = with_busybox()?;
    kube.kubectl(&["create", "job", "hello", "--image", BUSYBOX_IMAGE, "--", "echo", "done well"])?;
    kube.kubectl(&["wait", "--for=condition=complete", "job/hello", "--timeout=60s"])?;
    ensure!(kube.kubectl(&["logs", "job/hello"])?.contains("done well"));
    let row = kube.kubectl(&["get", "jobs"])?;
    ensure!(row.contains("hello   Complete   1/1"), "{row}");
    let pod = kube.json(&["get", "pods", "-l", "job-name=hello"])?["items"][0].clone();
    ensure!(text(&pod, "/status/phase") == "Succeeded", "{pod}");

    // The second try comes after 10 s.
    let failing = manifest("batch/v1", "Job", "never", "exit 3", json!({"backoffLimit": 1}));
    kube.apply(&["create", "-f", "-"], &failing)?;
    kube.kubectl(&["wait", "--for=condition=failed", "job/never", "--timeout=90s"])?;
    let job = kube.json(&["get", "job", "never"])?;
    ensure!(job["status"]["failed"] == 2, "{job}");
    let failed = |it: &&Value| text(it, "/type") == "Failed";
    let conditions = job["status"]["conditions"].as_array().context("no conditions")?;
    let failed = conditions.iter().find(failed).context("not failed")?;
    ensure!(text(failed, "/reason") == "BackoffLimitExceeded", "{job}");
    kube.kubectl(&["describe", "job", "never"])?;

    kube.kubectl(&["delete", "job", "hello", "never"])?;
    eventually("no pod is left", SOON * 3, || pods(&kube).ok().filter(Vec::is_empty))?;
    // The time to live of a finished Job.
    let short = manifest("batch/v1", "Job", "short", "true", json!({"ttlSecondsAfterFinished": 1}));
    kube.apply(&["create", "-f", "-"], &short)?;
    eventually("the Job and its pod expire", SOON * 4, || {
        let jobs = kube.kubectl(&["get", "job,pod", "-o", "name"]).ok()?;
        jobs.is_empty().then_some(())
    })?;
    Ok(())
}

#[test]
fn a_cron_job_starts_jobs() -> Result<()> {
    let kube = with_busybox()?;
    let made = kube.kubectl(&[
        "create",
        "cronjob",
        "tick",
        "--image",
        BUSYBOX_IMAGE,
        "--schedule=* * * * *",
        "--",
        "echo",
        "tick",
    ])?;
    ensure!(made == "cronjob.batch/tick created\n", "{made}");
    kube.kubectl(&["create", "job", "by-hand", "--from=cronjob/tick"])?;
    kube.kubectl(&["wait", "--for=condition=complete", "job/by-hand", "--timeout=60s"])?;
    let scheduled = eventually("the schedule makes a Job", SOON * 5, || {
        let jobs = kube.json(&["get", "jobs"]).ok()?;
        let jobs = jobs["items"].as_array()?;
        let job = jobs.iter().find(|job| text(job, "/metadata/name").starts_with("tick-"))?;
        Some(text(job, "/metadata/name").to_owned())
    })?;
    let job = format!("job/{scheduled}");
    kube.kubectl(&["wait", "--for=condition=complete", &job, "--timeout=60s"])?;
    let cron = kube.json(&["get", "cj", "tick"])?;
    ensure!(cron["status"]["lastScheduleTime"].is_string(), "{cron}");
    ensure!(kube.kubectl(&["describe", "cj", "tick"])?.contains("SuccessfulCreate"));
    kube.kubectl(&["delete", "cj", "tick"])?;
    eventually("its Jobs and pods are deleted", SOON * 3, || {
        let left = kube.kubectl(&["get", "job,pod", "-o", "name"]).ok()?;
        left.is_empty().then_some(())
    })?;
    Ok(())
}

#[test]
fn a_killed_daemon_finishes_a_rollout_with_one_pod() -> Result<()> {
    let mut kube = with_busybox()?;
    let image = BUSYBOX_IMAGE;
    let web = manifest("apps/v1", "Deployment", "web", "exec sleep 1000", json!({}));
    kube.apply(&["apply", "-f", "-"], &web)?;
    kube.kubectl(&["rollout", "status", "deploy/web", "--timeout=60s"])?;
    for round in 0..6_u32 {
        let value = format!("ROUND={round}");
        kube.kubectl(&["set", "env", "deploy/web", &value])?;
        // Some moment of the rollout: each round another one.
        for _ in 0..round {
            kube.try_kubectl(&["get", "pods"], "")?;
        }
        kube.crash()?;
        eventually("the API is there", SOON, || kube.kubectl(&["get", "deploy", "web"]).ok())?;
        kube.kubectl(&["rollout", "status", "deploy/web", "--timeout=90s"])?;
        let pods = pods(&kube)?;
        ensure!(pods.len() == 1, "round {round}: {pods:?}");
        let env = &pods[0]["spec"]["containers"][0]["env"][0]["value"];
        ensure!(*env == json!(round.to_string()), "round {round}: {env} {image}");
        let tasks = kube.host.ctr(["tasks", "ls", "-q"])?;
        ensure!(tasks.lines().filter(|id| id.contains("web")).count() <= 2, "{tasks}");
    }
    // A deletion that the daemon does not finish.
    kube.kubectl(&["delete", "deploy", "web", "--wait=false"])?;
    kube.crash()?;
    eventually("the pod is deleted", SOON * 3, || pods(&kube).ok().filter(Vec::is_empty))?;
    Ok(())
}

#[test]
fn a_deleted_namespace_takes_its_workloads_along() -> Result<()> {
    let kube = with_busybox()?;
    kube.kubectl(&["create", "namespace", "shop"])?;
    kube.kubectl(&["create", "deployment", "-n", "shop", "web", "--image", IMAGE])?;
    kube.kubectl(&["rollout", "status", "-n", "shop", "deploy/web", "--timeout=60s"])?;
    kube.kubectl(&["delete", "namespace", "shop"])?;
    ensure!(kube.kubectl(&["get", "deploy,po", "-A", "-o", "name"])?.is_empty());
    Ok(())
}
