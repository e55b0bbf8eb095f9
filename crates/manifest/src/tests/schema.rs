//! All fields of Kubernetes' types against the table of fields, and the table as a document.

use std::fmt;

use k8s_openapi::api::core::v1::Pod;
use serde::Deserialize;
use serde::de::value::{Error, StrDeserializer};
use serde::de::{DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use crate::field_path::member;
use crate::fields::{Rule, TABLE};
use crate::unsupported_kinds::{self, Treatment};

/// Accepts every field, and records those that have no fields below them.
struct Walker<'a> {
    path: String,
    leaves: &'a mut Vec<String>,
}

impl Walker<'_> {
    fn leaf(self) {
        self.leaves.push(self.path);
    }
}

macro_rules! scalars {
    ($($method:ident $visit:ident $value:expr;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.leaf();
            visitor.$visit($value)
        }
    )*};
}

impl<'de> Deserializer<'de> for Walker<'_> {
    type Error = Error;

    scalars! {
        deserialize_any visit_i64 1;
        deserialize_bool visit_bool true;
        deserialize_i32 visit_i32 1;
        deserialize_i64 visit_i64 1;
        deserialize_f64 visit_f64 1.0;
        // A text that is also a valid time.
        deserialize_str visit_str "2026-01-01T00:00:00Z";
        deserialize_string visit_str "2026-01-01T00:00:00Z";
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let path = format!("{}[]", self.path);
        visitor.visit_seq(Once(Some(Walker { path, leaves: self.leaves })))
    }

    /// A mapping whose keys the user chooses.
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.leaf();
        visitor.visit_map(Fields { path: "", left: &[], leaves: &mut Vec::new() })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_map(Fields { path: &self.path, left: fields, leaves: self.leaves })
    }

    forward_to_deserialize_any! {
        i8 i16 u8 u16 u32 u64 f32 char bytes byte_buf unit unit_struct tuple tuple_struct enum
        identifier ignored_any
    }
}

struct Once<'a>(Option<Walker<'a>>);

impl<'de> SeqAccess<'de> for Once<'_> {
    type Error = Error;
    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        self.0.take().map(|walker| seed.deserialize(walker)).transpose()
    }
}

struct Fields<'a> {
    path: &'a str,
    left: &'static [&'static str],
    leaves: &'a mut Vec<String>,
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        let key: Option<StrDeserializer<'_, Error>> =
            self.left.first().map(|field| field.into_deserializer());
        key.map(|key| seed.deserialize(key)).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let (field, left) = self.left.split_first().unwrap();
        self.left = left;
        match *field {
            "apiVersion" if self.path.is_empty() => seed.deserialize("v1".into_deserializer()),
            "kind" if self.path.is_empty() => seed.deserialize("Pod".into_deserializer()),
            field => {
                let path = member(self.path, field);
                seed.deserialize(Walker { path, leaves: self.leaves })
            }
        }
    }
}

/// Every field of a Pod that has no fields below it.
fn leaves() -> Vec<String> {
    let mut leaves = Vec::new();
    Pod::deserialize(Walker { path: String::new(), leaves: &mut leaves }).unwrap();
    leaves.retain(|leaf| !leaf.starts_with("status."));
    leaves.push("status".to_owned());
    leaves
}

fn pattern(leaf: &str) -> String {
    let mut pattern = leaf.replace("initContainers[]", "containers[]");
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        pattern = pattern.replace(probe, "<probe>");
    }
    pattern
}

/// The entry of the table for a field.
fn rule(leaf: &str) -> Option<(&'static str, Rule)> {
    let pattern = pattern(leaf);
    let covers = |entry: &str| {
        let rest = pattern.strip_prefix(entry);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    TABLE.iter().find(|(entry, _)| covers(entry)).copied()
}

#[test]
fn every_field_of_kubernetes_is_in_the_table() {
    let leaves = leaves();
    assert!(leaves.len() > 500, "{}", leaves.len());
    let unlisted: Vec<_> = leaves.iter().filter(|leaf| rule(leaf).is_none()).collect();
    assert_eq!(unlisted, Vec::<&String>::new());
}

#[test]
fn every_line_of_the_table_is_a_field_of_kubernetes() {
    let patterns: Vec<_> = leaves().iter().map(|leaf| pattern(leaf)).collect();
    for (entry, _) in TABLE {
        let of_objects =
            ["apiVersion", "kind", "data", "binaryData", "stringData", "immutable", "type"];
        let is_field = patterns.iter().any(|pattern| pattern.starts_with(entry));
        assert!(is_field || of_objects.contains(entry), "{entry} is no field of Kubernetes");
    }
}

struct Meaning(Rule);

impl fmt::Display for Meaning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Rule::Honoured => f.write_str("honoured"),
            Rule::Warned(why) => write!(f, "ignored, with a warning: {why}"),
            Rule::WarnedBut(default, why) => {
                write!(f, "ignored, with a warning unless `{default}`: {why}")
            }
            Rule::Only(values) => write!(f, "only `{}`", values.join("`, `")),
            Rule::Refused(why) => write!(f, "refused: {why}"),
        }
    }
}

fn document() -> String {
    let mut text = "# Every field of a Pod\n\nMade from the table in \
        `crates/manifest/src/fields.rs`, which a test compares with Kubernetes' own types; the same \
        test writes this file, with `PROBELET_WRITE_DOCS=1`. An entry holds for all fields below \
        it. `initContainers` have the same fields as `containers`; `<probe>` is `livenessProbe`, \
        `readinessProbe` and `startupProbe`. A field that Kubernetes does not have is refused.\n\n\
        | field | |\n|---|---|\n"
        .to_owned();
    let objects = ["data", "binaryData", "stringData", "immutable", "type"];
    for (field, rule) in TABLE.iter().filter(|(field, _)| !objects.contains(field)) {
        text += &format!("| `{field}` | {} |\n", Meaning(*rule));
    }
    text += "\n# Other objects\n\nMade from the table in \
        `crates/manifest/src/unsupported_kinds.rs`. A file may have objects beside its pods. The \
        pods of an apply use its ConfigMaps and Secrets. A Deployment, StatefulSet, ReplicaSet, \
        ReplicationController or DaemonSet of one replica, and a Job, are the pod of their \
        template. An object that runs nothing and keeps no data is left out, with a warning. An \
        object that would run something or keep data is refused, and so is each kind that is not \
        in this table; then nothing of the file is applied.\n\n| object | |\n|---|---|\n";
    for (group, kind, treatment) in unsupported_kinds::TABLE {
        let group = if group.is_empty() { String::new() } else { format!(" (`{group}`)") };
        let (what, why) = match treatment {
            Treatment::LeftOut(why) => ("left out", why),
            Treatment::Refused(why) => ("refused", why),
        };
        text += &format!("| {kind}{group} | {what}: {why} |\n");
    }
    text
}

#[test]
fn the_documented_fields_are_those_of_the_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/pod-fields.md");
    if std::env::var_os("PROBELET_WRITE_DOCS").is_some() {
        std::fs::create_dir_all(std::path::Path::new(path).parent().unwrap()).unwrap();
        std::fs::write(path, document()).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    let stale = "docs/pod-fields.md is stale: PROBELET_WRITE_DOCS=1 cargo test -p probelet-manifest documented";
    assert!(written == document(), "{stale}");
}
