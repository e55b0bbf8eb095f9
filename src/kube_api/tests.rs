//! Identities, roles and reviews.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::{HeaderMap, Request};
use probelet_kube_wire::path::{self, Method};
use probelet_kube_wire::query::Query;
use probelet_kube_wire::status::Status;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_util::sync::CancellationToken;

use super::access::is_open_to_all;
use super::identity::{Connection, Identity, authenticate};
use super::request_guard::check_site;
use super::reviews::*;
use crate::domain::spec::{ContainerSpec, ProbeSpec};
use crate::kube_authority::{Authority, CredentialKind, Grant, Role};
use crate::node::Target;
use crate::node::fake::Fake;
use crate::pb;
use crate::pb::containers_server::Containers;
use crate::prober::{Attempt, Prober};
use crate::service::Services;
use crate::supervisor::{Supervisor, now};

struct NoProbes;

#[async_trait]
impl Prober for NoProbes {
    async fn attempt(&self, _: Arc<dyn Target>, _: &ContainerSpec, _: &ProbeSpec) -> Attempt {
        unreachable!("no probe is set")
    }
}

/// A supervisor with a running pod of one container.
pub async fn supervisor(pod: &str) -> (Arc<Supervisor>, Services) {
    let supervisor = Arc::new(Supervisor::new(Arc::new(Fake::default()), Arc::new(NoProbes)));
    let services = Services::alone(supervisor.clone(), CancellationToken::new());
    let containers = services.containers();
    let source = Some(pb::create_container_request::Source::Image("a".to_owned()));
    let request = pb::CreateContainerRequest {
        name: pod.to_owned(),
        source,
        start: true,
        ..pb::CreateContainerRequest::default()
    };
    containers.create_container(tonic::Request::new(request)).await.unwrap();
    let wait = pb::WaitContainerRequest {
        name: pod.to_owned(),
        condition: Some(pb::wait_container_request::Condition::Running(true)),
        ..pb::WaitContainerRequest::default()
    };
    containers.wait_container(tonic::Request::new(wait)).await.unwrap();
    (supervisor, services)
}

pub struct Users {
    folder: TempDir,
    authority: Authority,
}

impl Users {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::open(folder.path(), address()).unwrap();
        Self { folder, authority }
    }

    fn issue(&self, name: &str, role: Role, kind: CredentialKind) -> Value {
        let ttl = Duration::from_secs(3600);
        let grant = Grant { name: name.to_owned(), role, kind, ttl, server: None };
        let text = self.authority.issue(&grant, now().wall).unwrap();
        serde_norway::from_str::<Value>(&text).unwrap()["users"][0]["user"].clone()
    }

    pub fn token(&self, name: &str, role: Role) -> String {
        let user = self.issue(name, role, CredentialKind::Token);
        user["token"].as_str().unwrap().to_owned()
    }

    pub fn revoke(&self, name: &str) {
        self.authority.revoke(name).unwrap();
    }

    pub fn identity(&self, name: &str, role: Role) -> Identity {
        let token = self.token(name, role);
        self.authenticate(None, &[("authorization", &format!("Bearer {token}"))]).unwrap()
    }

    fn authenticate(
        &self,
        certificate: Option<CertificateDer<'static>>,
        headers: &[(&'static str, &str)],
    ) -> Result<Identity, Status> {
        let connection = Connection { address: address(), certificate };
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        authenticate(&self.authority, &connection, &map, now().wall)
    }
}

fn address() -> SocketAddr {
    "127.0.0.1:6443".parse().unwrap()
}

fn request(method: Method, target: &str) -> path::Request {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    path::Request::parse(method, path, &Query::parse(query).unwrap()).unwrap()
}

fn code(result: Result<impl Sized, Status>) -> u16 {
    result.map_or_else(|status| status.code(), |_| 200)
}

#[test]
fn a_user_is_known_by_a_certificate_or_a_token() {
    use base64::Engine;
    let users = Users::new();
    let user = users.issue("ann", Role::View, CredentialKind::Certificate);
    let pem = user["client-certificate-data"].as_str().unwrap();
    let pem = base64::engine::general_purpose::STANDARD.decode(pem).unwrap();
    let ann = CertificateDer::from_pem_slice(&pem).unwrap();
    let bob = users.token("bob", Role::Admin);
    let name = |certificate: &Option<CertificateDer<'static>>, headers: &[(&'static str, &str)]| {
        let found = users.authenticate(certificate.clone(), headers);
        found.map(|user| (user.name().to_owned(), user.role())).map_err(|status| status.code())
    };
    let (shown, bearer) = (Some(ann), format!("Bearer {bob}"));
    let (view, admin) = (("ann".to_owned(), Role::View), ("bob".to_owned(), Role::Admin));
    assert_eq!(name(&shown, &[]), Ok(view.clone()));
    assert_eq!(name(&shown, &[("authorization", "Bearer x")]), Ok(view.clone()));
    assert_eq!(name(&None, &[("authorization", &bearer)]), Ok(admin.clone()));
    assert_eq!(name(&None, &[("authorization", &format!("bearer  {bob}"))]), Ok(admin.clone()));
    let encoded = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&bob);
    let offered = format!("v4.channel.k8s.io, base64url.bearer.authorization.k8s.io.{encoded}");
    assert_eq!(name(&None, &[("sec-websocket-protocol", &offered)]), Ok(admin.clone()));
    // Without a valid credential.
    for headers in [
        vec![],
        vec![("authorization", "Bearer x")],
        vec![("authorization", "Basic YTpi")],
        vec![("authorization", bob.as_str())],
        vec![("authorization", "Basic YTpi"), ("sec-websocket-protocol", offered.as_str())],
    ] {
        assert_eq!(name(&None, &headers), Err(401), "{headers:?}");
    }
    let stranger = Some(CertificateDer::from(vec![0x30, 0]));
    assert_eq!(name(&stranger, &[]), Err(401));
    assert_eq!(name(&stranger, &[("authorization", &bearer)]), Ok(admin));
    for header in ["impersonate-user", "impersonate-group", "impersonate-extra-scopes"] {
        assert_eq!(name(&shown, &[(header, "bob")]), Err(403), "{header}");
    }
    users.authority.revoke("ann").unwrap();
    assert_eq!(name(&shown, &[]), Err(401));
    assert!(users.folder.path().exists());
}

#[test]
fn a_reader_reads_and_does_nothing_else() {
    let users = Users::new();
    let (view, admin) = (users.identity("v", Role::View), users.identity("a", Role::Admin));
    let rows = [
        (Method::Get, "/api/v1/pods", true),
        (Method::Get, "/api/v1/namespaces/a/pods/web", true),
        (Method::Get, "/api/v1/namespaces/a/pods?watch=true", true),
        (Method::Get, "/api/v1/namespaces/a/pods/web/log", true),
        (Method::Get, "/api/v1/namespaces/a/pods/web/status", true),
        (Method::Get, "/api/v1/namespaces/a/configmaps/c", true),
        (Method::Get, "/apis/apps/v1/namespaces/a/deployments/d/scale", true),
        (Method::Get, "/apis/metrics.k8s.io/v1beta1/nodes", true),
        (Method::Get, "/api/v1/namespaces/a/secrets", false),
        (Method::Get, "/api/v1/namespaces/a/secrets/s", false),
        (Method::Get, "/api/v1/secrets?watch=1", false),
        // The WebSockets of commands are opened by GET.
        (Method::Get, "/api/v1/namespaces/a/pods/web/exec", false),
        (Method::Post, "/api/v1/namespaces/a/pods/web/exec", false),
        (Method::Get, "/api/v1/namespaces/a/pods/web/attach", false),
        (Method::Get, "/api/v1/namespaces/a/pods/web/portforward", false),
        (Method::Get, "/api/v1/nodes/n/proxy", false),
        (Method::Delete, "/api/v1/namespaces/a/pods/web", false),
        (Method::Delete, "/api/v1/namespaces/a/pods", false),
        (Method::Patch, "/api/v1/namespaces/a/pods/web", false),
        (Method::Put, "/api/v1/namespaces/a/pods/web", false),
        (Method::Post, "/api/v1/namespaces/a/pods", false),
        (Method::Post, "/api/v1/namespaces/a/pods/web/eviction", false),
        (Method::Post, "/api/v1/namespaces/a/serviceaccounts/s/token", false),
        (Method::Post, "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", true),
        (Method::Post, "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", true),
        (Method::Post, "/apis/authentication.k8s.io/v1/selfsubjectreviews", true),
        (Method::Post, "/apis/example/v1/selfsubjectreviews", false),
    ];
    for (method, target, allowed) in rows {
        let path::Request::Resource(request) = request(method, target) else { panic!("{target}") };
        assert_eq!(code(admin.authorize(&request)), 200, "{target}");
        let expected = if allowed { 200 } else { 403 };
        assert_eq!(code(view.authorize(&request)), expected, "{method:?} {target}");
    }
    let path::Request::Resource(exec) = request(Method::Get, "/api/v1/namespaces/a/pods/web/exec")
    else {
        panic!()
    };
    assert_eq!(
        view.authorize(&exec).unwrap_err().message(),
        "pods \"web\" is forbidden: User \"v\" cannot get resource \"pods/exec\" in API group \"\" \
         in the namespace \"a\""
    );
    assert_eq!(code(view.authorize_path("GET", "/metrics")), 200);
    assert_eq!(code(view.authorize_path("POST", "/metrics")), 403);
    assert_eq!(code(admin.authorize_path("POST", "/metrics")), 200);
    assert!(is_open_to_all(&request(Method::Get, "/healthz")));
    assert!(is_open_to_all(&request(Method::Get, "/version")));
    assert!(!is_open_to_all(&request(Method::Get, "/api")));
    assert!(!is_open_to_all(&request(Method::Get, "/metrics")));
}

#[test]
fn reviews_answer_by_the_same_rule() {
    let users = Users::new();
    let (view, admin) = (users.identity("v", Role::View), users.identity("a", Role::Admin));
    let can = |user: &Identity, verb: &str, group: &str, resource: &str, subresource: &str| {
        let attributes = json!({
            "namespace": "a", "verb": verb, "group": group, "resource": resource,
            "subresource": subresource,
        });
        let body = json!({ "kind": "SelfSubjectAccessReview", "spec": { "resourceAttributes": attributes } });
        let answer = self_subject_access_review(body.clone(), user).unwrap();
        assert_eq!(answer["spec"], body["spec"]);
        assert_eq!(answer["apiVersion"], "authorization.k8s.io/v1");
        answer["status"]["allowed"].as_bool().unwrap()
    };
    let rows = [
        ("list", "", "pods", "", true),
        ("get", "", "pods", "log", true),
        ("create", "", "pods", "exec", false),
        ("delete", "", "pods", "", false),
        ("get", "", "secrets", "", false),
        // `*` is everything, which a reader may not read.
        ("get", "*", "*", "", false),
        ("*", "", "pods", "", false),
        ("get", "", "pods", "*", false),
    ];
    for (verb, group, resource, sub, allowed) in rows {
        assert!(can(&admin, verb, group, resource, sub));
        assert_eq!(can(&view, verb, group, resource, sub), allowed, "{verb} {resource}/{sub}");
    }
    let path =
        |verb| json!({ "spec": { "nonResourceAttributes": { "path": "/x", "verb": verb } } });
    let answer = |verb| self_subject_access_review(path(verb), &view).unwrap();
    assert_eq!(answer("get")["status"], json!({ "allowed": true }));
    let refused = json!({ "allowed": false, "reason": "the role is probelet:view" });
    assert_eq!(answer("post")["status"], refused);
    for body in [json!({}), json!(3), json!({ "spec": { "resourceAttributes": null } })] {
        assert_eq!(code(self_subject_access_review(body, &view)), 422);
    }
    let mut both = path("get");
    both["spec"]["resourceAttributes"] = json!({ "verb": "get", "resource": "pods" });
    assert_eq!(code(self_subject_access_review(both, &view)), 422);
}

#[test]
fn users_see_their_rules_and_their_name() {
    let users = Users::new();
    let (view, admin) = (users.identity("v", Role::View), users.identity("a", Role::Admin));
    let body = || json!({ "spec": { "namespace": "a" } });
    let all = self_subject_rules_review(body(), &admin).unwrap();
    assert_eq!(
        all["status"]["resourceRules"],
        json!([{ "verbs": ["*"], "apiGroups": ["*"], "resources": ["*"] }])
    );
    let read = self_subject_rules_review(body(), &view).unwrap();
    let rules = read["status"]["resourceRules"].as_array().unwrap();
    let rule = |resource: &str| {
        let of = |rule: &&Value| rule["resources"] == json!([resource]);
        rules.iter().find(of).map(|rule| rule["verbs"].clone())
    };
    assert_eq!(rule("pods"), Some(json!(["get", "list", "watch"])));
    assert_eq!(rule("pods/log"), Some(json!(["get"])));
    assert_eq!(rule("selfsubjectreviews"), Some(json!(["create"])));
    assert_eq!([rule("pods/exec"), rule("pods/portforward"), rule("secrets")], [None, None, None]);
    assert_eq!(code(self_subject_rules_review(json!({}), &view)), 400);
    let who = self_subject_review(json!({ "metadata": { "creationTimestamp": null } }), &view);
    assert_eq!(who["kind"], "SelfSubjectReview");
    let expected = json!({ "username": "v", "groups": ["probelet:view", "system:authenticated"] });
    assert_eq!(who["status"]["userInfo"], expected);
}

#[test]
fn requests_of_other_sites_are_refused() {
    let users = Users::new();
    let check = |target: &str, headers: &[(&str, &str)]| {
        let request = headers
            .iter()
            .fold(Request::get(target), |request, (name, value)| request.header(*name, *value));
        code(check_site(&users.authority, &request.body(()).unwrap().into_parts().0))
    };
    for host in ["localhost:6443", "127.0.0.1:6443", "[::1]:6443", "10.1.2.3", "LOCALHOST"] {
        assert_eq!(check("/api", &[("host", host)]), 200, "{host}");
    }
    assert_eq!(check("/api", &[]), 200);
    assert_eq!(check("https://localhost:6443/api", &[]), 200, "HTTP/2");
    assert_eq!(check("https://evil.example/api", &[]), 403);
    for host in ["evil.example:6443", "localhost.evil.example", "127.0.0.1.evil.example"] {
        assert_eq!(check("/api", &[("host", host)]), 403, "{host}");
    }
    assert_eq!(check("/api", &[("host", "a b")]), 400);
    assert_eq!(check("/api", &[("host", "localhost"), ("host", "evil.example")]), 400);
    let origin = |origin| check("/api", &[("host", "localhost:6443"), ("origin", origin)]);
    // Python's WebSocket client sends the origin of the server itself.
    assert_eq!(origin("https://localhost:6443"), 200);
    for other in [
        "https://evil.example",
        "https://localhost",
        "http://localhost:6443",
        "null",
        "",
        "file://",
    ] {
        assert_eq!(origin(other), 403, "{other}");
    }
    assert_eq!(check("/api", &[("origin", "https://localhost:6443")]), 403);
}

#[tokio::test]
async fn an_expired_credential_ends_what_it_keeps_open() {
    let users = Users::new();
    // It takes a moment to issue the credentials and to use them.
    let left = Duration::from_secs(5);
    let grant = |name: &str, ttl| Grant {
        name: name.to_owned(),
        role: Role::View,
        kind: CredentialKind::Token,
        ttl,
        server: None,
    };
    let minute = Duration::from_secs(60);
    let issued = now().wall - minute + left;
    let token = |text: String| {
        let config = serde_norway::from_str::<Value>(&text).unwrap();
        format!("Bearer {}", config["users"][0]["user"]["token"].as_str().unwrap())
    };
    let old = token(users.authority.issue(&grant("old", minute), issued).unwrap());
    let new = token(users.authority.issue(&grant("new", minute), now().wall).unwrap());
    let known = |token: &str| users.authenticate(None, &[("authorization", token)]);
    let (old_user, new_user) = (known(&old).unwrap(), known(&new).unwrap());
    tokio::select! {
        () = old_user.ended() => {}
        () = new_user.ended() => panic!("the other credential is valid"),
    }
    assert_eq!(code(known(&old)), 401);
    assert_eq!(code(known(&new)), 200);
}
