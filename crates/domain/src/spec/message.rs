//! File of a container's termination message, and whether the log replaces it.

use super::PodSpec;

/// Source of a container's termination message; Kubernetes' `terminationMessagePath` and policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TerminationMessage {
    /// Absolute path in the container, `/dev/termination-log` by default. A container from an image
    /// gets a new, empty file there with each attempt.
    pub path: String,
    /// Whether the log can replace an empty file.
    pub policy: MessagePolicy,
}

/// Kubernetes' `terminationMessagePolicy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MessagePolicy {
    /// The file alone; the default.
    #[default]
    File,
    /// The end of the log if the file is empty and the exit code is not 0.
    FallbackToLogsOnError,
}

impl Default for TerminationMessage {
    fn default() -> Self {
        Self { path: "/dev/termination-log".into(), policy: MessagePolicy::default() }
    }
}

impl MessagePolicy {
    /// All policies, in the order in which an error lists them.
    pub const ALL: [Self; 2] = [Self::FallbackToLogsOnError, Self::File];

    /// The policy as Kubernetes writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::File => "File",
            Self::FallbackToLogsOnError => "FallbackToLogsOnError",
        }
    }

    /// Reads a policy as Kubernetes writes it; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|policy| policy.as_str() == text)
    }

    /// Returns whether the log can replace an empty file after this exit code.
    pub fn wants_log(self, exit_code: i32) -> bool {
        self == Self::FallbackToLogsOnError && exit_code != 0
    }
}

impl PodSpec {
    /// Returns whether the end of the container's log replaces an empty message after this exit
    /// code; false for an unknown container.
    pub fn wants_log(&self, container: &str, exit_code: i32) -> bool {
        let mut containers = self.all();
        let found = containers.find(|found| found.name == container);
        found.is_some_and(|found| found.termination_message.policy.wants_log(exit_code))
    }
}
