//! Annotations that only the server writes. A manifest that sets one gets a warning.

/// The prefix of all annotations of probelet.
pub const PREFIX: &str = "probelet.io/";

/// `file` for a pod of the manifest directory, as the kubelet writes it.
pub const CONFIG_SOURCE: &str = "kubernetes.io/config.source";
/// The file of a pod of the manifest directory.
pub const CONFIG_FILE: &str = "probelet.io/config-file";
/// The error of the file of a pod, while the pod is not as the file asks for.
pub const MANIFEST_ERROR: &str = "probelet.io/manifest-error";

/// An annotation of a container or a volume: `probelet.io/KIND.NAME`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerMade {
    /// The cause of the container's most recent termination.
    LastCause,
    /// The state of the container's probes, as JSON.
    Probes,
    /// The end of a pause of the container's probes, in RFC 3339.
    ProbesPausedUntil,
    /// Why a kill that a probe decided has to wait.
    KillHeld,
    /// The pull policy of the container's image is Kubernetes' default: the manifest sets none, which
    /// is not the same (see `probelet_domain::image`).
    DefaultPull,
    /// The pull policy of an image volume is Kubernetes' default: the manifest sets none.
    DefaultVolumePull,
}

impl ServerMade {
    const ALL: [Self; 6] = [
        Self::LastCause,
        Self::Probes,
        Self::ProbesPausedUntil,
        Self::KillHeld,
        Self::DefaultPull,
        Self::DefaultVolumePull,
    ];

    fn kind(self) -> &'static str {
        match self {
            Self::LastCause => "last-cause",
            Self::Probes => "probes",
            Self::ProbesPausedUntil => "probes-paused-until",
            Self::KillHeld => "kill-held",
            Self::DefaultPull => "default-pull",
            Self::DefaultVolumePull => "default-volume-pull",
        }
    }

    /// The key of the annotation of a container or volume.
    pub(crate) fn key(self, name: &str) -> String {
        format!("{PREFIX}{}.{name}", self.kind())
    }

    /// The annotation with this key, and the name of its container or volume. A name has no dot, so a
    /// setting, whose key has more parts, is `None`.
    pub fn of(key: &str) -> Option<(Self, &str)> {
        let (kind, container) = key.strip_prefix(PREFIX)?.split_once('.')?;
        let made = Self::ALL.into_iter().find(|made| made.kind() == kind)?;
        (!container.contains('.')).then_some((made, container))
    }
}
