//! The caller of a request, as the connection identifies it.

use core::net::SocketAddr;
use std::sync::Arc;

/// The verb of an operator's stop.
pub const STOP: &str = "stop";

/// The other end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// A process, by the Unix socket. Its pid is unknown if its pid namespace is not the daemon's.
    Local {
        /// User ID of the process.
        uid: u32,
        /// Process ID; `None` if its pid namespace is not the daemon's.
        pid: Option<u32>,
    },
    /// A caller with a certificate, by TCP.
    Remote(SocketAddr),
    /// A user of the Kubernetes API.
    User {
        /// Name in the certificate or of the token.
        name: Arc<str>,
        /// Address of the connection.
        from: SocketAddr,
    },
    /// A controller of the daemon and its object, such as `deployment/web`.
    Controller(Arc<str>),
}

/// A request, and its caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// Verb of the request: `stop`, `restart`, `delete`, `kill -s 9`.
    pub verb: String,
    /// User ID of a local caller.
    pub uid: Option<u32>,
    /// Process ID of a local caller; `None` if its pid namespace is not the daemon's.
    pub pid: Option<u32>,
    /// Address of a remote caller.
    pub from: Option<SocketAddr>,
    /// Name of a user of the Kubernetes API, or of a controller and its object.
    pub user: Option<String>,
}

impl Operator {
    /// Request `verb` of the caller `by`; without a caller, all fields that describe one are
    /// `None`.
    pub fn new(verb: impl Into<String>, by: Option<Caller>) -> Self {
        let alone = Self { verb: verb.into(), uid: None, pid: None, from: None, user: None };
        match by {
            Some(Caller::Local { uid, pid }) => Self { uid: Some(uid), pid, ..alone },
            Some(Caller::Remote(from)) => Self { from: Some(from), ..alone },
            Some(Caller::User { name, from }) => {
                Self { from: Some(from), user: Some(name.to_string()), ..alone }
            }
            Some(Caller::Controller(name)) => Self { user: Some(name.to_string()), ..alone },
            None => alone,
        }
    }
}

impl std::fmt::Display for Operator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.verb)?;
        if let Some(user) = &self.user {
            write!(f, " by {user}")?;
        }
        if let Some(uid) = self.uid {
            write!(f, " by uid {uid}")?;
        }
        if let Some(pid) = self.pid {
            write!(f, " (pid {pid})")?;
        }
        if let Some(from) = self.from {
            write!(f, " from {from}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Cause;

    #[test]
    fn a_known_operator_is_named() {
        let by = |pid| Some(Caller::Local { uid: 0, pid });
        let full = Operator::new("stop", by(Some(4711)));
        let shown = Cause::Operator(full).to_string();
        assert_eq!(shown, "operator: stop by uid 0 (pid 4711)");
        assert_eq!(Operator::new("stop", by(None)).to_string(), "stop by uid 0");
        let remote = Operator::new("stop", Some(Caller::Remote(([192, 0, 2, 7], 4711).into())));
        assert_eq!(remote.to_string(), "stop from 192.0.2.7:4711");
        let ann = Caller::User { name: "ann".into(), from: ([192, 0, 2, 7], 4711).into() };
        assert_eq!(
            Operator::new("delete", Some(ann)).to_string(),
            "delete by ann from 192.0.2.7:4711"
        );
        let controller = Caller::Controller("deployment/web".into());
        assert_eq!(
            Operator::new("delete", Some(controller)).to_string(),
            "delete by deployment/web"
        );
        assert_eq!(Operator::new("stop", None).to_string(), "stop");
    }
}
