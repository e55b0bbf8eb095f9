//! Hosts that serve a registry's images, from containerd's `hosts.toml`.

use std::path::PathBuf;

use toml::{Table, Value};

/// Host that serves images of a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Requests go over HTTP rather than HTTPS.
    pub plain_http: bool,
    /// `HOST[:PORT]`, with the path before `/v2` if there is one.
    pub host: String,
    /// Whether the host may resolve tags; digests may be requested from every host.
    pub resolves: bool,
    /// Certificates of the endpoint are not verified: `skip_verify`, false by default.
    pub skip_verify: bool,
    /// Files of certificates to trust besides the system's, relative to the `hosts.toml`.
    pub ca: Vec<PathBuf>,
    /// Whether the host is a mirror. Requests to a mirror name the registry that is meant.
    pub mirror: bool,
}

/// Text of an error, which begins with the field.
pub type HostsError = String;

/// Returns the hosts for `registry` in the order in which they are asked: those of the text of a
/// `hosts.toml`, then the registry's own server.
///
/// # Errors
///
/// The text is not valid TOML, or has a field that is invalid or not supported.
pub fn endpoints(registry: &str, hosts: Option<&str>) -> Result<Vec<Endpoint>, HostsError> {
    let mut file: Table = match hosts {
        Some(text) => text.parse().map_err(|error: toml::de::Error| error.message().to_owned())?,
        None => Table::new(),
    };
    let server = take_text(&mut file, "", "server")?;
    let mut found = Vec::new();
    if let Some(mirrors) = file.remove("host") {
        let Value::Table(mirrors) = mirrors else { return Err("host: must be a table".into()) };
        for (url, settings) in mirrors {
            let at = format!("host.{url:?}.");
            let Value::Table(settings) = settings else {
                return Err(format!("host.{url:?}: must be a table"));
            };
            found.extend(endpoint(registry, &url, &at, settings)?);
        }
    }
    let own = server.unwrap_or_else(|| default_server(registry));
    found.extend(endpoint(registry, &own, "", file)?);
    Ok(found)
}

/// Returns the URL of a registry without a `server` field. Loopback hosts with a port other than
/// 443 use HTTP, as in containerd and Docker.
fn default_server(registry: &str) -> String {
    let (name, port) = match registry.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (registry, None),
    };
    let name = name.trim_matches(['[', ']']);
    let address = name.parse::<core::net::IpAddr>();
    let local = name == "localhost" || address.is_ok_and(|address| address.is_loopback());
    let scheme = if local && port.is_some_and(|port| port != "443") { "http" } else { "https" };
    // The registry of Docker Hub has another host name.
    let host = if registry == "docker.io" { "index.docker.io" } else { registry };
    format!("{scheme}://{host}")
}

/// Reads one host; `None` if it does not have the capability `pull`.
fn endpoint(
    registry: &str,
    url: &str,
    at: &str,
    mut settings: Table,
) -> Result<Option<Endpoint>, HostsError> {
    let (plain_http, rest) = match url.split_once("://") {
        Some(("http", rest)) => (true, rest),
        Some(("https", rest)) => (false, rest),
        Some((scheme, _)) => return Err(format!("{at}server: unsupported scheme {scheme:?}")),
        None => (false, url),
    };
    let (pull, resolves) = match settings.remove("capabilities") {
        None => (true, true),
        Some(value) => {
            let names = texts(&value).ok_or(format!("{at}capabilities: must be strings"))?;
            (names.iter().any(|w| w == "pull"), names.iter().any(|w| w == "resolve"))
        }
    };
    let skip_verify = take_flag(&mut settings, at, "skip_verify")?;
    let ca = match settings.remove("ca") {
        None => Vec::new(),
        Some(value) => texts(&value).ok_or(format!("{at}ca: must be a path or a list of them"))?,
    };
    let rest = rest.trim_end_matches('/');
    // `override_path` means that the path is complete, so it has to contain `/v2`.
    let host = if take_flag(&mut settings, at, "override_path")? {
        rest.strip_suffix("/v2").ok_or(format!("{at}override_path: only with a path in /v2"))?
    } else {
        rest.strip_suffix("/v2").unwrap_or(rest)
    };
    if let Some((key, _)) = settings.iter().next() {
        return Err(format!("{at}{key}: not supported"));
    }
    let host = if host == "registry-1.docker.io" { "index.docker.io" } else { host };
    let own = host == registry || (registry == "docker.io" && matches!(host, "index.docker.io"));
    Ok(pull.then(|| Endpoint {
        plain_http,
        host: host.to_owned(),
        resolves,
        skip_verify,
        ca: ca.into_iter().map(PathBuf::from).collect(),
        mirror: !own,
    }))
}

fn take_text(table: &mut Table, at: &str, key: &str) -> Result<Option<String>, HostsError> {
    match table.remove(key) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text).filter(|text| !text.is_empty())),
        Some(_) => Err(format!("{at}{key}: must be a string")),
    }
}

fn take_flag(table: &mut Table, at: &str, key: &str) -> Result<bool, HostsError> {
    match table.remove(key) {
        None => Ok(false),
        Some(Value::Boolean(flag)) => Ok(flag),
        Some(_) => Err(format!("{at}{key}: must be true or false")),
    }
}

fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(text) => Some(vec![text.clone()]),
        Value::Array(items) => items.iter().map(|item| item.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(registry: &str, hosts: Option<&str>) -> Vec<String> {
        let line = |e: Endpoint| {
            let scheme = if e.plain_http { "http" } else { "https" };
            let marks =
                [("mirror", e.mirror), ("resolves", e.resolves), ("insecure", e.skip_verify)];
            let marks: Vec<_> =
                marks.iter().filter(|(_, set)| *set).map(|(name, _)| *name).collect();
            format!("{scheme} {} {}", e.host, marks.join(","))
        };
        endpoints(registry, hosts).unwrap().into_iter().map(line).collect()
    }

    #[test]
    fn without_a_file_the_registry_is_the_only_host() {
        assert_eq!(shown("r.io", None), ["https r.io resolves"]);
        assert_eq!(shown("127.0.0.1:5000", None), ["http 127.0.0.1:5000 resolves"]);
        assert_eq!(shown("[::1]:5000", None), ["http [::1]:5000 resolves"]);
        assert_eq!(shown("localhost", None), ["https localhost resolves"]);
        assert_eq!(shown("docker.io", None), ["https index.docker.io resolves"]);
    }

    #[test]
    fn mirrors_come_first_and_in_order() {
        let hosts = r#"
            server = "https://registry-1.docker.io"
            [host."http://z:5000"]
              capabilities = ["pull"]
            [host."https://a/cache/"]
              skip_verify = true
            [host."https://pushes-only"]
              capabilities = ["push"]
            [host."https://b/v2"]
              override_path = true
              ca = "b.crt"
        "#;
        assert_eq!(
            shown("docker.io", Some(hosts)),
            [
                "http z:5000 mirror",
                "https a/cache mirror,resolves,insecure",
                "https b mirror,resolves",
                "https index.docker.io resolves",
            ]
        );
        assert_eq!(endpoints("docker.io", Some(hosts)).unwrap()[2].ca, [PathBuf::from("b.crt")]);
    }

    #[test]
    fn an_unsupported_field_is_an_error() {
        for (hosts, expected) in [
            ("[host.\"https://a\".header]\nx = \"y\"", "host.\"https://a\".header: not supported"),
            ("client = \"x.pem\"", "client: not supported"),
            ("server = 1", "server: must be a string"),
            (
                "[host.\"https://a/b\"]\noverride_path = true",
                "host.\"https://a/b\".override_path: only",
            ),
            ("server = \"ftp://a\"", "server: unsupported scheme"),
        ] {
            let error = endpoints("r.io", Some(hosts)).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
