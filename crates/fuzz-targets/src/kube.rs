//! Requests of the Kubernetes API.

use std::borrow::Cow;

use probelet_kube_wire::channels::{
    ClientMessage, CommandFramer, ForwardMessage, PortForwardFramer, Protocol, Resizes,
    StreamProtocol, bearer_token, watch_subprotocol,
};
use probelet_kube_wire::negotiate::{Answer, Endpoint, body_type, is_openapi_protobuf, patch_type};
use probelet_kube_wire::options::{
    CommandOptions, DeleteOptions, ListOptions, LogOptions, WriteKind, WriteOptions,
    forwarded_ports,
};
use probelet_kube_wire::path::{Method, Request};
use probelet_kube_wire::protobuf::Decoded;
use probelet_kube_wire::query::Query;
use probelet_kube_wire::schema::Schema;
use probelet_kube_wire::selector::{FieldSelector, LabelSelector, Selectable};
use probelet_kube_wire::spdy::{
    CommandStream, CommandVersion, Event, ForwardedStream, STREAMS, Session, SpdyError,
    port_forward_protocol,
};
use probelet_kube_wire::status::GroupResource;
use probelet_kube_wire::strict::{check, read_json};
use probelet_manifest::set_defaults;
use serde_json::{Value, json};

use crate::{parts, texts};

const PROTOCOLS: [Protocol; 5] =
    [Protocol::V1, Protocol::V1Base64, Protocol::V4, Protocol::V4Base64, Protocol::V5];

/// A method, a path and a query: no name leads out of a folder.
pub fn path(data: &[u8]) {
    let [method, path, query] = texts(data);
    let Ok(query) = Query::parse(&query) else { return };
    let _ = (ListOptions::parse(&query), LogOptions::parse(&query));
    let _ = (CommandOptions::exec(&query), CommandOptions::attach(&query));
    if let Ok(ports) = forwarded_ports(&query) {
        assert!(!ports.contains(&0) && ports.len() <= 64, "{ports:?}");
    }
    for kind in [WriteKind::Create, WriteKind::Update, WriteKind::Patch, WriteKind::Apply] {
        let _ = WriteOptions::parse(&query, kind);
    }
    let _ = DeleteOptions::parse(&query, None);
    let Some(method) = Method::parse(&method) else { return };
    if let Ok(Request::Resource(request)) = Request::parse(method, &path, &query) {
        let parts = [request.namespace, request.name, request.subresource];
        for part in parts.iter().flatten().chain([&request.resource]) {
            assert!(!part.is_empty() && part != "." && part != "..", "{part:?}");
            assert!(!part.contains(['/', '\0', '\n', '%']), "{part:?}");
        }
    }
}

/// `Accept`, `Content-Type` and the offered protocols of streams.
pub fn headers(data: &[u8]) {
    let [accept, content, offered] = texts(data);
    for endpoint in
        [Endpoint::Object, Endpoint::List, Endpoint::Watch, Endpoint::Discovery, Endpoint::Document]
    {
        if let Ok(answer) = Answer::negotiate(Some(&accept), endpoint) {
            assert!(answer.content_type().starts_with("application/json"));
        }
    }
    let _ = is_openapi_protobuf(Some(&accept));
    let _ = (body_type(Some(&content)), patch_type(Some(&content)));
    let _ = (Protocol::negotiate(Some(&offered)), StreamProtocol::negotiate(Some(&offered)));
    let _ = (bearer_token(&offered), watch_subprotocol(&offered));
    let _ = (CommandVersion::negotiate([&*offered]), port_forward_protocol([&*offered]));
}

/// A protobuf body, or the object of one behind the first byte, which chooses the kind.
pub fn protobuf(data: &[u8]) {
    const KINDS: [(&str, &str); 6] = [
        ("v1", "Pod"),
        ("v1", "ConfigMap"),
        ("v1", "Event"),
        ("apps/v1", "Deployment"),
        ("batch/v1", "CronJob"),
        ("v1", "DeleteOptions"),
    ];
    let _ = Decoded::read(data);
    let Some((first, raw)) = data.split_first() else { return };
    let (version, kind) = KINDS[usize::from(*first) % KINDS.len()];
    let names = [field(1, version.as_bytes()), field(2, kind.as_bytes())].concat();
    let body = [b"k8s\0".to_vec(), field(1, &names), field(2, raw)].concat();
    let Ok(decoded) = Decoded::read(&body) else { return };
    assert!(decoded.unknown_fields().len() <= 16);
    let object = decoded.into_object();
    let schema = Schema::of(version, kind).expect("the kind is in the table");
    let mut checked = object.clone();
    let unknown = check(&mut checked, schema).expect("the types are those of the table");
    assert!(unknown.is_empty(), "{unknown:?}");
}

fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![number << 3 | 2];
    let mut length = content.len();
    while length > 0x7f {
        bytes.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes.extend_from_slice(content);
    bytes
}

/// A JSON body: the value is that of another reader, and reading what was read changes nothing.
pub fn json(data: &[u8]) {
    let read = read_json(data);
    let plain = serde_json::from_slice::<Value>(data);
    assert_eq!(read.is_ok(), plain.is_ok(), "{read:?} {plain:?}");
    let Ok(document) = read else { return };
    assert_eq!(Some(&document.value), plain.ok().as_ref());
    let kinds =
        [("v1", "Pod"), ("v1", "ConfigMap"), ("apps/v1", "Deployment"), ("batch/v1", "Job")];
    for (version, kind) in kinds {
        let schema = Schema::of(version, kind).expect("the kind is in the table");
        let mut once = document.value.clone();
        if check(&mut once, schema).is_err() {
            continue;
        }
        let mut twice = once.clone();
        assert_eq!(check(&mut twice, schema), Ok(vec![]), "fields were removed");
        assert_eq!(once, twice, "a checked object stays as it is");
    }
    let mut object = document.value;
    if check(&mut object, Schema::of("v1", "Pod").expect("in the table")).is_ok() {
        set_defaults(&mut object);
        let once = object.clone();
        set_defaults(&mut object);
        assert_eq!(object, once, "defaults are set once");
    }
}

/// A label selector, a field selector, and an object. What is written of a selector selects alike.
pub fn selectors(data: &[u8]) {
    let [labels, fields, object] = texts(data);
    let object = serde_json::from_str(&object).unwrap_or_else(|_| {
        json!({"metadata": {"name": "web", "labels": {"app": "web", "tier": "1"}}, "status": {"phase": "Running"}})
    });
    if let Ok(selector) = LabelSelector::parse(&labels) {
        let written = selector.to_string();
        let again = LabelSelector::parse(&written).expect("a written selector is read");
        assert_eq!(again.matches_object(&object), selector.matches_object(&object), "{written:?}");
    }
    if let Ok(selector) = FieldSelector::parse(&fields) {
        let selectable = Selectable::of(&GroupResource::new("", "pods"));
        if selectable.check(&selector).is_ok() {
            let _ = selectable.matches(&selector, &object);
        }
    }
}

fn events(data: &[u8], chunk: usize) -> Result<Vec<Event>, (Vec<Event>, SpdyError)> {
    let (mut session, mut events, mut open) = (Session::default(), Vec::new(), 0_usize);
    for bytes in data.chunks(chunk) {
        session.push(bytes);
        loop {
            match session.next_event() {
                Ok(Some(event)) => {
                    match &event {
                        Event::Opened(_, headers) => {
                            open = open.saturating_add(1);
                            let _ = CommandStream::of(headers);
                            let _ = ForwardedStream::of(headers);
                        }
                        Event::Aborted(_) | Event::Refuse(..) => open = open.saturating_sub(1),
                        _ => {}
                    }
                    assert!(open <= STREAMS, "{open} streams");
                    events.push(event);
                }
                Ok(None) => break,
                Err(error) => return Err((joined(events), error)),
            }
        }
    }
    Ok(joined(events))
}

/// Data arrives in other parts, each of which may be refused, so neighbours are joined.
fn joined(events: Vec<Event>) -> Vec<Event> {
    let mut all: Vec<Event> = Vec::new();
    for event in events {
        match (all.last_mut(), event) {
            (Some(Event::Data(stream, data)), Event::Data(other, more)) if *stream == other => {
                data.extend(more);
            }
            (Some(last @ Event::Refuse(..)), event) if *last == event => {}
            (_, event) => all.push(event),
        }
    }
    all
}

/// A SPDY connection means the same in whatever parts it arrives.
pub fn spdy(data: &[u8]) {
    let whole = events(data, data.len().max(1));
    assert_eq!(events(data, 5), whole);
}

/// Messages of the channels of a WebSocket, in all protocols.
pub fn channels(data: &[u8]) {
    let messages: [&[u8]; 4] = parts(data);
    for protocol in PROTOCOLS {
        let command = CommandFramer::new(protocol);
        let forward = PortForwardFramer::new(protocol, vec![80, 443]);
        for message in messages {
            if let Ok(ClientMessage::Stdin(bytes)) = command.read(message) {
                let written = command.write(0, &bytes);
                assert_eq!(command.read(&written), Ok(ClientMessage::Stdin(bytes)));
            }
            if let Ok(ForwardMessage::Data(position, bytes)) = forward.read(message) {
                assert!(position < 2);
                let written = forward.data(position, &bytes).expect("the port is there");
                let again = forward.read(&written).expect("a written message is read");
                assert_eq!(again, ForwardMessage::Data(position, Cow::Borrowed(&bytes)));
            }
        }
    }
    let mut resizes = Resizes::default();
    for message in messages {
        if resizes.read(message).is_err() {
            break;
        }
    }
}
