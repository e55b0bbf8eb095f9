//! Containers of other clients whose labels lie: they claim to be a pod's, or ask for what cannot be.
//! The pods of the daemon are as before, and nothing of a lie is left.

use anyhow::{Context, Result, ensure};
use probelet_integration::bystander::Bystander;
use probelet_integration::{Host, IMAGE, SOON, eventually, with_host};

/// The labels of one container, as `KEY=VALUE`.
fn lies() -> Vec<Vec<String>> {
    let own = |container: &str, attempt: &str, more: &[&str]| {
        let mut labels = vec![
            "probelet/pod=bystander".to_owned(),
            format!("probelet/container={container}"),
            format!("probelet/attempt={attempt}"),
        ];
        labels.extend(more.iter().map(|&label| label.to_owned()));
        labels
    };
    let adopted = |label: &str| vec!["probelet/restart=always".to_owned(), label.to_owned()];
    vec![
        // Parts of the bystander that do not exist.
        own("bystander", "1", &[]),
        own("bystander", "4294967295", &[]),
        own("bystander", "4294967296", &[]),
        own("bystander", "-1", &[]),
        own("bystander", "", &[]),
        own("other", "0", &["probelet/pod-uid=00000000-0000-0000-0000-000000000000"]),
        own("../../../etc", "0", &["probelet/namespace=../.."]),
        own("bystander", "0", &["probelet/namespace=other"]),
        own("", "0", &["probelet/namespace="]),
        vec!["probelet/pod=bystander".to_owned()],
        vec!["probelet/pod=".to_owned(), "probelet/restart=always".to_owned()],
        // Probes and settings that cannot be.
        adopted("probelet/liveness=exec:"),
        adopted("probelet/liveness=http://[::1:80"),
        adopted("probelet/liveness=tcp://:99999"),
        adopted("probelet/readiness=grpc://:0"),
        adopted("probelet/startup=\u{1b}[31mred"),
        adopted(&format!("probelet/liveness=exec:{}", "x ".repeat(1900))),
        adopted("probelet/grace=99999999999999999999s"),
        adopted("probelet/grace=-1s"),
        vec!["probelet/restart=on-failure:99999999999999999999".to_owned()],
        vec!["probelet/restart=\nalways".to_owned()],
        adopted("containerd.io/restart.loguri=binary:///bin/sh?-c=true"),
        adopted("nerdctl/log-uri=file:///etc/passwd"),
    ]
}

fn run(host: &Host, labels: &[String]) -> Result<()> {
    let flags = labels.iter().flat_map(|label| ["--label", label.as_str()]);
    let begin = ["run", "--detach"].into_iter().chain(flags);
    let end = ["--null-io", IMAGE, "liar", "/kubia-unhealthy", "sleep"];
    host.ctr(begin.chain(end)).map(drop)
}

/// Ends the container and its record, in whatever state they are by now.
fn remove(host: &Host) -> Result<()> {
    eventually("the container is removed", SOON, || {
        // Each may be gone, or be in use for a moment.
        let _ = host.ctr(["task", "delete", "--force", "liar"]);
        let _ = host.ctr(["containers", "delete", "liar"]);
        let left = host.ctr(["containers", "ls", "-q"]).ok()?;
        (!left.lines().any(|id| id == "liar")).then_some(())
    })
}

#[test]
fn labels_that_lie_harm_no_pod_and_leave_nothing() -> Result<()> {
    with_host(|host| {
        let bystander = Bystander::start(host)?;
        let passwd = std::fs::read("/etc/passwd")?;
        for labels in lies() {
            let check = || -> Result<()> {
                run(host, &labels)?;
                // The daemon has seen the container once it answers after its own event stream did.
                host.probelet(["get", "pods", "-A", "-o", "wide"])?;
                let text = host.probelet(["get", "pods", "-A"])?;
                ensure!(!text.contains('\u{1b}'), "{text:?}");
                remove(host)?;
                eventually("the liar is listed no more", SOON, || {
                    let list = host.probelet(["get", "pods", "-A", "-o", "name"]).ok()?;
                    (!list.contains("liar")).then_some(())
                })?;
                bystander.is_unharmed(host)
            };
            check().with_context(|| format!("{labels:?}"))?;
        }
        ensure!(std::fs::read("/etc/passwd")? == passwd, "a label wrote to a file of the host");
        Ok(())
    })
}

#[test]
fn a_daemon_that_starts_among_lies_serves_its_own_pods() -> Result<()> {
    with_host(|host| {
        Bystander::start(host)?;
        let pid = host.task_pid("bystander_0")?;
        host.kill_daemon()?;
        let labels = lies();
        for (number, labels) in labels.iter().enumerate() {
            let id = format!("liar{number}");
            let flags = labels.iter().flat_map(|label| ["--label", label.as_str()]);
            let begin = ["containers", "create"].into_iter().chain(flags);
            host.ctr(begin.chain([IMAGE, id.as_str(), "/kubia-unhealthy", "sleep"]))?;
        }
        host.start_daemon()?;
        host.wait_status("bystander", SOON, |status| {
            status.pointer("/state/running").is_some()
                && status.pointer("/restartCount").and_then(serde_json::Value::as_u64) == Some(0)
        })?;
        ensure!(host.task_pid("bystander_0")? == pid, "another process runs");
        for number in 0..labels.len() {
            let id = format!("liar{number}");
            host.ctr(["containers", "delete", id.as_str()])?;
        }
        Ok(())
    })
}
