//! Every service, method, message field and enum value of the API has a leading comment: grpcurl
//! and generated clients print no others.

#![allow(clippy::unwrap_used, reason = "a test")]

use prost::Message;
use prost_types::{DescriptorProto, FileDescriptorProto, FileDescriptorSet};

/// The numbers of fields in descriptor.proto, which source positions are made of.
const MESSAGE: i32 = 4;
const ENUM: i32 = 5;
const SERVICE: i32 = 6;
const MESSAGE_FIELD: i32 = 2;
const NESTED_MESSAGE: i32 = 3;
const VALUE_OR_METHOD: i32 = 2;

/// Each commented item with its position in the file.
fn items(file: &FileDescriptorProto) -> Vec<(String, Vec<i32>)> {
    let mut items = Vec::new();
    for (message, index) in file.message_type.iter().zip(0..) {
        fields(message, message.name(), vec![MESSAGE, index], &mut items);
    }
    for (kind, index) in file.enum_type.iter().zip(0..) {
        items.push((kind.name().to_owned(), vec![ENUM, index]));
        for (value, at) in kind.value.iter().zip(0..) {
            items.push((value.name().to_owned(), vec![ENUM, index, VALUE_OR_METHOD, at]));
        }
    }
    for (service, index) in file.service.iter().zip(0..) {
        items.push((service.name().to_owned(), vec![SERVICE, index]));
        for (method, at) in service.method.iter().zip(0..) {
            let name = format!("{}.{}", service.name(), method.name());
            items.push((name, vec![SERVICE, index, VALUE_OR_METHOD, at]));
        }
    }
    items
}

fn fields(
    message: &DescriptorProto,
    name: &str,
    position: Vec<i32>,
    items: &mut Vec<(String, Vec<i32>)>,
) {
    let below = |kind: i32, at: i32| [position.as_slice(), &[kind, at]].concat();
    for (field, at) in message.field.iter().zip(0..) {
        items.push((format!("{name}.{}", field.name()), below(MESSAGE_FIELD, at)));
    }
    for (nested, at) in message.nested_type.iter().zip(0..) {
        // The type of a map's entry is not in the source.
        if !nested.options.as_ref().is_some_and(|options| options.map_entry()) {
            let name = format!("{name}.{}", nested.name());
            fields(nested, &name, below(NESTED_MESSAGE, at), items);
        }
    }
}

#[test]
fn every_field_and_method_has_a_leading_comment() {
    let set = FileDescriptorSet::decode(probelet_api::pb::DESCRIPTORS).unwrap();
    let file = set.file.iter().find(|file| file.name().ends_with("/probelet.proto")).unwrap();
    let locations = &file.source_code_info.as_ref().unwrap().location;
    let commented = |position: &[i32]| {
        let mut found = locations.iter().filter(|location| location.path == position);
        found.any(|location| !location.leading_comments().trim().is_empty())
    };
    let items = items(file);
    assert!(items.len() > 300, "the API has more fields than {}", items.len());
    let bare: Vec<_> =
        items.iter().filter(|(_, position)| !commented(position)).map(|(name, _)| name).collect();
    assert!(bare.is_empty(), "without a leading comment: {bare:?}");
}
