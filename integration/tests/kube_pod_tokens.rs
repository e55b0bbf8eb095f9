//! Tokens of ServiceAccounts in the volumes of pods, and pods that were exported from a cluster.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use probelet_integration::image::BUSYBOX_IMAGE;
use probelet_integration::kube::Kube;
use probelet_integration::target::extend;
use probelet_integration::{SOON, eventually};
use serde_json::{Value, json};

const FOLDER: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

fn start() -> Result<Kube> {
    let kube = Kube::start()?;
    kube.host.busybox_image(&json!({}))?;
    Ok(kube)
}

/// A pod as `kubectl get -o json` prints it in a cluster, with the volume that each pod has there.
fn exported(name: &str, more: Value) -> Value {
    let tolerate = |key: &str| json!({"effect": "NoExecute", "key": key, "operator": "Exists", "tolerationSeconds": 300});
    let mut spec = json!({
        "containers": [{
            "name": "app", "image": BUSYBOX_IMAGE, "imagePullPolicy": "IfNotPresent",
            "command": ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done"],
            "resizePolicy": [{"resourceName": "cpu", "restartPolicy": "NotRequired"}],
            "resources": {}, "terminationMessagePath": "/dev/termination-log",
            "terminationMessagePolicy": "File",
            "volumeMounts": [
                {"mountPath": FOLDER, "name": "kube-api-access-x7k2p", "readOnly": true},
            ],
        }],
        "dnsPolicy": "ClusterFirst", "enableServiceLinks": true, "nodeName": "worker-1",
        "preemptionPolicy": "PreemptLowerPriority", "priority": 0, "restartPolicy": "Always",
        "schedulerName": "default-scheduler", "securityContext": {},
        "serviceAccount": "default", "serviceAccountName": "default",
        "terminationGracePeriodSeconds": 5,
        "tolerations": [
            tolerate("node.kubernetes.io/not-ready"), tolerate("node.kubernetes.io/unreachable"),
        ],
        "volumes": [{"name": "kube-api-access-x7k2p", "projected": {"defaultMode": 420, "sources": [
            {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
            {"configMap": {
                "items": [{"key": "ca.crt", "path": "ca.crt"}], "name": "kube-root-ca.crt",
            }},
            {"downwardAPI": {"items": [{
                "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"},
                "path": "namespace",
            }]}},
        ]}}],
    });
    extend(&mut spec, more);
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "creationTimestamp": "2026-08-01T10:00:00Z", "generation": 1, "name": name,
            "namespace": "default", "resourceVersion": "812345",
            "uid": "6d6d7e4e-9a52-4c58-a4a4-2b9c1f6f0a11",
        },
        "spec": spec,
        "status": {"phase": "Running", "qosClass": "BestEffort", "podIP": "10.244.1.7"},
    })
}

fn read(kube: &Kube, pod: &str, file: &str) -> Result<String> {
    kube.kubectl(&["exec", pod, "--", "cat", &format!("{FOLDER}/{file}")])
}

fn claims(token: &str) -> Result<Value> {
    let part = token.split('.').nth(1).context("no token")?;
    Ok(serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part)?)?)
}

/// The user of a token, or the error.
fn user_of(kube: &Kube, token: &str) -> Result<String> {
    let token = format!("--token={token}");
    let empty = kube.host.path("no-user.kubeconfig");
    let config = std::fs::read_to_string(&kube.kubectl.kubeconfig)?;
    let lines = config.lines().filter(|line| !line.trim_start().starts_with("client-"));
    std::fs::write(&empty, lines.collect::<Vec<_>>().join("\n"))?;
    let done = kube.as_user(&empty, &["auth", "whoami", &token, "-o", "json"], "")?;
    Ok(format!("{}{}", done.stdout, done.stderr))
}

#[test]
fn an_exported_pod_runs_with_its_token() -> Result<()> {
    let mut kube = start()?;
    let manifest = exported("web", json!({})).to_string();
    kube.apply(&["apply", "-f", "-"], &manifest)?;
    kube.ready("web")?;
    let pod = kube.pod("web")?;
    let token = read(&kube, "web", "token")?;
    let said = claims(&token)?;
    let bound = &said["kubernetes.io"];
    ensure!(bound["pod"]["uid"] == pod["metadata"]["uid"], "{said}");
    ensure!(bound["serviceaccount"]["name"] == "default", "{said}");
    ensure!(said["aud"] == json!(["https://kubernetes.default.svc"]), "{said}");
    let length = said["exp"].as_u64().zip(said["iat"].as_u64()).map(|(exp, iat)| exp - iat);
    ensure!(length == Some(3607), "{said}");
    ensure!(read(&kube, "web", "namespace")? == "default");
    ensure!(read(&kube, "web", "ca.crt")?.contains("BEGIN CERTIFICATE"));
    let user = user_of(&kube, &token)?;
    ensure!(user.contains("system:serviceaccount:default:default"), "{user}");
    let shown = pod["spec"]["volumes"][0]["projected"]["sources"][0].clone();
    let expected = json!({"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}});
    ensure!(shown == expected, "{shown}");
    ensure!(!pod.to_string().contains(&token[..40]));
    // Another write keeps the token, and so does the next daemon.
    kube.kubectl(&["label", "pod", "web", "a=b"])?;
    kube.crash()?;
    eventually("the daemon answers", SOON, || kube.pod("web").ok())?;
    ensure!(read(&kube, "web", "token")? == token);
    // A token ends with its pod.
    kube.kubectl(&["delete", "pod", "web"])?;
    let refused = user_of(&kube, &token)?;
    ensure!(refused.contains("Unauthorized") || refused.contains("logged in"), "{refused}");
    kube.host.expect_nothing_left()
}

#[test]
fn a_token_is_its_users_alone_and_follows_its_account() -> Result<()> {
    let kube = start()?;
    let more = json!({
        "serviceAccountName": "robot", "serviceAccount": "robot",
        "securityContext": {"runAsUser": 101, "fsGroup": 2000},
    });
    kube.apply(&["apply", "-f", "-"], &exported("web", more).to_string())?;
    let waits = || {
        let state = kube.pod("web").ok()?["status"]["containerStatuses"][0]["state"].clone();
        let waiting = state["waiting"].clone();
        (waiting["reason"] == "CreateContainerConfigError").then_some(waiting)
    };
    let waiting = eventually("the container waits", SOON, waits)?;
    let text = waiting["message"].as_str().unwrap_or_default();
    let expected = "MountVolume.SetUp failed for volume \"kube-api-access-x7k2p\" : failed to \
                    fetch token: serviceaccounts \"robot\" not found";
    ensure!(text == expected, "{text}");
    kube.kubectl(&["create", "serviceaccount", "robot"])?;
    kube.ready("web")?;
    let about = kube.kubectl(&[
        "exec",
        "web",
        "--",
        "stat",
        "-L",
        "-c",
        "%a %u %g",
        &format!("{FOLDER}/token"),
    ])?;
    ensure!(about.trim() == "640 101 2000", "{about}");
    let before = read(&kube, "web", "token")?;
    ensure!(user_of(&kube, &before)?.contains("system:serviceaccount:default:robot"));
    // Another account of the same name has other tokens. The container runs on.
    kube.kubectl(&["delete", "serviceaccount", "robot"])?;
    ensure!(read(&kube, "web", "token")? == before);
    kube.kubectl(&["create", "serviceaccount", "robot"])?;
    let renewed = || read(&kube, "web", "token").ok().filter(|token| *token != before);
    let after = eventually("another token", SOON, renewed)?;
    ensure!(user_of(&kube, &after)?.contains("system:serviceaccount:default:robot"));
    ensure!(kube.pod("web")?["status"]["containerStatuses"][0]["restartCount"] == 0);
    Ok(())
}

#[test]
fn who_cannot_issue_tokens_says_so() -> Result<()> {
    let kube = start()?;
    let refused =
        kube.host.try_probelet(["apply", "-f", "-"], &exported("web", json!({})).to_string())?;
    let expected = "serviceAccountToken: tokens are issued by the Kubernetes API: start the daemon \
                    with --kube-api";
    ensure!(refused.code != Some(0) && refused.stderr.contains(expected), "{}", refused.stderr);
    let volume = |token: Value| {
        let sources = json!([{"serviceAccountToken": token}]);
        let volumes = json!([{"name": "kube-api-access-x7k2p", "projected": {"sources": sources}}]);
        exported("web", json!({"volumes": volumes})).to_string()
    };
    for (token, why) in [
        (json!({"path": "t", "expirationSeconds": 599}), "a duration less than 10 minutes"),
        (json!({"path": "t", "expirationSeconds": 4_294_967_297_u64}), "larger than 2^32 seconds"),
        (json!({"path": "../t"}), "must not contain '..'"),
        (json!({"path": ""}), "serviceAccountToken.path: Required value"),
    ] {
        let refused = kube.refused(&["apply", "-f", "-"], &volume(token.clone()))?;
        ensure!(refused.contains(why), "{token}: {refused}");
    }
    // Another audience is not this API.
    let vault = volume(json!({"path": "token", "audience": "vault"}));
    kube.apply(&["apply", "-f", "-"], &vault)?;
    kube.ready("web")?;
    let token = read(&kube, "web", "token")?;
    ensure!(claims(&token)?["aud"] == json!(["vault"]));
    let refused = user_of(&kube, &token)?;
    ensure!(refused.contains("Unauthorized") || refused.contains("logged in"), "{refused}");
    Ok(())
}
