//! A proxy between the daemon and containerd. It forwards gRPC calls and their streams, and harms
//! those that a plan draws from its seed.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Result, anyhow};
use bytes::Bytes;
use fastrand::Rng;
use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, BodyStream, Empty, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http2::SendRequest;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

type Body = UnsyncBoxBody<Bytes, hyper::Error>;

/// How long a reordered call waits for another one that goes first.
const OVERTAKEN: Duration = Duration::from_millis(300);
/// The prefix of a gRPC message: a flag, and the length in four bytes.
const PREFIX: usize = 5;

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The call is forwarded after a time of up to this length.
    Delay(Duration),
    /// The call is not forwarded and not answered.
    SwallowCall,
    /// containerd carries the call out, but the answer is not forwarded.
    SwallowAnswer,
    /// The call is answered with `UNAVAILABLE`.
    Refuse,
    /// The connection is closed, with all its calls: before or after containerd carries the call
    /// out.
    Cut,
    /// The call waits until another one has been answered.
    Reorder,
    /// The message of the answer is no protobuf.
    Garble,
    /// The answer ends in the middle of its message, without a status.
    Truncate,
}

/// The faults of a time.
#[derive(Debug, Clone)]
pub struct Plan {
    pub fault: Fault,
    /// The calls that may be harmed, as the ends of their paths such as `Tasks/Create`. All if
    /// there are none.
    pub calls: Vec<String>,
    /// Only calls whose request contains this text are harmed, if it is not empty.
    pub about: String,
    /// How many of these calls are harmed, in percent.
    pub percent: u32,
    pub seed: u64,
}

impl Plan {
    /// A plan that harms all calls.
    pub fn all(fault: Fault) -> Self {
        Self { fault, calls: Vec::new(), about: String::new(), percent: 100, seed: 0 }
    }

    /// A plan that harms the calls of these names.
    pub fn of(fault: Fault, calls: &[&str]) -> Self {
        Self { calls: calls.iter().map(|&call| call.to_owned()).collect(), ..Self::all(fault) }
    }

    /// The same plan for requests that contain this text.
    pub fn about(self, text: &str) -> Self {
        Self { about: text.to_owned(), ..self }
    }
}

#[derive(Default)]
struct State {
    plan: Option<(Plan, Rng)>,
    /// The harmed calls, by their path.
    harmed: BTreeMap<String, u64>,
    /// Wakes the call that waits until another one has been answered.
    overtaken: Option<oneshot::Sender<()>>,
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<State>>);

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Draws whether this call is harmed, and notes it.
    fn draw(&self, path: &str, request: &[u8]) -> Option<(Fault, u32)> {
        let mut state = self.state();
        let (plan, rng) = state.plan.as_mut()?;
        let is_named = plan.calls.is_empty() || plan.calls.iter().any(|call| path.ends_with(call));
        let about = plan.about.as_bytes();
        let is_about =
            about.is_empty() || request.windows(about.len()).any(|window| window == about);
        if !is_named || !is_about || rng.u32(0..100) >= plan.percent {
            return None;
        }
        let (fault, number) = (plan.fault, rng.u32(0..1000));
        *state.harmed.entry(path.to_owned()).or_default() += 1;
        Some((fault, number))
    }
}

/// A proxy, which ends when this is dropped.
pub struct Proxy {
    shared: Shared,
    stop: Arc<Notify>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Listens on `socket` and forwards to `containerd`.
    pub fn start(socket: &Path, containerd: &Path) -> Result<Self> {
        let listener = std::os::unix::net::UnixListener::bind(socket)?;
        listener.set_nonblocking(true)?;
        let (shared, stop) = (Shared::default(), Arc::<Notify>::default());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (state, ends, containerd) = (shared.clone(), stop.clone(), containerd.to_owned());
        let thread = thread::spawn(move || {
            let served = runtime.block_on(async {
                let listener = UnixListener::from_std(listener)?;
                tokio::select! {
                    served = serve(listener, state, containerd) => served,
                    () = ends.notified() => Ok(()),
                }
            });
            if let Err(error) = served {
                eprintln!("the proxy of containerd has ended: {error}");
            }
        });
        Ok(Self { shared, stop, thread: Some(thread) })
    }

    /// Harms calls by this plan from now on.
    pub fn harm(&self, plan: Plan) {
        let rng = Rng::with_seed(plan.seed);
        self.shared.state().plan = Some((plan, rng));
    }

    /// Forwards all further calls, and returns how many calls were harmed, by their path. A call
    /// that is not answered stays so.
    pub fn heal(&self) -> BTreeMap<String, u64> {
        let mut state = self.shared.state();
        state.plan = None;
        std::mem::take(&mut state.harmed)
    }

    /// The number of calls that were harmed since the proxy was healed last.
    pub fn harmed(&self) -> u64 {
        self.shared.state().harmed.values().sum()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been printed.
            let _ = thread.join();
        }
    }
}

async fn serve(listener: UnixListener, shared: Shared, containerd: PathBuf) -> io::Result<()> {
    let mut connections = JoinSet::new();
    loop {
        let (daemon, _) = listener.accept().await?;
        let (shared, containerd) = (shared.clone(), containerd.clone());
        connections.spawn(async move {
            // Either side may go away at any time.
            let _ = connection(daemon, shared, &containerd).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(daemon: UnixStream, shared: Shared, containerd: &Path) -> Result<()> {
    let containerd = TokioIo::new(UnixStream::connect(containerd).await?);
    let (sender, upstream) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), containerd).await?;
    let cut = Arc::<Notify>::default();
    let ends = cut.clone();
    let service = service_fn(move |request| {
        let call = Call { shared: shared.clone(), sender: sender.clone(), cut: cut.clone() };
        async move { Ok::<_, Infallible>(call.answer(request).await) }
    });
    let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    tokio::select! {
        served = server.serve_connection(TokioIo::new(daemon), service) => served?,
        ended = upstream => ended?,
        () = ends.notified() => {}
    }
    Ok(())
}

struct Call {
    shared: Shared,
    sender: SendRequest<Body>,
    cut: Arc<Notify>,
}

impl Call {
    async fn answer(self, request: Request<Incoming>) -> Response<Body> {
        self.harmed(request).await.unwrap_or_else(|_| unavailable())
    }

    async fn harmed(mut self, request: Request<Incoming>) -> Result<Response<Body>> {
        let (parts, mut body) = request.into_parts();
        // Each request of containerd's API has a message before its answer begins.
        let first = body.frame().await.transpose()?;
        let text = first.as_ref().and_then(Frame::data_ref).cloned().unwrap_or_default();
        let drawn = self.shared.draw(parts.uri.path(), &text);
        let rest = BodyStream::new(body);
        let frames = stream::StreamExt::chain(stream::iter(first.map(Ok)), rest);
        let request = Request::from_parts(parts, StreamBody::new(frames).boxed_unsync());
        let Some((fault, number)) = drawn else { return self.forward(request).await };
        match fault {
            Fault::Delay(longest) => {
                sleep(longest.saturating_mul(number) / 1000).await;
                self.forward(request).await
            }
            Fault::SwallowCall => std::future::pending().await,
            Fault::SwallowAnswer => {
                let mut answer = self.forward(request).await?;
                while let Some(Ok(_)) = answer.body_mut().frame().await {}
                std::future::pending().await
            }
            Fault::Refuse => Ok(unavailable()),
            Fault::Cut => {
                if number.is_multiple_of(2) {
                    let mut answer = self.forward(request).await?;
                    let _ = answer.body_mut().frame().await;
                }
                self.cut.notify_one();
                std::future::pending().await
            }
            Fault::Reorder => self.reordered(request).await,
            Fault::Garble => Ok(self.forward(request).await?.map(|body| first_frame(body, garble))),
            Fault::Truncate => Ok(self.forward(request).await?.map(truncated)),
        }
    }

    async fn forward(&mut self, request: Request<Body>) -> Result<Response<Body>> {
        self.sender.ready().await?;
        let answer = self.sender.send_request(request).await?;
        Ok(answer.map(BodyExt::boxed_unsync))
    }

    /// Waits for the answer of the next call if none waits, and else goes before the one that does.
    async fn reordered(mut self, request: Request<Body>) -> Result<Response<Body>> {
        let slower = self.shared.state().overtaken.take();
        if let Some(slower) = slower {
            let answer = self.forward(request).await;
            // It has given up if its time is over.
            let _ = slower.send(());
            return answer;
        }
        let (faster, wait) = oneshot::channel();
        self.shared.state().overtaken = Some(faster);
        let _ = timeout(OVERTAKEN, wait).await;
        self.forward(request).await
    }
}

fn unavailable() -> Response<Body> {
    let body = Empty::new().map_err(|never: Infallible| match never {});
    let mut answer = Response::new(body.boxed_unsync());
    let headers = answer.headers_mut();
    let mut put =
        |name, value| headers.insert(name, hyper::header::HeaderValue::from_static(value));
    put("content-type", "application/grpc");
    put("grpc-status", "14");
    put("grpc-message", "the proxy of the tests refuses it");
    answer
}

/// Changes the first frame of data, with which the first message begins.
fn first_frame(body: Body, change: fn(&[u8]) -> Vec<u8>) -> Body {
    let mut is_first = true;
    let changed = body.map_frame(move |frame| {
        if !std::mem::take(&mut is_first) {
            return frame;
        }
        frame.map_data(|data| Bytes::from(change(&data)))
    });
    changed.boxed_unsync()
}

/// A message of the same length that has no valid field. An empty one gets four bytes.
fn garble(frame: &[u8]) -> Vec<u8> {
    let length = frame.len().saturating_sub(PREFIX);
    if length == 0 {
        return vec![0, 0, 0, 0, 4, 0xff, 0xff, 0xff, 0xff];
    }
    let mut garbled: Vec<u8> = frame.iter().take(PREFIX).copied().collect();
    garbled.resize(PREFIX + length, 0xff);
    garbled
}

/// The first half of the first frame, after which the stream ends.
fn truncated(body: Body) -> Body {
    let frames = stream::unfold(Some(body), |body| async {
        let data = body?.frame().await?.ok()?.into_data().ok()?;
        let half = data.slice(..data.len() / 2);
        Some((Ok(Frame::data(half)), None))
    });
    StreamBody::new(Box::pin(frames)).boxed_unsync()
}

/// Puts a proxy before the socket of a containerd that runs.
pub(crate) fn put_before(socket: &Path, moved: &Path) -> Result<Proxy> {
    // A socket's listener is not bound to its name. The proxy takes over the name, because it is in
    // the arguments of shims, by which the daemon recognizes them.
    std::fs::rename(socket, moved)?;
    Proxy::start(socket, moved).map_err(|error| anyhow!("the proxy does not start: {error:#}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_harms_the_same_calls() {
        let drawn = |seed| {
            let shared = Shared::default();
            let plan = Plan { percent: 40, seed, ..Plan::all(Fault::Refuse) };
            shared.state().plan = Some((plan, Rng::with_seed(seed)));
            (0..50).map(|_| shared.draw("/x/Tasks/Get", b"").is_some()).collect::<Vec<_>>()
        };
        assert_eq!(drawn(1), drawn(1));
        assert_ne!(drawn(1), drawn(2));
        assert!(drawn(1).contains(&true) && drawn(1).contains(&false));
    }

    #[test]
    fn only_the_named_calls_about_a_text_are_harmed() {
        let shared = Shared::default();
        let plan = Plan::of(Fault::Refuse, &["Tasks/Get"]).about("app_0");
        shared.state().plan = Some((plan, Rng::with_seed(0)));
        assert!(shared.draw("/x.Tasks/Get", b"..app_0").is_some());
        assert!(shared.draw("/x.Tasks/Get", b"..app_1").is_none());
        assert!(shared.draw("/x.Tasks/Kill", b"..app_0").is_none());
        assert_eq!(shared.state().harmed, [("/x.Tasks/Get".to_owned(), 1)].into());
    }

    #[test]
    fn a_garbled_message_keeps_its_length() {
        assert_eq!(garble(&[0, 0, 0, 0, 2, 8, 1]), [0, 0, 0, 0, 2, 0xff, 0xff]);
        assert_eq!(garble(&[0, 0, 0, 0, 0]).len(), 9);
    }
}
