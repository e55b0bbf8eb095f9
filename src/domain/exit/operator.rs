//! Who asked for something, as the socket tells it.

use serde::{Deserialize, Serialize};

/// The process at the other end of the Unix socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    pub uid: u32,
    /// Unknown where its pid namespace is not ours.
    pub pid: Option<u32>,
}

/// What was asked for, and by whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operator {
    /// `stop`, `restart`, `delete`, `kill -s 9`.
    pub verb: String,
    #[serde(default)]
    pub uid: Option<u32>,
    #[serde(default)]
    pub pid: Option<u32>,
}

impl Operator {
    pub fn new(verb: impl Into<String>, by: Option<Caller>) -> Self {
        let (uid, pid) = (by.map(|by| by.uid), by.and_then(|by| by.pid));
        Self { verb: verb.into(), uid, pid }
    }
}

impl std::fmt::Display for Operator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.verb)?;
        if let Some(uid) = self.uid {
            write!(f, " by uid {uid}")?;
        }
        if let Some(pid) = self.pid {
            write!(f, " (pid {pid})")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::exit::Cause;

    #[test]
    fn an_operator_has_a_name_where_it_is_known() {
        let by = |pid| Some(Caller { uid: 0, pid });
        let full = Operator::new("stop", by(Some(4711)));
        let shown = Cause::Operator(full.clone()).to_string();
        assert_eq!(shown, "operator: stop by uid 0 (pid 4711)");
        assert_eq!(Operator::new("stop", by(None)).to_string(), "stop by uid 0");
        assert_eq!(Operator::new("stop", None).to_string(), "stop");
        let text = serde_json::to_string(&Cause::Operator(full.clone())).unwrap();
        assert_eq!(serde_json::from_str::<Cause>(&text).unwrap(), Cause::Operator(full));
    }

    #[test]
    fn a_cause_that_an_older_version_wrote_is_read() {
        let old: Cause = serde_json::from_str(r#"{"Operator":{"verb":"stop"}}"#).unwrap();
        assert_eq!(old, Cause::Operator(Operator::new("stop", None)));
    }
}
