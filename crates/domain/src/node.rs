//! Facts of the node that a pod can refer to.

use core::net::IpAddr;

use super::spec::Amounts;

/// Addresses and resources of the node, and of a pod on it.
#[derive(Debug, Clone, Default)]
pub struct NodeAddresses {
    /// Name of the node: the host's name.
    pub node_name: String,
    /// Addresses of the node, as [`node_addresses`] returns them.
    pub node_addresses: Vec<IpAddr>,
    /// Addresses of the pod from its network; empty before it is connected, and without a network.
    pub pod_addresses: Vec<IpAddr>,
    /// Amounts that the node can allocate to pods.
    pub allocatable: Amounts,
}

/// Address of the host, as it was listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Name of the interface that has the address.
    pub interface: String,
    /// Address, IPv4 or IPv6.
    pub address: IpAddr,
}

/// Returns a node's addresses as the kubelet chooses them: one of each family, IPv4 first. The
/// address of the interface with the default route is preferred; else it is the first one that
/// other hosts can reach. `routes` and `routes6` are `/proc/net/route` and `/proc/net/ipv6_route`.
pub fn node_addresses(found: &[Found], routes: &str, routes6: &str) -> Vec<IpAddr> {
    let (v4, v6) = (routes.lines().filter_map(default_v4), routes6.lines().filter_map(default_v6));
    let way_out = [v4.min_by_key(|(metric, _)| *metric), v6.min_by_key(|(metric, _)| *metric)];
    let best = |(is_v4, way_out): (bool, Option<(u32, String)>)| {
        let way_out = way_out.map(|(_, interface)| interface);
        let own = found.iter().filter(|one| one.address.is_ipv4() == is_v4);
        let reachable = own.filter(|one| !is_local(one.address));
        // The first of the best addresses is taken, in the order of the kernel.
        reachable.min_by_key(|one| Some(&one.interface) != way_out.as_ref()).map(|one| one.address)
    };
    [true, false].into_iter().zip(way_out).filter_map(best).collect()
}

/// Returns whether other hosts cannot reach the address, or only with the name of an interface.
fn is_local(address: IpAddr) -> bool {
    let link_local = match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    link_local || address.is_loopback() || address.is_unspecified()
}

/// Returns the metric and the interface of a default route.
fn default_v4(line: &str) -> Option<(u32, String)> {
    let fields: Vec<_> = line.split_whitespace().collect();
    let [interface, target, _, _, _, _, metric, mask, ..] = fields.as_slice() else { return None };
    let everywhere = *target == "00000000" && *mask == "00000000";
    everywhere.then_some(())?;
    Some((metric.parse().ok()?, (*interface).to_owned()))
}

fn default_v6(line: &str) -> Option<(u32, String)> {
    let fields: Vec<_> = line.split_whitespace().collect();
    let [target, length, _, _, _, metric, .., interface] = fields.as_slice() else { return None };
    let everywhere = *length == "00" && target.chars().all(|digit| digit == '0');
    // The kernel has such an entry for unreachable destinations.
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
