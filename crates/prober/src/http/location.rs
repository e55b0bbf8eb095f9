//! URL of a request, in parts that stay as the user or the server wrote them.

use std::borrow::Cow;
use std::sync::Arc;

use url::{Position, Url};

/// URL of a request: scheme, hostname, port, and a target of path and query that begins with `/`.
/// A clone is cheap: it is made for each request, in case the request fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    pub(super) scheme: Cow<'static, str>,
    /// Name or address; an IPv6 address is in brackets.
    pub(super) hostname: Arc<str>,
    pub(super) port: u16,
    pub(super) target: Arc<str>,
}

#[derive(Debug)]
pub struct Redirect {
    /// Value of `Location`, as the server wrote it.
    pub(super) location: String,
    pub(super) to: Location,
}

impl Redirect {
    /// Returns whether the location has no host. Only then a custom `Host` is sent again.
    pub fn is_relative(&self) -> bool {
        Url::parse(&self.location).is_err()
    }
}

impl Location {
    pub fn first(scheme: &'static str, hostname: &str, port: u16, path: &str) -> Self {
        Self { scheme: scheme.into(), hostname: hostname.into(), port, target: target(path) }
    }

    pub fn is_https(&self) -> bool {
        self.scheme == "https"
    }

    /// Returns hostname and port. The port is always included, also in `Host`, because some servers
    /// require it.
    pub fn authority(&self) -> String {
        format!("{}:{}", self.hostname, self.port)
    }

    pub fn url(&self) -> String {
        format!("{}://{}{}", self.scheme, self.authority(), self.target)
    }

    /// Resolves a `Location`; `None` if it leads to another hostname. Hostnames are compared as
    /// text, so `localhost` and `127.0.0.1` differ.
    pub fn next(&self, location: &str) -> Result<Option<Redirect>, url::ParseError> {
        let here = Url::parse(&self.url())?;
        let to = here.join(location)?;
        // Both hostnames are compared in the form of `url`, which rewrites IPv4 addresses in IPv6
        // ones.
        if to.host_str() != here.host_str() {
            return Ok(None);
        }
        let to = Self {
            scheme: to.scheme().to_owned().into(),
            hostname: self.hostname.clone(),
            port: to.port_or_known_default().unwrap_or_default(),
            target: target(&to[Position::BeforePath..Position::AfterQuery]),
        };
        Ok(Some(Redirect { location: location.to_owned(), to }))
    }
}

/// Returns the target of the request line. A probe's `path` is a URL reference, of which path and
/// query are used. A text that is not a reference is escaped and used as the path, as in the
/// kubelet.
fn target(path: &str) -> Arc<str> {
    if is_plain(path) {
        return path.into();
    }
    let (path, query) = parse(path).unwrap_or_else(|| (escape(path, in_broken_path), None));
    let slash = if path.starts_with('/') { "" } else { "/" };
    match query {
        Some(query) => format!("{slash}{path}?{query}").into(),
        None => format!("{slash}{path}").into(),
    }
}

/// Returns whether a path is a target as it stands.
fn is_plain(path: &str) -> bool {
    path.starts_with('/')
        && !path.starts_with("//")
        && path.chars().all(|c| c.is_ascii_alphanumeric() || "-_.~/".contains(c))
}

/// Returns path and query of a reference, as Go's `url.Parse` does; `None` if it is invalid.
fn parse(reference: &str) -> Option<(String, Option<String>)> {
    let reference = reference.split_once('#').map_or(reference, |(before, _fragment)| before);
    if reference.contains(|c: char| c.is_ascii_control()) {
        return None;
    }
    let (rest, query) = match reference.split_once('?') {
        Some((rest, query)) => (rest, Some(escape(query, in_query))),
        None => (reference, None),
    };
    let rest = match rest.split_once(':') {
        Some(("", _)) => return None,
        Some((scheme, rest)) if is_scheme(scheme) => rest,
        // A colon in the first segment would belong to a scheme.
        Some((segment, _)) if !segment.contains('/') => return None,
        _ => rest,
    };
    let path = match rest.strip_prefix("//") {
        Some(host) if !host.starts_with('/') => host.find('/').map_or("", |at| host.split_at(at).1),
        _ => rest,
    };
    is_well_escaped(path).then(|| (escape(path, in_path), query))
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

fn is_well_escaped(path: &str) -> bool {
    path.split('%')
        .skip(1)
        .all(|after| after.len() >= 2 && after.bytes().take(2).all(|byte| byte.is_ascii_hexdigit()))
}

fn escape(text: &str, keeps: fn(char) -> bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii() && keeps(char::from(byte)) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

fn in_broken_path(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_.~$&+,/:;=@".contains(c)
}

fn in_path(c: char) -> bool {
    in_broken_path(c) || "!'()*[]%".contains(c)
}

fn in_query(c: char) -> bool {
    c.is_ascii_graphic() && !"\"<>`#".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_in_any_form_becomes_a_target() {
        for (path, wanted) in [
            ("/healthz", "/healthz"),
            ("healthz", "/healthz"),
            ("", "/"),
            ("/x?a=1&b=%20#frag", "/x?a=1&b=%20"),
            ("?q", "/?q"),
            ("http://elsewhere:1/x?y", "/x?y"),
            ("http://elsewhere", "/"),
            ("//elsewhere/x", "/x"),
            ("///x", "///x"),
            ("/%zz", "/%25zz"),
            ("/%2F", "/%2F"),
            ("/%", "/%25"),
            ("/a b", "/a%20b"),
            ("/\u{e9}", "/%C3%A9"),
            ("a:b/c?d", "/b/c?d"),
            ("1:b?c", "/1:b%3Fc"),
            (":b", "/:b"),
            ("/a:b", "/a:b"),
            ("/line\nfeed?x", "/line%0Afeed%3Fx"),
            ("/q?a b", "/q?a%20b"),
        ] {
            assert_eq!(&*target(path), wanted, "{path:?}");
        }
    }

    #[test]
    fn a_location_is_followed_on_the_same_hostname() {
        let here = Location::first("http", "127.0.0.1", 8080, "/a/b?q");
        for (location, wanted) in [
            ("/x", Some("http://127.0.0.1:8080/x")),
            ("c?d#e", Some("http://127.0.0.1:8080/a/c?d")),
            ("//127.0.0.1:81/x", Some("http://127.0.0.1:81/x")),
            ("http://127.0.0.1/x", Some("http://127.0.0.1:80/x")),
            ("https://127.0.0.1/x", Some("https://127.0.0.1:443/x")),
            ("http://localhost:8080/x", None),
            ("http://other.host/", None),
        ] {
            let to = here.next(location).unwrap().map(|redirect| redirect.to.url());
            assert_eq!(to.as_deref(), wanted, "{location}");
        }
        assert!(here.next("http://[").is_err());
        let v6 = Location::first("http", "[::1]", 80, "/");
        assert!(v6.next("http://[::1]:81/").unwrap().is_some());
        assert!(
            Location::first("http", "[::ffff:10.0.0.1]", 80, "/").next("/x").unwrap().is_some()
        );
    }
}
