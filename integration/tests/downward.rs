//! The downward API: fields of the pod and resources in variables and files.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use probelet_integration::image::BUSYBOX_IMAGE;
use probelet_integration::{Host, SOON, eventually, with_host};
use serde_json::{Value, json};

fn pod(name: &str, on_host: bool) -> Value {
    let field = |name: &str, path: &str| json!({ "name": name, "valueFrom": { "fieldRef": { "fieldPath": path } } });
    let resource = |name: &str, resource: &str, divisor: &str| {
        let given = json!({ "resource": resource, "divisor": divisor });
        json!({ "name": name, "valueFrom": { "resourceFieldRef": given } })
    };
    let of_app = |path: &str, resource: &str, divisor: &str| {
        let given = json!({ "containerName": "app", "resource": resource, "divisor": divisor });
        json!({ "path": path, "resourceFieldRef": given })
    };
    let script = "echo $ACCOUNT $NODE $CPU $CPUS $MEMORY $ASKED $(cat /about/cpu) $(cat /about/memory)\n\
                  echo $HOST_IP/$POD_IP/$POD_IPS; echo END; exec sleep 1000";
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name },
        "spec": {
            "terminationGracePeriodSeconds": 0, "hostNetwork": on_host,
            "serviceAccountName": "robot",
            "containers": [{
                "name": "app", "image": BUSYBOX_IMAGE, "command": ["sh", "-c", script],
                "resources": { "limits": { "cpu": "1500m" }, "requests": { "memory": "10Mi" } },
                "env": [
                    field("ACCOUNT", "spec.serviceAccountName"), field("NODE", "spec.nodeName"),
                    field("HOST_IP", "status.hostIP"), field("POD_IP", "status.podIP"),
                    field("POD_IPS", "status.podIPs"), resource("CPU", "limits.cpu", "1m"),
                    resource("CPUS", "limits.cpu", "1"), resource("MEMORY", "limits.memory", "1"),
                    resource("ASKED", "requests.memory", "1Mi"),
                ],
                "volumeMounts": [{ "name": "about", "mountPath": "/about" }],
            }],
            "volumes": [{ "name": "about", "downwardAPI": { "items": [
                of_app("cpu", "requests.cpu", "1m"), of_app("memory", "limits.memory", "1Ki"),
            ] } }],
        },
    })
}

fn said(host: &Host, name: &str) -> Result<Vec<String>> {
    let log = eventually("the container has printed END", SOON, || {
        let text = host.probelet(["logs", name]).ok()?;
        text.strip_suffix("END\n").map(str::to_owned)
    })?;
    Ok(log.lines().map(str::to_owned).collect())
}

#[test]
fn variables_and_files_have_resources_addresses_and_the_node() -> Result<()> {
    with_host(|host| {
        host.busybox_image(&json!({}))?;
        host.apply(&pod("own", false).to_string())?;
        host.apply(&pod("on-host", true).to_string())?;
        let (own, on_host) = (said(host, "own")?, said(host, "on-host")?);

        let node = fs::read_to_string("/proc/sys/kernel/hostname")?;
        let meminfo = fs::read_to_string("/proc/meminfo")?;
        let total = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"));
        let total = total.context("no MemTotal")?.trim_end_matches("kB").trim();
        let kib: u64 = total.parse()?;
        let bytes = kib * 1024;
        let expected = format!("robot {} 1500 2 {bytes} 10 1500 {kib}", node.trim());
        ensure!(own[0] == expected && on_host[0] == expected, "{own:?} {on_host:?} {expected}");

        // A machine may have no address besides the loopback's.
        let addresses = Command::new("ip").args(["-o", "addr", "show"]).output()?.stdout;
        let addresses = String::from_utf8(addresses)?;
        let host_ip = own[1].split('/').next().unwrap_or_default();
        ensure!(host_ip.is_empty() || addresses.contains(&format!(" {host_ip}/")), "{addresses}");
        ensure!(
            own[1] == format!("{host_ip}//"),
            "a pod without a network has an address: {own:?}"
        );
        let same = format!("{host_ip}/{host_ip}/{host_ip}");
        ensure!(on_host[1].starts_with(&same), "{on_host:?}: {host_ip}");
        Ok(())
    })
}
