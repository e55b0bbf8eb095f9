//! The kubeconfig file of a user.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// The name of the context, by which `kubectl --context` chooses this host among others.
const CONTEXT: &str = "probelet";

/// What proves the identity of the user.
pub enum Secret {
    /// PEM.
    Certificate {
        certificate: String,
        key: String,
    },
    Token(String),
}

/// The content of a kubeconfig file.
pub struct Kubeconfig<'a> {
    pub host_name: &'a str,
    pub user: &'a str,
    pub server: &'a str,
    /// The authority's certificate in PEM.
    pub authority: &'a str,
    /// The name in the server's certificate, if the host of `server` is not in it.
    pub tls_server_name: Option<&'a str>,
    pub secret: &'a Secret,
}

impl Kubeconfig<'_> {
    /// The text of the file.
    pub fn to_yaml(&self) -> Result<String, serde_norway::Error> {
        let cluster_name = format!("probelet-{}", self.host_name);
        let user_name = format!("{}@{cluster_name}", self.user);
        let mut cluster = json!({
            "server": self.server,
            "certificate-authority-data": STANDARD.encode(self.authority),
        });
        if let (Some(name), Some(cluster)) = (self.tls_server_name, cluster.as_object_mut()) {
            cluster.insert("tls-server-name".to_owned(), Value::from(name));
        }
        let user = match self.secret {
            Secret::Certificate { certificate, key } => json!({
                "client-certificate-data": STANDARD.encode(certificate),
                "client-key-data": STANDARD.encode(key),
            }),
            Secret::Token(token) => json!({ "token": token }),
        };
        serde_norway::to_string(&json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": CONTEXT,
            "clusters": [{ "name": cluster_name, "cluster": cluster }],
            "users": [{ "name": user_name, "user": user }],
            "contexts": [{
                "name": CONTEXT,
                "context": { "cluster": cluster_name, "user": user_name },
            }],
        }))
    }
}
