//! Sockets that are opened inside a task's network namespace: the only `setns` of the daemon.
//!
//! A socket always belongs to the namespace in which `socket()` was called. So the thread enters
//! the namespace for that one call, and every later step may run on any thread.

use std::fs::File;
use std::io;
use std::net::{self, SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, netlink, socket_with, sockopt};
use rustix::thread::{
    LinkNameSpaceType, ThreadNameSpaceType, move_into_link_name_space, move_into_thread_name_spaces,
};
use tokio::net::{TcpSocket, UdpSocket};

/// A non-blocking socket in the network namespace of `pidfd`'s process, fit to connect to
/// `peer`'s family. A process that has ended is `ESRCH`, never another one's namespace.
pub fn tcp_socket(pidfd: BorrowedFd<'_>, peer: SocketAddr) -> io::Result<TcpSocket> {
    let socket = born_inside(pidfd, peer, SocketType::STREAM)?;
    // A probe's connection is closed with RST. It leaves no TIME_WAIT behind, so the ports in the
    // task's namespace do not run out.
    sockopt::set_socket_linger(&socket, Some(Duration::ZERO))?;
    Ok(TcpSocket::from_std_stream(TcpStream::from(socket)))
}

/// A UDP socket in the network namespace of `pidfd`'s process. It is bound to a port that the
/// kernel chooses and connected to `peer`. So it receives from `peer` only, and refusals are
/// reported as errors. Needs a tokio runtime.
pub fn udp_socket(pidfd: BorrowedFd<'_>, peer: SocketAddr) -> io::Result<UdpSocket> {
    let socket = born_inside(pidfd, peer, SocketType::DGRAM)?;
    connect(&socket, &peer)?;
    UdpSocket::from_std(net::UdpSocket::from(socket))
}

/// A netlink socket in that namespace, by which its sockets can be listed (`sock_diag(7)`).
pub fn diag_socket(pidfd: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let (family, kind) = (AddressFamily::NETLINK, SocketType::DGRAM);
    let protocol = Some(netlink::SOCK_DIAG);
    inside(pidfd, || socket_with(family, kind, SocketFlags::CLOEXEC, protocol))
}

fn born_inside(pidfd: BorrowedFd<'_>, peer: SocketAddr, kind: SocketType) -> io::Result<OwnedFd> {
    let family = if peer.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    inside(pidfd, || socket_with(family, kind, flags, None))
}

/// Makes a socket inside the namespace. The function is not async: no other future may run on this
/// thread before the thread has returned to the daemon's namespace.
fn inside(
    pidfd: BorrowedFd<'_>,
    make: impl FnOnce() -> rustix::io::Result<OwnedFd>,
) -> io::Result<OwnedFd> {
    let home = home()?;
    move_into_thread_name_spaces(pidfd, ThreadNameSpaceType::NETWORK)?;
    let socket = make();
    if let Err(error) = move_into_link_name_space(home, Some(LinkNameSpaceType::Network)) {
        // All further work of this thread would run in the container's network.
        tracing::error!(%error, "cannot return from a task's network namespace, aborting");
        std::process::abort();
    }
    Ok(socket?)
}

/// The daemon's network namespace, opened through the main thread, which never leaves it.
fn home() -> io::Result<BorrowedFd<'static>> {
    static HOME: OnceLock<File> = OnceLock::new();
    if let Some(home) = HOME.get() {
        return Ok(home.as_fd());
    }
    let opened = File::open("/proc/self/ns/net")?;
    Ok(HOME.get_or_init(|| opened).as_fd())
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use rustix::process::{Pid, PidfdFlags, pidfd_open};
    use tokio::io::AsyncReadExt;
    use tokio::time::timeout;

    use super::*;

    const BOUND: Duration = Duration::from_secs(20);

    /// A process in a new network namespace whose loopback is up.
    struct Island(Child);

    impl Island {
        fn new() -> Self {
            let child = Command::new("unshare")
                .args(["--net", "sh", "-c", "ip link set lo up && exec sleep 60"])
                .spawn()
                .unwrap();
            let island = Self(child);
            let comm = format!("/proc/{}/comm", island.0.id());
            for _ in 0..5000 {
                if std::fs::read_to_string(&comm).unwrap().trim() == "sleep" {
                    return island;
                }
                std::thread::sleep(Duration::from_millis(2));
            }
            panic!("no namespace with its loopback up: are unshare and ip here?");
        }

        fn pidfd(&self) -> OwnedFd {
            let pid = Pid::from_raw(self.0.id().cast_signed()).unwrap();
            pidfd_open(pid, PidfdFlags::empty()).unwrap()
        }
    }

    impl Drop for Island {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    fn own_namespace() -> std::path::PathBuf {
        std::fs::read_link("/proc/thread-self/ns/net").unwrap()
    }

    #[tokio::test]
    async fn the_hosts_loopback_is_not_the_tasks() {
        let host = net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = host.local_addr().unwrap();
        TcpStream::connect(address).unwrap();

        let island = Island::new();
        let before = own_namespace();
        let socket = tcp_socket(island.pidfd().as_fd(), address).unwrap();
        assert_eq!(own_namespace(), before);
        let error = socket.connect(address).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }

    #[tokio::test]
    async fn a_server_in_the_namespace_is_reached() {
        let island = Island::new();
        let pidfd = island.pidfd();
        for any in ["127.0.0.1:0", "[::1]:0"] {
            let any: SocketAddr = any.parse().unwrap();
            let server = tcp_socket(pidfd.as_fd(), any).unwrap();
            server.bind(any).unwrap();
            let server = server.listen(1).unwrap();
            let address = server.local_addr().unwrap();
            let client = tcp_socket(pidfd.as_fd(), address).unwrap();
            let mut connected = client.connect(address).await.unwrap();
            let (accepted, _) = server.accept().await.unwrap();
            // The connection is closed by RST and leaves no TIME_WAIT.
            drop(accepted);
            let error = connected.read_u8().await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
            assert!(TcpStream::connect(address).is_err(), "reached from the host");
        }
    }

    #[tokio::test]
    async fn datagrams_stay_in_the_namespace() {
        let host = net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let island = Island::new();
        let pidfd = island.pidfd();
        let client = udp_socket(pidfd.as_fd(), host.local_addr().unwrap()).unwrap();
        client.send(b"x").await.unwrap();
        let mut byte = [0];
        let heard = timeout(BOUND, client.recv(&mut byte)).await;
        let error = heard.expect("the host's was reached").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);

        // The port of this socket is free in that namespace.
        let near = udp_socket(pidfd.as_fd(), "[::1]:9".parse().unwrap()).unwrap();
        let far = udp_socket(pidfd.as_fd(), near.local_addr().unwrap()).unwrap();
        near.connect(far.local_addr().unwrap()).await.unwrap();
        far.send(b"x").await.unwrap();
        timeout(BOUND, near.recv(&mut byte)).await.unwrap().unwrap();
        assert_eq!(byte, *b"x");
        let nowhere = udp_socket(pidfd.as_fd(), "192.0.2.1:53".parse().unwrap()).unwrap_err();
        assert_eq!(nowhere.kind(), io::ErrorKind::NetworkUnreachable);
    }

    #[tokio::test]
    async fn a_dead_process_has_no_namespace() {
        let mut island = Island::new();
        let pidfd = island.pidfd();
        island.0.kill().unwrap();
        island.0.wait().unwrap();
        let error = tcp_socket(pidfd.as_fd(), "127.0.0.1:1".parse().unwrap()).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(rustix::io::Errno::SRCH.raw_os_error()));
        let error = udp_socket(pidfd.as_fd(), "127.0.0.1:1".parse().unwrap()).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(rustix::io::Errno::SRCH.raw_os_error()));
    }
}
