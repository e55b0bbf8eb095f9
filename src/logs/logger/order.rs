//! What the daemon tells a logger, as one argument: `SIZE:FILES:PATH`.

use std::path::PathBuf;

use url::form_urlencoded::Serializer;

use super::ARGUMENT;
use crate::domain::log::Limits;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    pub path: PathBuf,
    pub limits: Limits,
}

impl Order {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (size, rest) = text.split_once(':')?;
        let (files, path) = rest.split_once(':')?;
        let limits = Limits { size: size.parse().ok()?, files: files.parse().ok()? };
        Some(Self { path: path.into(), limits })
    }

    /// For containerd. The program is the running one whatever has become of its file: an
    /// upgrade may have replaced or removed that.
    pub fn uri(&self) -> String {
        let Limits { size, files } = self.limits;
        let order = format!("{size}:{files}:{}", self.path.display());
        let query = Serializer::new(String::new()).append_pair(ARGUMENT, &order).finish();
        format!("binary:///proc/{}/exe?{query}", std::process::id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_comes_out_of_the_uri_as_it_went_in() {
        let limits = Limits { size: 1000, files: 3 };
        let order = Order { path: "/a b/ü:&;+%41?#=/0.log".into(), limits };
        let uri = order.uri();
        let (program, query) = uri.split_once('?').unwrap();
        assert_eq!(program, format!("binary:///proc/{}/exe", std::process::id()));
        let pairs: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).collect();
        let [(key, value)] = pairs.as_slice() else { panic!("{pairs:?}") };
        assert_eq!(key, ARGUMENT);
        assert_eq!(Order::parse(value), Some(order));
        assert!(
            query.bytes().all(|b| b.is_ascii_alphanumeric() || b"%+=.-_*".contains(&b)),
            "{query}"
        );
    }
}
