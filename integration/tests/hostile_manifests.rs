//! Manifests that are refused by the field, from the command line and over gRPC, and leave nothing.

use anyhow::{Result, ensure};
use probelet_integration::bystander::Bystander;
use probelet_integration::with_host;
use serde_json::json;

/// A manifest and the words of its error. `@` stands for the container, `^` for the pod's spec and
/// `$` for the pod's metadata: only the wrong part is written.
type Row = (&'static str, &'static [&'static str]);

const PORTS_AND_TIMES: &[Row] = &[
    ("@ports: [{containerPort: 0}]", &["ports[0].containerPort", "between 1 and 65535"]),
    ("@ports: [{containerPort: 65536}]", &["ports[0].containerPort", "between 1 and 65535"]),
    ("@ports: [{containerPort: 2147483648}]", &["containerPort", "expected i32"]),
    ("@ports: [{containerPort: 1, hostPort: -1}]", &["hostPort", "between 1 and 65535"]),
    ("@ports: [{containerPort: 1, protocol: \"TCP\\n\"}]", &["protocol", r"TCP\n", "Unsupported"]),
    (
        "@livenessProbe: {tcpSocket: {port: 1}, periodSeconds: -1}",
        &["periodSeconds", "greater than or equal to 0"],
    ),
    (
        "@livenessProbe: {tcpSocket: {port: 1}, periodSeconds: 1.5}",
        &["periodSeconds", "floating point"],
    ),
    ("@livenessProbe: {tcpSocket: {port: 1}, periodSeconds: 1e400}", &["periodSeconds", "1e400"]),
    (
        "@livenessProbe: {tcpSocket: {port: 1}, timeoutSeconds: 2147483648}",
        &["timeoutSeconds", "expected i32"],
    ),
    (
        "@livenessProbe: {tcpSocket: {port: 1}, failureThreshold: -2147483648}",
        &["failureThreshold", "greater than or equal to 0"],
    ),
    ("^terminationGracePeriodSeconds: 9223372036854775807", &["9223372036854775807"]),
    ("^terminationGracePeriodSeconds: 18446744073709551615", &["18446744073709551615"]),
    ("^activeDeadlineSeconds: 0", &["activeDeadlineSeconds", "between 1 and 2147483647"]),
    ("@lifecycle: {preStop: {sleep: {seconds: -1}}}", &["preStop.sleep.seconds", "non-negative"]),
    ("@resources: {limits: {memory: \"-1\"}}", &["limits[memory]", "greater than or equal to 0"]),
    ("@resources: {limits: {memory: 1e40}}", &["limits[memory]", "quantities must match"]),
    ("@resources: {limits: {cpu: NaN}}", &["limits[cpu]", "quantities must match"]),
    ("^securityContext: {fsGroup: -1}", &["fsGroup", "between 0 and 2147483647"]),
    ("@securityContext: {runAsUser: 4294967296}", &["runAsUser", "between 0 and 2147483647"]),
];

const NAMES_AND_PATHS: &[Row] = &[
    ("$name: ../x", &["metadata.name", "../x", "RFC 1123"]),
    ("$name: \"a\\0\"", &["metadata.name", r"a\0"]),
    ("$name: bad, namespace: ../kube", &["metadata.namespace", "RFC 1123 label"]),
    ("$name: bad, labels: {../a: b}", &["metadata.labels", "../a", "prefix part"]),
    (
        "$name: bad, labels: {a: \"b\\nc\"}",
        &["metadata.labels", r"b\nc", "must be an empty string"],
    ),
    ("$name: bad, annotations: {\"a\\tb\": c}", &["metadata.annotations", r"a\tb"]),
    ("@workingDir: ../etc", &["workingDir", "must be an absolute path"]),
    ("@terminationMessagePath: ../../etc/passwd", &["terminationMessagePath", "absolute path"]),
    ("@volumeMounts: [{name: v, mountPath: /../../etc}]", &["mountPath", "must not contain '..'"]),
    (
        "@volumeMounts: [{name: v, mountPath: /a}, {name: v, mountPath: /a}]",
        &["volumeMounts[1].mountPath", "must be unique"],
    ),
    (
        "@volumeMounts: [{name: v, mountPath: /a, subPath: a/../../b}]",
        &["subPath", "must not contain '..'"],
    ),
    (
        "@volumeMounts: [{name: v, mountPath: /a, subPath: /etc}]",
        &["subPath", "must be a relative path"],
    ),
    (
        "^volumes: [{name: v, hostPath: {path: /tmp/../etc}}]",
        &["volumes[0].hostPath.path", "must not contain '..'"],
    ),
    ("^volumes: [{name: ../v, emptyDir: {}}]", &["volumes[0].name", "RFC 1123 label"]),
    (
        "^volumes: [{name: v, configMap: {name: m, items: [{key: k, path: ../../x}]}}]",
        &["items[0].path", "must not contain '..'"],
    ),
    ("^volumes: [{name: v, emptyDir: {sizeLimit: \"-1\"}}]", &["sizeLimit", "or equal to 0"]),
    ("^volumes: [{name: v, emptyDir: {medium: ../x}}]", &["medium", "Unsupported value"]),
    (
        "@securityContext: {seccompProfile: {type: Localhost, localhostProfile: ../../etc/passwd}}",
        &["localhostProfile", "must not contain '..'"],
    ),
    ("@securityContext: {capabilities: {add: [\"ALL\\n\"]}}", &["add[0]", "is no capability"]),
    (
        "^securityContext: {sysctls: [{name: kernel/../vm.swappiness, value: \"1\"}]}",
        &["sysctls[0].name", "match regex"],
    ),
    (
        "^securityContext: {sysctls: [{name: kernel.core_pattern, value: \"|/x\"}]}",
        &["sysctls[0].name", "is not namespaced"],
    ),
    ("@env: [{name: A=B, value: c}]", &["env[0].name", "other than '='"]),
    ("@env: [{name: \"A\\0\", value: c}]", &["env[0].name", r"A\0"]),
    ("@env: [{name: A, value: \"c\\0d\"}]", &["env[0].value", "NUL"]),
    ("@command: [\"a\\0b\"]", &["command[0]", "NUL"]),
    ("@args: [a, \"b\\0\"]", &["args[1]", "NUL"]),
    ("@livenessProbe: {exec: {command: [\"a\\0\"]}}", &["exec.command[0]", "NUL"]),
    ("@workingDir: \"/a\\0\"", &["workingDir", "NUL"]),
    ("@terminationMessagePath: \"/a\\0\"", &["terminationMessagePath", "NUL"]),
    ("@volumeMounts: [{name: v, mountPath: \"/a\\0b\"}]", &["mountPath", "NUL"]),
    ("^volumes: [{name: v, hostPath: {path: \"/a\\0\"}}]", &["hostPath.path", "NUL"]),
];

const INJECTIONS: &[Row] = &[
    (
        "^hostAliases: [{ip: 127.0.0.1, hostnames: [\"a\\n10.0.0.1 b\"]}]",
        &["hostAliases[0].hostnames[0]", r"a\n10.0.0.1 b"],
    ),
    ("^hostAliases: [{ip: \"1\\n2\", hostnames: [a]}]", &["hostAliases[0].ip", "valid IP address"]),
    (
        "^dnsConfig: {searches: [\"a\\nnameserver 192.0.2.6\"]}",
        &["dnsConfig.searches[0]", r"a\nnameserver"],
    ),
    ("^dnsConfig: {nameservers: [\"192.0.2.6\\n\"]}", &["nameservers[0]", "valid IP address"]),
    ("^dnsConfig: {options: [{name: \"a\\nb\"}]}", &["dnsConfig.options[0]", "whitespace"]),
    ("^hostname: \"a\\nb\"", &["spec.hostname", r"a\nb"]),
    ("^subdomain: ../a", &["spec.subdomain", "RFC 1123 label"]),
    (
        "@livenessProbe: {httpGet: {port: 1, httpHeaders: [{name: \"A: b\\r\\nX\", value: y}]}}",
        &["httpHeaders[0].name", "valid HTTP header"],
    ),
    ("@livenessProbe: {httpGet: {port: 1, scheme: file}}", &["httpGet.scheme", "Unsupported"]),
    (
        "@lifecycle: {postStart: {exec: {command: [a]}, tcpSocket: {port: 1}}}",
        &["postStart.tcpSocket", "more than 1 handler"],
    ),
];

/// Whole texts.
const TEXTS: &[Row] = &[
    ("{apiVersion: v1, kind: Pod, kind: Pod}", &["duplicate", "kind"]),
    ("a: *nowhere", &["unknown anchor"]),
    ("a: &a [*a]", &["an alias stands for what it is part of"]),
    ("base: &b {kind: Pod}\n<<: *b\napiVersion: v1", &["base", "unknown field"]),
    ("!!python/object/apply:os.system [id]", &["manifest"]),
    ("{\"kind\": \"Pod\"} trailing", &["did not find expected"]),
    ("kind: \"Pod\0\"", &["unexpected end of stream"]),
    ("{apiVersion: v2, kind: Pod, metadata: {name: bad}}", &["apiVersion", "Unsupported"]),
    ("hello", &["manifest"]),
    (
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: m}, data: {../k: v}}",
        &["data[../k]", "valid config key"],
    ),
    (
        "{apiVersion: v1, kind: Secret, metadata: {name: m}, data: {k: \"%%%\"}}",
        &["data.k", "base64"],
    ),
];

/// The manifest of a row: one pod whose other fields are right.
fn manifest(part: &str) -> String {
    let (metadata, spec, container) = match part.split_at(1) {
        ("$", metadata) => (metadata, "", ""),
        ("^", spec) => ("name: bad", spec, ""),
        ("@", container) => ("name: bad", "", container),
        _ => return part.to_owned(),
    };
    let volumes =
        if spec.contains("volumes:") { "" } else { "volumes: [{name: v, emptyDir: {}}], " };
    let comma = if spec.is_empty() { "" } else { ", " };
    format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{{metadata}}}, spec: {{{spec}{comma}{volumes}\
         containers: [{{name: app, image: absent.test/a:1, imagePullPolicy: Never, {container}}}]}}}}"
    )
}

#[test]
fn a_hostile_manifest_is_refused_by_its_field() -> Result<()> {
    with_host(|host| {
        let bystander = Bystander::start(host)?;
        let mut wrong = Vec::new();
        for rows in [PORTS_AND_TIMES, NAMES_AND_PATHS, INJECTIONS, TEXTS] {
            for (part, words) in rows {
                let text = manifest(part);
                let request = json!({ "text": text }).to_string();
                let ways = [
                    host.try_probelet(["apply", "-f", "-"], &text)?,
                    host.try_grpcurl(&["-d", "@"], &["probelet.v1.Pods/ApplyPod"], &request)?,
                ];
                for done in ways {
                    let is_named = words.iter().all(|word| {
                        // grpcurl and the client write the error's text with escapes.
                        done.stderr.contains(word)
                            || done.stderr.replace(r"\\", r"\").contains(word)
                    });
                    if done.code == Some(0) || !is_named {
                        wrong.push(format!("{part:?}: {words:?} expected: {done:?}"));
                    }
                }
            }
            bystander.is_unharmed(host)?;
        }
        ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
        Ok(())
    })
}

#[test]
fn huge_and_broken_texts_are_refused() -> Result<()> {
    with_host(|host| {
        let bystander = Bystander::start(host)?;
        let pod = manifest("$name: bad");
        let texts: Vec<(Vec<u8>, &str)> = vec![
            (pod.replace("name: bad", &format!("name: {}", "a".repeat(300))).into(), "253"),
            (
                pod.replace(
                    "name: bad",
                    &format!("name: bad, annotations: {{a: {}}}", "x".repeat(300_000)),
                )
                .into(),
                "metadata.annotations: Too long",
            ),
            (format!("a: {}{}", "[".repeat(500), "]".repeat(500)).into(), "more than 100 deep"),
            (b"kind: \"\xff\xfe\"".to_vec(), "is not UTF-8"),
            (pod.encode_utf16().flat_map(u16::to_le_bytes).collect(), "unprintable"),
            (format!("{pod}\n---\n{pod}").into(), "Duplicate value"),
            ("# nothing\n".into(), "no objects passed"),
        ];
        for (text, words) in texts {
            let file = host.path("hostile.yaml");
            std::fs::write(&file, &text)?;
            let done =
                host.try_probelet(["apply".as_ref(), "-f".as_ref(), file.as_os_str()], "")?;
            ensure!(done.code == Some(1) && done.stderr.contains(words), "{words}: {done:?}");
            ensure!(done.stderr.len() < 8192, "the error has {} bytes", done.stderr.len());
        }
        bystander.is_unharmed(host)
    })
}
