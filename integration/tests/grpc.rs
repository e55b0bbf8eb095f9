//! The API, called with grpcurl.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use std::fs;

use anyhow::Result;
use probelet_integration::{IMAGE, SOON, eventually, root, with_host};
use serde_json::{Value, json};

#[test]
fn reflection_lists_and_describes_the_services() -> Result<()> {
    with_host(|host| {
        let list = host.try_grpcurl(&[], &["list"], "")?;
        for service in [
            "probelet.v1.Containers",
            "probelet.v1.Pods",
            "probelet.v1.Events",
            "grpc.health.v1.Health",
            "grpc.reflection.v1alpha.ServerReflection",
        ] {
            assert!(list.stdout.lines().any(|line| line == service), "no {service} in {list:?}");
        }
        let described = host.try_grpcurl(&[], &["describe", "probelet.v1.Containers"], "")?;
        assert!(described.stdout.contains("rpc CreateContainer"), "{described:?}");
        let health = host.call("grpc.health.v1.Health/Check", &json!({}))?;
        assert_eq!(health["status"], "SERVING");
        Ok(())
    })
}

#[test]
fn a_hand_written_oci_spec_runs() -> Result<()> {
    with_host(|host| {
        let text = fs::read_to_string(root().join("examples/hand-written-oci.json"))?;
        let mut request: Value = serde_json::from_str(&text)?;
        // The test uses a copy, because runc creates mount points in it.
        let rootfs = host.path("rootfs");
        fs::create_dir(&rootfs)?;
        let binary = "target/images/rootfs/kubia-unhealthy";
        fs::copy(root().join(binary), rootfs.join("kubia-unhealthy"))?;
        request["rootfs"] = json!(rootfs);

        let made = host.call("probelet.v1.Containers/CreateContainer", &request)?;
        assert_eq!(made["name"], "hand-written", "{made}");
        let pid = eventually("it runs", SOON, || host.task_pid("hand-written_0").ok())?;
        let name = json!({ "name": "hand-written" });
        let seen = host.call("probelet.v1.Containers/GetContainer", &name)?;
        assert_eq!(seen["pid"], pid, "{seen}");
        assert_eq!(seen["containerId"], "hand-written_0", "{seen}");

        host.call("probelet.v1.Containers/RemoveContainer", &name)?;
        host.expect_nothing_left()?;
        assert!(rootfs.join("kubia-unhealthy").exists(), "the user's rootfs was removed");
        Ok(())
    })
}

#[test]
fn events_are_streamed_as_they_occur() -> Result<()> {
    with_host(|host| {
        let (mut watch, out) = host.spawn_call("probelet.v1.Events/WatchEvents", &json!({}))?;
        let request = json!({
            "name": "watched", "image": IMAGE, "args": ["exit", "0"],
            "restartPolicy": "NEVER", "start": true,
        });
        let seen = host.call("probelet.v1.Containers/CreateContainer", &request).and_then(|_| {
            eventually("Created and Started are streamed", SOON, || {
                let text = fs::read_to_string(&out).ok()?;
                let stream = serde_json::Deserializer::from_str(&text).into_iter::<Value>();
                let events: Vec<Value> = stream.map_while(|event| event.ok()).collect();
                let has = |reason: &str| events.iter().any(|event| event["reason"] == reason);
                (has("Created") && has("Started")).then_some(events)
            })
        });
        watch.kill()?;
        watch.wait()?;
        let sequences: Vec<u64> =
            seen?.iter().filter_map(|event| event["sequence"].as_str()?.parse().ok()).collect();
        assert!(sequences.is_sorted(), "{sequences:?}");
        Ok(())
    })
}
