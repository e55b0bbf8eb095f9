//! The client's output formats and errors.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use anyhow::Result;
use probelet_integration::{IMAGE, SOON, eventually, with_host};
use serde_json::{Value, json};

#[test]
fn output_formats_are_those_of_kubectl() -> Result<()> {
    with_host(|host| {
        let request = json!({
            "name": "app", "image": IMAGE, "args": ["serve", "--fail-after", "100000"],
            "livenessProbe": { "url": "http://:8080/", "period": "0.2s" }, "start": true,
        });
        host.call("probelet.v1.Containers/CreateContainer", &request)?;

        assert_eq!(host.probelet(["get", "pods", "-o", "name"])?, "pod/app\n");
        let list: Value = serde_json::from_str(&host.probelet(["get", "pods", "-o", "json"])?)?;
        assert_eq!((&list["kind"], &list["apiVersion"]), (&json!("List"), &json!("v1")));
        assert_eq!(list["items"][0]["kind"], "Pod", "{list}");
        let yaml = host.probelet(["get", "pod", "app", "-o", "yaml"])?;
        assert!(yaml.lines().any(|line| line == "kind: Pod"), "{yaml}");
        let events: Value = serde_json::from_str(&host.probelet(["get", "events", "-o", "json"])?)?;
        assert_eq!(events["items"][0]["kind"], "Event", "{events}");

        let last = eventually("a last line of the log", SOON, || {
            let last = host.probelet(["logs", "app", "--tail", "1"]).ok()?;
            last.starts_with("Received request").then_some(last)
        })?;
        assert_eq!(last.lines().count(), 1, "{last}");
        Ok(())
    })
}

#[test]
fn a_missing_pod_is_an_error() -> Result<()> {
    with_host(|host| {
        for words in [
            &["describe", "pod", "nobody"][..],
            &["get", "pod", "nobody"],
            &["logs", "nobody"],
            &["restart", "nobody"],
            &["kill", "nobody"],
        ] {
            let done = host.try_probelet(words, "")?;
            assert_eq!(done.code, Some(1), "{words:?}: {done:?}");
            let is_error =
                done.stderr.starts_with("error: ") || done.stderr.starts_with("Error from");
            assert!(is_error && done.stderr.contains("not found"), "{words:?}: {done:?}");
        }
        Ok(())
    })
}
