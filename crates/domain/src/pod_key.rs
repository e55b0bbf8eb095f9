//! The key of a pod: its namespace and its name.

use std::fmt;

/// Namespace of a pod whose manifest or request names none.
pub const DEFAULT_NAMESPACE: &str = "default";
/// Namespace of the pods of adopted containers, whose names have a slash: `NAMESPACE/ID`, with
/// containerd's namespace. No other pod can be created in it.
pub const ADOPTED_NAMESPACE: &str = "probelet-adopted";

/// Namespace and name of a pod, which are unique on the machine together.
///
/// It is displayed as `NAME` in the namespace `default`, as `NAMESPACE/NAME` in others, and as
/// `NAMESPACE/ID` for an adopted container. The text is for people only: it is never parsed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodKey {
    namespace: String,
    name: String,
}

impl PodKey {
    /// Key of the pod of this name in this namespace.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    /// Key of the pod of this name in the namespace `default`.
    pub fn in_default(name: impl Into<String>) -> Self {
        Self::new(DEFAULT_NAMESPACE, name)
    }

    /// Key of the pod that a request names. Without a namespace it is the pod in `default`. A name
    /// of the form `NAMESPACE/ID` is that of an adopted container, since no pod's name has a slash;
    /// one that begins with a slash is the path of a manifest file.
    pub fn named(namespace: &str, name: &str) -> Self {
        let is_adopted = name.contains('/') && !name.starts_with('/');
        match namespace {
            "" | DEFAULT_NAMESPACE if is_adopted => Self::new(ADOPTED_NAMESPACE, name),
            "" => Self::in_default(name),
            namespace => Self::new(namespace, name),
        }
    }

    /// Namespace of the pod.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Name of the pod in its namespace.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// True for the pod of an adopted container.
    pub fn is_adopted(&self) -> bool {
        self.namespace == ADOPTED_NAMESPACE
    }

    /// True for a pod of the namespace `default`.
    pub fn is_in_default(&self) -> bool {
        self.namespace == DEFAULT_NAMESPACE
    }
}

impl fmt::Display for PodKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_in_default() || self.is_adopted() {
            f.write_str(&self.name)
        } else {
            write!(f, "{}/{}", self.namespace, self.name)
        }
    }
}

/// The displayed text in quotes, as error messages have it.
impl fmt::Debug for PodKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_string(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_alone_is_of_the_default_namespace() {
        for (namespace, name, key, shown) in [
            ("", "web", PodKey::new("default", "web"), "web"),
            ("default", "web", PodKey::in_default("web"), "web"),
            ("shop", "web", PodKey::new("shop", "web"), "shop/web"),
            ("default", "k8s.io/web", PodKey::new("probelet-adopted", "k8s.io/web"), "k8s.io/web"),
            ("", "k8s.io/web", PodKey::new("probelet-adopted", "k8s.io/web"), "k8s.io/web"),
            ("", "/etc/a.yaml", PodKey::in_default("/etc/a.yaml"), "/etc/a.yaml"),
        ] {
            let named = PodKey::named(namespace, name);
            assert_eq!((&named, named.to_string().as_str()), (&key, shown));
            assert_eq!(format!("{named:?}"), format!("{shown:?}"));
        }
    }

    #[test]
    fn an_adopted_container_is_no_pod_of_that_namespace() {
        let (adopted, pod) = (PodKey::named("", "shop/web"), PodKey::named("shop", "web"));
        assert_eq!(adopted.to_string(), pod.to_string());
        assert_ne!(adopted, pod);
        assert!(adopted.is_adopted() && !pod.is_adopted());
    }
}
