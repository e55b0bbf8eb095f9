//! Who makes a request, and whether it may.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};
use probelet_kube_wire::channels::bearer_token;
use probelet_kube_wire::path::ResourceRequest;
use probelet_kube_wire::status::{GroupResource, Status};
use tokio::time::sleep;
use tokio_rustls::rustls::pki_types::CertificateDer;

use super::access::{Access, allows_path};
use crate::domain::exit::Caller;
use crate::kube_authority::{Account, Authority, Holder, Role, Validity};
use crate::supervisor::now;

/// Begins the headers by which a client acts as another user.
const IMPERSONATE: &str = "impersonate-";
/// The interval at which the clock is compared with the end of a credential.
const CLOCK: Duration = Duration::from_secs(60);

/// A connection: the client's address, and its certificate, whose chain TLS has verified.
#[derive(Debug, Clone)]
pub struct Connection {
    pub address: SocketAddr,
    pub certificate: Option<CertificateDer<'static>>,
}

/// The user of a request.
#[derive(Clone)]
pub struct Identity {
    holder: Holder,
    origin: Origin,
}

/// Where a request comes from.
#[derive(Clone)]
enum Origin {
    /// A connection from this address, with a credential.
    Connection(SocketAddr, Validity),
    /// A connection from this address, with a token of a ServiceAccount that ends at this time.
    Account(SocketAddr, Box<Account>, SystemTime),
    /// The daemon itself.
    Controller,
}

impl Identity {
    pub fn name(&self) -> &str {
        &self.holder.name
    }

    pub fn role(&self) -> Role {
        self.holder.role
    }

    /// A controller of the daemon and its object, such as `deployment/web`.
    pub fn of_controller(name: &str) -> Self {
        let holder = Holder { name: name.to_owned(), role: Role::Admin };
        Self { holder, origin: Origin::Controller }
    }

    /// True if the daemon itself makes the request.
    pub fn is_controller(&self) -> bool {
        matches!(self.origin, Origin::Controller)
    }

    /// The address of the connection; none if the daemon itself makes the request.
    pub fn address(&self) -> Option<SocketAddr> {
        match self.origin {
            Origin::Connection(address, _) | Origin::Account(address, ..) => Some(address),
            Origin::Controller => None,
        }
    }

    /// The ServiceAccount that makes the request, if one does.
    pub fn account(&self) -> Option<&Account> {
        match &self.origin {
            Origin::Account(_, account, _) => Some(account),
            Origin::Connection(..) | Origin::Controller => None,
        }
    }

    /// The groups of the user, as Kubernetes has them.
    pub fn groups(&self) -> Vec<String> {
        let own = self.role().group().to_owned();
        let of_namespace = self.account().map(|account| format!("{own}:{}", account.namespace));
        let all = "system:authenticated".to_owned();
        [Some(own), of_namespace, Some(all)].into_iter().flatten().collect()
    }

    /// The user as the cause of what a write does.
    pub fn caller(&self) -> Caller {
        match self.address() {
            Some(from) => Caller::User { name: self.name().into(), from },
            None => Caller::Controller(self.name().into()),
        }
    }

    /// Resolves when the credential is revoked or expires: a request that stays open ends with it.
    pub async fn ended(&self) {
        match &self.origin {
            Origin::Connection(_, validity) => tokio::select! {
                () = validity.revoked() => {}
                () = expired(validity.expires()) => {}
            },
            Origin::Account(_, _, expires) => expired(*expires).await,
            Origin::Controller => std::future::pending().await,
        }
    }

    /// 403 if the user may not do it.
    pub fn authorize(&self, request: &ResourceRequest) -> Result<(), Status> {
        let access = Access::of(request);
        if access.is_allowed(self.role()) {
            return Ok(());
        }
        let resource = match access.subresource {
            "" => access.resource.to_owned(),
            sub => format!("{}/{sub}", access.resource),
        };
        let scope = match &request.namespace {
            Some(namespace) => format!("in the namespace {namespace:?}"),
            None => "at the cluster scope".to_owned(),
        };
        let (user, verb, group) = (self.name(), access.verb, access.group);
        let why = format!(
            "User {user:?} cannot {verb} resource {resource:?} in API group {group:?} {scope}"
        );
        let name = request.name.as_deref().unwrap_or_default();
        Err(Status::forbidden(&request.group_resource(), name, &why))
    }

    /// 403 if the user may not use a path that is no resource. `method` is the HTTP method.
    pub fn authorize_path(&self, method: &str, path: &str) -> Result<(), Status> {
        let verb = method.to_ascii_lowercase();
        if allows_path(self.role(), &verb) {
            return Ok(());
        }
        let why = format!("User {:?} cannot {verb} path {path:?}", self.name());
        Err(Status::forbidden(&GroupResource::new("", ""), "", &why))
    }
}

/// Resolves at this time. The clock may be set, so it is read again now and then.
async fn expired(at: SystemTime) {
    while let Ok(left) = at.duration_since(now().wall)
        && !left.is_zero()
    {
        sleep(left.min(CLOCK)).await;
    }
}

/// The user by the certificate of the connection, or else by the bearer token of the request.
///
/// # Errors
///
/// 401 if neither of them is a valid credential. 403 for impersonation, which is not served: a
/// server that ignored it would let the other user act with the rights of this one.
pub fn authenticate(
    authority: &Authority,
    connection: &Connection,
    headers: &HeaderMap,
    now: SystemTime,
) -> Result<Identity, Status> {
    let by_certificate = || {
        let certificate = connection.certificate.as_ref()?;
        authority.by_certificate(certificate, now)
    };
    let by_token = || authority.by_token(&token(headers)?, now);
    let known = by_certificate().or_else(by_token).map(|(holder, validity)| Identity {
        holder,
        origin: Origin::Connection(connection.address, validity),
    });
    let by_account = || {
        let (account, expires) = authority.by_account_token(&token(headers)?, now)?;
        let holder = Holder { name: account.user(), role: Role::Account };
        let origin = Origin::Account(connection.address, Box::new(account), expires);
        Some(Identity { holder, origin })
    };
    let identity = known.or_else(by_account).ok_or_else(Status::unauthorized)?;
    if headers.keys().any(|name| name.as_str().starts_with(IMPERSONATE)) {
        let why =
            format!("User {:?} cannot impersonate: probelet has no such right", identity.name());
        return Err(Status::forbidden(&GroupResource::new("", "users"), "", &why));
    }
    Ok(identity)
}

/// The token of `Authorization: Bearer`, or of a WebSocket's subprotocols, where browsers put it.
fn token(headers: &HeaderMap) -> Option<String> {
    if let Some(value) = headers.get(AUTHORIZATION) {
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        let token = token.trim();
        return scheme.eq_ignore_ascii_case("bearer").then(|| token.to_owned());
    }
    let mut offered = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    offered.find_map(|value| bearer_token(value.to_str().ok()?))
}
