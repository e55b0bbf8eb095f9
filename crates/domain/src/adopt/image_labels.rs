//! Labels that an image's configuration defines. `ctr run`, nerdctl and CRI copy them to the
//! container, where they must not count as labels that the container's owner has set.

use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};

use super::{LOG_URIS, PREFIX};
use crate::spec::OwnLabels;

/// Labels of a container's image, as far as they are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageLabels {
    /// The labels; empty if the container was made without an image.
    Known(OwnLabels),
    /// Reason why the image's configuration cannot be read.
    Unknown(String),
}

impl ImageLabels {
    /// Returns the labels, with those that were recorded earlier. Recorded labels count even if the
    /// image was changed or removed since.
    pub(super) fn or_remembered(&self, remembered: Option<&OwnLabels>) -> Result<OwnLabels, &str> {
        match (self, remembered) {
            (Self::Known(own), None) => Ok(own.clone()),
            (Self::Known(own), Some(remembered)) => {
                let mut all = own.clone();
                all.add(remembered);
                Ok(all)
            }
            (Self::Unknown(_), Some(remembered)) => Ok(remembered.clone()),
            (Self::Unknown(why), None) => Err(why),
        }
    }
}

/// Labels and digests in an index, manifest or configuration of an image. containerd's JSON parser
/// ignores the case of names and merges repeated members. So each member with a text counts, at any
/// depth: a label too many has no effect, one too few would count as the owner's.
#[derive(Debug, Default)]
pub struct Document {
    /// Labels with probelet's prefix, and labels that name a log URI.
    pub labels: OwnLabels,
    /// Digests of the documents and layers that the document refers to.
    pub digests: BTreeSet<String>,
}

impl Document {
    /// Reads a document of an image.
    ///
    /// # Errors
    ///
    /// The text is not valid JSON, or is nested too deeply.
    pub fn read(json: &[u8]) -> Result<Self, serde_json::Error> {
        Ok(match serde_json::from_slice(json)? {
            Node::Text(_) => Self::default(),
            Node::Within(document) => document,
        })
    }

    fn add(&mut self, within: Self) {
        self.labels.add(&within.labels);
        self.digests.extend(within.digests);
    }

    fn member(&mut self, name: String, text: String) {
        if is_digest(&text) {
            self.digests.insert(text);
        } else if name.starts_with(PREFIX) || LOG_URIS.contains(&name.as_str()) {
            self.labels.insert(name, text);
        }
    }
}

fn is_digest(text: &str) -> bool {
    text.split_once(':').is_some_and(|(algorithm, hex)| {
        matches!((algorithm, hex.len()), ("sha256", 64) | ("sha384", 96) | ("sha512", 128))
            && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

/// A JSON value: a text, or the labels and digests within an object or array.
enum Node {
    Text(String),
    Within(Document),
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl NodeVisitor {
    fn nothing<E>() -> Result<Node, E> {
        Ok(Node::Within(Document::default()))
    }
}

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Node, E> {
        Self::nothing()
    }

    fn visit_i64<E>(self, _: i64) -> Result<Node, E> {
        Self::nothing()
    }

    fn visit_u64<E>(self, _: u64) -> Result<Node, E> {
        Self::nothing()
    }

    fn visit_f64<E>(self, _: f64) -> Result<Node, E> {
        Self::nothing()
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Self::nothing()
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut all = Document::default();
        while let Some(item) = items.next_element()? {
            if let Node::Within(within) = item {
                all.add(within);
            }
        }
        Ok(Node::Within(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Node, A::Error> {
        let mut all = Document::default();
        while let Some((name, value)) = members.next_entry::<String, Node>()? {
            match value {
                Node::Within(within) => all.add(within),
                Node::Text(text) => all.member(name, text),
            }
        }
        Ok(Node::Within(all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_found_in_every_form_that_containerd_reads() {
        for config in [
            r#"{"config": {"Labels": {"probelet/restart": "always"}}}"#,
            // Go ignores the case of names and merges repeated members.
            r#"{"CONFIG": {"labels": {"probelet/restart": "always"}}}"#,
            r#"{"config": {"Labels": {"probelet/restart": "always"}}, "config": {"Labels": {}}}"#,
            r#"{"config": {"Labels": {"probelet/restart": "always", "probelet/restart": "x"}}}"#,
            r#"{"config": {"Labels": {"probelet/re\u0073tart": "alway\u0073"}}}"#,
            r#"[1, -2, 2.5, null, true, "x", {"a": [{"probelet/restart": "always"}]}]"#,
        ] {
            let own = Document::read(config.as_bytes()).unwrap().labels;
            assert!(own.has("probelet/restart", "always"), "{config}");
            assert!(!own.has("probelet/restart", "never"), "{config}");
        }
        let deep = format!("{}1{}", "[".repeat(500), "]".repeat(500));
        for config in ["", "{", r#"{"config": "#, "{} {}", &deep] {
            assert!(Document::read(config.as_bytes()).is_err(), "{config}");
        }
    }

    #[test]
    fn only_labels_with_an_effect_and_digests_are_kept() {
        let digest = format!("sha256:{}", "0f".repeat(32));
        let manifest = format!(
            r#"{{"config": {{"Digest": "{digest}", "size": 1}}, "diff_ids": ["{digest}"],
                "Labels": {{"maintainer": "m", "nerdctl/log-uri": "file:///a"}}}}"#
        );
        let read = Document::read(manifest.as_bytes()).unwrap();
        let label = ("nerdctl/log-uri".to_owned(), "file:///a".to_owned());
        assert_eq!(read.labels, [label].into_iter().collect());
        assert_eq!(read.digests, [digest].into());
    }
}
