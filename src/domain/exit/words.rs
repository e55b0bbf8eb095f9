//! What a dead instance left, read before it is cleared away.

/// As the adapters found it; what it means is [`LastWords::message`]'s to say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LastWords {
    /// The OOM killer's count of the instance's cgroup; `None` where nobody can tell.
    pub oom_kills: Option<u64>,
}
