//! kubectl forwards ports, runs commands, copies files and attaches, over WebSockets and over SPDY.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::thread;

use anyhow::{Context, Result, ensure};
use probelet_integration::kube::{Forward, Kube};
use probelet_integration::script::{container, pod};
use probelet_integration::{IMAGE, SOON, bounded, eventually, finish, succeed};

/// Over WebSockets, or over SPDY alone as in kubectl before 1.31.
const WIRES: [bool; 2] = [true, false];
const MEGABYTE: usize = 1 << 20;

/// A pod that shares the host's network, so that servers of the test are on its loopback.
fn apply_web(kube: &Kube) -> Result<()> {
    kube.host.apply(&format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{ name: web }}\nspec:\n  hostNetwork: true\n  \
         terminationGracePeriodSeconds: 0\n  containers: [{{ name: web, image: {IMAGE} }}]\n"
    ))?;
    kube.ready("web")
}

/// A server that sends back what it gets. Returns its port.
fn echo() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut from = stream.try_clone()?;
                std::io::copy(&mut from, &mut &stream)
            });
        }
    });
    Ok(port)
}

fn bytes(length: usize, seed: u32) -> Vec<u8> {
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    (0..length).map(|n| ((n ^ seed).wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// Sends data, ends the sender's half, and reads to the end.
fn exchange(mut stream: TcpStream, data: Vec<u8>) -> Result<()> {
    let mut to = stream.try_clone()?;
    let sent = data.clone();
    let sending = thread::spawn(move || {
        to.write_all(&sent)?;
        to.shutdown(Shutdown::Write)
    });
    let mut received = Vec::new();
    stream.read_to_end(&mut received)?;
    sending.join().map_err(|_| anyhow::anyhow!("the sender has panicked"))??;
    ensure!(received.len() == data.len(), "{} of {} bytes", received.len(), data.len());
    ensure!(received == data, "the bytes have changed on their way");
    Ok(())
}

#[test]
fn ports_are_forwarded_in_parallel_and_in_bulk() -> Result<()> {
    let kube = Kube::start()?;
    apply_web(&kube)?;
    let port = echo()?;
    for (restarts, websockets) in (1..).zip(WIRES) {
        let forward = Forward::start(&kube.kubectl.over(websockets), "pod/web", port)?;
        let streams = (0..32).map(|_| forward.connect()).collect::<Result<Vec<_>>>()?;
        let all: Vec<_> = (0..)
            .zip(streams)
            .map(|(seed, stream)| thread::spawn(move || exchange(stream, bytes(MEGABYTE, seed))))
            .collect();
        for one in all {
            one.join().map_err(|_| anyhow::anyhow!("a client has panicked"))??;
        }
        exchange(forward.connect()?, bytes(100 * MEGABYTE, 7))?;
        kube.host.probelet(["restart", "web"])?;
        // kubectl ends with the first connection that fails, so none is opened before.
        eventually("the pod has restarted", SOON, || {
            let path = "jsonpath={.status.containerStatuses[0].restartCount} \
                        {.status.containerStatuses[0].ready}";
            let done = kube.try_kubectl(&["get", "pod", "web", "-o", path], "").ok()?;
            (done.stdout == format!("{restarts} true")).then_some(())
        })?;
        exchange(forward.connect()?, b"again".to_vec())?;
        // The connections have ended, so there is room for more than a connection's streams.
        for seed in 0..200 {
            exchange(forward.connect()?, bytes(10, seed))?;
        }
    }
    Ok(())
}

#[test]
fn a_port_that_takes_nothing_leaves_others_alone_and_one_that_refuses_is_named() -> Result<()> {
    let kube = Kube::start()?;
    apply_web(&kube)?;
    let silent = TcpListener::bind("127.0.0.1:0")?;
    let port = silent.local_addr()?.port();
    for websockets in WIRES {
        let forward = Forward::start(&kube.kubectl.over(websockets), "pod/web", port)?;
        // What sockets do not hold waits in the daemon.
        let mut stuck = forward.connect()?;
        stuck.write_all(&bytes(6 * MEGABYTE, 1))?;
        let (_silent, _) = silent.accept()?;
        let mut other = forward.connect()?;
        other.write_all(b"x")?;
        let (mut server, _) = silent.accept()?;
        let mut byte = [0];
        server.read_exact(&mut byte)?;
        server.write_all(&byte)?;
        other.read_exact(&mut byte)?;
        ensure!(&byte == b"x");
    }
    drop(silent);
    for websockets in WIRES {
        let mut forward = Forward::start(&kube.kubectl.over(websockets), "pod/web", port)?;
        let mut nothing = Vec::new();
        let _ = forward.connect()?.read_to_end(&mut nothing);
        // kubectl ends with the first failure, as it does against a cluster.
        let mut errors = forward.kubectl.0.stderr.take().context("no errors")?;
        let mut text = String::new();
        errors.read_to_string(&mut text)?;
        ensure!(text.contains(&format!("error forwarding port {port} to pod web")), "{text}");
        ensure!(text.contains("Connection refused"), "{text}");
    }
    Ok(())
}

#[test]
fn commands_have_their_streams_and_codes() -> Result<()> {
    let kube = Kube::start()?;
    kube.start_box("sleep 1000")?;
    symlink("busybox", kube.host.path("busybox-box").join("bin/tar"))?;
    let (sent, received) = (kube.host.path("sent"), kube.host.path("received"));
    std::fs::write(&sent, bytes(100 * MEGABYTE, 3))?;
    for websockets in WIRES {
        let script = "echo out; echo err >&2; exit 3";
        let done =
            kube.kubectl.over(websockets).done(&["exec", "box", "--", "sh", "-c", script], "")?;
        ensure!(done.code == Some(3), "{:?}: {}", done.code, done.stderr);
        ensure!(done.stdout == "out\n" && done.stderr.contains("err\n"), "{}", done.stderr);
        let cat = ["exec", "-i", "box", "--", "sh", "-c", "cat; echo end"];
        let done = kube.kubectl.over(websockets).done(&cat, "from stdin\n")?;
        ensure!(done.stdout == "from stdin\nend\n", "{}: {}", done.stdout, done.stderr);
        let missing = kube.kubectl.over(websockets).done(&["exec", "box", "--", "no-such"], "")?;
        ensure!(missing.code != Some(0) && !missing.stderr.is_empty());
        let absent = kube.kubectl.over(websockets).done(&["exec", "absent", "--", "true"], "")?;
        ensure!(absent.stderr.contains(r#"pods "absent" not found"#), "{}", absent.stderr);
        kube.kubectl
            .over(websockets)
            .done(&["cp", &sent.display().to_string(), "box:/tmp/file"], "")
            .and_then(succeed)?;
        kube.kubectl
            .over(websockets)
            .done(&["cp", "box:/tmp/file", &received.display().to_string()], "")
            .and_then(succeed)?;
        let is_equal = std::fs::read(&received)? == std::fs::read(&sent)?;
        ensure!(is_equal, "the file has changed on its way");
        std::fs::remove_file(&received)?;
    }
    Ok(())
}

#[test]
fn a_terminal_has_the_size_of_the_clients() -> Result<()> {
    let kube = Kube::start()?;
    kube.host.busybox_image(&serde_json::json!({}))?;
    let pod = pod(
        serde_json::json!([container("app", "sleep 1000", serde_json::json!([]))]),
        serde_json::json!([]),
    );
    kube.host.apply(&pod.to_string())?;
    kube.ready("web")?;
    let program = kube.kubectl.program().display();
    for websockets in WIRES {
        // The size comes behind the start of the command.
        let script = "while [ \"$(stty size)\" != '33 77' ]; do sleep 0.1; done; echo seen; exit 4";
        let exec = format!("{program} exec -it web -- sh -c '{}'", script.replace('\'', "'\\''"));
        let line = format!("stty rows 33 cols 77; {exec}");
        let mut command = kube.kubectl.over(websockets).for_user(bounded("script"));
        let done = finish(command.args(["-qec", &line, "/dev/null"]), "")?;
        ensure!(done.code == Some(4), "{:?}: {}{}", done.code, done.stdout, done.stderr);
        ensure!(done.stdout.contains("seen"), "{}", done.stdout);
    }
    Ok(())
}

#[test]
fn a_killed_client_leaves_nothing_behind() -> Result<()> {
    let kube = Kube::start()?;
    kube.start_box("sleep 1000")?;
    let marks = |mark: &str| -> Option<usize> {
        let done = kube.try_kubectl(&["exec", "box", "--", "sh", "-c", LIST], "").ok()?;
        Some(done.stdout.lines().filter(|line| line.contains(mark)).count())
    };
    for (websockets, mark) in WIRES.into_iter().zip(["2345", "3456"]) {
        let args = ["exec", "-i", "box", "--", "sleep", mark];
        let mut client = kube.kubectl.over(websockets).spawn(&args)?;
        eventually("the command runs", SOON, || (marks(mark)? > 0).then_some(()))?;
        client.0.kill()?;
        client.0.wait()?;
        eventually("the command has ended", SOON, || (marks(mark)? == 0).then_some(()))?;
    }
    Ok(())
}

/// The command lines of the container's processes.
const LIST: &str = "for p in /proc/[0-9]*; do cat $p/cmdline; echo; done";

#[test]
fn attach_shows_the_output_from_now_on() -> Result<()> {
    let kube = Kube::start()?;
    let script = "i=0; while :; do i=$((i+1)); echo out $i; echo err $i >&2; sleep 0.1; done";
    kube.start_box(script)?;
    for websockets in WIRES {
        let mut client = kube.kubectl.over(websockets).spawn(&["attach", "box"])?;
        let mut output = BufReader::new(client.0.stdout.take().context("no output")?).lines();
        let mut errors = BufReader::new(client.0.stderr.take().context("no errors")?).lines();
        let line = output.next().context("no line")??;
        ensure!(line.starts_with("out "), "{line}");
        let line = errors.find(|line| line.as_ref().is_ok_and(|line| line.starts_with("err ")));
        ensure!(line.is_some(), "no error output");
        client.0.kill()?;
        client.0.wait()?;
    }
    // The client ends with the container.
    let client = kube.kubectl.spawn(&["attach", "box"])?;
    let mut client = client;
    let mut output = BufReader::new(client.0.stdout.take().context("no output")?);
    output.read_line(&mut String::new())?;
    kube.host.probelet(["stop", "box"])?;
    std::io::copy(&mut output, &mut std::io::sink())?;
    ensure!(client.0.wait()?.success());
    let ended = kube.try_kubectl(&["attach", "box"], "")?;
    ensure!(ended.code != Some(0) && !ended.stderr.is_empty());
    Ok(())
}

#[test]
fn a_revoked_client_loses_its_streams() -> Result<()> {
    let kube = Kube::start()?;
    apply_web(&kube)?;
    let port = echo()?;
    for websockets in WIRES {
        let guest = kube.kubectl.with_user(kube.kubeconfig("guest", &[])?).over(websockets);
        let forward = Forward::start(&guest, "pod/web", port)?;
        let mut stream = forward.connect()?;
        stream.write_all(b"x")?;
        stream.read_exact(&mut [0])?;
        kube.host.probelet(["kubeconfig", "revoke", "guest"])?;
        ensure!(stream.read(&mut [0]).is_ok_and(|length| length == 0), "it is still open");
    }
    Ok(())
}
