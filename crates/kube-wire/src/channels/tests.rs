use std::borrow::Cow;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::status::Status;

const PROTOCOLS: [Protocol; 5] =
    [Protocol::V1, Protocol::V1Base64, Protocol::V4, Protocol::V4Base64, Protocol::V5];

fn framer(protocol: Protocol) -> CommandFramer {
    CommandFramer::new(protocol)
}

#[test]
fn the_first_subprotocol_that_is_served_is_chosen() {
    let rows = [
        (Some("v5.channel.k8s.io"), Ok((Protocol::V5, Some("v5.channel.k8s.io")))),
        (
            Some("v4.channel.k8s.io, v5.channel.k8s.io"),
            Ok((Protocol::V4, Some("v4.channel.k8s.io"))),
        ),
        (Some("x, channel.k8s.io"), Ok((Protocol::V1, Some("channel.k8s.io")))),
        (
            Some("v4.base64.channel.k8s.io"),
            Ok((Protocol::V4Base64, Some("v4.base64.channel.k8s.io"))),
        ),
        (Some("base64.channel.k8s.io"), Ok((Protocol::V1Base64, Some("base64.channel.k8s.io")))),
        (None, Ok((Protocol::V1, None))),
        (Some(""), Ok((Protocol::V1, None))),
        (Some("SPDY/3.1+portforward.k8s.io"), Err(400)),
        (
            Some("base64url.bearer.authorization.k8s.io.c2VjcmV0, v4.channel.k8s.io"),
            Ok((Protocol::V4, Some("v4.channel.k8s.io"))),
        ),
    ];
    for (offered, expected) in rows {
        let found = Protocol::negotiate(offered).map_err(|status| status.code());
        assert_eq!(found, expected, "{offered:?}");
    }
    let token = "x, base64url.bearer.authorization.k8s.io.c2VjcmV0";
    assert_eq!(bearer_token(token).as_deref(), Some("secret"));
    assert_eq!(bearer_token("base64url.bearer.authorization.k8s.io.%"), None);
    assert_eq!(bearer_token("v4.channel.k8s.io"), None);
}

#[test]
fn logs_and_watches_have_subprotocols_of_their_own() {
    let negotiate =
        |offered| StreamProtocol::negotiate(offered).map_err(|status: Status| status.code());
    let binary = Ok((StreamProtocol::Binary, Some("binary.k8s.io")));
    assert_eq!(negotiate(Some("binary.k8s.io")), binary);
    assert_eq!(negotiate(Some("x,binary.k8s.io,base64.binary.k8s.io")), binary);
    assert_eq!(negotiate(None), Ok((StreamProtocol::Binary, None)));
    assert_eq!(negotiate(Some("v4.channel.k8s.io")), Err(400));
    let base64 = Ok((StreamProtocol::Base64, Some("base64.binary.k8s.io")));
    assert_eq!(negotiate(Some("base64.binary.k8s.io")), base64);
    assert_eq!(StreamProtocol::Base64.message(b"ls\n"), b"bHMK");
    assert_eq!(StreamProtocol::Binary.message(b"ls\n"), b"ls\n");
    assert!(StreamProtocol::Base64.is_text() && !StreamProtocol::Binary.is_text());

    let headlamp = "base64.binary.k8s.io, base64url.bearer.authorization.k8s.io.c2VjcmV0";
    assert_eq!(watch_subprotocol(headlamp), Some("base64.binary.k8s.io"));
    assert_eq!(watch_subprotocol("a, b"), None);
    assert_eq!(watch_subprotocol(""), None);
}

#[test]
fn messages_of_clients_are_read() {
    let stdin = |text: &'static str| Ok(ClientMessage::Stdin(Cow::Borrowed(text.as_bytes())));
    let rows = [
        (Protocol::V5, b"\x00ls\n".as_slice(), stdin("ls\n")),
        (Protocol::V5, b"\xff\x00", Ok(ClientMessage::StdinClosed)),
        (Protocol::V5, b"\xff", Ok(ClientMessage::Ignored)),
        (Protocol::V5, b"\xff\x01", Ok(ClientMessage::Ignored)),
        (Protocol::V5, b"\xff\x09", Err(FrameError::NoChannel(9))),
        (Protocol::V4, b"\xff\x00", Err(FrameError::NoChannel(255))),
        (Protocol::V5, b"\x00", Ok(ClientMessage::Ignored)),
        (Protocol::V5, b"", Ok(ClientMessage::Ignored)),
        (Protocol::V4, b"\x01out", Ok(ClientMessage::Ignored)),
        (Protocol::V4, b"\x05x", Err(FrameError::NoChannel(5))),
        (
            Protocol::V5,
            b"\x04{\"Width\":100,\"Height\":40}\n",
            Ok(ClientMessage::Resize(Cow::Borrowed(b"{\"Width\":100,\"Height\":40}\n"))),
        ),
        (Protocol::V4Base64, b"0bHMK", stdin("ls\n")),
        (Protocol::V1Base64, b"0%%", Err(FrameError::NotBase64)),
        (Protocol::V1Base64, b"\x00bHMK", Err(FrameError::NoChannel(0))),
        (Protocol::V1, b"\x00ls", stdin("ls")),
    ];
    for (protocol, message, expected) in rows {
        assert_eq!(framer(protocol).read(message), expected, "{protocol:?} {message:?}");
    }
    let large = vec![0; 5 * 1024 * 1024];
    assert_eq!(framer(Protocol::V5).read(&large), Err(FrameError::TooLarge));
}

#[test]
fn output_and_exits_are_written() {
    let v5 = framer(Protocol::V5);
    assert_eq!(v5.write(1, b"a"), b"\x01a");
    assert_eq!(v5.write(2, b""), b"\x02");
    assert_eq!(framer(Protocol::V4Base64).write(1, b"ls\n"), b"1bHMK");
    let text = |status: &ExitStatus, has_status| {
        status.report(has_status).map(|report| String::from_utf8(report).unwrap())
    };
    let success = "{\"metadata\":{},\"status\":\"Success\"}".to_owned();
    assert_eq!(text(&ExitStatus::Success, true), Some(success));
    let code = ExitStatus::Code(3);
    let status: serde_json::Value = serde_json::from_str(&text(&code, true).unwrap()).unwrap();
    assert_eq!(status["reason"], "NonZeroExitCode");
    assert_eq!(status["details"]["causes"], json!([{"reason": "ExitCode", "message": "3"}]));
    assert_eq!(ExitStatus::Code(0).to_value(), ExitStatus::Success.to_value());
    // Older versions report failures only, as text.
    assert_eq!(text(&ExitStatus::Success, false), None);
    let expected = "command terminated with non-zero exit code: exit status 3".to_owned();
    assert_eq!(text(&code, false), Some(expected));
    let failed = ExitStatus::Failed(Status::internal("no shim"));
    assert_eq!(text(&failed, false), Some("Internal error occurred: no shim".to_owned()));
    assert!(text(&failed, true).unwrap().contains("\"code\":500"));
    assert!(Protocol::V5.has_status() && Protocol::V4Base64.has_status());
    assert!(!Protocol::V1.has_status());
}

#[test]
fn terminal_sizes_come_in_parts() {
    let size = |width, height| Ok(Some(TerminalSize { width, height }));
    let mut resizes = Resizes::default();
    assert_eq!(resizes.read(b"{\"Width\":100,\"Height\":40}\n"), size(100, 40));
    assert_eq!(resizes.read(b"{\"Width\":1,\"He"), Ok(None));
    assert_eq!(resizes.read(b"ight\":2}{\"Width\":3,\"Height\":4}\n"), size(3, 4));
    assert_eq!(resizes.read(b"\n"), Ok(None));
    assert_eq!(Resizes::default().read(b"{\"Width\":-1,\"Height\":4}"), Err(FrameError::NotASize));
    assert_eq!(Resizes::default().read(b"hello"), Err(FrameError::NotASize));
    assert_eq!(Resizes::default().read(&b"[".repeat(2_000)), Err(FrameError::NotASize));
    assert_eq!(Resizes::default().read(&b" ".repeat(2_000)), Err(FrameError::NotASize));
}

#[test]
fn ports_have_pairs_of_channels() {
    let framer = PortForwardFramer::new(Protocol::V4, vec![80, 8_080]);
    assert_eq!(
        framer.greeting(),
        [b"\x00\x50\x00", b"\x01\x50\x00", b"\x02\x90\x1f", b"\x03\x90\x1f"]
    );
    let data = |position, text: &'static [u8]| Ok(ForwardMessage::Data(position, text.into()));
    assert_eq!(framer.read(b"\x00GET /"), data(0, b"GET /"));
    assert_eq!(framer.read(b"\x02x"), data(1, b"x"));
    assert_eq!(framer.read(b"\x01x"), Ok(ForwardMessage::Ignored));
    assert_eq!(framer.read(b""), Ok(ForwardMessage::Ignored));
    assert_eq!(framer.read(b"\x04x"), Err(FrameError::NoChannel(4)));
    assert_eq!(framer.data(1, b"y"), Some(b"\x02y".to_vec()));
    assert_eq!(framer.error(1, b"refused"), Some(b"\x03refused".to_vec()));
    assert_eq!(framer.data(2, b"y"), None);
    let v5 = PortForwardFramer::new(Protocol::V5, vec![80]);
    assert_eq!(v5.read(b"\xff\x00"), Ok(ForwardMessage::Closed(0)));
    let many = PortForwardFramer::new(Protocol::V4, vec![1; 1_000]);
    assert_eq!(many.greeting().len(), 254);
    assert_eq!(many.data(500, b""), None);
}

proptest! {
    #[test]
    fn no_message_makes_it_panic(
        message in proptest::collection::vec(any::<u8>(), 0..80),
        parts in proptest::collection::vec("[{}\\[\\]\"WidthHeg:,0-9 ]{0,20}", 0..5),
    ) {
        for protocol in PROTOCOLS {
            let _ = framer(protocol).read(&message);
            let _ = PortForwardFramer::new(protocol, vec![80]).read(&message);
        }
        let mut resizes = Resizes::default();
        for part in parts {
            let _ = resizes.read(part.as_bytes());
        }
    }

    #[test]
    fn what_one_side_writes_the_other_reads(data in proptest::collection::vec(any::<u8>(), 1..80)) {
        for protocol in PROTOCOLS {
            // The data of port 0 has the channel of the input.
            let message = PortForwardFramer::new(protocol, vec![80]).data(0, &data).unwrap();
            let read = framer(protocol).read(&message).unwrap();
            prop_assert_eq!(read, ClientMessage::Stdin(data.clone().into()));
        }
    }
}
