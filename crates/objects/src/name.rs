//! Names of objects, and the files that they are stored in.

use std::fmt;
use std::path::{Path, PathBuf};

/// The folder of objects without a namespace. No namespace has this name.
const NO_NAMESPACE: &str = "_";
const ENDING: &str = ".json";
/// The ending of a file whose name would be too long with [`ENDING`]. No object's name has this
/// character.
const SHORT_ENDING: &str = "~";
/// The longest name with [`ENDING`]: a file's name has at most 255 bytes.
const WITH_ENDING: usize = 250;
/// The longest name of an object, as in Kubernetes.
const LONGEST: usize = 253;
/// The longest name of a namespace, as in Kubernetes.
const LONGEST_LABEL: usize = 63;

/// Resource, namespace and name of an object. All parts have Kubernetes' form, so they are file names
/// and not paths.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName {
    resource: String,
    namespace: Option<String>,
    name: String,
}

/// A part of a name that no object may have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is not a valid {part} of an object")]
pub struct BadName {
    part: &'static str,
    value: String,
}

impl ObjectName {
    /// The name of an object. `resource` is the plural name, with `.GROUP` outside the core group;
    /// `namespace` is `None` for an object without one.
    ///
    /// # Errors
    ///
    /// If a part has not the form that Kubernetes asks of it.
    pub fn new(resource: &str, namespace: Option<&str>, name: &str) -> Result<Self, BadName> {
        let check = |part, value: &str, longest| match is_subdomain(value, longest) {
            true => Ok(value.to_owned()),
            false => Err(BadName { part, value: value.to_owned() }),
        };
        let is_dotless = |value: &&str| !value.contains('.');
        let namespace = match namespace {
            None => None,
            Some(value) if is_dotless(&value) => Some(check("namespace", value, LONGEST_LABEL)?),
            Some(value) => return Err(BadName { part: "namespace", value: value.to_owned() }),
        };
        let resource = check("resource", resource, LONGEST)?;
        Ok(Self { resource, namespace, name: check("name", name, LONGEST)? })
    }

    /// The plural name, with `.GROUP` outside the core group.
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// The namespace; `None` for an object without one.
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The folder of the object's file, below the root.
    pub(crate) fn folder(&self) -> PathBuf {
        Path::new(&self.resource).join(self.namespace.as_deref().unwrap_or(NO_NAMESPACE))
    }

    /// The name of the object's file.
    pub(crate) fn file(&self) -> String {
        let ending = if self.name.len() > WITH_ENDING { SHORT_ENDING } else { ENDING };
        format!("{}{ending}", self.name)
    }

    /// Reads the parts of a path; `None` if no object has this path.
    pub(crate) fn of_path(resource: &str, namespace: &str, file: &str) -> Option<Self> {
        let name = file.strip_suffix(SHORT_ENDING).or_else(|| file.strip_suffix(ENDING))?;
        let namespace = (namespace != NO_NAMESPACE).then_some(namespace);
        Self::new(resource, namespace, name).ok().filter(|parsed| parsed.file() == file)
    }
}

/// `RESOURCE/NAMESPACE/NAME`, without the namespace if there is none.
impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/", self.resource)?;
        if let Some(namespace) = &self.namespace {
            write!(f, "{namespace}/")?;
        }
        f.write_str(&self.name)
    }
}

/// A DNS subdomain of RFC 1123, as Kubernetes asks it of names.
fn is_subdomain(text: &str, longest: usize) -> bool {
    let is_inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let is_label = |label: &str| {
        !label.is_empty()
            && label.chars().all(is_inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= longest && text.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_part_of_a_name_is_a_path() {
        for bad in ["", ".", "..", "a/b", "../a", "a..b", ".a", "A", "a_b", "a\0", "-a", "a.", "~"]
        {
            assert!(ObjectName::new("configmaps", Some("default"), bad).is_err(), "{bad:?}");
            assert!(ObjectName::new("configmaps", Some(bad), "a").is_err(), "{bad:?}");
            assert!(ObjectName::new(bad, None, "a").is_err(), "{bad:?}");
        }
        assert!(ObjectName::new("configmaps", Some("a.b"), "a").is_err());
    }

    #[test]
    fn each_name_has_its_own_file() {
        let long = |length: usize| "a".repeat(length);
        let names = ["a".into(), "a.json".into(), long(250), long(251), long(253)];
        for name in names {
            let object = ObjectName::new("deployments.apps", Some("default"), &name).unwrap();
            assert!(object.file().len() <= 255);
            let read = ObjectName::of_path("deployments.apps", "default", &object.file());
            assert_eq!(read.as_ref(), Some(&object));
        }
        assert!(ObjectName::new("configmaps", None, &long(254)).is_err());
        let dotted = format!("{}.json", long(246));
        assert_eq!(ObjectName::of_path("configmaps", "a", &format!("{dotted}.json")), None);
        let node = ObjectName::new("namespaces", None, "default").unwrap();
        assert_eq!(ObjectName::of_path("namespaces", "_", "default.json"), Some(node.clone()));
        assert_eq!(node.to_string(), "namespaces/default");
    }
}
