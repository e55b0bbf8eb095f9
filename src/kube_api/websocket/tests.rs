use http::Request;

use super::*;

fn request(change: &[(&'static str, &str)]) -> Parts {
    let mut headers = HeaderMap::new();
    let usual = [
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "WebSocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    for (name, value) in usual.iter().chain(change) {
        headers.insert(*name, value.parse().unwrap());
    }
    let mut request = Request::get("/").body(()).unwrap();
    *request.headers_mut() = headers;
    request.into_parts().0
}

fn refused(change: &[(&'static str, &str)]) -> String {
    let status = Handshake::read(&request(change)).unwrap_err();
    assert_eq!(status.code(), 400, "{status}");
    status.to_string()
}

#[test]
fn a_handshake_is_answered_with_the_chosen_subprotocol() {
    let offered = request(&[("sec-websocket-protocol", "v5.channel.k8s.io")]);
    let handshake = Handshake::read(&offered).unwrap();
    assert_eq!(handshake.offered(), Some("v5.channel.k8s.io"));
    let response: Response<()> = handshake.response(handshake.offered()).unwrap();
    assert_eq!(response.status(), 101);
    let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
    // The example of RFC 6455.
    assert_eq!(header("sec-websocket-accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_eq!(header("sec-websocket-protocol"), "v5.channel.k8s.io");
    assert_eq!([header("connection"), header("upgrade")], ["Upgrade", "websocket"]);

    let mut parts = request(&[("sec-websocket-protocol", "a")]);
    parts.headers.append("sec-websocket-protocol", "b, c".parse().unwrap());
    assert_eq!(Handshake::read(&parts).unwrap().offered(), Some("a,b, c"));
    let handshake = Handshake::read(&parts).unwrap();
    assert!(handshake.offers("c") && !handshake.offers("b, c"));
    let plain = Handshake::read(&request(&[])).unwrap();
    assert_eq!(plain.offered(), None);
    let response: Response<()> = plain.response(None).unwrap();
    assert!(!response.headers().contains_key("sec-websocket-protocol"));
}

#[test]
fn other_requests_are_refused() {
    assert_eq!(refused(&[("upgrade", "h2c")]), "Upgrade request required");
    assert_eq!(refused(&[("connection", "close")]), "Upgrade request required");
    assert_eq!(refused(&[("sec-websocket-version", "8")]), "Sec-WebSocket-Version must be 13");
    for key in ["", "c2hvcnQ=", "not base64!!!!!!!!!!!!!!"] {
        assert_eq!(refused(&[("sec-websocket-key", key)]), "Sec-WebSocket-Key is not valid");
    }
    let mut post = request(&[]);
    post.method = Method::POST;
    assert_eq!(Handshake::read(&post).unwrap_err().code(), 405);
}

#[test]
fn base64_is_sent_as_text() {
    assert_eq!(message(b"1bHMK".to_vec(), true), Message::text("1bHMK"));
    assert_eq!(message(vec![1, 255], false), Message::binary(vec![1, 255]));
    assert_eq!(payload(Message::text("x")).unwrap(), "x");
    assert_eq!(payload(ping()), None);
}
