//! A server on the loopback that answers with what an input has.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// How long the server waits for a client that neither reads nor closes.
const STALL: Duration = Duration::from_millis(500);

/// What the server does with a connection and the next answer.
type Serve = fn(&mut TcpStream, &[u8]) -> std::io::Result<()>;

/// A server whose n-th connection gets the n-th answer; further ones get the last.
pub struct Server {
    address: SocketAddr,
    answers: Arc<Mutex<Answers>>,
}

#[derive(Default)]
struct Answers {
    all: Vec<Vec<u8>>,
    next: usize,
}

impl Server {
    /// Starts a server, which ends with the process.
    pub fn start(serve: Serve) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("the address of a listener");
        let answers = Arc::new(Mutex::new(Answers::default()));
        let own = Arc::clone(&answers);
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let answer = Self::lock(&own).take();
                let bounded = stream
                    .set_read_timeout(Some(STALL))
                    .and_then(|()| stream.set_write_timeout(Some(STALL)));
                // A client may close at any time.
                let _ = bounded.and_then(|()| serve(&mut stream, &answer));
            }
        });
        Self { address, answers }
    }

    fn lock(answers: &Mutex<Answers>) -> std::sync::MutexGuard<'_, Answers> {
        answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets the answers of the next connections.
    pub fn answer<'a>(&self, all: impl IntoIterator<Item = &'a [u8]>) {
        let all = all.into_iter().map(<[u8]>::to_vec).collect();
        *Self::lock(&self.answers) = Answers { all, next: 0 };
    }
}

impl Answers {
    fn take(&mut self) -> Vec<u8> {
        let answer = self.all.get(self.next).or(self.all.last()).cloned();
        self.next = self.next.saturating_add(1);
        answer.unwrap_or_default()
    }
}

/// Sends the answer once a request has come, and reads until the client closes: a reset could drop the
/// answer.
pub fn answer(stream: &mut TcpStream, answer: &[u8]) -> std::io::Result<()> {
    let _ = stream.read(&mut [0; 4096])?;
    stream.write_all(answer)?;
    stream.shutdown(Shutdown::Write)?;
    drain(stream)
}

fn drain(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut buffer = [0; 4096];
    while stream.read(&mut buffer)? > 0 {}
    Ok(())
}

/// Answers a DNS query over TCP: the query's number and question, with the answer's flags, counts and
/// records.
pub fn name_server(stream: &mut TcpStream, answer: &[u8]) -> std::io::Result<()> {
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut query)?;
    let number = query.get(..2).unwrap_or_default();
    let question = query.get(12..).unwrap_or_default();
    let (head, records) = answer.split_at(answer.len().min(10));
    let reply = [number, head, question, records].concat();
    let length = u16::try_from(reply.len()).unwrap_or(u16::MAX);
    stream.write_all(&length.to_be_bytes())?;
    stream.write_all(&reply)?;
    stream.shutdown(Shutdown::Write)?;
    drain(stream)
}
