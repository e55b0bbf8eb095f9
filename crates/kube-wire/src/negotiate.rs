//! Content negotiation: which form of an object a client accepts, and what a body is.
//!
//! - kubectl `get` asks for a Table and falls back to JSON; client-go's informers ask for protobuf
//!   and take JSON, since each lists `application/json` behind it. Protobuf is never produced.
//! - Discovery is asked for as aggregated v2, v2beta1, or plain.
//! - Python sends bodies without a content type, and they are JSON. Go clients send protobuf.

use crate::status::{Status, protocol};

mod accept;
mod body;

pub use body::{BodyType, MAX_BODY, PatchType, body_type, patch_type};

#[cfg(test)]
mod tests;

/// What the endpoint can answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// One object or the result of a write.
    Object,
    /// A list.
    List,
    /// A watch.
    Watch,
    /// `/api` and `/apis`.
    Discovery,
    /// A document without other forms, such as `/version`.
    Document,
}

/// A version of Table and PartialObjectMetadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetaVersion {
    /// `meta.k8s.io/v1`.
    V1,
    /// `meta.k8s.io/v1beta1`.
    V1Beta1,
}

impl MetaVersion {
    /// The `apiVersion` of the answer.
    pub fn api_version(self) -> &'static str {
        match self {
            Self::V1 => "meta.k8s.io/v1",
            Self::V1Beta1 => "meta.k8s.io/v1beta1",
        }
    }
}

/// A version of aggregated discovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiscoveryVersion {
    /// `apidiscovery.k8s.io/v2`.
    V2,
    /// `apidiscovery.k8s.io/v2beta1`.
    V2Beta1,
}

impl DiscoveryVersion {
    /// The version's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V2 => "v2",
            Self::V2Beta1 => "v2beta1",
        }
    }
}

/// The form of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As it is.
    Plain,
    /// A Table.
    Table(MetaVersion),
    /// Metadata alone, of an object or of each item of a list.
    PartialMetadata(MetaVersion),
    /// `APIGroupDiscoveryList`.
    Aggregated(DiscoveryVersion),
}

/// The answer that a client accepts. It is JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    form: Form,
    pretty: bool,
}

impl Answer {
    /// Reads the header `Accept`; 406 if nothing in it can be produced.
    pub fn negotiate(accept: Option<&str>, endpoint: Endpoint) -> Result<Self, Status> {
        let plain = Self { form: Form::Plain, pretty: false };
        let Some(header) = accept.map(str::trim).filter(|header| !header.is_empty()) else {
            return Ok(plain);
        };
        let clauses = accept::clauses(header).ok_or_else(accept::too_long)?;
        let mut answers = clauses.iter().filter_map(|clause| Self::of(clause, endpoint));
        answers.next().ok_or_else(|| protocol::not_acceptable(&["application/json"]))
    }

    fn of(clause: &accept::Clause<'_>, endpoint: Endpoint) -> Option<Self> {
        let is_json =
            matches!((clause.kind(), clause.subtype()), ("application", "json" | "*") | ("*", "*"));
        if !is_json || clause.parameter("sv").is_some_and(|version| !version.is_empty()) {
            return None;
        }
        match clause.parameter("stream").unwrap_or_default() {
            "" => {}
            "watch" if endpoint == Endpoint::Watch => {}
            _ => return None,
        }
        let named = ["as", "g", "v"].map(|name| clause.parameter(name).unwrap_or_default());
        let form = form(named, endpoint)?;
        Some(Self { form, pretty: clause.parameter("pretty") == Some("1") })
    }

    /// The form of the answer.
    pub fn form(self) -> Form {
        self.form
    }

    /// True if the media type asks for indented JSON.
    pub fn is_pretty(self) -> bool {
        self.pretty
    }

    /// The header `Content-Type` of the answer. Clients of aggregated discovery read the version
    /// from it.
    pub fn content_type(self) -> &'static str {
        match self.form {
            Form::Aggregated(DiscoveryVersion::V2) => {
                "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
            }
            Form::Aggregated(DiscoveryVersion::V2Beta1) => {
                "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList"
            }
            _ => "application/json",
        }
    }
}

/// The content type of OpenAPI v2 as protobuf.
pub const OPENAPI_PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
/// The name by which kubectl before 1.23 asks for it, which is no valid content type.
const OPENAPI_PROTOBUF_EARLIER: &str = "com.github.proto-openapi.spec.v2@v1.0+protobuf";

/// True if the client asks for OpenAPI v2 as protobuf, which kubectl always does.
pub fn is_openapi_protobuf(accept: Option<&str>) -> bool {
    let clauses = accept.and_then(accept::clauses).unwrap_or_default();
    let names = [OPENAPI_PROTOBUF.trim_start_matches("application/"), OPENAPI_PROTOBUF_EARLIER];
    clauses.first().is_some_and(|it| it.kind() == "application" && names.contains(&it.subtype()))
}

fn form([kind, group, version]: [&str; 3], endpoint: Endpoint) -> Option<Form> {
    let is_list = endpoint == Endpoint::List;
    let objects = is_list || matches!(endpoint, Endpoint::Object | Endpoint::Watch);
    let meta = || match version {
        "v1" => Some(MetaVersion::V1),
        "v1beta1" => Some(MetaVersion::V1Beta1),
        _ => None,
    };
    match (kind, group) {
        ("", "") if version.is_empty() => Some(Form::Plain),
        ("Table", "meta.k8s.io") if objects => Some(Form::Table(meta()?)),
        ("PartialObjectMetadata", "meta.k8s.io") if objects && !is_list => {
            Some(Form::PartialMetadata(meta()?))
        }
        ("PartialObjectMetadataList", "meta.k8s.io") if is_list => {
            Some(Form::PartialMetadata(meta()?))
        }
        ("APIGroupDiscoveryList", "apidiscovery.k8s.io") => {
            (endpoint == Endpoint::Discovery).then_some(())?;
            Some(Form::Aggregated(match version {
                "v2" => DiscoveryVersion::V2,
                "v2beta1" => DiscoveryVersion::V2Beta1,
                _ => return None,
            }))
        }
        _ => None,
    }
}
