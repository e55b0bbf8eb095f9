//! Records of containers, and objects of the gRPC API.

use probelet::node::record::{decode, decode_foreign, encode, is_of_own};
use probelet_api::structs::{from_json, to_json};
use probelet_runtime::Extension;
use prost::Message;
use prost_types::{Any, Struct};

/// A record's extension as containerd stores it. What is read is written and read again.
pub fn record(data: &[u8]) {
    let Ok(Any { type_url, value }) = Any::decode(data) else { return };
    let any = Extension { type_url, value };
    let _ = (decode_foreign(&any), is_of_own(&any));
    let Ok((pod, memory)) = decode(&any) else { return };
    let written = encode(&pod, &memory).expect("what was read is written");
    let (pod_again, memory_again) = decode(&written).expect("what was written is read");
    assert_eq!((pod_again, memory_again), (pod, memory));
}

/// A `google.protobuf.Struct` in a request. As JSON and back it is the same JSON.
pub fn structs(data: &[u8]) {
    let Ok(read) = Struct::decode(data) else { return };
    let json = to_json(read);
    if let Ok(back) = from_json(json.clone()) {
        assert_eq!(to_json(back), json);
    }
}
