//! Sockets of a process' network namespace, counted by protocol and state.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_timeout};

use super::{sockets, text};
use crate::domain::evidence::{Count, Listener};
use crate::netns;
use crate::process::Process;

/// The most bytes of one table; a connection takes a line of about 150 bytes.
const TABLE: usize = 1 << 20;
const LISTENERS: usize = 50;
/// The longest wait for an answer of the kernel.
const ASK: Duration = Duration::from_millis(50);

/// The sockets by protocol and state, and the listeners.
pub fn sockets(process: &Process, missing: &mut Vec<String>) -> (Vec<Count>, Vec<Listener>) {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let mut listed = Vec::new();
    for protocol in ["tcp", "tcp6", "udp", "udp6", "unix"] {
        match text::read(format!("/proc/{}/net/{protocol}", process.pid()), TABLE) {
            // A kernel without IPv6 has no `tcp6` and `udp6`.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => missing.push(format!("{protocol} sockets: {error}")),
            Ok(table) => {
                if table.len() >= TABLE {
                    let kib = TABLE >> 10;
                    missing
                        .push(format!("{protocol} sockets: only the first {kib} KiB are counted"));
                }
                for line in table.lines().skip(1) {
                    if let Some(state) = state(protocol, line) {
                        *counts.entry(format!("{protocol} {state}")).or_default() += 1;
                    }
                    if protocol.starts_with("tcp") {
                        listed.extend(listener(line));
                    }
                }
            }
        }
    }
    let mut listeners = asked(process).unwrap_or_else(|error| {
        missing.push(format!("backlogs of listeners: {error}"));
        listed
    });
    let namespace = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/net")).ok();
    if namespace("self") == namespace(&process.pid().to_string()) {
        let shared =
            "sockets: the container uses the host's network, so the sockets may be others'";
        missing.push(shared.to_owned());
    }
    // The longest queues are the most informative.
    listeners.sort_by_key(|listener| std::cmp::Reverse(listener.waiting));
    if listeners.len() > LISTENERS {
        let all = listeners.len();
        missing.push(format!("listeners: {LISTENERS} of {all} are kept"));
        listeners.truncate(LISTENERS);
    }
    (counts.into_iter().map(|(what, count)| Count { what, count }).collect(), listeners)
}

fn asked(process: &Process) -> std::io::Result<Vec<Listener>> {
    let socket = netns::diag_socket(process.pidfd())?;
    set_socket_timeout(&socket, Timeout::Recv, Some(ASK))?;
    sockets::listeners(socket)
}

/// The state in a line `NUMBER: LOCAL REMOTE STATE …`, or for Unix sockets
/// `NUMBER: REFERENCES PROTOCOL FLAGS TYPE STATE …`.
fn state(protocol: &str, line: &str) -> Option<&'static str> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    if protocol == "unix" {
        let is_listener = *fields.get(3)? == "00010000";
        return Some(match *fields.get(5)? {
            _ if is_listener => "LISTEN",
            "01" => "UNCONNECTED",
            "03" => "CONNECTED",
            _ => "OTHER",
        });
    }
    Some(match (protocol.starts_with("tcp"), *fields.get(3)?) {
        (_, "01") => "ESTABLISHED",
        (false, "07") => "UNCONNECTED",
        (_, "02") => "SYN_SENT",
        (_, "03" | "0C") => "SYN_RECV",
        (_, "04") => "FIN_WAIT1",
        (_, "05") => "FIN_WAIT2",
        (_, "06") => "TIME_WAIT",
        (_, "07") => "CLOSE",
        (_, "08") => "CLOSE_WAIT",
        (_, "09") => "LAST_ACK",
        (_, "0A") => "LISTEN",
        (_, "0B") => "CLOSING",
        _ => "OTHER",
    })
}

/// The listener in a line of the table, if it is one. Its receive queue is the number of
/// connections that wait to be accepted.
fn listener(line: &str) -> Option<Listener> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    if *fields.get(3)? != "0A" {
        return None;
    }
    let (_, waiting) = fields.get(4)?.split_once(':')?;
    let waiting = u32::from_str_radix(waiting, 16).ok()?;
    Some(Listener { address: address(fields.get(1)?)?, waiting, backlog: None })
}

/// Parses `0100007F:1F90`: the address in words of the host's byte order, then the port.
fn address(text: &str) -> Option<String> {
    let (address, port) = text.split_once(':')?;
    let word = |at: usize| {
        let word = u32::from_str_radix(address.get(at * 8..at * 8 + 8)?, 16).ok()?;
        Some(word.to_ne_bytes())
    };
    let ip: IpAddr = match address.len() {
        8 => Ipv4Addr::from(word(0)?).into(),
        32 => {
            let words = [word(0)?, word(1)?, word(2)?, word(3)?];
            let mut bytes = [0; 16];
            bytes.iter_mut().zip(words.iter().flatten()).for_each(|(to, from)| *to = *from);
            Ipv6Addr::from(bytes).into()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_tables_are_read() {
        let four = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000005 00:00000000 0 0 0 1";
        let expected = Listener { address: "127.0.0.1:8080".into(), waiting: 5, backlog: None };
        assert_eq!(listener(four), Some(expected));
        let zero = "0".repeat(32);
        let six = format!("   0: {}01000000:1F90 {zero}:0000 0A 0:0 0", "0".repeat(24));
        assert_eq!(listener(&six).unwrap().address, "[::1]:8080");
        for (protocol, line, expected) in [
            ("tcp", four, "LISTEN"),
            ("tcp6", "0: a b 08 x", "CLOSE_WAIT"),
            ("udp", "0: a b 07 x", "UNCONNECTED"),
            ("unix", "0: 00000002 00000000 00010000 0001 01 123 /run/x", "LISTEN"),
            ("unix", "0: 00000002 00000000 00000000 0001 03 123", "CONNECTED"),
        ] {
            assert_eq!(state(protocol, line), Some(expected));
        }
        assert_eq!(state("tcp", "cut"), None);
    }
}
