//! Requests that are refused, over gRPC and by the Kubernetes API, and leave nothing. The connections
//! that callers keep open are in `connections.rs`, certificates in `remote.rs`.

use anyhow::{Context, Result, ensure};
use probelet_integration::api_client::Access;
use probelet_integration::bystander::Bystander;
use probelet_integration::kube::Kube;
use probelet_integration::{Host, with_host};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

const LONG: std::time::Duration = std::time::Duration::from_secs(20);

/// A call, its request, and words of its error.
fn calls() -> Vec<(&'static str, Value, &'static [&'static str])> {
    let image = "absent.test/a:1";
    let nested = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let spec = json!({ "process": { "args": ["a"], "cwd": "/" } });
    vec![
        ("Containers/CreateContainer", json!({ "name": "../x", "image": image }), &["name", "RFC"]),
        (
            "Containers/CreateContainer",
            json!({ "name": "a".repeat(5000), "image": image }),
            &["name: Invalid value"],
        ),
        (
            "Containers/CreateContainer",
            json!({ "name": "bad", "ociSpec": spec, "rootfs": "../etc" }),
            &["rootfs", "absolute path"],
        ),
        (
            "Containers/CreateContainer",
            json!({ "name": "bad", "ociSpecJson": nested, "rootfs": "/x" }),
            &["ociSpec", "Invalid value"],
        ),
        (
            "Containers/CreateContainer",
            json!({ "name": "bad", "image": image, "livenessProbe": { "httpGet": { "port": 70000 } } }),
            &["port", "65535"],
        ),
        (
            "Containers/CreateContainer",
            json!({ "name": "bad", "image": image, "livenessProbe": { "tcpSocket": { "port": 1 }, "period": "-1s" } }),
            &["period"],
        ),
        (
            "Containers/CreateContainer",
            json!({ "name": "bad", "image": image, "terminationGracePeriod": "9000000000s" }),
            &["terminationGracePeriod"],
        ),
        (
            "Containers/CreateContainer",
            json!({ "name": "bad", "image": image, "args": ["a\u{0}b"] }),
            &["args", "NUL"],
        ),
        (
            "Containers/KillContainer",
            json!({ "name": "bystander", "signal": "SIGX\n" }),
            &["signal"],
        ),
        ("Containers/KillContainer", json!({ "name": "../bystander" }), &["NotFound"]),
        ("Containers/ExecSync", json!({ "name": "bystander" }), &["command"]),
        (
            "Containers/ExecSync",
            json!({ "name": "bystander", "command": ["a\u{0}"] }),
            &["executable file not found"],
        ),
        (
            "Containers/PauseProbes",
            json!({ "name": "bystander", "length": "-1s" }),
            &["InvalidArgument"],
        ),
        (
            "Containers/UpdateProbes",
            json!({ "name": "bystander", "livenessProbe": { "exec": { "command": [] } } }),
            &["livenessProbe.exec.command", "Required"],
        ),
        ("Containers/AdoptContainer", json!({ "id": "../../x" }), &["Code: "]),
        ("Pods/ApplyPod", json!({ "text": "" }), &["InvalidArgument"]),
        ("Pods/GetPod", json!({ "name": "a\u{0}b" }), &["NotFound"]),
        ("Pods/RemovePod", json!({ "name": "%2e%2e" }), &["NotFound"]),
        ("Images/PullImage", json!({ "image": "../../etc/passwd" }), &["InvalidArgument", "image"]),
        ("Images/RemoveImage", json!({ "image": "a\nb" }), &["Code: "]),
        ("Events/ListEvents", json!({ "limit": 4294967295u32, "after": "x" }), &["rror"]),
    ]
}

#[test]
fn a_hostile_call_is_refused() -> Result<()> {
    with_host(|host| {
        let bystander = Bystander::start(host)?;
        let mut wrong = Vec::new();
        for (method, request, words) in calls() {
            let name = format!("probelet.v1.{method}");
            let done = host.try_grpcurl(&["-d", "@"], &[&name], &request.to_string())?;
            let is_named = words.iter().all(|word| done.stderr.contains(word));
            if done.code == Some(0) || !is_named || done.stderr.len() > 8192 {
                let text = done.stderr.chars().take(400).collect::<String>();
                wrong.push(format!("{method} {words:?}: {:?} {text}{}", done.code, done.stdout));
            }
        }
        bystander.is_unharmed(host)?;
        ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
        Ok(())
    })
}

const PODS: &str = "/api/v1/namespaces/default/pods";

/// The head and body of a request, and words of the answer. `@` stands for the credentials.
fn requests() -> Vec<(String, &'static [&'static str])> {
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: HOST\r\n@\r\n");
    let with = |header: &str| format!("GET {PODS} HTTP/1.1\r\nHost: HOST\r\n@{header}\r\n\r\n");
    let send = |method: &str, path: &str, kind: &str, body: &str| {
        format!(
            "{method} {path} HTTP/1.1\r\nHost: HOST\r\n@Content-Type: {kind}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let json = "application/json";
    let copies = (0..40).map(|n| format!(r#"{{"op":"copy","from":"","path":"/m{n}"}}"#));
    let copies = copies.collect::<Vec<_>>().join(",");
    let tests = r#"{"op":"test","path":"/kind","value":"Pod"},"#.repeat(10_001);
    let map = "/api/v1/namespaces/default/configmaps/kube-root-ca.crt";
    let nested = format!(r#"{{"a":{}{}}}"#, "[".repeat(5000), "]".repeat(5000));
    let pod = |name: &str| {
        format!(
            r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"{name}"}},"spec":{{"containers":[{{"name":"a","image":"a"}}]}}}}"#
        )
    };
    let upgrade = format!(
        "GET {PODS}/bystander/exec?command=true&stdout=1 HTTP/1.1\r\nHost: HOST\r\n@Connection: Upgrade\r\n"
    );
    let websocket = format!(
        "{upgrade}Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: v5.channel.k8s.io\r\n\r\n"
    );
    vec![
        (get("/api/v1/namespaces/..%2f..%2fetc/pods"), &["400", "may not contain '/'"]),
        (get("/api/v1/namespaces/default/pods/%00"), &["400", "control characters"]),
        (get("/api/v1/namespaces/%2e%2e/pods"), &["400", "may not be '.' or '..'"]),
        (get("/../../etc/passwd"), &["40"]),
        (get(&format!("/api/v1/{}", "a".repeat(5000))), &["400", "longer than 4096 bytes"]),
        (get(&format!("{PODS}?labelSelector=a+in+(")), &["400", "unable to parse"]),
        (get(&format!("{PODS}?labelSelector={}", "a".repeat(70_000))), &["4"]),
        (get(&format!("{PODS}?fieldSelector=spec.x%3D1")), &["400", "field label not supported"]),
        (get(&format!("{PODS}?limit=99999999999999999999")), &["400", "must be an integer"]),
        (get(&format!("{PODS}?watch=1&resourceVersion=x")), &["400", "resourceVersion"]),
        (get(&format!("{PODS}?watch=1&timeoutSeconds=x")), &["400", "timeoutSeconds"]),
        (get(&format!("{PODS}?a=%zz")), &["400", "invalid URL escape"]),
        (with("Impersonate-User: system:admin"), &["403", "mpersonat"]),
        (with("Origin: https://evil.test"), &["403"]),
        (format!("GET {PODS} HTTP/1.1\r\nHost: evil.test\r\n@\r\n"), &["HTTP/1.1 4"]),
        (format!("GET {PODS} HTTP/1.1\r\nHost: HOST\r\n\r\n"), &["401"]),
        (
            format!(
                "GET {PODS} HTTP/1.1\r\nHost: HOST\r\nAuthorization: Bearer eyJhbGciOiJub25lIn0.e30.\r\n\r\n"
            ),
            &["401"],
        ),
        (with("Content-Length: 1\r\nContent-Length: 2"), &["400"]),
        (with(&format!("X: {}", "a".repeat(1 << 20))), &["431"]),
        (with("A : b"), &["400"]),
        ("GET /\r\n\r\n".to_owned(), &["400"]),
        (format!("TRACE {PODS} HTTP/1.1\r\nHost: HOST\r\n@\r\n"), &["405"]),
        (send("POST", PODS, json, &nested), &["400", "recursion limit"]),
        (send("POST", PODS, json, &pod("../x")), &["422", "RFC 1123"]),
        (
            send(
                "POST",
                PODS,
                json,
                &pod("bad").replace("\"a\"}]", "\"a\",\"command\":[\"\\u0000\"]}]"),
            ),
            &["422", "NUL"],
        ),
        (
            send("POST", PODS, "application/vnd.kubernetes.protobuf", "k8s\0\n\u{7f}"),
            &["400", "not valid protobuf"],
        ),
        (
            send("POST", PODS, "application/vnd.kubernetes.protobuf", "x"),
            &["400", "does not begin with"],
        ),
        (send("POST", PODS, "text/html", "x"), &["415"]),
        (
            format!(
                "POST {PODS} HTTP/1.1\r\nHost: HOST\r\n@Content-Type: {json}\r\nContent-Length: 99999999999\r\n\r\n"
            ),
            &["413"],
        ),
        (
            format!(
                "POST {PODS} HTTP/1.1\r\nHost: HOST\r\n@Content-Type: {json}\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"
            ),
            &["40"],
        ),
        (send("PATCH", map, "application/json-patch+json", &format!("[{copies}]")), &["413"]),
        (
            send(
                "PATCH",
                map,
                "application/json-patch+json",
                &format!("[{}]", tests.trim_end_matches(',')),
            ),
            &["413", "10000"],
        ),
        (
            send(
                "PATCH",
                map,
                "application/json-patch+json",
                r#"[{"op":"move","from":"/data","path":"/data/x"}]"#,
            ),
            &["422"],
        ),
        (send("PATCH", map, "application/strategic-merge-patch+json", "[1]"), &["400"]),
        (
            send(
                "PATCH",
                map,
                "application/merge-patch+json",
                r#"{"metadata":{"labels":{"../a":"b"}}}"#,
            ),
            &["422", "prefix part"],
        ),
        (
            send(
                "PATCH",
                &format!("{map}?fieldManager=x"),
                "application/apply-patch+yaml",
                "a: &a [*a]",
            ),
            &["400", "an alias stands for"],
        ),
        (
            send(
                "DELETE",
                &format!("{PODS}/bystander"),
                json,
                r#"{"kind":"DeleteOptions","apiVersion":"v1","gracePeriodSeconds":"x"}"#,
            ),
            &["400"],
        ),
        (
            send(
                "DELETE",
                &format!("{PODS}/bystander"),
                json,
                r#"{"kind":"DeleteOptions","apiVersion":"v1","preconditions":{"uid":"x"}}"#,
            ),
            &["409"],
        ),
        (format!("{upgrade}Upgrade: h2c\r\n\r\n"), &["400"]),
        (format!("{upgrade}Upgrade: websocket\r\n\r\n"), &["400"]),
        // A frame without a mask, a frame of 2^63 bytes, and a reserved opcode.
        (format!("{websocket}\u{2}\u{1}x"), &["101"]),
        (
            format!("{websocket}\u{2}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}"),
            &["101"],
        ),
        (format!("{websocket}\u{3}\u{0}"), &["101"]),
        (
            format!(
                "{}Upgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n\r\n{}",
                upgrade.replacen("GET", "POST", 1),
                "\u{7f}".repeat(4000)
            ),
            &["101"],
        ),
    ]
}

/// Sends bytes and returns what is answered until the server closes, or nothing more comes.
async fn answer(access: &Access, request: &str) -> Result<String> {
    let mut stream = access.open().await?;
    let auth = format!("Authorization: Bearer {}\r\n", access.token());
    let request = request.replacen('@', &auth, 1).replacen("HOST", access.address(), 1);
    // The server may close before it has read all.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut all = Vec::new();
    let mut buffer = [0; 4096];
    // A connection that is kept alive is silent after the answer.
    while all.len() < 65_536
        && let Ok(Ok(read @ 1..)) = timeout(SILENCE, stream.read(&mut buffer)).await
    {
        all.extend_from_slice(buffer.get(..read).context("more than asked for")?);
    }
    Ok(String::from_utf8_lossy(&all).into_owned())
}

const SILENCE: std::time::Duration = std::time::Duration::from_millis(700);

fn ask(access: &Access, host: &Host) -> Result<Vec<String>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut wrong = Vec::new();
    for (request, words) in requests() {
        let asked = runtime.block_on(async { timeout(LONG, answer(access, &request)).await });
        let said = asked.context("the server neither answers nor closes")??;
        if !words.iter().all(|word| said.contains(word)) {
            let head: String = request.chars().take(160).collect();
            let said: String = said.chars().take(600).collect();
            wrong.push(format!("{words:?} expected for {head:?}: {said:?}"));
        }
    }
    host.probelet(["get", "pods"])?;
    Ok(wrong)
}

#[test]
fn a_hostile_request_of_the_kubernetes_api_is_refused() -> Result<()> {
    let kube = Kube::start()?;
    let test = || {
        let bystander = Bystander::start(&kube.host)?;
        let config = kube.host.probelet(["kubeconfig", "--name", "raw", "--token"])?;
        let access = Access::from_kubeconfig(&config, kube.address())?;
        let wrong = ask(&access, &kube.host)?;
        bystander.is_unharmed(&kube.host)?;
        ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
        Ok(())
    };
    test().inspect_err(|_| kube.host.show_logs())
}
