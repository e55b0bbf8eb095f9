//! Text of containers and manifests is shown without control characters and cannot forge a line,
//! and the memory that a manifest takes is bounded.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use std::fs;

use anyhow::{Context, Result, ensure};
use probelet_integration::{
    Host, IMAGE, SOON, bounded, eventually, finish, probelet_bin, with_host,
};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::{Value, json};

/// Control sequences of terminals (C0 and C1), marks of text direction, and a forged line.
const HOSTILE: &str = "x\u{1b}[2J\u{9b}31m\u{202e}\u{2028}\nName:  forged\r\terror: forged";
/// The same text as an argument of a shell's `printf`.
const PRINTED: &str =
    r"x\033[2J\302\23331m\342\200\256\342\200\250\nName:  forged\r\terror: forged";
/// A limit of address space, in KiB.
const LITTLE: &str = "700000";

/// Checks that a text has no control characters and no forged line. `describe` shows a text of
/// several lines indented below its title, as kubectl does.
fn clean(what: &str, text: &str) -> Result<()> {
    ensure!(!text.chars().any(steers), "{what}: {text:?}");
    let forged = |line: &&str| line.starts_with("Name:  forged") || *line == "error: forged";
    ensure!(!text.lines().any(|line| forged(&line)), "{what}: {text}");
    Ok(())
}

fn steers(c: char) -> bool {
    c.is_control() && c != '\n' || ('\u{2028}'..='\u{202e}').contains(&c)
}

#[test]
fn text_of_containers_and_manifests_is_escaped_in_the_output() -> Result<()> {
    with_host(|host| {
        let mut request = host.busybox("loud", "sleep 1000")?;
        request["labels"] = json!({ "a": HOSTILE });
        request["livenessProbe"] = json!({
            "exec": { "command": ["sh", "-c", format!("printf '{PRINTED}'; exit 1")] },
            "period": "0.2s",
        });
        host.call("probelet.v1.Containers/CreateContainer", &request)?;
        let quoted = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": { "name": "quoted", "annotations": { "a": HOSTILE, "b": HOSTILE.repeat(9) } },
            "spec": { "terminationGracePeriodSeconds": 0, "containers": [{
                "name": "app", "image": IMAGE, "args": ["sleep", HOSTILE],
                "env": [{ "name": "E", "value": HOSTILE }],
            }] },
        });
        host.apply(&quoted.to_string())?;
        let forged = || host.probelet(["get", "events"]).ok().filter(|all| all.contains("forged"));
        eventually("the probe's output is an event", SOON, forged)?;
        for (what, words) in [
            ("get", ["get", "pods"].as_slice()),
            ("wide", &["get", "pods", "-o", "wide"]),
            ("json", &["get", "pods", "-o", "json"]),
            ("yaml", &["get", "pods", "-o", "yaml"]),
            ("events", &["get", "events"]),
            ("events as YAML", &["get", "events", "-o", "yaml"]),
            ("describe", &["describe", "pod", "loud"]),
            ("describe", &["describe", "pod", "quoted"]),
        ] {
            clean(what, &host.probelet(words.iter().copied())?)?;
        }
        // Errors quote the input.
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": { "name": HOSTILE },
            "spec": { "containers": [{ "name": "a", "image": HOSTILE, HOSTILE: 1 }] },
        });
        for words in [["apply", "-f", "-"], ["validate", "-f", "-"]] {
            let done = host.try_probelet(words, &pod.to_string())?;
            ensure!(done.code != Some(0) && (done.stdout + &done.stderr).contains("forged"));
            let done = host.try_probelet(words, &pod.to_string())?;
            clean("errors", &done.stdout)?;
            clean("errors", &done.stderr)?;
        }
        let done = host.try_probelet(["describe", "pod", HOSTILE], "")?;
        ensure!(done.code != Some(0));
        clean("an unknown name", &done.stderr)?;
        clean("the daemon's log", &fs::read_to_string(host.path("probelet.log"))?)
    })
}

#[test]
fn events_are_listed_in_pages() -> Result<()> {
    with_host(|host| {
        let request = host.busybox("web", "sleep 1000")?;
        host.call("probelet.v1.Containers/CreateContainer", &request)?;
        let list = |request: Value| host.call("probelet.v1.Events/ListEvents", &request);
        let all = list(json!({}))?["events"].as_array().cloned().context("no events")?;
        ensure!(all.len() > 2, "{all:?}");
        let (mut paged, mut after) = (Vec::new(), json!(0));
        loop {
            let page = list(json!({ "limit": 1, "after": after }))?;
            let events = page["events"].as_array().cloned().unwrap_or_default();
            ensure!(events.len() == 1, "{page}");
            paged.extend(events);
            match page.get("next") {
                Some(next) => after = next.clone(),
                None => break,
            }
        }
        ensure!(paged.len() >= all.len(), "{paged:?}");
        Ok(())
    })
}

fn attacks() -> Vec<(&'static str, String)> {
    let item = "- {apiVersion: v1, kind: Pod, metadata: {name: a}}\n";
    let aliases = (1..12).fold("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned(), |text, n| {
        text + &format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 10].join(", "))
    });
    let below: String = (0..8000).map(|n| format!("    k{n}: v\n")).collect();
    vec![
        ("items", "kind: List\nitems:\n".to_owned() + &item.repeat(20_000)),
        ("a long key", format!("a:\n  ? {}\n  :\n{below}", "k".repeat(50_000))),
        ("aliases", aliases),
        (
            "aliases of a text",
            format!("a: &a {}\nb: [{}]", "x".repeat(50_000), "*a, ".repeat(12_000)),
        ),
        (
            "tags",
            format!("%TAG !e! tag:{}\n---\n[{}]", "x".repeat(50_000), "!e!a b, ".repeat(8_000)),
        ),
        ("documents", "---\na: b\n".repeat(12_000)),
        ("depth", "- ".repeat(50_000)),
        ("brackets", "[".repeat(100_000)),
        ("keys", "? ".repeat(50_000)),
        ("JSON", format!("{{\"a\": [{}0]}}", "[],".repeat(33_000))),
    ]
}

#[test]
fn the_memory_for_reading_a_manifest_is_bounded() -> Result<()> {
    let mut host = Host::start()?;
    let dir = host.path("manifests");
    fs::create_dir(&dir)?;
    for (what, text) in attacks() {
        fs::write(dir.join(format!("{}.yaml", what.replace(' ', "-"))), &text)?;
        let mut command = bounded("sh");
        command.args(["-c", "ulimit -v \"$0\"; exec \"$@\"", LITTLE]).arg(probelet_bin());
        let done = finish(command.args(["validate", "-f", "-"]), &text)?;
        ensure!(done.code == Some(1) && done.stdout.contains("error: "), "{what}: {done:?}");
    }
    let flag = format!("--manifest-dir={}", dir.display());
    host.start_daemon_with(&[&flag])?;
    bound_memory(host.daemon_pid()?)?;
    let reported = || {
        let events = host.probelet(["get", "events"]).ok()?;
        attacks().iter().all(|(what, _)| events.contains(&what.replace(' ', "-"))).then_some(())
    };
    eventually("each file's error is reported", SOON * 3, reported)?;
    for (what, text) in attacks() {
        let request = json!({ "files": [{ "name": "x.yaml", "text": text }] });
        let answer = host.call("probelet.v1.Pods/ValidatePod", &request)?;
        ensure!(answer["findings"][0]["severity"] == "error", "{what}: {answer}");
        let request = json!({ "text": text }).to_string();
        let done = host.try_grpcurl(&["-d", "@"], &["probelet.v1.Pods/ApplyPod"], &request)?;
        ensure!(done.stderr.contains("InvalidArgument"), "{what}: {done:?}");
    }
    // Each value is twice the one before.
    let double =
        |n: usize| json!({ "name": format!("A{n}"), "value": format!("$(A{0})$(A{0})", n - 1) });
    let first = json!({ "name": "A0", "value": "x".repeat(100) });
    let env: Vec<_> = std::iter::once(first).chain((1..60).map(double)).collect();
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "doubled" },
        "spec": { "containers": [{
            "name": "app", "image": IMAGE, "args": ["sleep"], "env": env,
        }] },
    });
    let done = host.try_probelet(["apply", "-f", "-"], &pod.to_string())?;
    let field = "spec.containers[0].env: A11: Too long";
    ensure!(done.code == Some(1) && done.stderr.contains(field), "{done:?}");
    host.probelet(["get", "pods"]).map(drop)
}

/// Limits the address space of a process to its present size and 512 MiB more.
fn bound_memory(pid: u32) -> Result<()> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmSize:")).context("no size")?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
    let most = Some((kib << 10) + (512 << 20));
    let pid = Pid::from_raw(i32::try_from(pid)?);
    prlimit(pid, Resource::As, Rlimit { current: most, maximum: most })?;
    Ok(())
}
