//! Accept queues of TCP listeners, from the kernel by `sock_diag(7)`. `/proc/net/tcp` has the
//! number of waiting connections, but not their limit.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;

use crate::domain::evidence::Listener;

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const TCP: u8 = 6;
const LISTEN: u32 = 1 << 10;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const REQUEST_DUMP: u16 = 0x301;
const ERROR: u16 = 2;
const DONE: u16 = 3;
const HEADER: usize = 16;
/// The size of `struct inet_diag_req_v2`.
const ASKED: usize = 56;
const ANSWER: usize = 32 << 10;
/// The most answers to one request.
const ANSWERS: usize = 64;

/// Lists the TCP listeners of the network namespace in which `socket` was created. Fails if the
/// kernel sends more than `ANSWERS` messages or does not answer within the socket's timeout.
pub fn listeners(socket: OwnedFd) -> io::Result<Vec<Listener>> {
    let mut socket = File::from(socket);
    let mut found = Vec::new();
    for family in [AF_INET, AF_INET6] {
        socket.write_all(&request(family))?;
        let mut buffer = vec![0; ANSWER];
        let mut answers = 0..ANSWERS;
        loop {
            if answers.next().is_none() {
                return Err(io::Error::other("too many listeners"));
            }
            let length = socket.read(&mut buffer)?;
            if take(buffer.get(..length).unwrap_or_default(), &mut found)? {
                break;
            }
        }
    }
    Ok(found)
}

fn request(family: u8) -> Vec<u8> {
    let length = u32::try_from(HEADER + ASKED).unwrap_or_default();
    let mut bytes = Vec::with_capacity(HEADER + ASKED);
    bytes.extend(length.to_ne_bytes());
    bytes.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    bytes.extend(REQUEST_DUMP.to_ne_bytes());
    // Sequence number and port id are 0: there is one request at a time, and the kernel fills in
    // the port id.
    bytes.extend([0; 8]);
    bytes.extend([family, TCP, 0, 0]);
    bytes.extend(LISTEN.to_ne_bytes());
    bytes.resize(HEADER + ASKED, 0);
    bytes
}

/// Adds the listeners of one answer to `found`; true if it is the last answer.
fn take(mut bytes: &[u8], found: &mut Vec<Listener>) -> io::Result<bool> {
    let short = || io::Error::from(io::ErrorKind::UnexpectedEof);
    while !bytes.is_empty() {
        let length = usize::try_from(u32_at(bytes, 0).ok_or_else(short)?).unwrap_or(usize::MAX);
        let message = bytes.get(..length).filter(|_| length >= HEADER).ok_or_else(short)?;
        let kind = message.get(4..6).and_then(|two| two.try_into().ok()).map(u16::from_ne_bytes);
        let body = message.get(HEADER..).unwrap_or_default();
        match kind {
            Some(DONE) => return Ok(true),
            Some(ERROR) => {
                let code = u32_at(body, 0).ok_or_else(short)?.cast_signed();
                return Err(io::Error::from_raw_os_error(code.saturating_neg()));
            }
            Some(SOCK_DIAG_BY_FAMILY) => found.extend(listener(body)),
            _ => {}
        }
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(false)
}

fn listener(body: &[u8]) -> Option<Listener> {
    let port = u16::from_be_bytes(body.get(4..6)?.try_into().ok()?);
    let address: IpAddr = match *body.first()? {
        AF_INET => Ipv4Addr::from(<[u8; 4]>::try_from(body.get(8..12)?).ok()?).into(),
        AF_INET6 => Ipv6Addr::from(<[u8; 16]>::try_from(body.get(8..24)?).ok()?).into(),
        _ => return None,
    };
    let (waiting, backlog) = (u32_at(body, 56)?, u32_at(body, 60)?);
    let address = SocketAddr::new(address, port).to_string();
    Some(Listener { address, waiting, backlog: Some(backlog) })
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_listener_that_does_not_accept_shows_its_waiting_connections() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let own = rustix::process::getpid();
        let flags = rustix::process::PidfdFlags::empty();
        let pidfd = rustix::process::pidfd_open(own, flags).unwrap();
        let seen = || {
            let socket = crate::netns::diag_socket(std::os::fd::AsFd::as_fd(&pidfd)).unwrap();
            let all = listeners(socket).unwrap();
            all.into_iter().find(|one| one.address == address.to_string()).unwrap()
        };
        assert_eq!(seen().waiting, 0);
        let _waiting: Vec<_> = (0..3).map(|_| TcpStream::connect(address).unwrap()).collect();
        let now = seen();
        assert_eq!(now.waiting, 3);
        // The standard library's backlog, or the kernel's limit if that is lower.
        assert!(now.backlog.unwrap() > 3);
    }

    #[test]
    fn an_error_message_and_a_truncated_answer_are_errors() {
        let mut message = 20_u32.to_ne_bytes().to_vec();
        message.extend(ERROR.to_ne_bytes());
        message.extend([0; 10]);
        message.extend((-2_i32).to_ne_bytes());
        assert_eq!(take(&message, &mut vec![]).unwrap_err().raw_os_error(), Some(2));
        assert!(take(&message[..10], &mut vec![]).is_err());
        assert!(take(&[0; 16], &mut vec![]).is_err(), "no message is shorter than its header");
    }
}
