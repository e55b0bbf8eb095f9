//! TCP ports without a server that reads.

use std::future::pending;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Listens with a full backlog: further connections are neither accepted nor refused.
    Full,
    /// Connections are accepted by the kernel and never read.
    Deaf,
    /// The port is bound and does not listen, so connections are refused.
    Refuse,
}

impl FromStr for Mode {
    type Err = anyhow::Error;

    fn from_str(word: &str) -> Result<Self> {
        Ok(match word {
            "full" => Self::Full,
            "deaf" => Self::Deaf,
            "refuse" => Self::Refuse,
            _ => bail!("unknown mode {word}"),
        })
    }
}

pub(crate) async fn serve(address: &str, mode: Mode) -> Result<()> {
    let address: SocketAddr = address.parse()?;
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    if mode == Mode::Refuse {
        return pending().await;
    }
    let _listener = socket.listen(if mode == Mode::Full { 0 } else { 1024 })?;
    let mut queued = Vec::new();
    while mode == Mode::Full
        && let Ok(stream) = timeout(Duration::from_millis(100), TcpStream::connect(address)).await
    {
        queued.push(stream?);
    }
    pending().await
}
