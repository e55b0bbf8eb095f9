//! Logins for registries, from Docker's `config.json`, which pull secrets contain too.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

/// Logins with the registries or repositories that they are for, the most specific ones first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Keyring(Vec<(String, Login)>);

/// Credentials for a registry.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Login {
    /// Name and password, for HTTP basic authentication or for the request of a token.
    Basic {
        /// User name at the registry.
        username: String,
        /// Password of that user.
        password: String,
    },
    /// Docker's `registrytoken`: sent as it is.
    Bearer(String),
}

/// Leaves out passwords and tokens, so that they are not logged.
impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Basic { username, .. } => write!(f, "Basic({username:?}, …)"),
            Self::Bearer(_) => f.write_str("Bearer(…)"),
        }
    }
}

/// Entry of a pod's `imagePullSecrets`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PullSecret {
    /// Name of the Secret.
    pub name: String,
    /// Logins of the Secret; `None` if no Secret of that name was applied.
    pub keyring: Option<Keyring>,
}

#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    auths: BTreeMap<String, Auth>,
    #[serde(default, rename = "credsStore")]
    store: Option<String>,
    #[serde(default, rename = "credHelpers")]
    helpers: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Auth {
    #[serde(default)]
    auth: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    identitytoken: String,
    #[serde(default)]
    registrytoken: String,
}

impl Keyring {
    /// Returns the keyring of these logins, each with the registry or repository that it is for, the
    /// most specific ones first.
    pub fn of_logins(logins: Vec<(String, Login)>) -> Self {
        Self(logins)
    }

    /// Returns the logins, as [`Self::of_logins`] takes them.
    pub fn into_logins(self) -> Vec<(String, Login)> {
        self.0
    }

    /// Reads a `config.json`, or the `.dockerconfigjson` of a Secret.
    ///
    /// # Errors
    ///
    /// A text with the field that is invalid or not supported.
    pub fn from_docker_config(json: &[u8]) -> Result<Self, String> {
        let config: Config = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        if config.store.is_some_and(|store| !store.is_empty()) {
            return Err("credsStore: credential helpers are not supported".to_owned());
        }
        if !config.helpers.is_empty() {
            return Err("credHelpers: credential helpers are not supported".to_owned());
        }
        Self::from_auths(config.auths)
    }

    /// Reads the `.dockercfg` of a Secret of the type `kubernetes.io/dockercfg`, which has the
    /// entries of `auths` alone.
    ///
    /// # Errors
    ///
    /// A text with the field that is invalid or not supported.
    pub fn from_dockercfg(json: &[u8]) -> Result<Self, String> {
        Self::from_auths(serde_json::from_slice(json).map_err(|error| error.to_string())?)
    }

    fn from_auths(auths: BTreeMap<String, Auth>) -> Result<Self, String> {
        let mut logins = Vec::new();
        for (server, auth) in auths {
            if let Some(login) = auth.login().map_err(|why| format!("auths[{server:?}].{why}"))? {
                logins.push((pattern(&server), login));
            }
        }
        // A pattern comes before its own prefixes, so that the login of a repository is tried
        // before that of its registry.
        logins.sort_by(|(a, _), (b, _)| b.cmp(a));
        Ok(Self(logins))
    }

    /// Returns the logins for a repository, in the order in which they are tried.
    pub fn logins<'a>(
        &'a self,
        registry: &'a str,
        repository: &'a str,
    ) -> impl Iterator<Item = &'a Login> {
        let fitting = move |(pattern, _): &&(String, Login)| fits(pattern, registry, repository);
        self.0.iter().filter(fitting).map(|(_, login)| login)
    }
}

impl Auth {
    fn login(self) -> Result<Option<Login>, String> {
        if !self.registrytoken.is_empty() {
            return Ok(Some(Login::Bearer(self.registrytoken)));
        }
        if !self.identitytoken.is_empty() {
            return Err("identitytoken: not supported".to_owned());
        }
        if self.auth.is_empty() {
            let Self { username, password, .. } = self;
            return Ok((!username.is_empty()).then_some(Login::Basic { username, password }));
        }
        let decoded =
            STANDARD.decode(self.auth.trim()).ok().and_then(|b| String::from_utf8(b).ok());
        let decoded = decoded.ok_or("auth: must be base64 of username:password")?;
        let (username, password) =
            decoded.split_once(':').ok_or("auth: must be base64 of username:password")?;
        // Docker sometimes ends the password with NUL bytes.
        let password = password.trim_matches('\0').to_owned();
        Ok(Some(Login::Basic { username: username.to_owned(), password }))
    }
}

/// Converts the server that `docker login` writes into the registry of an image name:
/// `https://index.docker.io/v1/` → `docker.io`.
fn pattern(server: &str) -> String {
    let server =
        server.strip_prefix("https://").or(server.strip_prefix("http://")).unwrap_or(server);
    let (host, path) = server.split_once('/').unwrap_or((server, ""));
    let path = path.trim_end_matches('/');
    let path = path.strip_prefix("v1").or(path.strip_prefix("v2")).unwrap_or(path);
    let path = path.trim_matches('/');
    let host = match host {
        "index.docker.io" | "registry-1.docker.io" => "docker.io",
        host => host,
    };
    if path.is_empty() { host.to_owned() } else { format!("{host}/{path}") }
}

/// Returns whether a login is for a repository, as in the kubelet's keyring: each part of the host
/// may have `*`, the ports are equal, and the path is a prefix.
fn fits(pattern: &str, registry: &str, repository: &str) -> bool {
    let registry = match registry {
        "index.docker.io" | "registry-1.docker.io" => "docker.io",
        registry => registry,
    };
    let (host, path) = pattern.split_once('/').unwrap_or((pattern, ""));
    let (name, port) = host_port(host);
    let (other, other_port) = host_port(registry);
    let parts = name.split('.').count() == other.split('.').count()
        && name.split('.').zip(other.split('.')).all(|(glob, part)| glob_fits(glob, part));
    let below = repository.strip_prefix(path);
    parts
        && port == other_port
        && below.is_some_and(|r| path.is_empty() || r.is_empty() || r.starts_with('/'))
}

fn host_port(host: &str) -> (&str, Option<&str>) {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (host, None),
    }
}

fn glob_fits(glob: &str, text: &str) -> bool {
    match glob.split_once('*') {
        None => glob == text,
        Some((head, tail)) => text.strip_prefix(head).is_some_and(|rest| {
            rest.char_indices()
                .map(|(at, _)| at)
                .chain([rest.len()])
                .any(|at| rest.get(at..).is_some_and(|rest| glob_fits(tail, rest)))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(keyring: &Keyring, registry: &str, repository: &str) -> Vec<String> {
        let name = |login: &Login| match login {
            Login::Basic { username, password } => format!("{username}:{password}"),
            Login::Bearer(token) => token.clone(),
        };
        keyring.logins(registry, repository).map(name).collect()
    }

    #[test]
    fn logins_are_found_as_the_kubelet_finds_them() {
        let json = br#"{"auths": {
            "https://index.docker.io/v1/": {"auth": "aHViOnNlY3JldDpz"},
            "r.io:5000": {"username": "all", "password": "p"},
            "r.io:5000/team": {"username": "team", "password": "p"},
            "*.example.com": {"registrytoken": "t"},
            "empty.io": {}
        }, "HttpHeaders": {"User-Agent": "x"}}"#;
        let keyring = Keyring::from_docker_config(json).unwrap();
        assert_eq!(user(&keyring, "docker.io", "library/a"), ["hub:secret:s"]);
        assert_eq!(user(&keyring, "index.docker.io", "library/a"), ["hub:secret:s"]);
        assert_eq!(user(&keyring, "r.io:5000", "team/a"), ["team:p", "all:p"]);
        assert_eq!(user(&keyring, "r.io:5000", "teammate/a"), ["all:p"]);
        assert_eq!(user(&keyring, "r.io", "team/a"), [""; 0]);
        assert_eq!(user(&keyring, "a.example.com", "a"), ["t"]);
        assert_eq!(user(&keyring, "a.b.example.com", "a"), [""; 0]);
        assert_eq!(user(&keyring, "empty.io", "a"), [""; 0]);
    }

    #[test]
    fn an_unsupported_field_is_an_error_with_its_path() {
        for (json, expected) in [
            (r#"{"auths": {"a": {"auth": "x!"}}}"#, r#"auths["a"].auth: must be base64"#),
            (r#"{"auths": {"a": {"identitytoken": "x"}}}"#, r#"auths["a"].identitytoken: not"#),
            (r#"{"credsStore": "pass"}"#, "credsStore: credential helpers"),
            (r#"{"credHelpers": {"a": "b"}}"#, "credHelpers: credential helpers"),
            ("[", "EOF while parsing"),
        ] {
            let error = Keyring::from_docker_config(json.as_bytes()).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn a_dockercfg_secret_has_the_logins_alone() {
        let keyring = Keyring::from_dockercfg(br#"{"r.io": {"username": "u", "password": "p"}}"#);
        assert_eq!(user(&keyring.unwrap(), "r.io", "a"), ["u:p"]);
    }

    #[test]
    fn debug_output_has_no_password() {
        let json = br#"{"auths": {"a": {"username": "u", "password": "hush"}, "b": {"registrytoken": "hush"}}}"#;
        let shown = format!("{:?}", Keyring::from_docker_config(json).unwrap());
        assert!(shown.contains('u') && !shown.contains("hush"), "{shown}");
    }
}
