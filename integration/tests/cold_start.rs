//! A new daemon lists all pods at once, and a shim that hangs holds up only its own pod.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use anyhow::{Context, Result, ensure};
use probelet_integration::{Host, IMAGE, SOON, eventually, shim_of, signal, with_host};
use rustix::process::Signal;
use serde_json::json;

fn manifest(name: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec:\n  containers:\n  \
         - name: main\n    image: {IMAGE}\n    imagePullPolicy: Never\n    \
         args: [serve, --fail-after, \"{}\"]\n    \
         readinessProbe: {{httpGet: {{port: 8080}}, periodSeconds: 1}}\n---\n",
        u64::MAX
    )
}

/// Waits for this status of the health service that shows whether each pod is supervised.
fn wait_supervision(host: &Host, expected: &str) -> Result<()> {
    let request = json!({ "service": "supervision" });
    eventually(expected, SOON, || {
        let answer = host.call("grpc.health.v1.Health/Check", &request).ok()?;
        (answer["status"] == expected).then_some(())
    })
}

#[test]
fn a_shim_that_hangs_holds_up_neither_the_list_nor_the_other_pods() -> Result<()> {
    with_host(|host| {
        host.apply(&(manifest("hung") + &manifest("web")))?;
        for pod in ["hung", "web"] {
            host.wait_status(pod, SOON, |status| status["ready"] == true)?;
        }
        let (hung, web) = (host.task_pid("hung_main_0")?, host.task_pid("web_main_0")?);
        let shim = shim_of(hung)?;
        host.kill_daemon()?;
        signal(shim, Signal::STOP)?;
        let checked = (|| {
            host.spawn_daemon()?;
            // The first answer has both pods, with what is recorded of them.
            let first = eventually("a list", SOON, || host.probelet(["get", "pods"]).ok())?;
            for pod in ["hung", "web"] {
                let row = first.lines().find(|line| line.starts_with(pod));
                let row = row.with_context(|| format!("no {pod} in {first}"))?;
                ensure!(row.contains("1/1") && row.contains("Running"), "{row}");
            }
            wait_supervision(host, "NOT_SERVING")?;
            // The other pod is supervised: its end is seen, and it is restarted.
            signal(web, Signal::KILL)?;
            host.wait_status("web", SOON, |status| status["restartCount"] == 1)?;
            Ok(())
        })();
        signal(shim, Signal::CONT)?;
        checked?;
        wait_supervision(host, "SERVING")?;
        eventually("the pod is supervised", 2 * SOON, || {
            host.probelet(["delete", "pod", "hung", "web", "--force"]).ok()
        })?;
        host.expect_nothing_left()
    })
}
