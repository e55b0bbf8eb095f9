//! What the screen asks of its adapter.

use super::row::Id;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    Quit,
    Call(Call),
    /// Follow the log of this container in place of any other.
    Follow(Id),
    Unfollow,
}

/// A call of the daemon. One runs at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    Describe(Id),
    Evidence(Id),
    Restart(Id),
    Pause(Id),
    Resume(Id),
}

impl Call {
    pub fn id(&self) -> &Id {
        let (Self::Describe(id)
        | Self::Evidence(id)
        | Self::Restart(id)
        | Self::Pause(id)
        | Self::Resume(id)) = self;
        id
    }

    /// What is being done, for the last line.
    pub fn progress(&self) -> String {
        let id = self.id();
        match self {
            Self::Describe(_) => format!("describing {id} …"),
            Self::Evidence(_) => format!("reading the evidence of {id} …"),
            Self::Restart(_) => format!("restarting {id} …"),
            Self::Pause(_) => format!("pausing the probes of {id} …"),
            Self::Resume(_) => format!("resuming the probes of {id} …"),
        }
    }
}
