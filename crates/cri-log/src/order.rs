//! What the daemon tells a logger, as one argument: `SIZE:FILES:SOCKET/PATH`. Both are absolute and
//! without repeated slashes, so the two between them part them. `SIZE:FILES:PATH` is of earlier
//! daemons.

use std::path::{Path, PathBuf};

use url::form_urlencoded::Serializer;

use crate::format::Limits;

/// The name in the URI's query, and with it the argument, by which a logger is known. The shim passes
/// the pairs of the query as arguments in no fixed order: there is only this pair.
pub const ARGUMENT: &str = "container-log";
const PARTING: &str = "//";

/// What a logger is started with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The file that it writes to.
    pub path: PathBuf,
    /// When the file is rotated, and how many are kept.
    pub limits: Limits,
    /// Where it is asked for what it has.
    pub socket: Option<PathBuf>,
}

impl Order {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (size, rest) = text.split_once(':')?;
        let (files, paths) = rest.split_once(':')?;
        let limits = Limits { size: size.parse().ok()?, files: files.parse().ok()? };
        // A path may begin with two.
        let parted = paths.get(1..).and_then(|rest| rest.find(PARTING)).map(|at| at + 1);
        let Some((socket, path)) = parted.and_then(|at| paths.split_at_checked(at)) else {
            return Some(Self { path: paths.into(), limits, socket: None });
        };
        Some(Self { path: path.get(1..)?.into(), limits, socket: Some(socket.into()) })
    }

    /// For containerd.
    pub fn uri(&self, program: &Path) -> String {
        let Limits { size, files } = self.limits;
        let socket = self.socket.as_ref().map(|socket| format!("{}/", socket.display()));
        let socket = socket.unwrap_or_default();
        let order = format!("{size}:{files}:{socket}{}", self.path.display());
        let query = Serializer::new(String::new()).append_pair(ARGUMENT, &order).finish();
        format!("binary://{}?{query}", program.display())
    }
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
    fn an_order_comes_out_of_the_uri_as_it_went_in() {
        let limits = Limits { size: 1000, files: 3 };
        let path = PathBuf::from("/a b/ü:&;+%41?#=/0.log");
        for socket in [None, Some("/r:1/ü/ab".into()), Some("//r/ab".into())] {
            let order = Order { path: path.clone(), limits, socket };
            assert_eq!(back(&order), Some(order));
        }
        for text in ["", "1", "1:2", "x:2:/a", "1:x:/a"] {
            assert_eq!(Order::parse(text), None, "{text}");
        }
    }
}
