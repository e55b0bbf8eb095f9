//! A connection by TCP, and its seat: who fills the seats keeps others out, but costs the daemon no
//! more descriptors, which probes need.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tonic::transport::server::{Connected, TcpConnectInfo};

/// Connections at a time; others wait in the kernel's queue.
pub(super) const SEATS: usize = 64;
/// Where there are no descriptors to accept with.
const PAUSE: Duration = Duration::from_secs(2);

pub(super) struct Guest {
    stream: TcpStream,
    _seat: OwnedSemaphorePermit,
}

/// Until nobody takes guests any more.
pub(super) async fn admit(listener: TcpListener, guests: mpsc::Sender<io::Result<Guest>>) {
    let seats = Arc::new(Semaphore::new(SEATS));
    while let Ok(seat) = seats.clone().acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Without it small messages are late; they come all the same.
                let _ = stream.set_nodelay(true);
                if guests.send(Ok(Guest { stream, _seat: seat })).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                tracing::warn!(%error, "a caller by TCP could not be let in");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

impl Connected for Guest {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        self.stream.connect_info()
    }
}

impl AsyncRead for Guest {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Guest {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
