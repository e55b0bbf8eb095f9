use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// Bodies that kubectl 1.36.4 sent, and the objects that it prints with `--dry-run=client -o json`.
const VECTORS: &str = include_str!("kubectl.jsonl");

fn vectors() -> Vec<(String, Vec<u8>, Value)> {
    let lines = VECTORS.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let vector = |line: Value| {
        let body = STANDARD.decode(line["body"].as_str().unwrap()).unwrap();
        (line["name"].as_str().unwrap().to_owned(), body, line["json"].clone())
    };
    lines.map(vector).collect()
}

/// Without empty objects, nulls and the namespace, which kubectl sends in the path.
fn pruned(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let entries = map.iter().map(|(key, value)| (key.clone(), pruned(value)));
            entries.filter(|(_, it)| !it.is_null() && *it != json!({})).collect()
        }
        Value::Array(items) => items.iter().map(pruned).collect(),
        other => other.clone(),
    }
}

#[test]
fn bodies_of_kubectl_are_what_it_prints() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 15);
    for (name, body, expected) in vectors {
        let decoded = Decoded::read(&body).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(decoded.unknown_fields(), [""; 0], "{name}");
        assert_eq!(pruned(&decoded.into_object()), pruned(&expected), "{name}");
    }
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

fn number(field: u64, value: i64) -> Vec<u8> {
    [varint(field << 3), varint(value as u64)].concat()
}

fn bytes(field: u64, value: impl AsRef<[u8]>) -> Vec<u8> {
    let value = value.as_ref();
    [varint(field << 3 | 2), varint(value.len() as u64), value.to_vec()].concat()
}

fn body(api_version: &str, kind: &str, raw: &[u8]) -> Vec<u8> {
    let type_meta = [bytes(1, api_version), bytes(2, kind)].concat();
    [MAGIC.to_vec(), bytes(1, type_meta), bytes(2, raw)].concat()
}

fn pod(spec: &[u8]) -> Result<Value, ProtobufError> {
    Decoded::read(&body("v1", "Pod", &bytes(2, spec))).map(|it| it.into_object()["spec"].clone())
}

#[test]
fn zeros_of_pointers_are_kept_and_others_are_not() {
    let container = [
        bytes(1, "c"),
        number(16, 0),
        bytes(15, [number(2, 0), number(4, -7)].concat()),
        bytes(6, [number(2, 0), number(3, 80)].concat()),
        bytes(8, ""),
    ]
    .concat();
    let spec = [
        bytes(2, container),
        number(4, 0),
        number(11, 0),
        bytes(14, ""),
        bytes(7, [bytes(1, "disk"), bytes(2, "ssd")].concat()),
        bytes(1, [bytes(1, "v"), bytes(2, bytes(2, ""))].concat()),
    ]
    .concat();
    assert_eq!(
        pod(&spec),
        Ok(json!({
            "containers": [{
                "name": "c", "ports": [{"containerPort": 80}],
                "securityContext": {"privileged": false, "runAsUser": -7},
            }],
            "terminationGracePeriodSeconds": 0, "securityContext": {},
            "nodeSelector": {"disk": "ssd"}, "volumes": [{"name": "v", "emptyDir": {}}],
        }))
    );
}

#[test]
fn special_messages_are_written_as_json_writes_them() {
    let port = |value: Vec<u8>| {
        let get = bytes(2, [bytes(1, "/x"), bytes(2, value)].concat());
        let container = [bytes(1, "c"), bytes(10, bytes(1, get))].concat();
        pod(&bytes(2, container)).unwrap()["containers"][0]["livenessProbe"]["httpGet"]["port"]
            .clone()
    };
    assert_eq!(port([number(1, 0), number(2, 80)].concat()), 80);
    assert_eq!(port([number(1, 1), bytes(3, "http")].concat()), "http");
    let requests = bytes(2, [bytes(1, "cpu"), bytes(2, bytes(1, "100m"))].concat());
    let container = [bytes(1, "c"), bytes(8, requests)].concat();
    let resources = pod(&bytes(2, container)).unwrap()["containers"][0]["resources"].clone();
    assert_eq!(resources, json!({"requests": {"cpu": "100m"}}));

    let time = [number(1, 1_787_313_600), number(2, 123_456_789)].concat();
    let event = [bytes(6, &time), bytes(7, ""), bytes(10, &time)].concat();
    let event = Decoded::read(&body("v1", "Event", &event)).unwrap().into_object();
    assert_eq!(event["firstTimestamp"], "2026-08-21T12:00:00Z");
    assert_eq!(event["eventTime"], "2026-08-21T12:00:00.123456Z");
    assert_eq!(event.get("lastTimestamp"), None);

    let secret = bytes(2, [bytes(1, "k"), bytes(2, [0, 255])].concat());
    let secret = Decoded::read(&body("v1", "Secret", &secret)).unwrap().into_object();
    assert_eq!(secret["data"], json!({"k": "AP8="}));
    let managed = bytes(17, [bytes(1, "kubectl"), bytes(7, bytes(1, "{\"f:a\":{}}"))].concat());
    let managed = Decoded::read(&body("v1", "Secret", &bytes(1, managed))).unwrap().into_object();
    assert_eq!(managed["metadata"]["managedFields"][0]["fieldsV1"], json!({"f:a": {}}));
    let extra =
        bytes(5, [bytes(1, "scopes"), bytes(2, [bytes(1, "a"), bytes(1, "b")].concat())].concat());
    let review = body("authorization.k8s.io/v1", "SubjectAccessReview", &bytes(2, extra));
    let review = Decoded::read(&review).unwrap().into_object();
    assert_eq!(review["spec"]["extra"], json!({"scopes": ["a", "b"]}));
    // Numbers of a list may be packed.
    let groups = |list: Vec<u8>| pod(&bytes(14, list)).unwrap()["securityContext"].clone();
    let expected = json!({"supplementalGroups": [5, 600]});
    assert_eq!(groups([number(4, 5), number(4, 600)].concat()), expected);
    assert_eq!(groups(bytes(4, [varint(5), varint(600)].concat())), expected);
}

#[test]
fn bodies_that_are_refused() {
    let malformed = Err(ProtobufError::Malformed);
    let wrong = |message, number| Err(ProtobufError::WrongType { message, number });
    let pod_body = |raw: &[u8]| body("v1", "Pod", raw);
    let rows = [
        (b"{}".to_vec(), Err(ProtobufError::Magic)),
        (b"k8s\0\x0a".to_vec(), malformed.clone()),
        (pod_body(&[0x0a, 0x05]), malformed.clone()),
        (pod_body(&[0xff; 12]), malformed.clone()),
        // A number of more than 64 bits.
        (pod_body(&[&[0x20][..], &[0xff; 9], &[0x02]].concat()), malformed.clone()),
        (pod_body(&[0x0b]), malformed.clone()),
        (pod_body(&[0x00]), malformed),
        (pod_body(&number(1, 5)), wrong("core.v1.Pod", 1)),
        (pod_body(&bytes(2, number(2, 1))), wrong("core.v1.PodSpec", 2)),
        (pod_body(&bytes(2, bytes(4, "x"))), wrong("core.v1.PodSpec", 4)),
        (
            pod_body(&bytes(2, bytes(10, [0xff]))),
            Err(ProtobufError::NotText { message: "core.v1.PodSpec", number: 10 }),
        ),
        (
            body("v1", "Event", &bytes(6, number(1, i64::MAX))),
            Err(ProtobufError::NotATime { message: "core.v1.Event", number: 6 }),
        ),
        (
            body("v1", "Event", &bytes(1, bytes(17, bytes(7, bytes(1, "{"))))),
            Err(ProtobufError::NotJson { message: "meta.v1.ManagedFieldsEntry", number: 7 }),
        ),
        (
            body("v2", "Pod", &[]),
            Err(ProtobufError::UnknownKind {
                api_version: "v2".to_owned(),
                kind: "Pod".to_owned(),
            }),
        ),
        (
            [pod_body(&[]), bytes(3, "gzip")].concat(),
            Err(ProtobufError::Encoding("gzip".to_owned())),
        ),
        (pod_body(&bytes(1, bytes(14, "").repeat(200_001))), Err(ProtobufError::TooLarge)),
    ];
    for (body, expected) in rows {
        assert_eq!(Decoded::read(&body).map(|_| ()), expected);
    }
    let status = Status::from(ProtobufError::Magic);
    assert_eq!(
        (status.code(), status.message()),
        (400, "the object provided is unrecognized: the body does not begin with k8s\\0")
    );
}

#[test]
fn fields_of_newer_clients_are_reported() {
    let raw = [bytes(2, [bytes(99, "x"), number(98, 1)].concat()), bytes(77, "")].concat();
    let decoded = Decoded::read(&body("v1", "Pod", &raw)).unwrap();
    let expected =
        ["core.v1.PodSpec: field 99", "core.v1.PodSpec: field 98", "core.v1.Pod: field 77"];
    assert_eq!(decoded.unknown_fields(), expected);
    let many = body("v1", "Pod", &bytes(77, "").repeat(100));
    assert_eq!(Decoded::read(&many).unwrap().unknown_fields().len(), 16);
}

proptest! {
    #[test]
    fn no_body_makes_it_panic(raw in proptest::collection::vec(any::<u8>(), 0..200)) {
        for kind in ["Pod", "Event", "Secret", "DeleteOptions"] {
            let _ = Decoded::read(&body("v1", kind, &raw));
        }
        let _ = Decoded::read(&[MAGIC, &raw].concat());
    }

    #[test]
    fn no_change_of_a_body_makes_it_panic(at: prop::sample::Index, byte: u8, which: prop::sample::Index) {
        let vectors = vectors();
        let (_, mut body, _) = vectors[which.index(vectors.len())].clone();
        let at = at.index(body.len());
        body[at] = byte;
        let _ = Decoded::read(&body);
        body.truncate(at);
        let _ = Decoded::read(&body);
    }
}
