//! What a pod has on the host (pinned namespaces, mounts, processes, files) is removed with it,
//! even if it is deleted while it is created or its records are lost.

use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use probelet_integration::{Host, IMAGE, SOON, eventually, with_host};

/// A pod of two containers.
fn pod(name: &str, shares_processes: bool) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec:\n  \
         terminationGracePeriodSeconds: 0\n  shareProcessNamespace: {shares_processes}\n  containers:\n  \
         - {{name: a, image: {IMAGE}, imagePullPolicy: Never, args: [sleep]}}\n  \
         - {{name: b, image: {IMAGE}, imagePullPolicy: Never, args: [sleep]}}\n"
    )
}

fn runs(host: &Host, name: &str) -> Result<()> {
    for container in ["a", "b"] {
        eventually("both run", SOON, || {
            let status = host.status_of(name, container).ok()?;
            status.pointer("/state/running").map(drop)
        })?;
    }
    Ok(())
}

fn delete(host: &Host, name: &str) -> Result<()> {
    let done = host.try_probelet(["delete", "pod", name, "--grace-period", "0"], "")?;
    ensure!(done.code == Some(0) || done.stderr.contains("not found"), "{done:?}");
    Ok(())
}

#[test]
fn pods_that_are_deleted_while_they_are_created_leave_nothing() -> Result<()> {
    with_host(|host| {
        for round in 0..12_u64 {
            let mut apply = host.spawn_apply(&pod("brief", round.is_multiple_of(3)))?;
            thread::sleep(Duration::from_millis(round * 7 % 60));
            if round.is_multiple_of(2) {
                apply.kill()?;
            }
            apply.wait()?;
            thread::sleep(Duration::from_millis(round * 3 % 20));
            delete(host, "brief")?;
        }
        // A pod whose client was killed may have been created after its deletion.
        eventually("the last pod is deleted", SOON, || {
            delete(host, "brief").ok()?;
            host.pod("brief").is_err().then_some(())
        })?;
        host.expect_nothing_left()
    })
}

#[test]
fn the_next_daemon_removes_what_a_pod_without_records_has_on_the_host() -> Result<()> {
    with_host(|host| {
        host.apply(&pod("lost", false))?;
        host.apply(&pod("kept", true))?;
        runs(host, "lost")?;
        runs(host, "kept")?;
        host.kill_daemon()?;
        for id in ["lost_a_0", "lost_b_0"] {
            host.ctr(["task", "delete", "--force", id])?;
            host.ctr(["containers", "delete", id])?;
        }
        host.start_daemon()?;
        runs(host, "kept")?;
        delete(host, "kept")?;
        host.expect_nothing_left()
    })
}

#[test]
fn a_record_of_another_pod_is_not_used() -> Result<()> {
    with_host(|host| {
        let labels = [
            "probelet/pod=app",
            "probelet/container=b",
            "probelet/pod-uid=other",
            "probelet/attempt=0",
        ];
        let mut args = vec!["containers", "create"];
        args.extend(labels.iter().flat_map(|label| ["--label", label]));
        args.extend([IMAGE, "app_b_0"]);
        host.ctr(args)?;
        let done = host.try_probelet(["apply", "-f", "-"], &pod("app", true))?;
        ensure!(done.stderr.contains("belongs to another pod (uid other)"), "{done:?}");
        host.ctr(["containers", "delete", "app_b_0"])?;
        host.apply(&pod("app", true))?;
        runs(host, "app")?;
        delete(host, "app")?;
        host.expect_nothing_left()
    })
}
