//! Open calls: they are counted for each connection, which finds idle connections, and bounded for all
//! connections together.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::watch;
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

use crate::connections::{Peer, SlotGuard, Slots};
use crate::service;

/// The calls of one connection.
#[derive(Clone)]
pub struct Calls {
    slots: Slots,
    peer: Peer,
    open: Arc<Open>,
}

struct Open {
    count: watch::Sender<usize>,
    /// The connection's slot, which gives way while no call is open.
    connection: SlotGuard,
}

impl Calls {
    /// The calls of a connection, which gives way while none is open.
    pub fn new(slots: Slots, peer: Peer, connection: SlotGuard) -> Self {
        Self { slots, peer, open: Arc::new(Open { count: watch::Sender::new(0), connection }) }
    }

    /// The number of open calls.
    pub fn count(&self) -> watch::Receiver<usize> {
        self.open.count.subscribe()
    }

    /// Ends when another connection has taken this one's slot.
    pub async fn displaced(&self) {
        self.open.connection.displaced().await;
    }
}

impl<S> Layer<S> for Calls {
    type Service = Counted<S>;

    fn layer(&self, inner: S) -> Counted<S> {
        Counted { inner, calls: self.clone() }
    }
}

#[derive(Clone)]
pub struct Counted<S> {
    inner: S,
    calls: Calls,
}

impl<S> Service<Request<Body>> for Counted<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let slot = match self.calls.slots.take(self.calls.peer) {
            Ok(slot) => slot,
            Err(full) => {
                let refused = Status::from(service::Error::from(full));
                return Box::pin(async move { Ok(refused.into_http()) });
            }
        };
        let call = Call::new(self.calls.open.clone(), slot);
        let answer = self.inner.call(request);
        Box::pin(
            async move { Ok(answer.await?.map(|body| Body::new(Answer { body, _call: call }))) },
        )
    }
}

/// One open call.
struct Call {
    open: Arc<Open>,
    _slot: SlotGuard,
}

impl Call {
    fn new(open: Arc<Open>, slot: SlotGuard) -> Self {
        open.count.send_modify(|count| {
            *count = count.saturating_add(1);
            open.connection.keep();
        });
        Self { open, _slot: slot }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.open.count.send_modify(|count| {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.open.connection.give_way(Duration::ZERO);
            }
        });
    }
}

/// The body of an answer. Its call ends when all of it is sent or the caller has left.
struct Answer {
    body: Body,
    _call: Call,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
