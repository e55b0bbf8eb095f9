//! Bodies over real WebSockets.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::kube_api::answer;
use crate::kube_api::tests::Users;
use crate::kube_authority;

const BOUND: Duration = Duration::from_secs(20);

/// The messages that a client gets for a body of these parts.
async fn messages(kind: Kind, offered: &str, parts: &'static [&'static str]) -> Vec<Message> {
    let (form, _) = kind.negotiate(Some(offered).filter(|offered| !offered.is_empty())).unwrap();
    let body = answer::stream("text/plain", stream::iter(parts.iter().copied().map(Bytes::from)));
    let (server, client) = tokio::io::duplex(4096);
    let users = Users::new();
    let identity = users.identity("ann", kube_authority::Role::View);
    let until = Until { identity, cancel: CancellationToken::new() };
    let mut task = JoinSet::new();
    task.spawn(async move { serve(server, form, body.into_body(), &until).await });
    let mut client = WebSocketStream::from_raw_socket(client, Role::Client, None).await;
    let mut messages = Vec::new();
    while let Some(Ok(message)) = timeout(BOUND, client.next()).await.unwrap() {
        messages.push(message);
    }
    assert!(matches!(messages.pop(), Some(Message::Close(Some(_)))), "{messages:?}");
    messages
}

#[tokio::test]
async fn logs_are_bytes_and_watches_are_lines() {
    let log: &[&str] = &["one\n", "two"];
    let binary = ["one\n", "two"].map(|part| Message::binary(part.as_bytes().to_vec()));
    assert_eq!(messages(Kind::Log, "", log).await, binary);
    assert_eq!(messages(Kind::Log, "x, binary.k8s.io", log).await, binary);
    let base64 = ["b25lCg==", "dHdv"].map(Message::text);
    assert_eq!(messages(Kind::Log, "base64.binary.k8s.io", log).await, base64);
    let lines = ["{1}", "{2}", "{3}"].map(Message::text);
    let watched = messages(Kind::Watch, "base64.binary.k8s.io", &["{1}\n{2}\n", "{3}\n"]).await;
    assert_eq!(watched, lines);
    assert_eq!(Kind::Log.negotiate(Some("v4.channel.k8s.io")).unwrap_err().code(), 400);
}
