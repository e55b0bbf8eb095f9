//! The machine as a pod may be told of it.

use core::net::IpAddr;

use super::spec::Amounts;

/// What is known of where a pod runs once it starts there.
#[derive(Debug, Clone, Default)]
pub struct NodeAddresses {
    /// Name of the node: the host's name.
    pub node_name: String,
    /// Addresses of the node, as [`node_addresses`] returns them.
    pub node_addresses: Vec<IpAddr>,
    /// What its network has given it; empty until it has, and without one.
    pub pod_addresses: Vec<IpAddr>,
    /// What the node has for pods.
    pub allocatable: Amounts,
}

/// An address of the host, as it is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Name of the interface that has the address.
    pub interface: String,
    /// Address, IPv4 or IPv6.
    pub address: IpAddr,
}

/// A node's addresses as the kubelet sees them: one of each family, IPv4 first; that of the
/// interface that leads to the world, else the first that others can reach.
/// `routes` and `routes6` are `/proc/net/route` and `/proc/net/ipv6_route`.
pub fn node_addresses(found: &[Found], routes: &str, routes6: &str) -> Vec<IpAddr> {
    let (v4, v6) = (routes.lines().filter_map(default_v4), routes6.lines().filter_map(default_v6));
    let way_out = [v4.min_by_key(|(metric, _)| *metric), v6.min_by_key(|(metric, _)| *metric)];
    let best = |(is_v4, way_out): (bool, Option<(u32, String)>)| {
        let way_out = way_out.map(|(_, interface)| interface);
        let own = found.iter().filter(|one| one.address.is_ipv4() == is_v4);
        let reachable = own.filter(|one| !is_local(one.address));
        // The first of the best: that is how the kernel orders them.
        reachable.min_by_key(|one| Some(&one.interface) != way_out.as_ref()).map(|one| one.address)
    };
    [true, false].into_iter().zip(way_out).filter_map(best).collect()
}

/// Nobody else can reach it, or not without saying by which interface.
fn is_local(address: IpAddr) -> bool {
    let link_local = match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    link_local || address.is_loopback() || address.is_unspecified()
}

/// The metric and the interface of a route that leads everywhere.
fn default_v4(line: &str) -> Option<(u32, String)> {
    let words: Vec<_> = line.split_whitespace().collect();
    let [interface, target, _, _, _, _, metric, mask, ..] = words.as_slice() else { return None };
    let everywhere = *target == "00000000" && *mask == "00000000";
    everywhere.then_some(())?;
    Some((metric.parse().ok()?, (*interface).to_owned()))
}

fn default_v6(line: &str) -> Option<(u32, String)> {
    let words: Vec<_> = line.split_whitespace().collect();
    let [target, length, _, _, _, metric, .., interface] = words.as_slice() else { return None };
    let everywhere = *length == "00" && target.chars().all(|digit| digit == '0');
    // The kernel's own entry for what it cannot reach.
    (everywhere && *interface != "lo").then_some(())?;
    Some((u32::from_str_radix(metric, 16).ok()?, (*interface).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\n";

    fn found(all: &[(&str, &str)]) -> Vec<Found> {
        let one = |(interface, address): &(&str, &str)| Found {
            interface: (*interface).into(),
            address: address.parse().unwrap(),
        };
        all.iter().map(one).collect()
    }

    fn addresses(all: &[&str]) -> Vec<IpAddr> {
        all.iter().map(|address| address.parse().unwrap()).collect()
    }

    fn route(interface: &str, target: &str, metric: u32, mask: &str) -> String {
        format!("{interface}\t{target}\t0102000A\t0003\t0\t0\t{metric}\t{mask}\t0\t0\t0\n")
    }

    fn route6(interface: &str, target: &str, length: &str, metric: &str) -> String {
        let none = "0".repeat(32);
        format!(
            "{target} {length} {none} 00 {none} {metric} 00000001 00000000 00450003 {interface}\n"
        )
    }

    #[test]
    fn one_of_each_family_on_the_way_out() {
        let all = found(&[
            ("lo", "127.0.0.1"),
            ("lo", "::1"),
            ("docker0", "172.17.0.1"),
            ("docker0", "fd00::1"),
            ("eth0", "10.0.0.5"),
            ("eth0", "10.0.0.6"),
            ("eth0", "fe80::1"),
            ("eth0", "2001:db8::5"),
            ("wlan0", "10.1.0.5"),
        ]);
        let v4 = HEAD.to_owned()
            + &route("docker0", "000011AC", 0, "0000FFFF")
            + &route("wlan0", "00000000", 600, "00000000")
            + &route("eth0", "00000000", 100, "00000000");
        let none = "0".repeat(32);
        let v6 = route6("lo", &none, "00", "ffffffff")
            + &route6("docker0", "fd000000000000000000000000000000", "40", "00000100")
            + &route6("eth0", &none, "00", "00000400");
        let chosen = node_addresses(&all, &v4, &v6);
        assert_eq!(chosen, addresses(&["10.0.0.5", "2001:db8::5"]));
    }

    #[test]
    fn without_a_route_the_first_that_others_can_reach() {
        let all = found(&[("lo", "127.0.0.1"), ("a", "169.254.1.1"), ("b", "10.0.0.5")]);
        assert_eq!(node_addresses(&all, HEAD, ""), addresses(&["10.0.0.5"]));
        assert_eq!(node_addresses(&found(&[("lo", "::1")]), "", ""), addresses(&[]));
    }
}
