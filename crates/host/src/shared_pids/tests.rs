use std::os::unix::fs::MetadataExt;
use std::process::{Child, Command};

use super::*;
use crate::claims::Claim;

/// A process with the name and the arguments that the holder of this pin would have.
fn forged(folder: &Path, pin: &Path) -> Child {
    let script = "printf pod-pause > /proc/self/comm; echo; read line";
    fs::write(folder.join("pod-pause"), script).unwrap();
    let mut command = Command::new("sh");
    command.args(["pod-pause", "hold"]).arg(pin).current_dir(folder);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = [0];
    io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut line).unwrap();
    child
}

/// Makes a PID namespace. Returns the process that waits for its first process, and the pid of that
/// one.
fn namespace() -> (Child, u32) {
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--kill-child", "cat"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    io::Write::write_all(child.stdin.as_mut().unwrap(), b"x").unwrap();
    let mut byte = [0];
    io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut byte).unwrap();
    let id = child.id();
    let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
    (child, children.trim().parse().unwrap())
}

fn end(mut child: Child) {
    let _ = child.kill();
    child.wait().unwrap();
}

fn pids(folder: &Path) -> SharedPids {
    SharedPids::new(folder, "probelet-test-of-shared-pids")
}

#[tokio::test]
async fn a_process_that_looks_like_the_holder_is_none_and_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let pids = pids(folder.path());
    let pin = pids.pin("uid");
    let mut child = forged(folder.path(), &pin);
    assert_eq!(pids.pods(), ["uid"], "it does look like one");
    assert!(!pids.is_held("uid").await.unwrap());
    assert!(holders_in(&pids.cgroup("uid"), &pin).unwrap().is_empty());
    // The forged process is not found beside the true holder either.
    let (true_one, pid) = namespace();
    pids.hold(&Claim::of("uid"), Some(Process::open(pid).unwrap())).await.unwrap();
    assert!(pids.is_held("uid").await.unwrap());
    assert_eq!(fs::metadata(&pin).unwrap().ino(), fs::metadata(namespace_of(pid)).unwrap().ino());
    pids.remove("uid").unwrap();
    assert!(has_ended(pid));
    assert!(child.try_wait().unwrap().is_none(), "the other one was ended");
    assert!(!pin.exists());
    end(true_one);
    end(child);
}

#[tokio::test]
async fn a_namespace_is_held_until_its_first_process_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    let pids = pids(folder.path());
    let (child, pid) = namespace();
    pids.hold(&Claim::of("uid"), Some(Process::open(pid).unwrap())).await.unwrap();
    assert!(pids.is_held("uid").await.unwrap());
    end(child);
    while pids.is_held("uid").await.unwrap() {
        tokio::task::yield_now().await;
    }
    pids.remove("uid").unwrap();
}

#[tokio::test]
async fn the_hosts_namespace_is_no_pods() {
    let folder = tempfile::tempdir().unwrap();
    let pids = pids(folder.path());
    let own = Process::open(std::process::id()).unwrap();
    assert!(pids.hold(&Claim::of("uid"), Some(own)).await.is_err());
    assert!(!pids.have_traces("uid"));
    // After a reboot there is an ordinary file where the pin was.
    fs::create_dir_all(pids.pin("uid").parent().unwrap()).unwrap();
    fs::write(pids.pin("uid"), "").unwrap();
    assert!(!pids.is_held("uid").await.unwrap());
    pids.remove("uid").unwrap();
}

fn namespace_of(pid: u32) -> String {
    format!("/proc/{pid}/ns/pid")
}

fn has_ended(pid: u32) -> bool {
    crate::process::stat::Stat::read(pid).map_or(true, |stat| stat.ended)
}
