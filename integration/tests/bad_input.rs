//! Bad input gets one clear error that names the field, and leaves nothing behind.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use anyhow::Result;
use probelet_integration::{Done, Host, IMAGE, with_host};
use serde_json::{Value, json};

const GOOD: &str = "\
apiVersion: v1
kind: Pod
metadata:
  name: bad
spec:
  containers:
  - image: luksa/kubia-unhealthy
    name: kubia
    livenessProbe:
      httpGet:
        path: /
        port: 8080
";

/// The description of a wrong answer, if it is wrong. All cases run before the test fails.
fn judge(case: &dyn std::fmt::Display, done: &Done, wanted: &[&str]) -> Option<String> {
    let refused = done.code != Some(0);
    let named = wanted.iter().all(|word| done.stderr.contains(word));
    (!refused || !named).then(|| format!("{wanted:?} expected: {done:?} for\n{case}\n"))
}

fn refused_manifest(host: &Host, manifest: &str, names: &str) -> Result<Option<String>> {
    let done = host.try_probelet(["apply", "-f", "-"], manifest)?;
    Ok(judge(&manifest, &done, &["error: ", names]))
}

fn refused_call(host: &Host, request: &Value, code: &str, names: &str) -> Result<Option<String>> {
    let method = "probelet.v1.Containers/CreateContainer";
    let done = host.try_grpcurl(&["-d", "@"], &[method], &request.to_string())?;
    Ok(judge(request, &done, &[&format!("Code: {code}"), names]))
}

#[test]
fn bad_manifests_are_refused_and_leave_nothing() -> Result<()> {
    with_host(|host| {
        let cases = [
            (
                GOOD.replace("image: luksa", "imagePullPolicy: Sometimes\n    image: luksa"),
                "spec.containers[0].imagePullPolicy",
            ),
            (GOOD.replace("8080", "0"), "spec.containers[0].livenessProbe.httpGet.port"),
            (
                GOOD.replace("      httpGet:", "      tcpSocket:\n        port: 1\n      httpGet:"),
                "spec.containers[0].livenessProbe",
            ),
            (GOOD.replace("livenessProbe", "livenessProb"), "livenessProb"),
            (GOOD.replace("name: kubia", "name: 'kubia"), "line"),
        ];
        let mut wrong = Vec::new();
        for (manifest, names) in &cases {
            assert_ne!(manifest, GOOD);
            wrong.extend(refused_manifest(host, manifest, names)?);
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert!(!host.probelet(["get", "pods"])?.contains("bad"));
        host.expect_nothing_left()
    })
}

#[test]
fn bad_requests_are_refused_and_leave_nothing() -> Result<()> {
    with_host(|host| {
        let with = |more: Value| {
            let mut request = json!({ "name": "bad", "start": true });
            if let (Some(into), Some(from)) = (request.as_object_mut(), more.as_object()) {
                into.extend(from.clone());
            }
            request
        };
        let cases = [
            (
                with(json!({ "image": IMAGE, "imagePullPolicy": "Sometimes" })),
                "InvalidArgument",
                "imagePullPolicy",
            ),
            (
                with(json!({ "image": IMAGE, "livenessProbe": { "httpGet": { "port": 0 } } })),
                "InvalidArgument",
                "port",
            ),
            (with(json!({ "ociSpecJson": "{", "rootfs": "/" })), "InvalidArgument", "ociSpec"),
            (
                with(json!({ "ociSpec": { "process": { "cwd": "/" } }, "rootfs": "/" })),
                "InvalidArgument",
                "ociSpec.process.args: Required value",
            ),
            (with(json!({ "ociSpec": { "ociVersion": "1.0.2" } })), "InvalidArgument", "rootfs"),
            (json!({ "name": "No Label", "image": IMAGE }), "InvalidArgument", "name"),
        ];
        let mut wrong = Vec::new();
        for (request, code, names) in &cases {
            wrong.extend(refused_call(host, request, code, names)?);
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        host.expect_nothing_left()
    })
}
