//! Argument that a logger is started with: `SIZE:FILES:SOCKET/PATH`. Socket and path are absolute
//! and without repeated slashes, so the two slashes between them separate them. Earlier versions
//! pass `SIZE:FILES:PATH`. The logger of an interactive container gets `SIZE:FILES:STREAMS:SOCKET/PATH`,
//! in which each stream is a letter.

use std::path::{Path, PathBuf};

use url::form_urlencoded::Serializer;

use crate::attach::Streams;
use crate::format::Limits;

/// Name of the pair in the URI's query, and so the first argument of a logger. The shim passes the
/// pairs of the query in no fixed order, so there is only this one.
pub const ARGUMENT: &str = "container-log";
const SEPARATOR: &str = "//";

/// Settings of a logger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// File that the logger writes to.
    pub path: PathBuf,
    /// Size at which the file is rotated, and number of files.
    pub limits: Limits,
    /// Socket for hand-overs; `None` in orders of earlier versions.
    pub socket: Option<PathBuf>,
    /// Streams of an interactive container, whose FIFOs are beside the socket; `None` for another
    /// container, whose logger inherits the streams.
    pub streams: Option<Streams>,
}

impl Order {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (size, rest) = text.split_once(':')?;
        let (files, rest) = rest.split_once(':')?;
        let limits = Limits { size: size.parse().ok()?, files: files.parse().ok()? };
        let (streams, paths) = match rest.split_once(':').filter(|_| !rest.starts_with('/')) {
            Some((streams, paths)) => (Some(parse_streams(streams)?), paths),
            None => (None, rest),
        };
        // A path may begin with two slashes.
        let separator = paths.get(1..).and_then(|rest| rest.find(SEPARATOR)).map(|at| at + 1);
        let Some((socket, path)) = separator.and_then(|at| paths.split_at_checked(at)) else {
            let order = Self { path: paths.into(), limits, socket: None, streams };
            return streams.is_none().then_some(order);
        };
        Some(Self { path: path.get(1..)?.into(), limits, socket: Some(socket.into()), streams })
    }

    /// Returns the argument that [`ARGUMENT`] precedes.
    pub fn text(&self) -> String {
        let Limits { size, files } = self.limits;
        let streams = self.streams.map(|streams| format!("{}:", letters(streams)));
        let socket = self.socket.as_ref().map(|socket| format!("{}/", socket.display()));
        let (streams, socket) = (streams.unwrap_or_default(), socket.unwrap_or_default());
        format!("{size}:{files}:{streams}{socket}{}", self.path.display())
    }

    /// Returns the URI for containerd, which starts `program` as the logger.
    pub fn uri(&self, program: &Path) -> String {
        let query = Serializer::new(String::new()).append_pair(ARGUMENT, &self.text()).finish();
        format!("binary://{}?{query}", program.display())
    }
}

fn letters(streams: Streams) -> String {
    let Streams { stdin, once, tty, is_over: _ } = streams;
    [(stdin, 'i'), (once, 'o'), (tty, 't')].iter().filter(|(is, _)| *is).map(|(_, it)| it).collect()
}

fn parse_streams(text: &str) -> Option<Streams> {
    let has = |letter| text.contains(letter);
    let streams = Streams { stdin: has('i'), once: has('o'), tty: has('t'), is_over: false };
    (letters(streams) == text).then_some(streams)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn back(order: &Order) -> Option<Order> {
        let uri = order.uri(Path::new("/usr/bin/probelet"));
        let (program, query) = uri.split_once('?').unwrap();
        assert_eq!(program, "binary:///usr/bin/probelet");
        let pairs: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).collect();
        let [(key, value)] = pairs.as_slice() else { panic!("{pairs:?}") };
        assert_eq!(key, ARGUMENT);
        assert!(
            query.bytes().all(|b| b.is_ascii_alphanumeric() || b"%+=.-_*".contains(&b)),
            "{query}"
        );
        Order::parse(value)
    }

    #[test]
    fn an_order_survives_a_round_trip() {
        let limits = Limits { size: 1000, files: 3 };
        let path = PathBuf::from("/a b/ü:&;+%41?#=/0.log");
        for socket in [None, Some("/r:1/ü/ab".into()), Some("//r/ab".into())] {
            let order = Order { path: path.clone(), limits, socket, streams: None };
            assert_eq!(back(&order), Some(order.clone()));
            for (stdin, once, tty) in
                [(true, false, false), (false, false, true), (true, true, true)]
            {
                let streams = Some(Streams { stdin, once, tty, is_over: false });
                let interactive = Order { streams, ..order.clone() };
                let expected = order.socket.is_some().then_some(&interactive);
                assert_eq!(back(&interactive).as_ref(), expected);
            }
        }
        for text in ["", "1", "1:2", "x:2:/a", "1:x:/a", "1:2:x:/s//a", "1:2:it:/a"] {
            assert_eq!(Order::parse(text), None, "{text}");
        }
    }
}
