//! The names by which clients reach the API.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use url::{Host, Url};

use super::credentials::InvalidCredential;

/// The names of this host, which its certificate has.
#[derive(Debug, Clone)]
pub struct ServerNames {
    host_name: String,
    listen: SocketAddr,
}

impl ServerNames {
    pub fn new(host_name: &str, listen: SocketAddr) -> Self {
        let host_name = host_name.trim().trim_end_matches('.').to_ascii_lowercase();
        let host_name = if host_name.is_empty() { "localhost".to_owned() } else { host_name };
        Self { host_name, listen }
    }

    pub fn host_name(&self) -> &str {
        &self.host_name
    }

    /// The names and addresses of the certificate, each one once.
    pub fn of_certificate<'a>(&'a self, more: impl Iterator<Item = &'a str>) -> Vec<String> {
        let mut names = vec![
            "localhost".to_owned(),
            Ipv4Addr::LOCALHOST.to_string(),
            Ipv6Addr::LOCALHOST.to_string(),
        ];
        let listen = self.listen.ip();
        let listen = (!listen.is_unspecified()).then(|| listen.to_string());
        let more = more.map(str::to_owned);
        for name in [self.host_name.clone()].into_iter().chain(listen).chain(more) {
            // A host name may have characters that a certificate cannot have, such as `_`.
            if is_certifiable(&name) && !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// The URL of a client on this host.
    pub fn local_url(&self) -> String {
        let ip = match self.listen.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        format!("https://{}", SocketAddr::new(ip, self.listen.port()))
    }

    /// True if a request for this host is meant for this server: an address, which no name server
    /// can redirect, or one of the names.
    pub fn has<'a>(&self, host: &str, more: impl Iterator<Item = &'a str>) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let is_address = host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
        is_address || host == "localhost" || host == self.host_name || { more }.any(|it| it == host)
    }
}

fn is_certifiable(name: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() < 64
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    name.parse::<IpAddr>().is_ok() || (name.len() < 254 && name.split('.').all(label))
}

/// The URL of `--server`, and its host.
pub fn server_url(text: &str) -> Result<(String, String), InvalidCredential> {
    let invalid = |reason: &str| InvalidCredential { field: "server", reason: reason.to_owned() };
    let url = Url::parse(text).map_err(|error| invalid(&error.to_string()))?;
    let is_plain = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let has_user = !url.username().is_empty() || url.password().is_some();
    if url.scheme() != "https" || !is_plain || has_user {
        return Err(invalid("must be https://HOST:PORT"));
    }
    let host = match url.host() {
        Some(Host::Domain(name)) if is_certifiable(name) => name.to_owned(),
        Some(Host::Ipv4(ip)) => ip.to_string(),
        Some(Host::Ipv6(ip)) => ip.to_string(),
        _ => return Err(invalid("the host must be a DNS name or an address")),
    };
    Ok((url.as_str().trim_end_matches('/').to_owned(), host))
}
