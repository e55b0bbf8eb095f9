//! HTTP/1.1 without a library, because a library would not send such answers.
//!
//! Paths besides those of [`Reply`]: `/accept-and-hang` · `/slow-headers` (some headers, then
//! nothing) · `/drip` (headers without end, a byte each 50 ms) · `/short-body` (less than
//! announced) · `/reset` · `/close` (no answer) · `/not-http` · `/wait/MS` (200 after MS
//! milliseconds).

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::sleep;

use crate::http2;
use crate::listen::{Counters, Wire};
use crate::milliseconds;
use crate::reply::{Body, Reply};

/// The largest request head, in bytes. Heads of probes are far smaller.
const MAX_HEAD: usize = 16 * 1024;

pub(crate) async fn or_http2(mut wire: Wire, counters: Arc<Counters>) -> Result<()> {
    if wire.is_http2() {
        return http2::serve(wire, counters).await;
    }
    let head = read_head(&mut wire).await?;
    let Some(head) = head else {
        // A client that speaks TLS to a plain port gets this answer, as from other servers. Its
        // input is read to the end, because unread bytes would turn the close into a reset.
        wire.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await?;
        while wire.read(&mut [0; 4096]).await? > 0 {}
        return Ok(());
    };
    let (first, headers) = head.split_once("\r\n").unwrap_or((&head, ""));
    let path = first.split(' ').nth(1).unwrap_or("/");
    if counters.is_well(path) {
        return send(wire, Reply::text(200, "well\n")).await;
    }
    if let Some(delay) = path.strip_prefix("/wait/") {
        sleep(milliseconds(delay)?).await;
    }
    match path {
        "/accept-and-hang" => pending().await,
        "/slow-headers" => {
            wire.write_all(b"HTTP/1.1 200 OK\r\nX-First: 1\r\n").await?;
            wire.flush().await?;
            pending().await
        }
        "/drip" => drip(wire).await,
        "/short-body" => {
            wire.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort").await?;
            Ok(wire.shutdown().await?)
        }
        "/reset" => Ok(wire.tcp().set_zero_linger()?),
        "/close" => Ok(wire.shutdown().await?),
        "/not-http" => {
            wire.write_all(b"SSH-2.0-nothing here speaks HTTP\r\n").await?;
            Ok(wire.shutdown().await?)
        }
        _ => send(wire, Reply::to(path, headers)).await,
    }
}

/// The request head; `None` if it is not a GET of HTTP/1 or too long.
async fn read_head(wire: &mut Wire) -> Result<Option<String>> {
    let mut head = Vec::with_capacity(MAX_HEAD);
    while !head.ends_with(b"\r\n\r\n") {
        if wire.read_buf(&mut head).await? == 0 {
            bail!("the client went away");
        }
        if head.len() > MAX_HEAD || !head.starts_with(b"GET ") {
            return Ok(None);
        }
    }
    Ok(Some(String::from_utf8_lossy(&head).trim_end().to_owned()))
}

async fn drip(mut wire: Wire) -> Result<()> {
    wire.write_all(b"HTTP/1.1 200 OK\r\nX-Drip: ").await?;
    loop {
        wire.write_all(b".").await?;
        wire.flush().await?;
        sleep(Duration::from_millis(50)).await;
    }
}

async fn send(mut wire: Wire, reply: Reply) -> Result<()> {
    let mut head = format!("HTTP/1.1 {} As Asked\r\nConnection: close\r\n", reply.status);
    if let Some(location) = reply.location {
        head.push_str(&format!("Location: {location}\r\n"));
    }
    if let Body::Text(text) = &reply.body {
        head.push_str(&format!("Content-Length: {}\r\n", text.len()));
    }
    head.push_str("\r\n");
    wire.write_all(head.as_bytes()).await?;
    match reply.body {
        Body::Text(text) => wire.write_all(text.as_bytes()).await?,
        Body::Stalled => {
            wire.flush().await?;
            pending().await
        }
        Body::Endless => loop {
            wire.write_all(&[b'x'; 4096]).await?;
        },
    }
    Ok(wire.shutdown().await?)
}
