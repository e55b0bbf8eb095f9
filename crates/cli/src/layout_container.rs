//! The container blocks of `describe pod`.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Container, ContainerPort, ContainerState, ContainerStatus, ResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::layout_context::Context;
use super::layout_env::environment;
use super::layout_history::history;
use super::layout_probes::{probes, shim_memory};
use super::objects::{text, timestamp};
use super::printed::{Printed, none_if, put};
use super::times::{rfc1123, to_come};
use probelet_api::pb;

pub fn containers(
    out: &mut Printed,
    title: &str,
    containers: &[Container],
    statuses: &[ContainerStatus],
    context: &Context<'_>,
) {
    put!(out, "{}:{}", title, none_if(containers.is_empty()));
    for container in containers {
        let status = statuses.iter().find(|s| s.name == container.name);
        basics(out, container, status);
        command(out, container);
        if let Some(status) = status {
            states(out, status, context.causes.get(container.name.as_str()).copied());
        }
        let live = context.live.iter().find(|live| live.name == container.name);
        if let Some(next) = live.and_then(|live| timestamp(live.next_try)) {
            put!(out, "    Next Try:\t{}", to_come(next, context.now));
        }
        if let Some(live) = live {
            place(out, live);
        }
        if let Some(shim) = live.and_then(|live| live.shim_memory.as_ref()) {
            put!(out, "    Shim Memory:\t{}", shim_memory(shim));
        }
        history(out, live.map(|live| live.history.as_slice()).unwrap_or_default());
        if let Some(resources) = &container.resources {
            self::resources(out, resources);
        }
        probes(out, container, live, context);
        environment(out, container, context.meta);
        mounts(out, container);
    }
}

fn basics(out: &mut Printed, container: &Container, status: Option<&ContainerStatus>) {
    put!(out, "  {}:", container.name);
    if let Some(status) = status {
        put!(out, "    Container ID:\t{}", text(&status.container_id));
    }
    put!(out, "    Image:\t{}", text(&container.image));
    if let Some(status) = status {
        put!(out, "    Image ID:\t{}", status.image_id);
    }
    let ports = container.ports.as_deref().unwrap_or_default();
    let s = if ports.len() > 1 { "s" } else { "" };
    put!(out, "    Port{}:\t{}", s, port_list(ports, |p| p.container_port));
    put!(out, "    Host Port{}:\t{}", s, port_list(ports, |p| p.host_port.unwrap_or(0)));
}

fn port_list(ports: &[ContainerPort], number: impl Fn(&ContainerPort) -> i32) -> String {
    if ports.is_empty() {
        return "<none>".to_owned();
    }
    let one = |port: &ContainerPort| {
        let protocol = port.protocol.as_deref().filter(|p| !p.is_empty()).unwrap_or("TCP");
        match text(&port.name) {
            "" => format!("{}/{protocol}", number(port)),
            name => format!("{}/{protocol} ({name})", number(port)),
        }
    };
    ports.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn command(out: &mut Printed, container: &Container) {
    for (title, list) in [("Command", &container.command), ("Args", &container.args)] {
        let list = list.as_deref().unwrap_or_default();
        if !list.is_empty() {
            put!(out, "    {}:", title);
            list.iter()
                .flat_map(|arg| arg.split('\n'))
                .for_each(|line| put!(out, "      {}", line));
        }
    }
}

fn states(out: &mut Printed, status: &ContainerStatus, cause: Option<&str>) {
    let current = status.state.clone().unwrap_or_default();
    // The cause is that of the most recent termination, which only one of the blocks shows.
    let (now, before) = if current.terminated.is_some() { (cause, None) } else { (None, cause) };
    state(out, "State", &current, now);
    if let Some(last) = status.last_state.as_ref().filter(|s| s.terminated.is_some()) {
        state(out, "Last State", last, before);
    }
    put!(out, "    Ready:\t{}", if status.ready { "True" } else { "False" });
    put!(out, "    Restart Count:\t{}", status.restart_count);
}

fn state(out: &mut Printed, title: &str, state: &ContainerState, cause: Option<&str>) {
    if let Some(running) = &state.running {
        put!(out, "    {}:\tRunning", title);
        put!(out, "      Started:\t{}", rfc1123(running.started_at.as_ref()));
    } else if let Some(end) = &state.terminated {
        put!(out, "    {}:\tTerminated", title);
        for (title, value) in [("Reason", &end.reason), ("Message", &end.message)] {
            if !text(value).is_empty() {
                put!(out, "      {}:\t{}", title, text(value));
            }
        }
        if let Some(cause) = cause {
            put!(out, "      Cause:\t{}", cause);
        }
        put!(out, "      Exit Code:\t{}", end.exit_code);
        if let Some(signal) = end.signal.filter(|s| *s > 0) {
            put!(out, "      Signal:\t{}", signal);
        }
        put!(out, "      Started:\t{}", rfc1123(end.started_at.as_ref()));
        put!(out, "      Finished:\t{}", rfc1123(end.finished_at.as_ref()));
    } else {
        put!(out, "    {}:\tWaiting", title);
        let reason = state.waiting.as_ref().map(|w| text(&w.reason)).unwrap_or_default();
        if !reason.is_empty() {
            put!(out, "      Reason:\t{}", reason);
        }
    }
}

/// What an operator of the host looks for: the process, its attempt and its log.
fn place(out: &mut Printed, live: &pb::Container) {
    if live.pid > 0 {
        put!(out, "    PID:\t{}", live.pid);
    }
    if !live.container_id.is_empty() {
        put!(out, "    Attempt:\t{}", live.attempt);
    }
    if !live.log_path.is_empty() {
        put!(out, "    Log:\t{}", live.log_path);
    }
}

fn resources(out: &mut Printed, resources: &ResourceRequirements) {
    let mut list = |title: &str, amounts: &Option<BTreeMap<String, Quantity>>| {
        let amounts = amounts.iter().flatten().collect::<Vec<_>>();
        if !amounts.is_empty() {
            put!(out, "    {}:", title);
        }
        amounts.iter().for_each(|(name, amount)| put!(out, "      {}:\t{}", name, amount.0));
    };
    list("Limits", &resources.limits);
    list("Requests", &resources.requests);
}

fn mounts(out: &mut Printed, container: &Container) {
    let mut mounts = container.volume_mounts.clone().unwrap_or_default();
    mounts.sort_by(|a, b| a.mount_path.cmp(&b.mount_path));
    put!(out, "    Mounts:{}", none_if(mounts.is_empty()));
    for mount in mounts {
        let mode = if mount.read_only == Some(true) { "ro" } else { "rw" };
        let sub = match text(&mount.sub_path) {
            "" => String::new(),
            path => format!(",path=\"{path}\""),
        };
        put!(out, "      {} from {} ({}{})", mount.mount_path, mount.name, mode, sub);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_cause_is_beside_the_most_recent_termination() {
        let end = json!({"terminated": {"exitCode": 137}});
        let mut status = json!({
            "name": "c", "image": "", "imageID": "", "ready": false, "restartCount": 1,
            "state": end, "lastState": end,
        });
        let shown = |status: &serde_json::Value| {
            let mut out = Printed::default();
            states(&mut out, &serde_json::from_value(status.clone()).unwrap(), Some("why"));
            let (cause, last) = (out.find("Cause:"), out.find("Last State:"));
            assert_eq!(out.matches("Cause:").count(), 1, "{out:?}");
            cause < last
        };
        assert!(shown(&status));
        status["state"] = json!({"running": {}});
        assert!(!shown(&status));
    }

    #[test]
    fn several_ports_and_none() {
        let mut container = Container { name: "c".to_owned(), ..Container::default() };
        let mut out = Printed::default();
        basics(&mut out, &container, None);
        assert_eq!(out, "  c:\n    Image:\t\n    Port:\t<none>\n    Host Port:\t<none>\n");
        let port = |n| ContainerPort { container_port: n, ..ContainerPort::default() };
        container.ports = Some(vec![port(80), port(81)]);
        out.clear();
        basics(&mut out, &container, None);
        assert!(
            out.ends_with("    Ports:\t80/TCP, 81/TCP\n    Host Ports:\t0/TCP, 0/TCP\n"),
            "{out:?}"
        );
    }
}
