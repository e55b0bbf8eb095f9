//! Fields of the downward API: Kubernetes' `fieldRef` and `resourceFieldRef`.

use super::{Amounts, SpecError};
use crate::quantity;

/// A field of a pod that `fieldRef` can name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PodField {
    /// `metadata.name`.
    Name,
    /// `metadata.namespace`.
    Namespace,
    /// `metadata.uid`.
    Uid,
    /// `metadata.labels['KEY']`; empty if the pod has no such label.
    Label(String),
    /// `metadata.annotations['KEY']`; empty if the pod has no such annotation.
    Annotation(String),
    /// `spec.nodeName`: the name of the machine.
    NodeName,
    /// `spec.serviceAccountName`; `default` if the pod names none.
    ServiceAccountName,
    /// `status.hostIP`: the first address of the machine; empty if it has none.
    HostIp,
    /// `status.hostIPs`: all addresses of the machine, separated by commas.
    HostIps,
    /// `status.podIP`: the pod's first address; empty if it has none.
    PodIp,
    /// `status.podIPs`: all addresses of the pod, separated by commas.
    PodIps,
}

/// Fields without a key, by their path.
const FIELDS: [(&str, PodField); 9] = [
    ("metadata.name", PodField::Name),
    ("metadata.namespace", PodField::Namespace),
    ("metadata.uid", PodField::Uid),
    ("spec.nodeName", PodField::NodeName),
    ("spec.serviceAccountName", PodField::ServiceAccountName),
    ("status.hostIP", PodField::HostIp),
    ("status.hostIPs", PodField::HostIps),
    ("status.podIP", PodField::PodIp),
    ("status.podIPs", PodField::PodIps),
];

impl PodField {
    /// Field paths that a variable may have, besides single labels and annotations.
    pub const PATHS: [&str; 9] = {
        let [(a, _), (b, _), (c, _), (d, _), (e, _), (f, _), (g, _), (h, _), (i, _)] = &FIELDS;
        [a, b, c, d, e, f, g, h, i]
    };

    /// Reads a `fieldPath` as Kubernetes writes it; `None` for an unknown one.
    pub fn parse(path: &str) -> Option<Self> {
        let subscript = |field: &str| {
            let key = path.strip_prefix(field)?.strip_prefix("['")?.strip_suffix("']")?;
            (!key.is_empty()).then(|| key.to_owned())
        };
        let known = FIELDS.iter().find(|(known, _)| *known == path).map(|(_, f)| f.clone());
        known
            .or_else(|| subscript("metadata.labels").map(Self::Label))
            .or_else(|| subscript("metadata.annotations").map(Self::Annotation))
    }

    /// Returns the `fieldPath` as Kubernetes writes it.
    pub fn path(&self) -> String {
        match self {
            Self::Label(key) => format!("metadata.labels['{key}']"),
            Self::Annotation(key) => format!("metadata.annotations['{key}']"),
            one => {
                let known = FIELDS.iter().find(|(_, field)| field == one);
                known.map(|(path, _)| (*path).to_owned()).unwrap_or_default()
            }
        }
    }
}

/// A request or limit of a container, as a multiple of `divisor`; Kubernetes'
/// `ResourceFieldSelector`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceField {
    /// Name of a container of the pod; `None` for the container that has the reference.
    pub container: Option<String>,
    /// Whether the value is a request or a limit.
    pub bound: Bound,
    /// The resource.
    pub resource: Resource,
    /// Unit of the value, in thousandths of a core or in bytes.
    pub divisor: u64,
}

/// Which of a resource's two amounts is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// The limit; what the node can allocate if the container has none.
    Limit,
    /// The request; 0 if the container has none.
    Request,
}

/// A resource that `resourceFieldRef` can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// CPU time, in thousandths of a core.
    Cpu,
    /// Memory, in bytes.
    Memory,
    /// Huge pages of this size in bytes.
    HugePages(u64),
}

const BOUNDS: [(&str, Bound); 2] = [("limits", Bound::Limit), ("requests", Bound::Request)];
const HUGE_PAGES: &str = "hugepages-";
/// Resources that Kubernetes' error lists. It accepts `limits.hugepages-2Mi` and the like, too.
const SUPPORTED: [&str; 4] = ["limits.cpu", "limits.memory", "requests.cpu", "requests.memory"];

/// Divisors that Kubernetes accepts; the default is one core or one byte.
const CPU_DIVISORS: [(&str, u64); 2] = [("1m", 1), ("1", 1000)];
const BYTE_DIVISORS: [(&str, u64); 13] = [
    ("1", 1),
    ("1k", 1_000),
    ("1M", 1_000_000),
    ("1G", 1_000_000_000),
    ("1T", 1_000_000_000_000),
    ("1P", 1_000_000_000_000_000),
    ("1E", 1_000_000_000_000_000_000),
    ("1Ki", 1 << 10),
    ("1Mi", 1 << 20),
    ("1Gi", 1 << 30),
    ("1Ti", 1 << 40),
    ("1Pi", 1 << 50),
    ("1Ei", 1 << 60),
];

impl Resource {
    fn parse(name: &str) -> Option<Self> {
        match name {
            "cpu" => Some(Self::Cpu),
            "memory" => Some(Self::Memory),
            pages => quantity::whole(pages.strip_prefix(HUGE_PAGES)?).ok().map(Self::HugePages),
        }
    }

    fn name(self) -> String {
        match self {
            Self::Cpu => "cpu".to_owned(),
            Self::Memory => "memory".to_owned(),
            Self::HugePages(size) => format!("{HUGE_PAGES}{}", quantity::show_whole(size)),
        }
    }

    fn divisors(self) -> &'static [(&'static str, u64)] {
        match self {
            Self::Cpu => &CPU_DIVISORS,
            Self::Memory | Self::HugePages(_) => &BYTE_DIVISORS,
        }
    }

    fn whole(self) -> u64 {
        if self == Self::Cpu { 1000 } else { 1 }
    }

    pub(crate) fn of(self, amounts: &Amounts) -> Option<u64> {
        match self {
            Self::Cpu => amounts.cpu,
            Self::Memory => amounts.memory,
            Self::HugePages(size) => amounts.huge_pages.get(&size).copied(),
        }
    }
}

impl ResourceField {
    /// Reads a resource such as `limits.cpu` and a divisor as Kubernetes writes them. `at` is the
    /// path of the reference, for errors.
    ///
    /// # Errors
    ///
    /// For a resource that is missing or unknown, and for a divisor that Kubernetes does not list.
    pub fn parse(
        at: &str,
        container: Option<String>,
        resource: &str,
        divisor: Option<&str>,
    ) -> Result<Self, SpecError> {
        let field = format!("{at}.resource");
        if resource.is_empty() {
            return Err(SpecError::required(field, ""));
        }
        let (bound, name) = resource.split_once('.').unwrap_or_default();
        let bound = BOUNDS.iter().find(|(known, _)| *known == bound).map(|(_, bound)| *bound);
        let (Some(bound), Some(resource)) = (bound, Resource::parse(name)) else {
            return Err(SpecError::unsupported(field, resource, &SUPPORTED));
        };
        let divisor = match divisor {
            // Kubernetes writes 0 for a divisor that is not set.
            None | Some("" | "0") => resource.whole(),
            Some(text) => {
                let read =
                    if resource == Resource::Cpu { quantity::millis } else { quantity::whole };
                let known = |value: &u64| resource.divisors().iter().any(|(_, d)| d == value);
                read(text).ok().filter(known).ok_or_else(|| {
                    let names: Vec<_> = resource.divisors().iter().map(|(name, _)| *name).collect();
                    let (names, resource) = (names.join(", "), resource.name());
                    let why = format!(
                        "only divisor's values {names} are supported with the {resource} resource"
                    );
                    SpecError::invalid(format!("{at}.divisor"), text, &why)
                })?
            }
        };
        Ok(Self { container, bound, resource, divisor })
    }

    /// Returns the resource as Kubernetes writes it, such as `limits.cpu`.
    pub fn name(&self) -> String {
        let bound = BOUNDS.iter().find(|(_, bound)| *bound == self.bound);
        let bound = bound.map(|(name, _)| *name).unwrap_or_default();
        format!("{bound}.{}", self.resource.name())
    }

    /// Returns the divisor as Kubernetes writes it; `None` for the default, one core or one byte.
    pub fn divisor_text(&self) -> Option<&'static str> {
        let known = self.resource.divisors().iter().find(|(_, value)| *value == self.divisor);
        known.filter(|_| self.divisor != self.resource.whole()).map(|(name, _)| *name)
    }
}
