//! Connections to ports on the loopback of a pod, opened in its network namespace.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use probelet_prober::Target;
use rustix::net::sockopt::set_socket_linger;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The time for a connection.
const CONNECT: Duration = Duration::from_secs(10);

/// Connects to the IPv4 loopback, or else to the one of IPv6.
///
/// # Errors
///
/// The error of IPv4 if neither takes the connection.
pub async fn connect(target: &dyn Target, port: u16) -> io::Result<TcpStream> {
    let first = open(target, SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await;
    match first {
        Ok(stream) => Ok(stream),
        Err(error) => {
            let second = SocketAddr::from((Ipv6Addr::LOCALHOST, port));
            open(target, second).await.map_err(|_| error)
        }
    }
}

async fn open(target: &dyn Target, at: SocketAddr) -> io::Result<TcpStream> {
    let stream = timeout(CONNECT, target.tcp_socket(at)?.connect(at)).await??;
    // A probe's socket is closed with RST, which would cut off what is not sent yet.
    set_socket_linger(&stream, None)?;
    // Without it small messages are delayed, which is no error.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}
