//! `docs/api.md` is written from the proto file, by this test with `PROBELET_WRITE_DOCS=1`.

#![allow(clippy::unwrap_used, reason = "a test")]
#![allow(clippy::disallowed_methods, reason = "tests read their own files")]

use std::fmt::Write;

use prost::Message;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto,
    FileDescriptorSet,
};

/// The numbers of fields in descriptor.proto, which source positions are made of.
const MESSAGE: i32 = 4;
const ENUM: i32 = 5;
const SERVICE: i32 = 6;
const FIELD_OR_VALUE: i32 = 2;
const NESTED: i32 = 3;

struct Page<'a> {
    file: &'a FileDescriptorProto,
    text: String,
}

impl Page<'_> {
    /// The leading comment as one line.
    fn comment(&self, position: &[i32]) -> String {
        let locations = &self.file.source_code_info.as_ref().unwrap().location;
        let mut found = locations.iter().filter(|location| location.path == position);
        let comment = found.find_map(|location| location.leading_comments.as_deref());
        let words: Vec<_> = comment.unwrap_or_default().split_whitespace().collect();
        words.join(" ").replace('|', "\\|")
    }

    fn services(&mut self) {
        for (service, index) in self.file.service.iter().zip(0..) {
            let comment = self.comment(&[SERVICE, index]);
            writeln!(self.text, "\n## {}\n\n{comment}\n\n| call | |\n|---|---|", service.name())
                .unwrap();
            for (method, at) in service.method.iter().zip(0..) {
                let comment = self.comment(&[SERVICE, index, FIELD_OR_VALUE, at]);
                let stream = |is_stream| if is_stream { "stream " } else { "" };
                let (request, response) = (short(method.input_type()), short(method.output_type()));
                let (from, to) =
                    (stream(method.client_streaming()), stream(method.server_streaming()));
                let call = format!("`{}`({from}[{request}]) → {to}[{response}]", method.name());
                writeln!(self.text, "| {call} | {comment} |").unwrap();
            }
        }
    }

    fn message(&mut self, message: &DescriptorProto, name: &str, position: Vec<i32>) {
        let below = |kind: i32, at: i32| [position.as_slice(), &[kind, at]].concat();
        let comment = self.comment(&position);
        writeln!(self.text, "\n### {name}\n").unwrap();
        if !comment.is_empty() {
            writeln!(self.text, "{comment}\n").unwrap();
        }
        if message.field.is_empty() {
            writeln!(self.text, "It has no fields.").unwrap();
        } else {
            writeln!(self.text, "| field | type | |\n|---|---|---|").unwrap();
        }
        for (field, at) in message.field.iter().zip(0..) {
            let comment = self.comment(&below(FIELD_OR_VALUE, at));
            let one_of = field.oneof_index.filter(|_| !field.proto3_optional());
            let one_of = one_of.and_then(|at| message.oneof_decl.get(usize::try_from(at).ok()?));
            let comment = match one_of {
                Some(group) => format!("{comment} One of `{}`.", group.name()),
                None => comment,
            };
            let (name, kind) = (field.json_name(), kind(field, message));
            writeln!(self.text, "| `{name}` | {kind} | {comment} |").unwrap();
        }
        for (nested, at) in message.nested_type.iter().zip(0..) {
            if !nested.options.as_ref().is_some_and(|options| options.map_entry()) {
                let name = format!("{name}.{}", nested.name());
                self.message(nested, &name, below(NESTED, at));
            }
        }
    }

    fn enumeration(&mut self, kind: &EnumDescriptorProto, index: i32) {
        let comment = self.comment(&[ENUM, index]);
        writeln!(self.text, "\n### {}\n\n{comment}\n\n| value | |\n|---|---|", kind.name())
            .unwrap();
        for (value, at) in kind.value.iter().zip(0..) {
            let comment = self.comment(&[ENUM, index, FIELD_OR_VALUE, at]);
            writeln!(self.text, "| `{}` | {comment} |", value.name()).unwrap();
        }
    }
}

/// A type's name without its package.
fn short(name: &str) -> &str {
    name.strip_prefix(".probelet.v1.").unwrap_or(name)
}

/// The type of a field, as JSON and the proto file name it.
fn kind(field: &FieldDescriptorProto, message: &DescriptorProto) -> String {
    let last = field.type_name().rsplit('.').next().unwrap();
    let entry = message.nested_type.iter().find(|nested| nested.name() == last);
    if entry.is_some_and(|entry| entry.options.as_ref().is_some_and(|options| options.map_entry()))
    {
        return "map of strings".to_owned();
    }
    let one = match field.r#type() {
        Type::Message | Type::Enum => match field.type_name().strip_prefix(".google.protobuf.") {
            Some(known) => format!("`{known}`"),
            None => format!("[{}]", short(field.type_name())),
        },
        other => format!("`{}`", other.as_str_name().trim_start_matches("TYPE_").to_lowercase()),
    };
    if field.label() == Label::Repeated { format!("list of {one}") } else { one }
}

fn page() -> String {
    let set = FileDescriptorSet::decode(probelet_api::pb::DESCRIPTORS).unwrap();
    let file = set.file.iter().find(|file| file.name().ends_with("/probelet.proto")).unwrap();
    let mut page = Page { file, text: String::new() };
    page.text.push_str(
        "# The gRPC API\n\nMade from `proto/probelet/v1/probelet.proto` by a test, with \
         `PROBELET_WRITE_DOCS=1 cargo test -p probelet-api --test reference`. The package is \
         `probelet.v1`; fields have their JSON names. Errors have gRPC's codes. INVALID_ARGUMENT has \
         a `google.rpc.BadRequest` that names every field that is not valid. While a new \
         daemon reads the records of its pods, all services but `Meta` and `Kubeconfigs` are \
         UNAVAILABLE. Then a call that changes a pod waits until containerd has reported the tasks of \
         that pod.\n",
    );
    page.services();
    page.text.push_str("\n## Messages\n");
    for (message, index) in file.message_type.iter().zip(0..) {
        page.message(message, message.name(), vec![MESSAGE, index]);
    }
    page.text.push_str("\n## Enumerations\n");
    for (kind, index) in file.enum_type.iter().zip(0..) {
        page.enumeration(kind, index);
    }
    link(&page.text)
}

/// Makes links of the names in brackets.
fn link(text: &str) -> String {
    let mut linked = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('[') {
        linked.push_str(before);
        match after.split_once(']') {
            Some((name, after)) if is_type(name) => {
                let anchor = name.to_lowercase().replace('.', "");
                write!(linked, "[{name}](#{anchor})").unwrap();
                rest = after;
            }
            _ => {
                linked.push('[');
                rest = after;
            }
        }
    }
    linked + rest
}

fn is_type(name: &str) -> bool {
    let is_letter = |letter: char| letter.is_alphanumeric() || letter == '.';
    name.starts_with(char::is_uppercase) && name.chars().all(is_letter)
}

#[test]
fn the_reference_is_that_of_the_proto_file() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/api.md");
    if std::env::var_os("PROBELET_WRITE_DOCS").is_some() {
        std::fs::write(path, page()).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    let stale =
        "docs/api.md is stale: PROBELET_WRITE_DOCS=1 cargo test -p probelet-api --test reference";
    assert!(written == page(), "{stale}");
}
