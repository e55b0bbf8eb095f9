//! One DNS question, which the name servers are asked one after the other.

use std::io;
use std::net::{IpAddr, SocketAddr};

use hickory_proto::op::{Message, MessageType, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::config::ResolvConf;
use crate::Target;
use crate::wire::{Ends, errno};

/// Maximum number of datagrams that are read for the answer to one question.
const MOST_STRAY: usize = 64;

#[derive(Debug)]
pub enum QueryError {
    /// No socket could be opened, so that nothing is known about the container.
    Socket(io::Error),
    /// The server has no such name, or no address of this kind for it.
    NoSuchHost(SocketAddr),
    /// The server gave no valid answer, with Go's text of the failure.
    Server(SocketAddr, String),
}

/// Asks for the addresses of `name` of the kind of `record`.
pub async fn ask(
    task: &dyn Target,
    conf: &ResolvConf,
    name: &Name,
    record: RecordType,
) -> Result<Vec<IpAddr>, QueryError> {
    let mut failure = None;
    for server in (0..conf.attempts).flat_map(|_| &conf.servers) {
        let mut query = Message::query();
        query.metadata.recursion_desired = true;
        query.add_query(Query::query(name.clone(), record));
        let mut local = None;
        let answer = timeout(conf.timeout, exchange(task, *server, &query, conf, &mut local)).await;
        let error = match answer {
            Ok(Ok(answer)) => match answer.metadata.response_code {
                ResponseCode::NoError | ResponseCode::NXDomain => {
                    let ips = addresses(&answer, record);
                    let none = ips.is_empty();
                    return if none { Err(QueryError::NoSuchHost(*server)) } else { Ok(ips) };
                }
                _ => "server misbehaving".to_owned(),
            },
            Ok(Err(Trouble::Socket(error))) => return Err(QueryError::Socket(error)),
            Ok(Err(Trouble::Text(text))) => text,
            Err(_) => match local {
                Some(local) => format!("read udp {local}->{server}: i/o timeout"),
                None => format!("dial tcp {server}: i/o timeout"),
            },
        };
        failure = Some(QueryError::Server(*server, error));
    }
    Err(failure.unwrap_or_else(|| QueryError::Socket(io::ErrorKind::NotFound.into())))
}

/// Returns the addresses in an answer, including those at the end of a chain of aliases.
fn addresses(answer: &Message, record: RecordType) -> Vec<IpAddr> {
    let records = answer.answers.iter().filter(|found| found.record_type() == record);
    let ips = records.filter_map(|found| match found.data {
        RData::A(ip) => Some(IpAddr::V4(ip.0)),
        RData::AAAA(ip) => Some(IpAddr::V6(ip.0)),
        _ => None,
    });
    ips.collect()
}

enum Trouble {
    Socket(io::Error),
    Text(String),
}

impl Trouble {
    /// Distinguishes a refusal of the network from an error in opening the socket.
    fn new(call: &str, server: SocketAddr, error: io::Error) -> Self {
        use io::ErrorKind::{AddrNotAvailable, HostUnreachable, NetworkUnreachable};
        match error.kind() {
            AddrNotAvailable | HostUnreachable | NetworkUnreachable => {
                Self::Text(format!("dial {call} {server}: connect: {}", errno(&error)))
            }
            _ => Self::Socket(error),
        }
    }
}

async fn exchange(
    task: &dyn Target,
    server: SocketAddr,
    query: &Message,
    conf: &ResolvConf,
    local: &mut Option<SocketAddr>,
) -> Result<Message, Trouble> {
    let bytes = query.to_vec().map_err(|error| Trouble::Text(error.to_string()))?;
    if !conf.use_tcp {
        if let Some(answer) = over_udp(task, server, query, &bytes, local).await? {
            return Ok(answer);
        }
        *local = None;
    }
    over_tcp(task, server, query, &bytes).await
}

/// Asks over UDP. Datagrams that do not answer this question are ignored. Returns `None` for a
/// truncated answer, which may be cut anywhere and is not parsed.
async fn over_udp(
    task: &dyn Target,
    server: SocketAddr,
    query: &Message,
    bytes: &[u8],
    local: &mut Option<SocketAddr>,
) -> Result<Option<Message>, Trouble> {
    let socket = task.udp_socket(server).map_err(|error| Trouble::new("udp", server, error))?;
    *local = socket.local_addr().ok();
    let ends = local.map(|local| format!("{local}->")).unwrap_or_default();
    let failed = |call| {
        let ends = &ends;
        move |error| Trouble::Text(format!("{call} udp {ends}{server}: {call}: {}", errno(&error)))
    };
    socket.send(bytes).await.map_err(failed("write"))?;
    let mut buffer = vec![0; usize::from(u16::MAX)];
    for _ in 0..MOST_STRAY {
        let length = socket.recv(&mut buffer).await.map_err(failed("read"))?;
        let received = buffer.get(..length).unwrap_or_default();
        if is_truncated(received, query) {
            return Ok(None);
        }
        match Message::from_vec(received) {
            Ok(answer) if answers(&answer, query) => return Ok(Some(answer)),
            _ => {}
        }
    }
    Err(Trouble::Text("server misbehaving".to_owned()))
}

async fn over_tcp(
    task: &dyn Target,
    server: SocketAddr,
    query: &Message,
    bytes: &[u8],
) -> Result<Message, Trouble> {
    let socket = task.tcp_socket(server).map_err(Trouble::Socket)?;
    let stream = socket
        .connect(server)
        .await
        .map_err(|error| Trouble::Text(format!("dial tcp {server}: connect: {}", errno(&error))))?;
    let (mut stream, ends) = Ends::watch(stream, server);
    let talk = async {
        stream.write_u16(u16::try_from(bytes.len()).map_err(io::Error::other)?).await?;
        stream.write_all(bytes).await?;
        let mut answer = vec![0; usize::from(stream.read_u16().await?)];
        stream.read_exact(&mut answer).await?;
        Ok(answer)
    };
    let answer = talk.await.map_err(|error: io::Error| Trouble::Text(ends.io(&error)))?;
    match Message::from_vec(&answer) {
        Ok(answer) if answers(&answer, query) => Ok(answer),
        _ => Err(Trouble::Text("cannot unmarshal DNS message".to_owned())),
    }
}

fn is_truncated(received: &[u8], query: &Message) -> bool {
    const RESPONSE_TRUNCATED: u8 = 0x82;
    match received {
        [high, low, flags, ..] => {
            u16::from_be_bytes([*high, *low]) == query.metadata.id
                && flags & RESPONSE_TRUNCATED == RESPONSE_TRUNCATED
        }
        _ => false,
    }
}

fn answers(answer: &Message, query: &Message) -> bool {
    answer.metadata.message_type == MessageType::Response
        && answer.metadata.id == query.metadata.id
        && answer.queries == query.queries
}
