//! Reads and writes one connection.

use probelet_kube_wire::spdy::{DATA, Encoder, Event, Headers, ResetCode, STREAMS, Session};
use probelet_kube_wire::status::Status;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::kube_api::exchange::{BACKLOG, Feeds, FromClient, Gone, Outgoing, ToClient};
use crate::kube_api::websocket;

/// Bytes that are read at a time.
const BUFFER: usize = 32 << 10;
/// Answers to the client's frames that wait. A client that sends more without reading must wait.
const ANSWERS: usize = 256;

/// A stream that the client has opened.
pub struct Opened {
    pub id: u32,
    pub headers: Headers,
    pub from: FromClient,
    pub to: ToClient,
}

/// The server's answer to a frame. It goes before what is sent on streams.
enum Answer {
    Reply(u32),
    Pong(u32),
    Refuse(u32, ResetCode),
    GoAway(u32),
}

/// The two halves of a carrier, and the streams that the client opens. The limits are those of
/// [`Feeds::new`].
pub fn carrier<'a, R, W>(
    reader: &'a mut R,
    writer: &'a mut W,
    (limit, are_independent): (usize, bool),
    left: &'a CancellationToken,
) -> (impl Future<Output = Gone> + Send + 'a, impl Future<Output = ()> + 'a, mpsc::Receiver<Opened>)
where
    R: AsyncRead + Unpin + Send,
    W: AsyncWrite + Unpin + Send,
{
    let (parts, outgoing) = mpsc::channel(BACKLOG);
    let (to_writer, answers) = mpsc::channel(ANSWERS);
    let (opened, streams) = mpsc::channel(STREAMS);
    let reading = Reading {
        session: Session::default(),
        feeds: Feeds::new(limit, are_independent),
        ids: Vec::new(),
        answers: to_writer,
        parts,
        opened,
    };
    let writing = Writing { encoder: Encoder::default(), answers, outgoing };
    (reading.run(reader), writing.run(writer, left), streams)
}

struct Reading {
    session: Session,
    feeds: Feeds,
    /// Streams whose work may have ended.
    ids: Vec<u32>,
    answers: mpsc::Sender<Answer>,
    parts: mpsc::Sender<Outgoing>,
    opened: mpsc::Sender<Opened>,
}

impl Reading {
    async fn run(mut self, reader: &mut (impl AsyncRead + Unpin)) -> Gone {
        let mut buffer = vec![0; BUFFER];
        loop {
            let length = match reader.read(&mut buffer).await {
                Ok(0) | Err(_) => return Gone::Left,
                Ok(length) => length,
            };
            self.session.push(buffer.get(..length).unwrap_or_default());
            loop {
                match self.session.next_event() {
                    Ok(Some(event)) => self.handle(event).await,
                    Ok(None) => break,
                    Err(error) => {
                        tracing::debug!(%error, "a client breaks SPDY");
                        self.answer(Answer::GoAway(self.session.last())).await;
                        return Gone::Failed(Status::bad_request(error.to_string()));
                    }
                }
            }
        }
    }

    async fn handle(&mut self, event: Event) {
        match event {
            Event::Opened(id, headers) => self.open(id, headers).await,
            Event::Data(id, data) => self.feeds.data(id, data).await,
            Event::Ended(id) => self.feeds.end(id).await,
            Event::Aborted(id) => self.feeds.drop(id),
            Event::Refuse(id, code) => self.answer(Answer::Refuse(id, code)).await,
            Event::Pong(number) => self.answer(Answer::Pong(number)).await,
        }
    }

    async fn open(&mut self, id: u32, headers: Headers) {
        // Streams that are not read any more make room.
        let Self { session, feeds, ids, .. } = self;
        ids.retain(|id| {
            let is_unread = feeds.is_unread(*id);
            if is_unread {
                feeds.drop(*id);
                session.close(*id);
            }
            !is_unread
        });
        let Ok(slot) = self.opened.clone().try_reserve_owned() else {
            self.session.close(id);
            return self.answer(Answer::Refuse(id, ResetCode::RefusedStream)).await;
        };
        // The reply goes before all that is sent on the stream.
        self.answer(Answer::Reply(id)).await;
        let (from, to) = (self.feeds.open(id), ToClient::new(id, self.parts.clone()));
        self.ids.push(id);
        slot.send(Opened { id, headers, from, to });
    }

    async fn answer(&self, answer: Answer) {
        let _ = self.answers.send(answer).await;
    }
}

struct Writing {
    encoder: Encoder,
    answers: mpsc::Receiver<Answer>,
    outgoing: mpsc::Receiver<Outgoing>,
}

impl Writing {
    /// Sends frames until there can be no more, and then the end of the connection. If the client
    /// has left, they are dropped.
    async fn run(mut self, writer: &mut (impl AsyncWrite + Unpin), left: &CancellationToken) {
        if self.frames(writer).await.is_err() {
            left.cancel();
            self.answers.close();
            while self.outgoing.recv().await.is_some() {}
        }
    }

    async fn frames(&mut self, writer: &mut (impl AsyncWrite + Unpin)) -> std::io::Result<()> {
        let mut pings = websocket::pings();
        // The server's pings are even.
        let mut ping: u32 = 2;
        loop {
            let is_last = tokio::select! {
                biased;
                Some(answer) = self.answers.recv() => {
                    let bytes = self.answer(&answer);
                    writer.write_all(&bytes).await?;
                    false
                }
                part = self.outgoing.recv() => match part {
                    Some(part) => {
                        self.part(part, writer).await?;
                        false
                    }
                    None => true,
                },
                _ = pings.tick() => {
                    writer.write_all(&self.encoder.ping(ping)).await?;
                    ping = ping.wrapping_add(2).max(2);
                    false
                }
            };
            if is_last {
                while let Ok(answer) = self.answers.try_recv() {
                    writer.write_all(&self.answer(&answer)).await?;
                }
                writer.write_all(&self.encoder.go_away(0, false)).await?;
                return writer.flush().await;
            }
            if self.answers.is_empty() && self.outgoing.is_empty() {
                writer.flush().await?;
            }
        }
    }

    fn answer(&mut self, answer: &Answer) -> Vec<u8> {
        match *answer {
            Answer::Reply(id) => self.encoder.reply(id),
            Answer::Pong(number) => self.encoder.ping(number),
            Answer::Refuse(id, code) => self.encoder.reset(id, code),
            Answer::GoAway(last) => self.encoder.go_away(last, true),
        }
    }

    async fn part(
        &self,
        part: Outgoing,
        writer: &mut (impl AsyncWrite + Unpin),
    ) -> std::io::Result<()> {
        match part {
            Outgoing::Data(id, data) => {
                for data in data.chunks(DATA) {
                    writer.write_all(&self.encoder.data(id, data)).await?;
                }
                Ok(())
            }
            Outgoing::End(id) => writer.write_all(&self.encoder.end(id)).await,
            Outgoing::Reset(id) => {
                writer.write_all(&self.encoder.reset(id, ResetCode::InternalError)).await
            }
        }
    }
}
