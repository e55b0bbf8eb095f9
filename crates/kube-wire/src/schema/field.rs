//! What the table says of a field.

/// A message and its fields, by their numbers.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) name: &'static str,
    pub(super) fields: &'static [Field],
}

/// A field of a message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) number: u32,
    /// The name in JSON; empty for an inlined message.
    pub(crate) name: &'static str,
    pub(crate) kind: Type,
    pub(crate) label: Label,
    pub(crate) merge: Merge,
}

/// The type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    Bool,
    Integer,
    Text,
    /// Base64 in JSON.
    Bytes,
    /// A message that has only a list of texts; a list in JSON.
    Texts,
    Quantity,
    IntOrString,
    Time,
    MicroTime,
    /// A message that holds JSON.
    RawJson,
    /// A message by its name.
    Message(&'static str),
}

/// How often a field is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Label {
    /// Always: a zero is a value.
    Required,
    /// A zero means that it is absent, since Go clients write it always.
    Optional,
    /// A zero is a value, and absence is another.
    Pointer,
    List,
    /// A map from texts.
    Map,
    /// The fields of the message are fields of this one.
    Inline,
}

/// How a strategic merge patch merges a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Merge {
    /// The patch has the whole list.
    Replace,
    /// Items are merged by this field.
    Key(&'static str),
    /// Items are texts, and each is there once.
    Union,
}

pub(super) const fn field(number: u32, name: &'static str, kind: Type, label: Label) -> Field {
    Field { number, name, kind, label, merge: Merge::Replace }
}

pub(super) const fn merged(
    number: u32,
    name: &'static str,
    kind: Type,
    label: Label,
    merge: Merge,
) -> Field {
    Field { number, name, kind, label, merge }
}
