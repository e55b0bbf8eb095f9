//! Commands over real WebSockets, without a container.

use std::future::pending;
use std::sync::Mutex;
use std::time::Duration;

use futures_util::SinkExt;
use probelet_kube_wire::channels::Protocol;
use serde_json::{Value, json};
use tokio::io::DuplexStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::domain::pod_key::PodKey;
use crate::kube_api::channels::serve_command;
use crate::kube_api::sources::Exec;
use crate::kube_api::tests::{Users, supervisor};
use crate::kube_authority;
use crate::node::session::BACKLOG;

const BOUND: Duration = Duration::from_secs(20);

fn all() -> CommandOptions {
    CommandOptions {
        command: vec!["sh".to_owned()],
        stdin: true,
        stdout: true,
        stderr: true,
        ..CommandOptions::default()
    }
}

/// A command whose ends a test has.
struct Scripted(Mutex<Option<Begun>>);

#[async_trait]
impl Source for Scripted {
    async fn begin(&self, _: &CommandOptions, _: &Until) -> Result<Begun, Status> {
        Ok(self.0.lock().unwrap().take().unwrap())
    }
}

/// A client, and the command's ends of its session.
struct Run {
    client: WebSocketStream<DuplexStream>,
    input: mpsc::Receiver<Input>,
    output: mpsc::Sender<Output>,
    users: Users,
    cancel: CancellationToken,
    _task: JoinSet<()>,
}

impl Run {
    async fn new(protocol: Protocol, options: CommandOptions) -> Self {
        let (server, client) = tokio::io::duplex(4096);
        let (to_input, input) = mpsc::channel(BACKLOG);
        let (output, from_output) = mpsc::channel(BACKLOG);
        let output_stream = Box::pin(ReceiverStream::new(from_output));
        let begun = Begun { input: Some(to_input), output: output_stream };
        let (users, cancel) = (Users::new(), CancellationToken::new());
        let identity = users.identity("ann", kube_authority::Role::Admin);
        let until = Until { identity, cancel: cancel.clone() };
        let source = Box::new(Scripted(Mutex::new(Some(begun))));
        let command = Command { source, options, until };
        let mut task = JoinSet::new();
        task.spawn(async move { serve_command(server, protocol, &command).await });
        let client = WebSocketStream::from_raw_socket(client, Role::Client, None).await;
        Self { client, input, output, users, cancel, _task: task }
    }

    async fn send(&mut self, message: &[u8]) {
        let sent = self.client.send(Message::binary(message.to_vec()));
        timeout(BOUND, sent).await.unwrap().unwrap();
    }

    async fn input(&mut self) -> Option<Input> {
        timeout(BOUND, self.input.recv()).await.unwrap()
    }

    async fn next(&mut self) -> Message {
        timeout(BOUND, self.client.next()).await.unwrap().unwrap().unwrap()
    }

    async fn bytes(&mut self) -> Vec<u8> {
        self.next().await.into_data().to_vec()
    }

    async fn status(&mut self) -> Value {
        let message = self.bytes().await;
        assert_eq!(message[0], 3);
        serde_json::from_slice(&message[1..]).unwrap()
    }

    async fn closed(&mut self) {
        let Message::Close(Some(frame)) = self.next().await else { panic!() };
        assert_eq!(u16::from(frame.code), 1000);
    }

    /// Waits until the command has lost its client, which ends it.
    async fn command_is_left(&self) {
        timeout(BOUND, self.output.closed()).await.unwrap();
    }
}

#[tokio::test]
async fn streams_are_channels() {
    let mut run = Run::new(Protocol::V5, CommandOptions { tty: true, ..all() }).await;
    assert_eq!(run.bytes().await, [1], "an empty message says that the command is connected");
    run.send(b"\x00ls\n").await;
    assert_eq!(run.input().await, Some(Input::Data(b"ls\n".to_vec())));
    run.send(b"\x04{\"Width\":100,\"Height\":40}\n").await;
    run.send(b"\x01ignored").await;
    assert_eq!(run.input().await, Some(Input::Size { width: 100, height: 40 }));
    run.send(b"\xff\x00").await;
    assert_eq!(run.input().await, Some(Input::End));
    run.output.send(Output::Stdout(b"out".to_vec())).await.unwrap();
    run.output.send(Output::Stderr(b"err".to_vec())).await.unwrap();
    run.output.send(Output::Exit(3)).await.unwrap();
    assert_eq!(run.bytes().await, b"\x01out");
    assert_eq!(run.bytes().await, b"\x02err");
    let status = run.status().await;
    assert_eq!(status["reason"], "NonZeroExitCode");
    assert_eq!(status["details"]["causes"], json!([{ "reason": "ExitCode", "message": "3" }]));
    run.closed().await;
}

#[tokio::test]
async fn older_protocols_end_as_they_do_in_kubernetes() {
    for (protocol, has_status) in [(Protocol::V4, true), (Protocol::V1, false)] {
        let mut run = Run::new(protocol, all()).await;
        assert_eq!(run.bytes().await, [1]);
        run.output.send(Output::Exit(0)).await.unwrap();
        if has_status {
            assert_eq!(run.status().await["status"], "Success");
        }
        run.closed().await;
    }
    let mut run = Run::new(Protocol::V4Base64, all()).await;
    assert_eq!(run.next().await, Message::text("1"));
    run.client.send(Message::text("0bHMK")).await.unwrap();
    assert_eq!(run.input().await, Some(Input::Data(b"ls\n".to_vec())));
    run.output.send(Output::Stdout(b"ls\n".to_vec())).await.unwrap();
    assert_eq!(run.next().await, Message::text("1bHMK"));
}

#[tokio::test]
async fn streams_that_were_not_asked_for_carry_nothing() {
    let mut run =
        Run::new(Protocol::V4, CommandOptions { stdin: false, stdout: false, ..all() }).await;
    assert_eq!(run.bytes().await, [2]);
    run.send(b"\x00ls\n").await;
    run.send(b"\x04{\"Width\":1,\"Height\":1}").await;
    run.client.send(Message::Ping("x".into())).await.unwrap();
    assert_eq!(run.next().await, Message::Pong("x".into()), "all before it has been read");
    assert!(run.input.try_recv().is_err());
    run.output.send(Output::Stdout(b"out".to_vec())).await.unwrap();
    run.output.send(Output::Stderr(b"err".to_vec())).await.unwrap();
    assert_eq!(run.bytes().await, b"\x02err");
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_command() {
    let mut run = Run::new(Protocol::V4, all()).await;
    run.client.close(None).await.unwrap();
    run.command_is_left().await;

    let mut run = Run::new(Protocol::V4, all()).await;
    let (other, _) = tokio::io::duplex(1);
    // The connection breaks.
    run.client = WebSocketStream::from_raw_socket(other, Role::Client, None).await;
    run.command_is_left().await;
}

#[tokio::test]
async fn a_client_that_breaks_the_protocol_is_told() {
    for (message, text) in [
        (b"\x07x".to_vec(), "channel 7 does not exist"),
        (vec![0; (4 << 20) + 2], "Message too long"),
    ] {
        let mut run = Run::new(Protocol::V5, all()).await;
        assert_eq!(run.bytes().await, [1]);
        // The server may close before it has read all of a large message.
        let _ = timeout(BOUND, run.client.feed(Message::binary(message))).await;
        let (mut sink, mut stream) = run.client.split();
        let sending = async {
            let _ = sink.flush().await;
            pending::<()>().await;
        };
        let receiving = async {
            let message = stream.next().await.unwrap().unwrap().into_data();
            let status: Value = serde_json::from_slice(&message[1..]).unwrap();
            assert_eq!((message[0], &status["code"]), (3, &json!(400)));
            assert!(status["message"].as_str().unwrap().contains(text), "{status}");
        };
        tokio::select! {
            () = sending => {}
            done = timeout(BOUND, receiving) => done.unwrap(),
        }
        timeout(BOUND, run.output.closed()).await.unwrap();
    }
}

#[tokio::test]
async fn a_revoked_user_loses_its_command() {
    for (is_revoked, code) in [(true, 401), (false, 503)] {
        let mut run = Run::new(Protocol::V5, all()).await;
        assert_eq!(run.bytes().await, [1]);
        match is_revoked {
            true => run.users.revoke("ann"),
            false => run.cancel.cancel(),
        }
        assert_eq!(run.status().await["code"], code);
        run.closed().await;
        run.command_is_left().await;
    }
}

#[tokio::test]
async fn a_slow_client_slows_the_command_down() {
    let run = Run::new(Protocol::V5, all()).await;
    let (mut sent, mut idle) = (0, 0);
    while idle < 100 && sent < 1000 {
        match run.output.try_send(Output::Stdout(vec![0; 16 << 10])) {
            Ok(()) => (sent, idle) = (sent + 1, 0),
            Err(_) => idle += 1,
        }
        tokio::task::yield_now().await;
    }
    assert!(sent <= 3 * BACKLOG, "{sent} messages wait for the client");
}

#[tokio::test]
async fn a_command_that_cannot_start_is_reported_behind_the_handshake() {
    let users = Users::new();
    let (supervisor, _supervising) = supervisor("web").await;
    for (pod, code, text) in
        [("none", 404, "pods \"none\" not found"), ("web", 400, "commands are not run here")]
    {
        let (supervisor, pod) = (supervisor.clone(), PodKey::in_default(pod));
        let identity = users.identity("ann", kube_authority::Role::Admin);
        let until = Until { identity, cancel: CancellationToken::new() };
        let source = Box::new(Exec { supervisor, pod });
        let command = Command { source, options: all(), until };
        let (server, client) = tokio::io::duplex(4096);
        let mut task = JoinSet::new();
        task.spawn(async move { serve_command(server, Protocol::V5, &command).await });
        let mut client = WebSocketStream::from_raw_socket(client, Role::Client, None).await;
        let message = client.next().await.unwrap().unwrap().into_data();
        let status: Value = serde_json::from_slice(&message[1..]).unwrap();
        assert_eq!((message[0], &status["code"]), (3, &json!(code)), "{status}");
        assert!(status["message"].as_str().unwrap().contains(text), "{status}");
        assert!(matches!(client.next().await, Some(Ok(Message::Close(_)))));
    }
}
