//! Lists: one version, in pages.

use std::borrow::Cow;
use std::ops::Bound;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::ser::{SerializeSeq, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::object::Object;
use super::selection::Selection;
use super::{Feed, Key};
use crate::discovery::Served;
use crate::events;
use crate::options::{ListOptions, VersionMatch, VersionRequest};
use crate::status::{Status, protocol};

/// Most bytes of a `continue` token.
const MAX_TOKEN: usize = 4_096;

/// What `continue` says: the version of the list, and the last object of the page.
#[derive(Serialize, Deserialize)]
struct Token {
    rv: u64,
    namespace: String,
    name: String,
}

/// A page of a list.
#[derive(Debug, Clone)]
pub struct Page {
    served: &'static Served,
    version: u64,
    items: Vec<Arc<Object>>,
    token: Option<String>,
    remaining: Option<usize>,
}

impl Feed {
    /// A page of the selected objects. 410 if its version is forgotten, 504 if it is still ahead.
    pub fn list(&self, selection: &Selection, options: &ListOptions) -> Result<Page, Status> {
        let token = options.continue_token.as_deref().map(Token::parse).transpose()?;
        let version = match &token {
            Some(token) => token.rv,
            None => self.listed_version(options)?,
        };
        if version < self.ring.oldest() {
            return Err(match token {
                Some(_) => protocol::continue_expired(),
                None => protocol::expired(version, self.ring.oldest()),
            });
        }
        if version > self.version() {
            return Err(protocol::version_too_large(version, self.version()));
        }
        let stored = selection.stored();
        let undone;
        let objects = if version == self.version() {
            self.objects.get(&stored)
        } else {
            undone = self.state_at(stored, version);
            Some(&undone)
        };
        let start = match &token {
            Some(token) => Bound::Excluded(Key::new(&*token.namespace, &*token.name)),
            None => Bound::Unbounded,
        };
        let limit = options.limit.and_then(|limit| usize::try_from(limit).ok());
        let objects =
            objects.into_iter().flat_map(|it| it.range((start.clone(), Bound::Unbounded)));
        let selected =
            objects.filter(|(key, object)| selection.has(stored, key) && selection.selects(object));
        let mut selected: Vec<_> = selected.collect();
        let total = selected.len();
        selected.truncate(limit.unwrap_or(total));
        let more = total - selected.len();
        let last = selected.last().filter(|_| more > 0).map(|(key, _)| Token::text(version, key));
        Ok(Page {
            served: selection.served(),
            version,
            items: selected.into_iter().map(|(_, object)| Arc::clone(object)).collect(),
            token: last,
            remaining: (more > 0 && selection.is_everything()).then_some(more),
        })
    }

    fn listed_version(&self, options: &ListOptions) -> Result<u64, Status> {
        match (options.version, options.version_match) {
            (VersionRequest::At(version), Some(VersionMatch::Exact)) => Ok(version),
            (VersionRequest::At(version), _) if version > self.version() => {
                Err(protocol::version_too_large(version, self.version()))
            }
            _ => Ok(self.version()),
        }
    }
}

impl Token {
    fn text(version: u64, key: &Key) -> String {
        let token = json!({"rv": version, "namespace": key.namespace(), "name": key.name()});
        URL_SAFE_NO_PAD.encode(token.to_string())
    }

    fn parse(text: &str) -> Result<Self, Status> {
        let decoded =
            URL_SAFE_NO_PAD.decode(text.as_bytes()).ok().filter(|_| text.len() <= MAX_TOKEN);
        let token = decoded.and_then(|decoded| serde_json::from_slice(&decoded).ok());
        token.ok_or_else(|| Status::bad_request("continue key is not valid"))
    }
}

impl Page {
    /// The objects in the form of the resource.
    pub fn items(&self) -> impl Iterator<Item = Cow<'_, Value>> {
        self.items.iter().map(|item| Cow::Owned(events::into_served(self.served, item.value())))
    }

    /// The list as JSON without line breaks.
    pub fn text(&self) -> String {
        let (kind, version) = (self.served.kind, self.served.api_version());
        let mut text = format!(
            "{{\"kind\":\"{kind}List\",\"apiVersion\":\"{version}\",\"metadata\":{},\"items\":[",
            self.metadata()
        );
        for (number, item) in self.items.iter().enumerate() {
            if number > 0 {
                text.push(',');
            }
            match events::is_stored_form(self.served) {
                true => text.push_str(item.text()),
                false => text += &events::into_served(self.served, item.value()).to_string(),
            }
        }
        text.push_str("]}");
        text
    }

    /// The version of the list.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// `metadata` of the list.
    pub fn metadata(&self) -> Value {
        let mut metadata = Map::new();
        metadata.insert("resourceVersion".to_owned(), json!(self.version.to_string()));
        if let Some(token) = &self.token {
            metadata.insert("continue".to_owned(), json!(token));
        }
        if let Some(remaining) = self.remaining {
            metadata.insert("remainingItemCount".to_owned(), json!(remaining));
        }
        Value::Object(metadata)
    }
}

/// The list as a tree of values.
impl Serialize for Page {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct List<'a> {
            kind: String,
            api_version: String,
            metadata: Value,
            items: Items<'a>,
        }
        struct Items<'a>(&'a Page);
        impl Serialize for Items<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut items = serializer.serialize_seq(Some(self.0.items.len()))?;
                for item in self.0.items() {
                    items.serialize_element(&item)?;
                }
                items.end()
            }
        }
        let list = List {
            kind: format!("{}List", self.served.kind),
            api_version: self.served.api_version(),
            metadata: self.metadata(),
            items: Items(self),
        };
        list.serialize(serializer)
    }
}
