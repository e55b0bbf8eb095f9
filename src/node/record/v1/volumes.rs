//! The volumes of a record.

use std::collections::BTreeMap;
use std::time::SystemTime;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

use super::container::{PodField, PullPolicy, ResourceField};
use super::convert::{Convert, choice, plain, record};
use crate::domain::spec;

record!(Volume = spec::Volume { name: String, source: VolumeSource });

choice!(VolumeSource = spec::VolumeSource {
    EmptyDir { medium: Medium, size_limit: Option<u64> },
    HostPath { path: String, kind: HostPathType },
    Files(value: Files),
    Image(value: VolumeImage),
});

record!(VolumeImage = spec::VolumeImage {
    reference: String,
    pull_policy: Option<PullPolicy>,
});

plain!(Medium = spec::Medium: Disk, Memory);

plain!(
    HostPathType = spec::HostPathType:
    Unset, DirectoryOrCreate, Directory, FileOrCreate, File, Socket, CharDevice, BlockDevice
);

record!(Files = spec::Files {
    projected: bool,
    default_mode: u32,
    parts: Vec<Part>,
});

choice!(Part = spec::Part {
    Object { kind: ObjectKind, name: String, optional: bool, items: Vec<Item>, data: BTreeMap<String, Content> },
    DownwardApi(value: Vec<DownwardItem>),
    ServiceAccountToken(value: AccountToken),
});

record!(AccountToken = spec::AccountToken {
    path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    audience: Option<String>,
    expiration_seconds: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    issued: Option<IssuedToken>,
});

record!(
    IssuedToken = spec::IssuedToken {
        content: Content,
        account_uid: String,
        from: SystemTime,
        expires: SystemTime,
    }
);

plain!(ObjectKind = spec::ObjectKind: ConfigMap, Secret);

record!(Item = spec::Item {
    key: String,
    path: String,
    mode: Option<u32>,
});

record!(DownwardItem = spec::DownwardItem {
    path: String,
    mode: Option<u32>,
    field: DownwardField,
});

choice!(DownwardField = spec::DownwardField {
    One(value: PodField),
    Labels,
    Annotations,
    Resource(value: ResourceField),
});

record!(
    VolumeMount = spec::VolumeMount {
        name: String,
        mount_path: String,
        sub_path: SubPath,
        read_only: bool,
        recursive_read_only: RecursiveReadOnly,
        propagation: Propagation,
    }
);

choice!(SubPath = spec::SubPath {
    None,
    Plain(value: String),
    Expr(value: String),
});

plain!(RecursiveReadOnly = spec::RecursiveReadOnly: Disabled, IfPossible, Enabled);

plain!(Propagation = spec::Propagation: None, HostToContainer, Bidirectional);

/// Content of a file: text if it is UTF-8, else base64.
#[derive(Serialize, Deserialize)]
#[serde(into = "Encoded", try_from = "Encoded")]
pub struct Content(Vec<u8>);

#[derive(Serialize, Deserialize)]
enum Encoded {
    Text(String),
    Base64(String),
}

// `serde(into)` clones what it serialises.
impl Clone for Content {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl From<Content> for Encoded {
    fn from(content: Content) -> Self {
        String::from_utf8(content.0)
            .map_or_else(|e| Self::Base64(BASE64_STANDARD.encode(e.as_bytes())), Self::Text)
    }
}

impl TryFrom<Encoded> for Content {
    type Error = base64::DecodeError;

    fn try_from(encoded: Encoded) -> Result<Self, Self::Error> {
        match encoded {
            Encoded::Text(text) => Ok(Self(text.into_bytes())),
            Encoded::Base64(text) => BASE64_STANDARD.decode(text).map(Self),
        }
    }
}

impl Convert<Content> for spec::Content {
    fn convert(self) -> Content {
        Content(self.0)
    }
}

impl Convert<spec::Content> for Content {
    fn convert(self) -> spec::Content {
        spec::Content(self.0)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json, to_value};

    use super::*;

    #[test]
    fn content_is_text_or_base64() {
        for (bytes, shape) in [
            (&b"plain"[..], json!({ "Text": "plain" })),
            (&[0xff, 0, 1], json!({ "Base64": "/wAB" })),
        ] {
            let content = spec::Content(bytes.to_vec());
            assert_eq!(to_value(Convert::<Content>::convert(content.clone())).unwrap(), shape);
            let read: spec::Content = from_value::<Content>(shape).unwrap().convert();
            assert_eq!(read, content);
        }
        assert!(from_value::<Content>(json!({ "Base64": "%" })).is_err());
    }
}
