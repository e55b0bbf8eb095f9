//! Resolution of names for a container with given files and a name server of the test.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{RData, Record, rdata};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, UdpSocket};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::*;
use crate::tests::{AMPLE, Near, Server, TIMEOUT, get, run, tcp};
use crate::{ExecError, Executed, Turn};
use probelet_domain::probe::Outcome;
use probelet_domain::spec::{ExecVia, Handler};

/// Container in the test's own namespace, with its own files, and with another port for name
/// servers.
#[derive(Clone, Default)]
struct Named {
    hosts: String,
    resolv_conf: Option<String>,
    dns: Option<u16>,
}

#[async_trait]
impl Target for Named {
    fn tcp_socket(&self, peer: SocketAddr) -> io::Result<TcpSocket> {
        Near::Here.tcp_socket(peer)
    }
    fn udp_socket(&self, mut peer: SocketAddr) -> io::Result<UdpSocket> {
        peer.set_port(self.dns.filter(|_| peer.port() == 53).unwrap_or(peer.port()));
        Near::Here.udp_socket(peer)
    }
    fn read_file(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>> {
        let file = match path.to_str().unwrap() {
            "/etc/hosts" => self.hosts.clone(),
            "/etc/resolv.conf" => self.resolv_conf.clone().ok_or(io::ErrorKind::NotFound)?,
            other => panic!("{other}"),
        };
        if file.len() > limit { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(file.into()) }
    }
    fn exec_turn(&self) -> Arc<Semaphore> {
        Arc::new(Semaphore::new(1))
    }
    async fn exec(
        &self,
        _: &[String],
        _: Duration,
        _: Turn,
        _: ExecVia,
    ) -> Result<Executed, ExecError> {
        Err(ExecError::Failed("no command runs here".into()))
    }
}

/// Name server on a UDP and a TCP port of the same number. `script` has addresses, or a code, for a
/// question such as `A db.`. Names with `big` are answered in full only over TCP.
struct Dns {
    at: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    _tasks: JoinSet<()>,
}

type Script = fn(&str) -> Result<Vec<&'static str>, ResponseCode>;

impl Dns {
    async fn new(script: Script) -> Self {
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
                break (udp, tcp);
            }
        };
        let at = udp.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = JoinSet::new();
        let seen = asked.clone();
        tasks.spawn(async move {
            let mut buffer = [0; 512];
            loop {
                let (length, from) = udp.recv_from(&mut buffer).await.unwrap();
                let mut answer = reply(&buffer[..length], script, "udp", &seen);
                // Other datagrams: the answer to another question, and no DNS message.
                let mut other = answer.clone();
                other.metadata.id ^= 1;
                other.answers.clear();
                udp.send_to(&other.to_vec().unwrap(), from).await.unwrap();
                udp.send_to(b"noise", from).await.unwrap();
                answer.metadata.truncation = question(&answer).contains("big");
                // The answer is cut within a record.
                let mut bytes = answer.to_vec().unwrap();
                bytes.truncate(if answer.metadata.truncation { 99 } else { 512 });
                udp.send_to(&bytes, from).await.unwrap();
            }
        });
        let seen = asked.clone();
        tasks.spawn(async move {
            loop {
                let (mut stream, _) = tcp.accept().await.unwrap();
                let mut query = vec![0; stream.read_u16().await.unwrap().into()];
                stream.read_exact(&mut query).await.unwrap();
                let answer = reply(&query, script, "tcp", &seen).to_vec().unwrap();
                stream.write_u16(answer.len().try_into().unwrap()).await.unwrap();
                stream.write_all(&answer).await.unwrap();
            }
        });
        Self { at, asked, _tasks: tasks }
    }

    fn conf(&self, more: &str) -> ResolvConf {
        ResolvConf { servers: vec![self.at], ..ResolvConf::parse(more) }
    }

    fn asked(&self) -> Vec<String> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone();
        asked.retain(|question| question.contains(" A "));
        asked
    }
}

fn reply(query: &[u8], script: Script, over: &str, seen: &Mutex<Vec<String>>) -> Message {
    let query = Message::from_vec(query).unwrap();
    assert!(query.metadata.recursion_desired);
    let asked = question(&query);
    seen.lock().unwrap().push(format!("{over} {asked}"));
    let mut answer = Message::response(query.metadata.id, query.metadata.op_code);
    match script(&asked) {
        Ok(ips) => {
            let records = ips.into_iter().map(|ip| match ip.parse().unwrap() {
                IpAddr::V4(ip) => RData::A(rdata::A(ip)),
                IpAddr::V6(ip) => RData::AAAA(rdata::AAAA(ip)),
            });
            for data in records {
                answer.add_answer(Record::from_rdata(query.queries[0].name().clone(), 1, data));
            }
        }
        Err(code) => answer.metadata.response_code = code,
    }
    answer.add_query(query.queries[0].clone());
    answer
}

fn question(message: &Message) -> String {
    format!("{} {}", message.queries[0].query_type(), message.queries[0].name())
}

async fn found(conf: &ResolvConf, name: &str) -> Result<Vec<String>, String> {
    match by_dns(&Near::Here, conf, name).await {
        Ok(ips) => Ok(ips.iter().map(ToString::to_string).collect()),
        Err(LookupError::Failed(text)) => Err(text),
        Err(other) => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_name_in_the_hosts_file_is_dialled_and_shown() {
    let server = Server::new(|_, mut stream, head| async move {
        let answer = format!("HTTP/1.0 200 OK\r\n\r\n{}", head.lines().nth(1).unwrap_or_default());
        drop(stream.write_all(answer.as_bytes()).await);
    })
    .await;
    // The first address refuses the connection.
    let hosts = "127.0.0.9 db.local\n127.0.0.1 DB.local\n".to_owned();
    let task = Named { hosts, ..Named::default() };
    let named = probelet_domain::spec::HttpGet { host: Some("db.local".into()), ..get("/") };
    let http = Handler::HttpGet(named);
    let outcome = run(task.clone(), http, server.port, AMPLE).await.outcome;
    assert_eq!(outcome, Outcome::Success(format!("Host: db.local:{}", server.port)));
    let outcome = run(task, tcp(Some("db.local")), server.port, AMPLE).await.outcome;
    assert_eq!(outcome, Outcome::Success(String::new()));
}

#[tokio::test]
async fn a_name_server_is_found_in_resolv_conf() {
    let dns = Dns::new(|asked| match asked {
        "A db.ns.svc." => Ok(vec!["127.0.0.1"]),
        _ => Err(ResponseCode::NXDomain),
    })
    .await;
    let server = Server::saying("HTTP/1.0 200 OK\r\n\r\nyes").await;
    let resolv_conf = "nameserver 127.0.0.1\nsearch ns.svc svc\noptions ndots:5\n";
    for resolv_conf in [Some(resolv_conf.to_owned()), None] {
        let task = Named { hosts: String::new(), resolv_conf, dns: Some(dns.at.port()) };
        let name = if task.resolv_conf.is_some() { "db" } else { "db.ns.svc" };
        let outcome = run(task, tcp(Some(name)), server.port, AMPLE).await.outcome;
        assert_eq!(outcome, Outcome::Success(String::new()));
    }
}

#[tokio::test]
async fn ipv4_comes_first_and_either_will_do() {
    let dns = Dns::new(|asked| match asked {
        "A both." => Ok(vec!["10.0.0.1", "10.0.0.2"]),
        "AAAA both." | "AAAA six." => Ok(vec!["::6"]),
        "A six." => Ok(vec![]),
        "AAAA half." => Err(ResponseCode::ServFail),
        "A half." => Ok(vec!["10.0.0.3"]),
        other => panic!("{other}"),
    })
    .await;
    let conf = dns.conf("");
    assert_eq!(found(&conf, "both").await.unwrap(), ["10.0.0.1", "10.0.0.2", "::6"]);
    assert_eq!(found(&conf, "six").await.unwrap(), ["::6"]);
    assert_eq!(found(&conf, "half").await.unwrap(), ["10.0.0.3"]);
}

#[tokio::test]
async fn the_search_list_is_tried_until_a_name_exists() {
    let dns = Dns::new(|asked| match asked {
        "A db.svc." => Ok(vec!["10.0.0.1"]),
        _ => Err(ResponseCode::NXDomain),
    })
    .await;
    let conf = dns.conf("search ns.svc svc local\noptions ndots:2");
    assert_eq!(found(&conf, "db").await.unwrap(), ["10.0.0.1"]);
    assert_eq!(dns.asked(), ["udp A db.ns.svc.", "udp A db.svc."]);
}

#[tokio::test]
async fn a_truncated_answer_is_asked_for_by_tcp() {
    let dns = Dns::new(|_| Ok(vec!["10.0.0.1"; 100])).await;
    let ips = found(&dns.conf(""), "big").await;
    assert_eq!(ips.unwrap().len(), 100);
    assert_eq!(dns.asked(), ["udp A big.", "tcp A big."]);
    found(&dns.conf("options use-vc"), "x").await.unwrap();
    assert_eq!(dns.asked().last().unwrap(), "tcp A x.");
}

#[tokio::test]
async fn an_unknown_name_has_gos_text() {
    let dns = Dns::new(|_| Err(ResponseCode::NXDomain)).await;
    let text = format!("lookup a.b on {}: no such host", dns.at);
    assert_eq!(found(&dns.conf("search x"), "a.b").await.unwrap_err(), text);
    assert_eq!(dns.asked(), ["udp A a.b.", "udp A a.b.x."]);
    let long = "x".repeat(64);
    let text = format!("lookup {long}: no such host");
    assert_eq!(found(&dns.conf(""), &long).await.unwrap_err(), text);

    let dns = Dns::new(|_| Err(ResponseCode::ServFail)).await;
    let text = format!("lookup db on {}: server misbehaving", dns.at);
    assert_eq!(found(&dns.conf(""), "db").await.unwrap_err(), text);
}

#[tokio::test]
async fn an_unreachable_name_server_is_skipped() {
    let (_v4, _v6, port) = crate::tests::refusing();
    let dead = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let dns = Dns::new(|_| Ok(vec!["10.0.0.1"])).await;
    let conf = ResolvConf { servers: vec![dead, dns.at], ..ResolvConf::parse("") };
    assert_eq!(found(&conf, "db").await.unwrap(), ["10.0.0.1"]);

    let conf = ResolvConf { servers: vec![dead], ..conf };
    let text = found(&conf, "db").await.unwrap_err();
    let start = format!("lookup db on {dead}: read udp 127.0.0.1:");
    let end = format!("->{dead}: read: connection refused");
    assert!(text.starts_with(&start) && text.ends_with(&end), "{text}");
}

#[tokio::test]
async fn a_name_server_that_does_not_answer_times_out() {
    let silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let dns = silent.local_addr().unwrap();
    let limited = ResolvConf {
        servers: vec![dns],
        timeout: Duration::from_millis(20),
        ..ResolvConf::parse("")
    };
    let text = found(&limited, "db").await.unwrap_err();
    let start = format!("lookup db on {dns}: read udp 127.0.0.1:");
    let end = format!("->{dns}: i/o timeout");
    assert!(text.starts_with(&start) && text.ends_with(&end), "{text}");

    let task = Named { dns: Some(dns.port()), ..Named::default() };
    let attempt = run(task.clone(), tcp(Some("db")), 1, TIMEOUT).await;
    assert!(attempt.latency >= TIMEOUT);
    let text = "dial tcp: lookup db: i/o timeout";
    assert_eq!(attempt.outcome, Outcome::Failure(text.into()));
    let named = probelet_domain::spec::HttpGet { host: Some("db".into()), ..get("/") };
    let attempt = run(task, Handler::HttpGet(named), 1, TIMEOUT).await;
    let text = "Get \"http://db:1/\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)";
    assert_eq!(attempt.outcome, Outcome::Failure(text.into()));
}

#[tokio::test]
async fn problems_outside_the_container_are_errors() {
    let hosts = "#".repeat(FILE_LIMIT + 1);
    let task = Named { hosts, ..Named::default() };
    let outcome = run(task, tcp(Some("db")), 1, AMPLE).await.outcome;
    assert_eq!(outcome, Outcome::Error("lookup db: /etc/hosts: file too large".into()));
    let outcome = run(Near::Gone, tcp(Some("db")), 1, AMPLE).await.outcome;
    let text = "no socket in the container's network namespace: no such process";
    assert_eq!(outcome, Outcome::Error(text.into()));
}

#[tokio::test]
async fn a_server_that_sends_only_other_answers_fails() {
    let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = udp.local_addr().unwrap().port();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut buffer = [0; 512];
        let (length, from) = udp.recv_from(&mut buffer).await.unwrap();
        let mut other = Message::from_vec(&buffer[..length]).unwrap();
        other.metadata.id ^= 1;
        let other = other.to_vec().unwrap();
        while udp.send_to(&other, from).await.is_ok() {}
    });
    let conf = "nameserver 127.0.0.1\noptions attempts:1 timeout:30".to_owned();
    let task = Named { resolv_conf: Some(conf), dns: Some(port), ..Named::default() };
    let query = ResolvConf::parse(&task.resolv_conf.clone().unwrap());
    let name = Name::from_ascii("db.").unwrap();
    let Err(QueryError::Server(_, text)) = ask(&task, &query, &name, RecordType::A).await else {
        panic!("no answer was one to the question");
    };
    assert_eq!(text, "server misbehaving");
}

#[tokio::test]
async fn a_name_has_a_bounded_number_of_addresses() {
    let hosts: String = (0..1000).map(|n| format!("127.0.{}.{} db\n", n / 250, n % 250)).collect();
    let task: Arc<dyn Target> = Arc::new(Named { hosts, ..Named::default() });
    assert_eq!(lookup(&task, "db").await.unwrap().len(), MOST_ADDRESSES);
}
