//! kubectl on a real pseudo-terminal: `run -it --rm` and `attach`, over WebSockets and over SPDY.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use anyhow::{Result, ensure};
use probelet_integration::image::BUSYBOX_IMAGE;
use probelet_integration::kube::Kube;
use probelet_integration::screen::Screen;
use probelet_integration::{SOON, eventually};
use serde_json::json;

const IMAGE: &str = "--image=docker.io/library/busybox:probelet";

#[test]
fn kubectl_runs_a_shell_and_deletes_it() -> Result<()> {
    let kube = Kube::start()?;
    kube.host.busybox_image(&json!({}))?;
    ensure!(IMAGE.ends_with(BUSYBOX_IMAGE));
    for websockets in [true, false] {
        let mut command = kube.kubectl.over(websockets).command();
        command.args(["run", "shell", IMAGE, "--rm", "-it", "--restart=Never"]);
        let mut screen = Screen::of(command.args(["--command", "--", "sh"]))?;
        screen.shows("# ")?;
        screen.type_in("echo size $(stty size)\n")?;
        screen.shows("size 24 80")?;
        screen.resize(40, 100)?;
        screen
            .type_in("until [ \"$(stty size)\" = '40 100' ]; do sleep 0.1; done; echo now $?\n")?;
        screen.shows("now 0")?;
        screen.type_in("echo go; sleep 1000\n")?;
        screen.shows("\ngo")?;
        screen.type_in("\u{3}")?;
        // What is typed before the signal is delivered is discarded with it.
        screen.shows("^C")?;
        screen.type_in("echo still $((40 + 2))\n")?;
        screen.shows("still 42")?;
        screen.type_in("exit 7\n")?;
        let code = screen.ended()?;
        ensure!(code == Some(7), "{code:?}");
        screen.shows("pod \"shell\" deleted")?;
        let gone = || kube.host.status("shell").is_err().then_some(());
        eventually("the pod is gone", SOON, gone)?;
    }
    Ok(())
}

#[test]
fn kubectl_attaches_to_a_terminal_and_to_a_pipe() -> Result<()> {
    let kube = Kube::start()?;
    kube.host.busybox_image(&json!({}))?;
    let container = |name: &str, command: &[&str], tty: bool| json!({ "name": name, "image": BUSYBOX_IMAGE, "command": command, "stdin": true, "tty": tty });
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "both" },
        "spec": { "terminationGracePeriodSeconds": 0, "containers": [
            container("shell", &["sh"], true),
            container("count", &["sh", "-c", "while read -r line; do echo got $line; done"], false),
        ] },
    });
    kube.apply(&["apply", "-f", "-"], &pod.to_string())?;
    kube.ready("both")?;
    let spec = kube.pod("both")?["spec"]["containers"].clone();
    ensure!(spec[0]["tty"] == true && spec[0]["stdin"] == true && spec[1]["tty"] != true);
    for websockets in [true, false] {
        let mut command = kube.kubectl.over(websockets).command();
        let mut screen = Screen::of(command.args(["attach", "-it", "both", "-c", "shell"]))?;
        screen.is_raw()?;
        screen.type_in("echo over $((1 + 1))\n")?;
        screen.shows("over 2")?;
    }
    // A client that has left takes nothing with it.
    ensure!(kube.host.status_of("both", "shell")?["restartCount"] == 0);
    let refused = kube.refused(&["attach", "-i", "both", "-c", "absent"], "")?;
    ensure!(refused.contains("absent"), "{refused}");
    Ok(())
}
