//! The identity of the node: a kubeconfig with one server and one credential.
//!
//! A kubeconfig can do more than a daemon may do unasked: it can name programs to run, and it can
//! turn the verification of the server off. Such fields are refused by their names.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use crate::fields::{list, text};

/// Bytes, or the path of the file that has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Material {
    /// The bytes themselves.
    Inline(Vec<u8>),
    /// A path, relative to the folder of the kubeconfig.
    File(String),
}

/// What the node shows to the API server.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// A certificate and its key, in PEM.
    Certificate {
        /// The certificate, and those between it and the authority.
        certificate: Material,
        /// The private key.
        key: Material,
    },
    /// A bearer token.
    Token(String),
    /// The path of a file with a bearer token, which is read again when it may have changed.
    TokenFile(String),
}

/// Leaves the credential out, so that it is not logged.
impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Certificate { .. } => "Certificate",
            Self::Token(_) => "Token",
            Self::TokenFile(_) => "TokenFile",
        })
    }
}

/// A kubeconfig's current context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kubeconfig {
    /// The URL of the API server, which begins with `https://`.
    pub server: String,
    /// The certificates of the server's authority, in PEM.
    pub authority: Material,
    /// The name in the server's certificate, if it is not the host of the URL.
    pub server_name: Option<String>,
    /// The credential.
    pub credential: Credential,
}

/// A kubeconfig that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KubeconfigError {
    /// The text is no YAML.
    #[error("not a kubeconfig: {0}")]
    Syntax(String),
    /// A field is missing, or names an entry that does not exist.
    #[error("{0} is missing")]
    Missing(String),
    /// A field is refused.
    #[error("{field}: {why}")]
    Refused {
        /// The path of the field.
        field: String,
        /// The reason, as text.
        why: &'static str,
    },
}

/// Fields of a user that are refused, with the reason.
const USER: [(&str, &str); 6] = [
    ("exec", "credential plugins are not run: use a certificate, a token or a token file"),
    ("auth-provider", "Kubernetes has removed auth providers"),
    ("username", "the API server takes no passwords"),
    ("as", "a node does not impersonate"),
    ("as-groups", "a node does not impersonate"),
    ("as-uid", "a node does not impersonate"),
];
/// Fields of a cluster that are refused, with the reason.
const CLUSTER: [(&str, &str); 2] = [
    ("insecure-skip-tls-verify", "the server is always verified: set certificate-authority"),
    ("proxy-url", "a proxy is not supported"),
];

impl Kubeconfig {
    /// Reads the current context of a kubeconfig.
    ///
    /// # Errors
    ///
    /// The field that is missing or refused.
    pub fn parse(content: &str) -> Result<Self, KubeconfigError> {
        let root: Value = serde_norway::from_str(content)
            .map_err(|error| KubeconfigError::Syntax(error.to_string()))?;
        let missing = |field: &str| KubeconfigError::Missing(field.to_owned());
        let required = |found: &str, field: &str| match found {
            "" => Err(missing(field)),
            found => Ok(found.to_owned()),
        };
        let current = required(text(&root, "/current-context"), "current-context")?;
        let context = named(&root, "contexts", &current)?;
        let cluster_name = required(text(context, "/context/cluster"), "context.cluster")?;
        let user_name = required(text(context, "/context/user"), "context.user")?;
        let cluster = part(named(&root, "clusters", &cluster_name)?, "cluster");
        let user = part(named(&root, "users", &user_name)?, "user");
        check(cluster, "cluster", &CLUSTER)?;
        check(user, "user", &USER)?;
        let server = required(text(cluster, "/server"), "cluster.server")?;
        if !server.starts_with("https://") {
            let why = "must begin with https://";
            return Err(KubeconfigError::Refused { field: "cluster.server".into(), why });
        }
        let authority = material(cluster, "cluster", "certificate-authority")?;
        let authority = authority.ok_or_else(|| missing("cluster.certificate-authority"))?;
        let server_name = Some(text(cluster, "/tls-server-name")).filter(|name| !name.is_empty());
        Ok(Self {
            server: server.trim_end_matches('/').to_owned(),
            authority,
            server_name: server_name.map(str::to_owned),
            credential: credential(user)?,
        })
    }
}

/// The credential of a user. As in Kubernetes' client, a token has precedence over its file, and both
/// over a certificate.
fn credential(user: &Value) -> Result<Credential, KubeconfigError> {
    if let Some(token) = Some(text(user, "/token")).filter(|token| !token.is_empty()) {
        return Ok(Credential::Token(token.to_owned()));
    }
    if let Some(path) = Some(text(user, "/tokenFile")).filter(|path| !path.is_empty()) {
        return Ok(Credential::TokenFile(path.to_owned()));
    }
    let certificate = material(user, "user", "client-certificate")?;
    let key = material(user, "user", "client-key")?;
    match (certificate, key) {
        (Some(certificate), Some(key)) => Ok(Credential::Certificate { certificate, key }),
        (Some(_), None) => Err(KubeconfigError::Missing("user.client-key".to_owned())),
        _ => Err(KubeconfigError::Missing("user.client-certificate or user.token".to_owned())),
    }
}

/// The entry of this name in a list of the kubeconfig.
fn named<'a>(root: &'a Value, of: &str, name: &str) -> Result<&'a Value, KubeconfigError> {
    let mut all = list(root, &format!("/{of}")).iter();
    let found = all.find(|entry| text(entry, "/name") == name);
    found.ok_or_else(|| KubeconfigError::Missing(format!("{of}: {name:?}")))
}

fn part<'a>(entry: &'a Value, name: &str) -> &'a Value {
    entry.get(name).unwrap_or(&Value::Null)
}

fn check(of: &Value, name: &str, refused: &[(&str, &'static str)]) -> Result<(), KubeconfigError> {
    let is_set = |field: &str| {
        of.get(field).is_some_and(|value| !matches!(value, Value::Null | Value::Bool(false)))
    };
    match refused.iter().find(|(field, _)| is_set(field)) {
        Some((field, why)) => {
            Err(KubeconfigError::Refused { field: format!("{name}.{field}"), why })
        }
        None => Ok(()),
    }
}

/// `FIELD-data` in base64, or else the path in `FIELD`.
fn material(of: &Value, name: &str, field: &str) -> Result<Option<Material>, KubeconfigError> {
    let data: String = text(of, &format!("/{field}-data")).split_whitespace().collect();
    if !data.is_empty() {
        let field = format!("{name}.{field}-data");
        let bytes = BASE64_STANDARD.decode(data);
        let refused = |_| KubeconfigError::Refused { field, why: "is no base64" };
        return Ok(Some(Material::Inline(bytes.map_err(refused)?)));
    }
    let path = text(of, &format!("/{field}"));
    Ok((!path.is_empty()).then(|| Material::File(path.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(cluster: &str, user: &str) -> String {
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: edge\n\
             contexts: [{{name: edge, context: {{cluster: c, user: u}}}}]\n\
             clusters: [{{name: c, cluster: {{{cluster}}}}}]\n\
             users: [{{name: u, user: {{{user}}}}}]\n"
        )
    }

    const CLUSTER: &str = "server: 'https://10.0.0.1:6443/', certificate-authority: ca.pem";

    #[test]
    fn each_credential_is_read() {
        let file = |path: &str| Material::File(path.to_owned());
        for (user, expected) in [
            ("token: abc, tokenFile: /t", Credential::Token("abc".into())),
            ("tokenFile: /t, client-certificate: a", Credential::TokenFile("/t".into())),
            (
                "client-certificate: a.pem, client-key-data: YQ==",
                Credential::Certificate {
                    certificate: file("a.pem"),
                    key: Material::Inline(b"a".to_vec()),
                },
            ),
        ] {
            let read = Kubeconfig::parse(&config(CLUSTER, user)).unwrap();
            assert_eq!(read.credential, expected);
            assert_eq!(
                (read.server.as_str(), read.authority),
                ("https://10.0.0.1:6443", file("ca.pem"))
            );
        }
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let token = "token: abc";
        for (cluster, user, expected) in [
            (CLUSTER, "exec: {command: aws}", "user.exec: credential plugins are not run"),
            (CLUSTER, "auth-provider: {name: gcp}", "user.auth-provider: "),
            (CLUSTER, "username: a, password: b", "user.username: "),
            (CLUSTER, "token: abc, as: admin", "user.as: a node does not impersonate"),
            (CLUSTER, "client-certificate: a", "user.client-key is missing"),
            (CLUSTER, "", "user.client-certificate or user.token is missing"),
            (CLUSTER, "client-certificate-data: '*', client-key: k", "is no base64"),
            ("server: 'https://a'", token, "cluster.certificate-authority is missing"),
            ("server: 'http://a', certificate-authority: c", token, "must begin with https://"),
            (
                "server: 'https://a', insecure-skip-tls-verify: true",
                token,
                "cluster.insecure-skip-tls-verify: ",
            ),
            ("server: 'https://a', proxy-url: 'http://p'", token, "cluster.proxy-url: "),
            ("", token, "cluster.server is missing"),
        ] {
            let error = Kubeconfig::parse(&config(cluster, user)).unwrap_err().to_string();
            assert!(error.contains(expected), "{error} has no {expected:?}");
        }
        let other = config(CLUSTER, token).replace("current-context: edge", "current-context: x");
        let error = Kubeconfig::parse(&other).unwrap_err().to_string();
        assert_eq!(error, "contexts: \"x\" is missing");
        assert!(matches!(Kubeconfig::parse("a: ["), Err(KubeconfigError::Syntax(_))));
    }

    #[test]
    fn a_credential_is_not_shown() {
        let read = Kubeconfig::parse(&config(CLUSTER, "token: hunter2")).unwrap();
        assert!(!format!("{read:?}").contains("hunter2"));
    }
}
