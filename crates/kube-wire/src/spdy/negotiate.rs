//! The versions of the streams over SPDY, from the header `X-Stream-Protocol-Version`.

/// A version of exec and attach. There is no v5 over SPDY: clients that offer it offer v4 too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CommandVersion {
    /// `channel.k8s.io`.
    V1,
    /// `v2.channel.k8s.io`: input can end before the command.
    V2,
    /// `v3.channel.k8s.io`: terminals have sizes.
    V3,
    /// `v4.channel.k8s.io`: the error stream has a `Status` as JSON.
    V4,
}

const COMMAND: [(&str, CommandVersion); 4] = [
    ("v4.channel.k8s.io", CommandVersion::V4),
    ("v3.channel.k8s.io", CommandVersion::V3),
    ("v2.channel.k8s.io", CommandVersion::V2),
    ("channel.k8s.io", CommandVersion::V1),
];
const PORT_FORWARD: &str = "portforward.k8s.io";

impl CommandVersion {
    /// The first offered version that is served, with its name.
    ///
    /// # Errors
    ///
    /// The names that are served, if none of them is offered.
    pub fn negotiate<'a>(
        offered: impl IntoIterator<Item = &'a str>,
    ) -> Result<(Self, &'static str), String> {
        let mut names = names(offered);
        let row = names.find_map(|name| COMMAND.iter().find(|(served, _)| *served == name));
        let served = || COMMAND.map(|(name, _)| name).join(", ");
        row.map(|(name, version)| (*version, *name)).ok_or_else(served)
    }

    /// True if the error stream has a `Status` as JSON.
    pub fn has_status(self) -> bool {
        self >= Self::V4
    }

    /// True if a terminal has a stream of sizes.
    pub fn has_resize(self) -> bool {
        self >= Self::V3
    }
}

/// The version of port-forwards, if it is offered.
///
/// # Errors
///
/// The name that is served, if it is not offered.
pub fn port_forward_protocol<'a>(
    offered: impl IntoIterator<Item = &'a str>,
) -> Result<&'static str, String> {
    let is_offered = names(offered).any(|name| name == PORT_FORWARD);
    is_offered.then_some(PORT_FORWARD).ok_or_else(|| PORT_FORWARD.to_owned())
}

/// The header may be repeated and have several names.
fn names<'a>(offered: impl IntoIterator<Item = &'a str>) -> impl Iterator<Item = &'a str> {
    offered.into_iter().flat_map(|value| value.split(',')).map(str::trim)
}
