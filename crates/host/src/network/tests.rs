//! Namespaces of pods with real mounts; the tests need root, as the daemon does.

use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::process::{Child, Command};

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tempfile::TempDir;

use super::*;

const UID: &str = "0a1b";

struct Pod {
    namespaces: Namespaces,
    dir: TempDir,
}

impl Pod {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { namespaces: Namespaces::new(dir.path()), dir }
    }

    /// The inodes of the namespaces, by which they can be distinguished.
    fn inodes(&self) -> Vec<u64> {
        let paths = self.namespaces.paths(UID);
        paths.iter().map(|(_, path)| fs::metadata(path).unwrap().ino()).collect()
    }

    fn enter(&self) -> String {
        self.dir.path().join("netns").join(UID).display().to_string()
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        let _ = self.namespaces.remove(UID);
    }
}

struct Member(Child);

impl Member {
    fn of(pod: &Pod) -> Self {
        let mut command = Command::new("nsenter");
        for (option, (_, path)) in ["--net", "--ipc", "--uts"].iter().zip(pod.namespaces.paths(UID))
        {
            command.arg(format!("{option}={}", path.display()));
        }
        let member = Self(command.args(["sleep", "60"]).spawn().unwrap());
        let comm = format!("/proc/{}/comm", member.0.id());
        for _ in 0..5000 {
            if fs::read_to_string(&comm).unwrap().trim() == "sleep" {
                return member;
            }
            thread::sleep(std::time::Duration::from_millis(2));
        }
        panic!("nothing runs in the pod's namespaces");
    }

    fn pidfd(&self) -> OwnedFd {
        let pid = Pid::from_raw(self.0.id().cast_signed()).unwrap();
        pidfd_open(pid, PidfdFlags::empty()).unwrap()
    }

    fn end(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_pods_loopback_is_up_and_not_the_hosts() {
    let pod = Pod::new();
    let before = fs::read_link("/proc/thread-self/ns/net").unwrap();
    pod.namespaces.make(&Claim::of(UID)).unwrap();
    assert!(pod.namespaces.are_pinned(UID));
    assert_eq!(fs::read_link("/proc/thread-self/ns/net").unwrap(), before);
    let shown = Command::new("nsenter")
        .arg(format!("--net={}", pod.enter()))
        .args(["ip", "-o", "link", "show", "up"])
        .output()
        .unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.lines().count() == 1 && shown.contains("lo:"), "{shown}");
    let host = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = host.local_addr().unwrap();
    TcpStream::connect(address).unwrap();
    let reached = elsewhere(|| {
        let pin = File::open(pod.enter())?;
        rustix::thread::move_into_link_name_space(pin.as_fd(), None)?;
        TcpStream::connect(address).map(drop)
    });
    assert_eq!(reached.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
}

#[test]
fn made_again_they_are_others() {
    let pod = Pod::new();
    pod.namespaces.make(&Claim::of(UID)).unwrap();
    // A member keeps the namespaces alive, so that no inode number is reused.
    let _member = Member::of(&pod);
    let first = pod.inodes();
    pod.namespaces.make(&Claim::of(UID)).unwrap();
    assert!(pod.namespaces.are_pinned(UID));
    assert!(first.iter().zip(pod.inodes()).all(|(old, new)| *old != new));
}

#[test]
fn lost_pins_are_found_again_by_a_process() {
    let pod = Pod::new();
    pod.namespaces.make(&Claim::of(UID)).unwrap();
    let mut member = Member::of(&pod);
    let first = pod.inodes();
    pod.namespaces.remove(UID).unwrap();
    assert!(!pod.namespaces.are_pinned(UID));
    pod.namespaces.find_again(&Claim::of(UID), member.pidfd().as_fd()).unwrap();
    assert_eq!(pod.inodes(), first);
    let pidfd = member.pidfd();
    member.end();
    let error = pod.namespaces.find_again(&Claim::of(UID), pidfd.as_fd()).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(Errno::SRCH.raw_os_error()));
}

#[test]
fn removal_leaves_no_mount_and_no_file_and_may_be_repeated() {
    let pod = Pod::new();
    pod.namespaces.remove(UID).unwrap();
    pod.namespaces.make(&Claim::of(UID)).unwrap();
    pod.namespaces.remove(UID).unwrap();
    pod.namespaces.remove(UID).unwrap();
    assert!(!pod.namespaces.have_traces(UID));
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(&pod.dir.path().display().to_string()), "{mounts}");
}

#[test]
fn a_file_that_is_no_pin_is_not_taken_for_one() {
    let pod = Pod::new();
    pod.namespaces.make(&Claim::of(UID)).unwrap();
    unmount(pod.enter(), UnmountFlags::DETACH).unwrap();
    assert!(!pod.namespaces.are_pinned(UID));
    assert!(pod.namespaces.have_traces(UID));
}
