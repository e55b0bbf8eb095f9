//! The types of Kubernetes' API that clients send: fields, numbers, and how lists are merged.
//!
//! Two readers use it: protobuf bodies, whose fields have numbers only, and strategic merge patches,
//! whose lists are merged by keys. The table is generated; a field that is not in it does not exist.

mod field;
mod generated;

pub(crate) use field::{Field, Label, Merge, Type};
pub use generated::API_VERSION;

use field::Message;
use generated::{MESSAGES, ROOTS};

#[cfg(test)]
mod tests;

/// How deep messages are inlined: a field of a volume's source is a field of the volume.
const MAX_INLINE: usize = 4;

/// A type of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schema {
    message: &'static Message,
}

impl Schema {
    /// The type of an object; `None` if it is not in the table. Options of deletions are one type in
    /// all groups.
    pub fn of(api_version: &str, kind: &str) -> Option<Self> {
        if kind == "DeleteOptions" {
            return Self::named("meta.v1.DeleteOptions");
        }
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let key = (group, version, kind);
        let root = ROOTS.iter().find(|(group, version, kind, _)| (*group, *version, *kind) == key);
        Self::named(root?.3)
    }

    /// A type by the name of its message.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let at = MESSAGES.binary_search_by(|message| message.name.cmp(name)).ok()?;
        MESSAGES.get(at).map(|message| Self { message })
    }

    /// The name of the message, such as `core.v1.Pod`.
    pub fn name(&self) -> &'static str {
        self.message.name
    }

    pub(crate) fn fields(&self) -> &'static [Field] {
        self.message.fields
    }

    pub(crate) fn by_number(&self, number: u32) -> Option<&'static Field> {
        let at = self.message.fields.binary_search_by_key(&number, |field| field.number).ok()?;
        self.message.fields.get(at)
    }

    /// A field by its name in JSON, also of inlined messages.
    pub(crate) fn by_name(&self, name: &str) -> Option<&'static Field> {
        self.find(name, MAX_INLINE)
    }

    fn find(&self, name: &str, depth: usize) -> Option<&'static Field> {
        let fields = self.message.fields;
        let own = fields.iter().find(|field| field.name == name && field.label != Label::Inline);
        own.or_else(|| {
            let inlined = fields.iter().filter(|field| depth > 0 && field.label == Label::Inline);
            inlined.filter_map(|field| field.schema()).find_map(|it| it.find(name, depth - 1))
        })
    }
}

impl Field {
    /// The type of a field that is a message.
    pub(crate) fn schema(&self) -> Option<Schema> {
        match self.kind {
            Type::Message(name) => Schema::named(name),
            _ => None,
        }
    }
}
