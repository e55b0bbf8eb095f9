//! Images by name: how a name is completed, when its image is pulled, and the result of a pull.

use std::fmt;
use std::time::Duration;

mod credentials;
mod hosts;
mod name;
mod progress;
mod realm;

pub use credentials::{Keyring, Login, PullSecret};
pub use hosts::{Endpoint, HostsError, endpoints};
pub use name::{Reference, normalise, repository};
pub use progress::{Layer, LayerState, Progress};
pub use realm::{Realm, may_follow, receives_login};

/// When the registry is asked for an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullPolicy {
    /// Each start asks the registry.
    Always,
    /// The registry is asked if the image is not in the store.
    IfNotPresent,
    /// The registry is never asked; a start fails if the image is not in the store.
    Never,
}

impl PullPolicy {
    /// All policies.
    pub const ALL: [Self; 3] = [Self::Always, Self::IfNotPresent, Self::Never];

    /// Kubernetes' name of the policy.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Always => "Always",
            Self::IfNotPresent => "IfNotPresent",
            Self::Never => "Never",
        }
    }
}

impl PullPolicy {
    /// Returns Kubernetes' default policy for an image of this name.
    pub fn default_for(name: &str) -> Self {
        if name::is_latest(name) { Self::Always } else { Self::IfNotPresent }
    }

    /// Returns `policy` if it has another effect than no policy. `Always` has, see [`need`].
    pub fn in_effect(policy: Option<Self>, name: &str) -> Option<Self> {
        policy.filter(|policy| *policy != Self::IfNotPresent || name::is_latest(name))
    }
}

/// What a start needs of an image's registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// The image is on the machine, and no pull is needed.
    Nothing,
    /// The image has to be pulled, and the start fails without it.
    Pull,
    /// The image is pulled again, but the present one is used if the registry cannot be reached.
    Refresh,
    /// The image is not on the machine and must not be pulled.
    Forbidden,
}

/// State of the image of a pod's volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VolumeSeen {
    /// The pod has its view of the image, even if the name refers to another one by now.
    Viewed,
    /// The store has the image; the pod has no view of it yet.
    Here {
        /// True if the image was pulled from a registry, false if it was built or imported on this
        /// host.
        from_registry: bool,
    },
    /// The store has no such image.
    Missing,
}

/// Returns what a start needs of the registry. `here` is `None` if the store has no such image,
/// else whether the image came from a registry. Without a policy it is Kubernetes' default,
/// `Always` for `:latest`, else `IfNotPresent`, with two differences: an image that was built or
/// imported on this host is not pulled, and a registry that cannot be reached prevents no restart.
pub fn need(policy: Option<PullPolicy>, name: &str, here: Option<bool>) -> Need {
    match (policy, here) {
        (Some(PullPolicy::Never), None) => Need::Forbidden,
        (Some(PullPolicy::Always), _) | (_, None) => Need::Pull,
        (Some(PullPolicy::Never | PullPolicy::IfNotPresent), Some(_)) => Need::Nothing,
        (None, Some(true)) if name::is_latest(name) => Need::Refresh,
        (None, Some(_)) => Need::Nothing,
    }
}

/// Returns the wait after this many failures in a row, as in the kubelet: 10 s, doubled up to 5
/// min.
pub fn back_off(failures: u32) -> Duration {
    const BASE: Duration = Duration::from_secs(10);
    const CAP: Duration = Duration::from_secs(300);
    BASE.saturating_mul(1 << failures.saturating_sub(1).min(8)).min(CAP)
}

/// Reason why an image could not be pulled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullFault {
    /// The registry did not answer, or its answer was not complete.
    Unreachable,
    /// The registry refused, or what it sent is not the image.
    Failed,
    /// The name is not a valid image reference.
    InvalidName,
}

/// Result of a pull that has succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pulled {
    /// Time from the first request to the unpacked image; the wait for other pulls is not part of
    /// it.
    pub took: Duration,
    /// Size of the layers in bytes, as the registry has them.
    pub bytes: u64,
}

/// An image in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Complete name of the image, as containerd lists it.
    pub name: String,
    /// Digest of the index or manifest that the name refers to.
    pub digest: String,
    /// Size in bytes of the manifest, config and layers for this host, as far as they are in the
    /// store.
    pub bytes: u64,
}

impl fmt::Display for Pulled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let took = Duration::from_millis(u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX));
        write!(f, "in {took:?}. Image size: {} bytes.", self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pulls_follow_kubernetes_except_for_images_made_on_this_host() {
        use PullPolicy::{Always, IfNotPresent, Never};
        for (policy, name, here, expected) in [
            (None, "a", None, Need::Pull),
            (None, "a", Some(true), Need::Refresh),
            (None, "r.io/a:latest", Some(true), Need::Refresh),
            (None, "a", Some(false), Need::Nothing),
            (None, "a:1", Some(true), Need::Nothing),
            (None, "a@sha256:00", Some(true), Need::Nothing),
            (Some(Always), "a:1", Some(false), Need::Pull),
            (Some(IfNotPresent), "a", Some(true), Need::Nothing),
            (Some(IfNotPresent), "a", None, Need::Pull),
            (Some(Never), "a", Some(true), Need::Nothing),
            (Some(Never), "a", None, Need::Forbidden),
        ] {
            assert_eq!(need(policy, name, here), expected, "{policy:?} {name} {here:?}");
        }
    }

    #[test]
    fn failed_pulls_wait_longer_each_time() {
        let waits: Vec<u64> = (1..9).map(|n| back_off(n).as_secs()).collect();
        assert_eq!(waits, [10, 20, 40, 80, 160, 300, 300, 300]);
        assert_eq!(back_off(u32::MAX).as_secs(), 300);
    }
}
