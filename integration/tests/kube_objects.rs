//! ConfigMaps, Secrets, namespaces and ServiceAccounts by kubectl itself.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use anyhow::{Result, ensure};
use probelet_integration::image::BUSYBOX_IMAGE;
use probelet_integration::kube::Kube;
use probelet_integration::{IMAGE, SOON, eventually};

#[test]
fn objects_are_created_changed_and_deleted() -> Result<()> {
    let kube = Kube::start()?;
    // kubectl sends these as protobuf.
    let made = kube.kubectl(&["create", "configmap", "web", "--from-literal=a=1"])?;
    ensure!(made == "configmap/web created\n", "{made}");
    kube.kubectl(&["create", "secret", "generic", "db", "--from-literal=password=hunter2"])?;
    let account = kube.try_kubectl(&["create", "serviceaccount", "robot"], "")?;
    ensure!(account.code == Some(0), "{}", account.stderr);
    ensure!(account.stderr.contains("Warning: ServiceAccounts have no rights here"));
    kube.kubectl(&["create", "namespace", "shop"])?;
    let again = kube.refused(&["create", "configmap", "web"], "")?;
    ensure!(again.contains(r#"configmaps "web" already exists"#), "{again}");

    let table = kube.kubectl(&["get", "cm,secret,sa"])?;
    for row in [
        "configmap/kube-root-ca.crt   1",
        "configmap/web                1",
        "secret/db",
        "Opaque",
        "serviceaccount/default",
        "serviceaccount/robot",
    ] {
        ensure!(table.contains(row), "{row} is not in\n{table}");
    }
    ensure!(!table.contains("hunter2") && !table.contains("aHVudGVyMg"), "{table}");
    let secret = kube.json(&["get", "secret", "db"])?;
    ensure!(secret["data"]["password"] == "aHVudGVyMg==", "{secret}");
    ensure!(secret["metadata"]["generation"].is_null(), "{secret}");
    let described = kube.kubectl(&["describe", "cm", "web"])?;
    ensure!(described.contains("a:\n----\n1\n"), "{described}");
    ensure!(kube.kubectl(&["describe", "secret", "db"])?.contains("password:  7 bytes"));

    // Patches, apply by both sides, replace.
    kube.kubectl(&["patch", "cm", "web", "--type=merge", "-p", r#"{"data":{"b":"2"}}"#])?;
    kube.kubectl(&["label", "cm", "web", "tier=front"])?;
    ensure!(kube.kubectl(&["get", "cm", "-l", "tier=front", "-o", "name"])? == "configmap/web\n");
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: applied }\ndata: { x: '1' }\n";
    ensure!(kube.apply(&["apply", "-f", "-"], map)?.contains("created"));
    ensure!(kube.apply(&["apply", "-f", "-"], map)?.contains("unchanged"));
    ensure!(kube.try_kubectl(&["diff", "-f", "-"], map)?.code == Some(0));
    let changed = map.replace("'1'", "'2'");
    ensure!(kube.apply(&["apply", "-f", "-"], &changed)?.contains("configured"));
    let server = ["apply", "--server-side", "--field-manager=ann", "-f", "-"];
    let other = map.replace("applied", "served");
    ensure!(kube.apply(&server, &other)?.contains("serverside-applied"));
    let server = ["apply", "--server-side", "--field-manager=bob", "-f", "-"];
    let conflict = kube.refused(&server, &other.replace("'1'", "'3'"))?;
    ensure!(conflict.contains(r#"conflict with "ann""#), "{conflict}");
    let dry =
        kube.apply(&["create", "--dry-run=server", "-f", "-"], &map.replace("applied", "dry"))?;
    ensure!(dry.contains("created (server dry run)"), "{dry}");
    ensure!(kube.refused(&["get", "cm", "dry"], "")?.contains("not found"));

    // Kubernetes' rules.
    let frozen = "apiVersion: v1\nkind: Secret\nmetadata: { name: frozen }\nimmutable: true\n\
                  stringData: { a: '1' }\n";
    kube.apply(&["create", "-f", "-"], frozen)?;
    let refused = kube.refused(&["replace", "-f", "-"], &frozen.replace("'1'", "'2'"))?;
    ensure!(
        refused.contains("The Secret \"frozen\" is invalid: data: Forbidden: field is immutable"),
        "{refused}"
    );
    let refused = kube.refused(
        &["create", "-f", "-"],
        &map.replace("applied", "bad").replace("{ x:", "{ 'x/y':"),
    )?;
    ensure!(refused.contains("data[x/y]: Invalid value: \"x/y\""), "{refused}");
    let refused = kube.refused(&["create", "cm", "-n", "nowhere", "web"], "")?;
    ensure!(refused.contains(r#"namespaces "nowhere" not found"#), "{refused}");
    let refused = kube.refused(&["delete", "namespace", "default"], "")?;
    ensure!(refused.contains("this namespace may not be deleted"), "{refused}");

    ensure!(kube.kubectl(&["delete", "cm", "web"])?.contains(r#"configmap "web" deleted"#));
    ensure!(kube.refused(&["get", "cm", "web"], "")?.contains(r#"configmaps "web" not found"#));
    // The API itself.
    let service = kube.json(&["get", "svc", "kubernetes"])?;
    ensure!(service["spec"]["clusterIP"] == "127.0.0.1", "{service}");
    Ok(())
}

#[test]
fn a_finalizer_keeps_a_deleted_object() -> Result<()> {
    let kube = Kube::start()?;
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: held, finalizers: [a.b/c] }\n";
    kube.apply(&["create", "-f", "-"], map)?;
    kube.kubectl(&["delete", "cm", "held", "--wait=false"])?;
    let held = kube.json(&["get", "cm", "held"])?;
    ensure!(held["metadata"]["deletionTimestamp"].is_string(), "{held}");
    kube.kubectl(&[
        "patch",
        "cm",
        "held",
        "--type=json",
        "-p",
        r#"[{"op":"remove","path":"/metadata/finalizers"}]"#,
    ])?;
    ensure!(kube.refused(&["get", "cm", "held"], "")?.contains("not found"));
    Ok(())
}

#[test]
fn a_reader_sees_no_secret() -> Result<()> {
    let kube = Kube::start()?;
    kube.kubectl(&["create", "secret", "generic", "db", "--from-literal=password=hunter2"])?;
    let reader = kube.kubeconfig("ann", &["--view"])?;
    for (args, is_allowed) in [
        (&["get", "cm"][..], true),
        (&["get", "secrets"], false),
        (&["get", "secret", "db"], false),
        (&["create", "cm", "x"], false),
        (&["delete", "cm", "kube-root-ca.crt"], false),
    ] {
        let done = kube.as_user(&reader, args, "")?;
        ensure!((done.code == Some(0)) == is_allowed, "{args:?}: {}", done.stderr);
    }
    Ok(())
}

#[test]
fn a_deleted_namespace_takes_its_content_along() -> Result<()> {
    let mut kube = Kube::start()?;
    kube.kubectl(&["create", "namespace", "shop"])?;
    kube.kubectl(&["create", "cm", "-n", "shop", "web"])?;
    kube.host.apply(&format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{ name: web, namespace: shop }}\n\
         spec: {{ terminationGracePeriodSeconds: 1, containers: [{{ name: app, image: {IMAGE} }}] }}\n"
    ))?;
    // The command line makes the namespace of a pod.
    kube.host.apply(&format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{ name: web, namespace: side }}\n\
         spec: {{ terminationGracePeriodSeconds: 1, containers: [{{ name: app, image: {IMAGE} }}] }}\n"
    ))?;
    eventually("the namespace appears", SOON, || {
        kube.kubectl(&["get", "ns", "side"]).ok().filter(|row| row.contains("Active"))
    })?;
    eventually("it is filled", SOON, || {
        kube.kubectl(&["get", "-n", "side", "sa", "default"]).ok()
    })?;
    kube.kubectl(&["delete", "namespace", "shop", "--wait=false"])?;
    let refused = kube.refused(&["create", "cm", "-n", "shop", "late"], "")?;
    ensure!(refused.contains("is being terminated") || refused.contains("not found"), "{refused}");
    // The daemon dies in between.
    kube.crash()?;
    eventually("the namespace is gone", SOON * 2, || {
        kube.refused(&["get", "ns", "shop"], "").ok().filter(|text| text.contains("not found"))
    })?;
    ensure!(kube.kubectl(&["get", "po,cm,sa", "-n", "shop", "-o", "name"])?.is_empty());
    ensure!(kube.kubectl(&["get", "po", "-A", "-o", "name"])? == "pod/web\n");
    ensure!(kube.kubectl(&["delete", "ns", "side"])?.contains("deleted"));
    ensure!(kube.kubectl(&["get", "po", "-A", "-o", "name"])?.is_empty());
    Ok(())
}

#[test]
fn a_killed_daemon_loses_no_answered_object() -> Result<()> {
    let mut kube = Kube::start()?;
    kube.kubectl(&["create", "ns", "shop"])?;
    let mut answered = Vec::new();
    for round in 0..6 {
        let writes = std::thread::scope(|scope| -> Result<Vec<String>> {
            let kube = &kube;
            let writer = |lane: u32| {
                move || {
                    let mut done = Vec::new();
                    for number in 0..40 {
                        let name = format!("r{round}-{lane}-{number}");
                        let value = format!("--from-literal=v={name}");
                        match kube.kubectl(&["create", "cm", "-n", "shop", &name, &value]) {
                            Ok(_) => done.push(name),
                            // The daemon is dead.
                            Err(_) => break,
                        }
                    }
                    done
                }
            };
            let writers: Vec<_> = (0..3).map(|lane| scope.spawn(writer(lane))).collect();
            // Any moment of a write.
            eventually("objects are written", SOON, || {
                let list = kube.kubectl(&["get", "cm", "-n", "shop", "-o", "name"]).ok()?;
                (list.matches(&format!("r{round}-")).count() > 2).then_some(())
            })?;
            let pid = rustix::process::Pid::from_raw(kube.host.daemon_pid()? as i32);
            rustix::process::kill_process(pid.unwrap(), rustix::process::Signal::KILL)?;
            Ok(writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect())
        })?;
        answered.extend(writes);
        kube.crash()?;
        let list = kube.json(&["get", "cm", "-n", "shop"])?;
        let items = list["items"].as_array().unwrap();
        for name in &answered {
            let found = items.iter().find(|item| item["metadata"]["name"] == **name);
            ensure!(found.is_some_and(|item| item["data"]["v"] == **name), "{name} is lost");
        }
    }
    ensure!(answered.len() >= 12, "{}", answered.len());
    Ok(())
}

/// A pod that prints a variable and a file every 0.2 s.
fn reader(spec: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{ name: reader }}\nspec:\n  \
         terminationGracePeriodSeconds: 0\n  containers:\n  - name: app\n    image: {BUSYBOX_IMAGE}\n    \
         command: [sh, -c, 'while :; do echo \"$COLOR $(cat /conf/size) $(cat /one)\"; sleep 0.2; \
         done']\n{spec}"
    )
}

const SPEC: &str = "    env: [{ name: COLOR, valueFrom: { secretKeyRef: { name: paint, key: color } } }]\n    \
                    volumeMounts: [{ name: conf, mountPath: /conf }, { name: conf, mountPath: /one, subPath: size }]\n  \
                    volumes: [{ name: conf, configMap: { name: settings } }]\n";

#[test]
fn a_pod_waits_for_its_objects_and_follows_them() -> Result<()> {
    let mut kube = Kube::start()?;
    kube.host.busybox_image(&serde_json::json!({}))?;
    kube.apply(&["create", "-f", "-"], &reader(SPEC))?;
    let message = |kube: &Kube| {
        let pod = kube.json(&["get", "po", "reader"]).ok()?;
        let waiting = &pod["status"]["containerStatuses"][0]["state"]["waiting"];
        let text = |field: &str| waiting[field].as_str().map(str::to_owned);
        text("reason").filter(|reason| reason == "CreateContainerConfigError")?;
        text("message")
    };
    let wait = |kube: &Kube, text: &str| {
        eventually(text, SOON, || message(kube).filter(|found| found.contains(text)))
    };
    wait(&kube, "MountVolume.SetUp failed for volume \"conf\" : configmap \"settings\" not found")?;
    kube.kubectl(&["create", "cm", "settings", "--from-literal=size=1"])?;
    wait(&kube, "secret \"paint\" not found")?;
    kube.kubectl(&["create", "secret", "generic", "paint", "--from-literal=shade=dark"])?;
    wait(&kube, "couldn't find key color in Secret default/paint")?;
    // The daemon knows what it waits for after a restart.
    kube.crash()?;
    wait(&kube, "couldn't find key color in Secret default/paint")?;
    kube.kubectl(&["patch", "secret", "paint", "-p", r#"{"stringData":{"color":"red"}}"#])?;
    let line = |kube: &Kube, text: &str| {
        eventually(text, SOON, || {
            let last = kube.kubectl(&["logs", "reader", "--tail=1"]).ok()?;
            (last.trim() == text).then_some(())
        })
    };
    line(&kube, "red 1 1")?;
    // A changed file is there at once; a variable and a single file with the next start.
    kube.kubectl(&["patch", "cm", "settings", "-p", r#"{"data":{"size":"2"}}"#])?;
    kube.kubectl(&["patch", "secret", "paint", "-p", r#"{"stringData":{"color":"blue"}}"#])?;
    line(&kube, "red 2 1")?;
    let restarts = |kube: &Kube| -> Result<u64> {
        let pod = kube.json(&["get", "po", "reader"])?;
        Ok(pod["status"]["containerStatuses"][0]["restartCount"].as_u64().unwrap_or_default())
    };
    ensure!(restarts(&kube)? == 0);
    // The objects are deleted: files stay, and the next start waits for the variable.
    kube.kubectl(&["delete", "cm", "settings"])?;
    line(&kube, "red 2 1")?;
    kube.host.probelet(["restart", "reader"])?;
    line(&kube, "blue 2 2")?;
    kube.kubectl(&["delete", "secret", "paint"])?;
    // It reports that the pod does not start.
    kube.host.try_probelet(["restart", "reader"], "")?;
    wait(&kube, "secret \"paint\" not found")?;
    let refused = kube.refused(
        &["patch", "po", "reader", "-p",
          r#"{"spec":{"containers":[{"name":"app","env":[{"name":"COLOR","valueFrom":{"secretKeyRef":{"name":"other","key":"color"}}}]}]}}"#],
        "",
    )?;
    ensure!(refused.contains("pod updates may not change fields"), "{refused}");
    kube.kubectl(&["delete", "po", "reader"])?;
    Ok(())
}

#[test]
fn a_pod_of_the_command_line_keeps_its_copies() -> Result<()> {
    let kube = Kube::start()?;
    kube.host.busybox_image(&serde_json::json!({}))?;
    let objects = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: settings }\ndata: { size: '7' }\n\
                   ---\napiVersion: v1\nkind: Secret\nmetadata: { name: paint }\n\
                   stringData: { color: green }\n---\n";
    kube.host.apply(&format!("{objects}{}", reader(SPEC)))?;
    kube.kubectl(&["create", "cm", "settings", "--from-literal=size=1"])?;
    eventually("its copies", SOON, || {
        let last = kube.kubectl(&["logs", "reader", "--tail=1"]).ok()?;
        (last.trim() == "green 7 7").then_some(())
    })?;
    Ok(())
}

#[test]
fn the_pod_of_a_deployment_uses_stored_objects() -> Result<()> {
    let kube = Kube::start()?;
    kube.host.busybox_image(&serde_json::json!({}))?;
    let deployment = format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{ name: web }}\nspec:\n  \
         selector: {{ matchLabels: {{ app: web }} }}\n  template:\n    \
         metadata: {{ labels: {{ app: web }} }}\n    spec:\n      \
         terminationGracePeriodSeconds: 0\n      containers:\n      - name: app\n        \
         image: {BUSYBOX_IMAGE}\n        command: [sh, -c, 'echo $COLOR; sleep 1000']\n        \
         envFrom: [{{ configMapRef: {{ name: settings }} }}]\n"
    );
    kube.apply(&["apply", "-f", "-"], &deployment)?;
    kube.kubectl(&["create", "cm", "settings", "--from-literal=COLOR=red"])?;
    eventually("its value", SOON * 2, || {
        kube.kubectl(&["logs", "deploy/web"]).ok().filter(|log| log == "red\n")
    })?;
    kube.kubectl(&["patch", "cm", "settings", "-p", r#"{"data":{"COLOR":"blue"}}"#])?;
    kube.kubectl(&["rollout", "restart", "deploy/web"])?;
    eventually("its new value", SOON * 2, || {
        kube.kubectl(&["logs", "deploy/web"]).ok().filter(|log| log == "blue\n")
    })?;
    Ok(())
}
