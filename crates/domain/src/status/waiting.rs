//! Reasons why a container waits, with Kubernetes' names.

use std::fmt;

/// Reason of a waiting container. Decisions match on the variants; the text is made only where a
/// status leaves the domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitingReason {
    /// The container was created without a start, and has not been started since.
    Created,
    /// The container was stopped before its first start, or while it waited for a restart.
    Stopped,
    /// A start is under way, or the network of the pod could not be set up yet.
    ContainerCreating,
    /// A start is under way or queued in a pod with init containers.
    PodInitializing,
    /// All containers of the pod restart, as a restart rule asked for.
    RestartingAllContainers,
    /// The next restart waits for its back-off.
    CrashLoopBackOff,
    /// The postStart hook failed, which ended the instance.
    PostStartHookError,
    /// The runtime could not start the container; the start is retried.
    CreateContainerError,
    /// The container must not run as it is configured; the start is retried.
    CreateContainerConfigError,
    /// A pull has just failed; `ImagePullBackOff` follows.
    ErrImagePull,
    /// The next pull waits for its back-off.
    ImagePullBackOff,
    /// The image is not on the machine, and its policy forbids a pull.
    ErrImageNeverPull,
    /// The image's name cannot be parsed.
    InvalidImageName,
    /// Nothing supervises the container now. The supervisor shows it with this reason of its own,
    /// such as `RecordBroken`.
    Unsupervised(&'static str),
}

impl WaitingReason {
    /// Text of the reason in the API, in metrics and in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "Created",
            Self::Stopped => "Stopped",
            Self::ContainerCreating => "ContainerCreating",
            Self::PodInitializing => "PodInitializing",
            Self::RestartingAllContainers => "RestartingAllContainers",
            Self::CrashLoopBackOff => "CrashLoopBackOff",
            Self::PostStartHookError => "PostStartHookError",
            Self::CreateContainerError => "CreateContainerError",
            Self::CreateContainerConfigError => "CreateContainerConfigError",
            Self::ErrImagePull => "ErrImagePull",
            Self::ImagePullBackOff => "ImagePullBackOff",
            Self::ErrImageNeverPull => "ErrImageNeverPull",
            Self::InvalidImageName => "InvalidImageName",
            Self::Unsupervised(reason) => reason,
        }
    }

    /// True if the container has not run in this attempt because an image is missing.
    pub fn is_of_image(self) -> bool {
        matches!(
            self,
            Self::ErrImagePull
                | Self::ImagePullBackOff
                | Self::ErrImageNeverPull
                | Self::InvalidImageName
        )
    }
}

impl fmt::Display for WaitingReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
