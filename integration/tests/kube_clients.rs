//! Kubernetes' client libraries for Python and JavaScript, over a restart of the daemon.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use anyhow::{Context, Result, bail};
use probelet_integration::image::BUSYBOX_IMAGE;
use probelet_integration::kube::{Background, Kube};
use probelet_integration::{IMAGE, bounded, root};

fn variable(name: &str) -> Result<PathBuf> {
    Ok(std::env::var_os(name).with_context(|| format!("{name} is not set"))?.into())
}

fn script(name: &str) -> PathBuf {
    root().join("integration/tests/kube_clients").join(name)
}

/// A host with a server in the pod `web`, and busybox's image.
fn start() -> Result<Kube> {
    let kube = Kube::start()?;
    kube.host.busybox_image(&serde_json::json!({}))?;
    kube.host.apply(&format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{ name: web }}\nspec:\n  \
         terminationGracePeriodSeconds: 0\n  containers: [{{ name: web, image: {IMAGE} }}]\n"
    ))?;
    kube.ready("web")?;
    Ok(kube)
}

/// Runs a client until it has printed `done`. When it prints `crash`, the daemon is killed and
/// started again, and then the client gets a line.
fn converse(kube: &mut Kube, command: Command) -> Result<()> {
    let mut client = Background::start(&mut kube.kubectl.for_user(command))?;
    let mut input = client.0.stdin.take().context("no input")?;
    let mut errors = client.0.stderr.take().context("no errors")?;
    let errors = thread::spawn(move || {
        let mut text = String::new();
        errors.read_to_string(&mut text).map(|_| text)
    });
    for line in BufReader::new(client.0.stdout.take().context("no output")?).lines() {
        match line?.as_str() {
            "crash" => {
                kube.crash()?;
                // A client that has failed does not read, and its error is reported below.
                let _ = input.write_all(b"\n");
            }
            "done" => return client.succeed(),
            other => eprintln!("{other}"),
        }
    }
    let errors = errors.join().map_err(|_| anyhow::anyhow!("the reader has panicked"))??;
    kube.host.show_logs();
    bail!("the client failed: {errors}")
}

/// A client with a bound for all that it does.
fn client(program: impl AsRef<Path>, script: &Path) -> Command {
    let mut command = bounded(program.as_ref());
    command.arg(script).arg(BUSYBOX_IMAGE);
    command
}

#[test]
fn python_is_served() -> Result<()> {
    let python = variable("KUBERNETES_PYTHON")?;
    converse(&mut start()?, client(python, &script("client.py")))
}

#[test]
fn javascript_is_served() -> Result<()> {
    let folder = variable("KUBERNETES_NODE")?;
    let mut kube = start()?;
    // node looks for packages beside the script and above it.
    let copy = kube.host.path("client.mjs");
    std::fs::copy(script("client.mjs"), &copy)?;
    std::os::unix::fs::symlink(folder.join("node_modules"), kube.host.path("node_modules"))?;
    converse(&mut kube, client(folder.join("bin/node"), &copy))
}
