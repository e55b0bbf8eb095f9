//! Pods in networks of CNI plugins. Each test has a bridge of its own.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use probelet_integration::cni::{Bridge, Outside, portmap};
use probelet_integration::target::TARGET_IMAGE;
use probelet_integration::{Host, IMAGE, SOON, eventually, processes_with, with_host};
use serde_json::{Value, json};

fn with_bridge(test: impl FnOnce(&mut Host, &Bridge) -> Result<()>) -> Result<()> {
    // Dropped after the host, whose pods use the bridge.
    let bridge = Bridge::new()?;
    with_host(|host| {
        bridge.configure(host)?;
        test(host, &bridge)
    })
}

/// A pod that serves on port 8080.
fn pod(name: &str, more: Value) -> Value {
    let mut container = json!({ "name": "app", "image": IMAGE });
    probelet_integration::target::extend(&mut container, more);
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name },
        "spec": { "terminationGracePeriodSeconds": 0, "containers": [container] },
    })
}

fn apply(host: &Host, pod: &Value) -> Result<()> {
    host.apply(&pod.to_string()).map(drop)
}

fn is_running(status: &Value) -> bool {
    status["state"]["running"].is_object()
}

/// Waits until the pod runs and returns its address.
fn ip_of(host: &Host, name: &str) -> Result<String> {
    host.wait_status(name, SOON * 2, is_running)?;
    let pod = host.pod(name)?;
    let ip = pod["status"]["podIP"].as_str().with_context(|| format!("no address in {pod}"))?;
    assert_eq!(pod["status"]["podIPs"], json!([{ "ip": ip }]));
    Ok(ip.to_owned())
}

/// A port that is free at this moment.
fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("0.0.0.0:0")?.local_addr()?.port())
}

/// The answer of a server to one request.
fn get(address: &str) -> Result<String> {
    eventually(&format!("{address} answers"), SOON, || {
        let mut stream = TcpStream::connect(address).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        (!answer.is_empty()).then_some(answer)
    })
}

fn delete(host: &Host, name: &str) -> Result<()> {
    host.probelet(["delete", "pod", name, "--grace-period", "0"]).map(drop)
}

#[test]
fn pods_reach_each_other_over_a_bridge() -> Result<()> {
    with_bridge(|host, bridge| {
        apply(host, &pod("server", json!({})))?;
        let server = ip_of(host, "server")?;
        let answer = get(&format!("{server}:8080"))?;
        ensure!(answer.contains("You've hit"), "{answer}");

        // The probe reaches the other pod, because its socket is opened inside its own pod.
        let probe = json!({
            "httpGet": { "host": server, "port": 8080 }, "periodSeconds": 1,
        });
        apply(host, &pod("client", json!({ "readinessProbe": probe })))?;
        host.wait_status("client", SOON * 2, |status| status["ready"] == true)?;
        let client = ip_of(host, "client")?;
        assert_ne!(client, server);
        let table = host.probelet(["get", "pods", "-o", "wide"])?;
        ensure!(table.contains(&server) && table.contains(&client), "{table}");
        let taken = bridge.taken(host);
        ensure!(taken.contains(&server) && taken.contains(&client), "{taken:?}");

        delete(host, "server")?;
        delete(host, "client")?;
        host.expect_nothing_left()?;
        assert_eq!(bridge.taken(host), [""; 0]);
        Ok(())
    })
}

#[test]
fn a_network_outlives_containers_the_daemon_and_its_configuration() -> Result<()> {
    with_bridge(|host, bridge| {
        apply(host, &pod("web", json!({})))?;
        let ip = ip_of(host, "web")?;
        host.ctr(["task", "kill", "--signal", "SIGKILL", "web_app_0"])?;
        let again = |status: &Value| status["restartCount"] == 1 && is_running(status);
        host.wait_status("web", SOON, again)?;
        assert_eq!(ip_of(host, "web")?, ip);

        host.kill_daemon()?;
        fs::remove_dir_all(host.path("cni"))?;
        host.start_daemon()?;
        assert_eq!(ip_of(host, "web")?, ip);
        get(&format!("{ip}:8080"))?;

        delete(host, "web")?;
        host.expect_nothing_left()?;
        assert_eq!(bridge.taken(host), [""; 0]);
        Ok(())
    })
}

#[test]
fn after_a_reboot_a_pod_is_connected_again_and_no_address_stays_allocated() -> Result<()> {
    with_bridge(|host, bridge| {
        apply(host, &pod("web", json!({})))?;
        ip_of(host, "web")?;
        host.crash_node()?;
        host.start_containerd()?;
        host.start_daemon_in_another_boot()?;
        let again = |status: &Value| status["restartCount"] == 1 && is_running(status);
        host.wait_status("web", SOON * 2, again)?;
        let ip = ip_of(host, "web")?;
        get(&format!("{ip}:8080"))?;
        assert_eq!(bridge.taken(host), [ip]);
        delete(host, "web")?;
        eventually("its address is free", SOON, || bridge.taken(host).is_empty().then_some(()))
    })
}

#[test]
fn the_network_of_a_pod_without_records_is_removed_at_the_daemons_start() -> Result<()> {
    with_bridge(|host, bridge| {
        apply(host, &pod("web", json!({})))?;
        ip_of(host, "web")?;
        host.kill_daemon()?;
        host.ctr(["task", "delete", "--force", "web_app_0"])?;
        host.ctr(["containers", "delete", "web_app_0"])?;
        assert_eq!(bridge.taken(host).len(), 1);
        host.start_daemon()?;
        host.expect_nothing_left()?;
        assert_eq!(bridge.taken(host), [""; 0]);
        Ok(())
    })
}

#[test]
fn a_failing_plugin_is_reported_and_retried_and_a_hanging_one_delays_only_its_pod() -> Result<()> {
    let bridge = Bridge::new()?;
    with_host(|host| {
        // The plugin fails until the file `good` exists, and hangs for the pod `stuck`.
        let (good, bins) = (host.path("good"), host.path("bins"));
        let script = format!(
            "#!/bin/sh\ncase $CNI_COMMAND$CNI_ARGS in\n\
             *K8S_POD_NAME=stuck*) [ $CNI_COMMAND = DEL ] || while [ -e $0 ]; do sleep 0.1; done;;\nesac\n\
             if [ $CNI_COMMAND = ADD ] && [ ! -e {} ]; then\n\
             echo '{{\"code\": 100, \"msg\": \"not today\"}}'; exit 1; fi\n\
             [ $CNI_COMMAND = ADD ] || exit 0\n\
             sed -e 's/,\"type\":\"moody\"//' -e 's/.*\"prevResult\":\\({{.*}}\\)}}$/\\1/'\n",
            good.display()
        );
        fs::create_dir(&bins)?;
        fs::write(bins.join("moody"), script)?;
        fs::set_permissions(bins.join("moody"), fs::Permissions::from_mode(0o755))?;
        bridge.configure_with(host, &[json!({ "type": "moody" })])?;
        host.kill_daemon()?;
        let moody = bins.join("moody").display().to_string();
        let bins = format!("{},/usr/lib/cni", bins.display());
        host.start_daemon_with(&["--cni-bin-dir", &bins])?;

        apply(host, &pod("web", json!({})))?;
        let failed = "Warning FailedCreatePodSandBox Failed to create pod sandbox: CNI network";
        eventually("an event reports the failure", SOON, || {
            let events = host.events().ok()?;
            let one = events.iter().find(|event| event.starts_with(failed))?;
            one.ends_with("plugin type=\"moody\" failed (add): not today").then_some(())
        })?;
        assert_eq!(host.column("web")?, "ContainerCreating");
        assert_eq!(host.pod("web")?["status"]["podIP"], Value::Null);
        eventually("the address of the failed attempt is free", SOON, || {
            bridge.taken(host).is_empty().then_some(())
        })?;

        fs::write(good, "")?;
        apply(host, &pod("stuck", json!({})))?;
        let ip = ip_of(host, "web")?;
        get(&format!("{ip}:8080"))?;
        apply(host, &pod("other", json!({})))?;
        ip_of(host, "other")?;
        assert_eq!(host.column("stuck")?, "ContainerCreating");
        let hangs = || (!processes_with(&moody).is_empty()).then_some(());
        eventually("its plugin hangs", SOON, hangs)?;
        host.probelet(["delete", "pod", "stuck", "--grace-period", "0"])?;
        ensure!(hangs().is_none() && bridge.taken(host).len() == 2, "{:?}", bridge.taken(host));
        Ok(())
    })
}

#[test]
fn without_a_configuration_a_pod_has_only_its_loopback_and_describe_says_so() -> Result<()> {
    with_host(|host| {
        let probe = json!({ "httpGet": { "port": 8080 }, "periodSeconds": 1 });
        apply(host, &pod("web", json!({ "readinessProbe": probe })))?;
        host.wait_status("web", SOON * 2, |status| status["ready"] == true)?;
        assert_eq!(host.pod("web")?["status"]["podIP"], Value::Null);
        let described = host.probelet(["describe", "pod", "web"])?;
        let wanted = format!(
            "loopback alone: there was no CNI configuration in {}",
            host.path("cni").display()
        );
        ensure!(described.contains(&wanted), "{described}");
        Ok(())
    })
}

#[test]
fn a_host_port_reaches_its_pod_and_is_refused_to_a_second_one() -> Result<()> {
    with_bridge(|host, bridge| {
        bridge.configure_with(host, &[portmap()])?;
        let port = free_port()?;
        let ports = json!([{ "containerPort": 8080, "hostPort": port }]);
        apply(host, &pod("web", json!({ "ports": ports.clone() })))?;
        ip_of(host, "web")?;
        let outside = Outside::new(bridge)?;
        let address = format!("{}:{port}", outside.host);
        let answer = outside.run(|| get(&address))?;
        ensure!(answer.contains("You've hit web"), "{answer}");
        let answer = get(&format!("127.0.0.1:{port}"))?;
        ensure!(answer.contains("You've hit web"), "{answer}");
        let described = host.probelet(["describe", "pod", "web"])?;
        ensure!(described.contains(&format!("{port}/TCP")), "{described}");

        let manifest = pod("other", json!({ "ports": ports })).to_string();
        let refused = host.try_probelet(["apply", "-f", "-"], &manifest)?;
        let why = format!("hostPort: Invalid value: {port}: pod \"web\" has it");
        ensure!(refused.stderr.contains(&why), "{refused:?}");

        // The mapping outlives the daemon, and the next one removes it with the pod.
        host.kill_daemon()?;
        host.start_daemon()?;
        outside.run(|| get(&address))?;
        ensure!(!bridge.rules().is_empty(), "no rules");
        delete(host, "web")?;
        host.expect_nothing_left()?;
        assert_eq!(bridge.rules(), [""; 0]);
        Ok(())
    })
}

#[test]
fn a_host_port_without_a_plugin_that_maps_it_is_reported() -> Result<()> {
    with_bridge(|host, _| {
        let ports = json!([{ "containerPort": 8080, "hostPort": free_port()? }]);
        apply(host, &pod("web", json!({ "ports": ports })))?;
        eventually("an event reports the failure", SOON, || {
            let events = host.events().ok()?;
            let why = "has no plugin with the capability portMappings";
            let failed = |event: &&String| event.contains("FailedCreatePodSandBox");
            events.iter().find(failed).filter(|event| event.ends_with(why)).map(drop)
        })?;
        assert_eq!(host.column("web")?, "ContainerCreating");
        delete(host, "web")?;
        host.expect_nothing_left()
    })
}

#[test]
fn a_pod_without_a_network_by_annotation_is_probed_over_its_loopback() -> Result<()> {
    with_bridge(|host, bridge| {
        let probe = json!({ "httpGet": { "port": 8080 }, "periodSeconds": 1 });
        let mut alone = pod("alone", json!({ "readinessProbe": probe }));
        alone["metadata"]["annotations"] = json!({ "probelet.io/network": "none" });
        apply(host, &alone)?;
        host.wait_status("alone", SOON * 2, |status| status["ready"] == true)?;
        let shown = host.pod("alone")?;
        assert_eq!(shown["status"]["podIP"], Value::Null);
        assert_eq!(shown["metadata"]["annotations"]["probelet.io/network"], "none");
        assert_eq!(bridge.taken(host), [""; 0]);
        Ok(())
    })
}

#[test]
fn a_pod_with_an_address_is_probed_at_it() -> Result<()> {
    with_bridge(|host, _| {
        host.import("prober-target")?;
        // The server listens on the loopback only, so the pod's address refuses.
        let probe = json!({ "httpGet": { "port": 9000 }, "periodSeconds": 1 });
        let hidden = json!({
            "image": TARGET_IMAGE, "args": ["http", "127.0.0.1:9000"], "readinessProbe": probe,
        });
        apply(host, &pod("hidden", hidden))?;
        let ip = ip_of(host, "hidden")?;
        let wanted = format!("dial tcp {ip}:9000: connect: connection refused");
        eventually("its probe fails at its address", SOON, || {
            host.events().ok()?.iter().find(|event| event.contains(&wanted)).map(drop)
        })?;
        let probe = json!({
            "httpGet": { "host": "127.0.0.1", "port": 9000 }, "periodSeconds": 1,
        });
        let seen = json!({
            "image": TARGET_IMAGE, "args": ["http", "127.0.0.1:9000"], "readinessProbe": probe,
        });
        apply(host, &pod("hidden", seen))?;
        host.wait_status("hidden", SOON, |status| status["ready"] == true)?;
        Ok(())
    })
}

#[test]
fn a_network_that_broke_while_the_daemon_was_down_is_repaired() -> Result<()> {
    with_bridge(|host, bridge| {
        apply(host, &pod("web", json!({})))?;
        ip_of(host, "web")?;
        let pid = host.task_pid("web_app_0")?;
        host.kill_daemon()?;
        let deleted = Command::new("nsenter")
            .args([&format!("--net=/proc/{pid}/ns/net"), "ip", "link", "delete", "eth0"])
            .status()?;
        ensure!(deleted.success(), "eth0 was not deleted");
        host.start_daemon()?;
        eventually("the network is repaired", SOON, || {
            let events = host.events().ok()?;
            let has = |reason: &str| events.iter().any(|event| event.contains(reason));
            (has("Warning NetworkBroken") && has("Normal NetworkRepaired")).then_some(())
        })?;
        let ip = ip_of(host, "web")?;
        get(&format!("{ip}:8080"))?;
        assert_eq!(host.task_pid("web_app_0")?, pid);
        assert_eq!(bridge.taken(host), [ip]);
        Ok(())
    })
}

#[test]
fn two_containers_share_the_pods_address_and_reach_each_other_on_localhost() -> Result<()> {
    with_bridge(|host, bridge| {
        host.import("prober-target")?;
        let mut both = pod("both", json!({}));
        let probe =
            json!({ "tcpSocket": { "host": "127.0.0.1", "port": 8080 }, "periodSeconds": 1 });
        let other = json!({
            "name": "other", "image": TARGET_IMAGE, "args": ["http", "0.0.0.0:9000"],
            "readinessProbe": probe,
        });
        if let Some(containers) = both["spec"]["containers"].as_array_mut() {
            containers.push(other);
        }
        apply(host, &both)?;
        eventually("its neighbour is reached", SOON * 2, || {
            (host.status_of("both", "other").ok()?["ready"] == true).then_some(())
        })?;
        let ip = bridge.taken(host).pop().context("no address was given out")?;
        assert_eq!(host.pod("both")?["status"]["podIP"], json!(ip));
        for port in [8080, 9000] {
            get(&format!("{ip}:{port}"))?;
        }
        Ok(())
    })
}

#[test]
fn the_next_daemon_starts_an_interrupted_connection_again() -> Result<()> {
    with_bridge(|host, bridge| {
        let bins = host.path("bins");
        let script = "#!/bin/sh\n[ $CNI_COMMAND = DEL ] || while [ -e $0 ]; do sleep 0.1; done\n";
        fs::create_dir(&bins)?;
        fs::write(bins.join("stuck"), script)?;
        fs::set_permissions(bins.join("stuck"), fs::Permissions::from_mode(0o755))?;
        bridge.configure_with(host, &[json!({ "type": "stuck" })])?;
        host.kill_daemon()?;
        let bins = format!("{},/usr/lib/cni", bins.display());
        host.start_daemon_with(&["--cni-bin-dir", &bins])?;
        apply(host, &pod("web", json!({})))?;
        eventually("the first plugin has run", SOON, || {
            (!bridge.taken(host).is_empty()).then_some(())
        })?;
        // The next daemon disconnects the pod first, wherever the previous one was interrupted.
        host.kill_daemon()?;
        bridge.configure(host)?;
        host.start_daemon_with(&["--cni-bin-dir", &bins])?;
        ip_of(host, "web")?;
        assert_eq!(bridge.taken(host).len(), 1);
        delete(host, "web")?;
        host.expect_nothing_left()
    })
}

/// The configuration names programs that run as root.
#[test]
fn a_configuration_that_others_can_write_is_not_used() -> Result<()> {
    with_bridge(|host, bridge| {
        let file = host.path("cni/10-test.conflist");
        let set = |mode| fs::set_permissions(&file, fs::Permissions::from_mode(mode));
        set(0o666)?;
        apply(host, &pod("server", json!({})))?;
        let wanted = format!("{}: is writable by everyone", file.display());
        eventually("the file is named", SOON, || {
            let events = host.events().ok()?;
            events.iter().any(|event| event.contains(&wanted)).then_some(())
        })?;
        ensure!(bridge.taken(host).is_empty() && !is_running(&host.status("server")?));
        set(0o644)?;
        ip_of(host, "server")?;
        delete(host, "server")
    })
}
