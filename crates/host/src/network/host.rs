//! The addresses of the host.

use std::io;
use std::net::IpAddr;

use crate::files;
use probelet_domain::node::{Found, node_addresses};

/// Limit for a table of routes, in bytes. It is searched for the default route.
const ROUTES: usize = 16 << 20;

/// The addresses in the calling thread's network namespace. Hosts without IPv6 have no table of
/// IPv6 routes.
pub fn addresses() -> io::Result<Vec<IpAddr>> {
    let found = if_addrs::get_if_addrs()?.into_iter();
    let found = found.map(|one| Found { address: one.ip(), interface: one.name });
    let routes = |path: &str| {
        let table = files::read_start(path, ROUTES).unwrap_or_default();
        String::from_utf8_lossy(&table).into_owned()
    };
    let (v4, v6) = (routes("/proc/net/route"), routes("/proc/net/ipv6_route"));
    Ok(node_addresses(&found.collect::<Vec<_>>(), &v4, &v6))
}
