//! Destination of a probe, and connections from inside the container.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::resolve::{LookupError, lookup};
use super::wire::errno;
use crate::Target;
use probelet_domain::probe::Outcome;

/// Host of a probe, as the spec names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// 127.0.0.1, and ::1 if that refuses the connection.
    Loopback,
    /// `localhost`: the same two addresses, but the name stays in URLs and in `Host`.
    Localhost,
    Address(IpAddr),
    Name(String),
}

impl Host {
    pub fn new(host: Option<&str>) -> Self {
        let host = match host {
            None | Some("") => return Self::Loopback,
            Some(host) if host.eq_ignore_ascii_case("localhost") => return Self::Localhost,
            Some(host) => host,
        };
        let literal = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        literal.parse().map_or_else(|_| Self::Name(host.to_owned()), Self::Address)
    }

    /// Returns the name that URLs contain; `None` if they contain the address that answers.
    fn name(&self) -> Option<&str> {
        match self {
            Self::Loopback | Self::Address(_) => None,
            Self::Localhost => Some("localhost"),
            Self::Name(name) => Some(name),
        }
    }

    /// Returns the hostname in URLs before an address has answered.
    pub fn hostname(&self) -> String {
        match self {
            Self::Address(ip) => shown(*ip),
            _ => self.name().unwrap_or("127.0.0.1").to_owned(),
        }
    }

    pub async fn resolve(&self, task: &Arc<dyn Target>) -> Result<Destination, DialError> {
        let ips = match self {
            Self::Loopback | Self::Localhost => {
                vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
            }
            Self::Address(ip) => vec![*ip],
            Self::Name(name) => lookup(task, name).await.map_err(DialError::Lookup)?,
        };
        Ok(Destination { host: self.clone(), ips })
    }
}

fn shown(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

/// Addresses that are tried in order; at least one.
#[derive(Debug, Clone)]
pub struct Destination {
    host: Host,
    ips: Vec<IpAddr>,
}

/// Minimum time for one address of a name, as in Go.
const LEAST_SHARE: Duration = Duration::from_secs(2);

impl Destination {
    /// Returns the hostname in URLs after `ip` was dialled. An IPv6 address is in brackets.
    pub fn hostname(&self, ip: IpAddr) -> String {
        self.host.name().map_or_else(|| shown(ip), str::to_owned)
    }

    /// Returns the destination of later requests after a connection to `ip`: the loopback becomes
    /// this one address.
    pub fn settle(self, ip: IpAddr) -> Self {
        match self.host {
            Host::Loopback => Self { host: Host::Address(ip), ips: vec![ip] },
            _ => self,
        }
    }

    /// Connects to the first address that accepts. If all fail, the error is that of the first one,
    /// because ::1, for example, may not exist.
    pub async fn connect(
        &self,
        task: &dyn Target,
        port: u16,
        deadline: Instant,
    ) -> Result<(TcpStream, SocketAddr), DialError> {
        let mut first = None;
        for (tried, ip) in (0u32..).zip(&self.ips) {
            let peer = SocketAddr::new(*ip, port);
            let until = self.until(tried, deadline);
            let done = timeout_at(until, dial(task, peer)).await;
            let error = match done.unwrap_or(Err(DialError::TimedOut(peer))) {
                Err(error) if self.goes_on_after(&error) => error,
                done => return done.map_err(|error| first.unwrap_or(error)),
            };
            first.get_or_insert(error);
        }
        Err(first.unwrap_or_else(|| DialError::Socket(io::ErrorKind::NotFound.into())))
    }

    fn goes_on_after(&self, error: &DialError) -> bool {
        match error {
            DialError::Socket(_) | DialError::Lookup(_) => false,
            DialError::TimedOut(_) => matches!(self.host, Host::Name(_)),
            DialError::Connect(_, error) => {
                matches!(self.host, Host::Name(_))
                    || error.kind() == io::ErrorKind::ConnectionRefused
            }
        }
    }

    /// Returns the deadline of one address. As in Go, the addresses of a name share the remaining
    /// time.
    fn until(&self, tried: u32, deadline: Instant) -> Instant {
        if !matches!(self.host, Host::Name(_)) {
            return deadline;
        }
        let to_try = u32::try_from(self.ips.len()).unwrap_or(u32::MAX).saturating_sub(tried).max(1);
        let now = Instant::now();
        let share = deadline.saturating_duration_since(now) / to_try;
        now.checked_add(share.max(LEAST_SHARE)).map_or(deadline, |until| deadline.min(until))
    }
}

async fn dial(task: &dyn Target, peer: SocketAddr) -> Result<(TcpStream, SocketAddr), DialError> {
    let socket = task.tcp_socket(peer).map_err(DialError::Socket)?;
    // The address is returned, too, because a stream that the peer has reset does not have it any
    // more.
    let stream = socket.connect(peer).await.map_err(|error| DialError::Connect(peer, error))?;
    Ok((stream, peer))
}

#[derive(Debug)]
pub enum DialError {
    /// No socket could be opened, so that nothing is known about the container.
    Socket(io::Error),
    Lookup(LookupError),
    Connect(SocketAddr, io::Error),
    TimedOut(SocketAddr),
}

impl DialError {
    /// Returns the outcome of the error. `frame` adds the handler's text to that of a failure.
    pub fn outcome(&self, frame: impl FnOnce(String) -> String) -> Outcome {
        let text = match self {
            Self::Socket(error) | Self::Lookup(LookupError::Socket(error)) => {
                let why = errno(error);
                return Outcome::Error(format!(
                    "no socket in the container's network namespace: {why}"
                ));
            }
            Self::Lookup(LookupError::File { name, file, error }) => {
                return Outcome::Error(format!("lookup {name}: {file}: {}", errno(error)));
            }
            Self::Lookup(LookupError::Failed(text)) => format!("dial tcp: {text}"),
            Self::Connect(peer, error) => format!("dial tcp {peer}: connect: {}", errno(error)),
            Self::TimedOut(peer) => format!("dial tcp {peer}: i/o timeout"),
        };
        Outcome::Failure(frame(text))
    }
}
