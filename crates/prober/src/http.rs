//! The HTTP GET handler: one connection per request, redirects followed on the same hostname.

use std::sync::Arc;

use tokio::time::{Instant, timeout_at};

use crate::Target;
use probelet_domain::probe::Outcome;
use probelet_domain::spec::{HttpGet, Scheme};

use super::dial::{Destination, DialError, Host};

mod exchange;
mod headers;
mod location;

use exchange::{Answer, Reply, exchange};
use headers::Headers;
use location::{Location, Redirect};

/// Maximum number of requests, as in Go's client: nine redirects are followed, the tenth is
/// refused.
const MAX_REQUESTS: usize = 10;

/// Makes an attempt. Connections, redirects, headers and body share one deadline.
pub(super) async fn attempt(
    task: &Arc<dyn Target>,
    get: &HttpGet,
    port: u16,
    deadline: Instant,
) -> Outcome {
    let host = Host::new(get.host.as_deref());
    let mut stage = Stage { here: first(get, &host.hostname(), port), reached: Reached::Nothing };
    let done = timeout_at(deadline, async {
        let found = host.resolve(task).await;
        let destination = found.map_err(|error| stage.unconnected(&error))?;
        follow(task.as_ref(), get, destination, port, deadline, &mut stage).await
    });
    match done.await {
        Ok(Ok(answer)) => judge(answer),
        Ok(Err(outcome)) => outcome,
        Err(_) => stage.timed_out(),
    }
}

fn first(get: &HttpGet, hostname: &str, port: u16) -> Location {
    let scheme = match get.scheme {
        Scheme::Http => "http",
        Scheme::Https => "https",
    };
    Location::first(scheme, hostname, port, &get.path)
}

/// Progress of an attempt, which the text of a timeout depends on.
struct Stage {
    /// URL of the request that is being made.
    here: Location,
    reached: Reached,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reached {
    Nothing,
    Handshake,
    Body,
}

impl Stage {
    fn failure(&self, text: impl std::fmt::Display) -> Outcome {
        Outcome::Failure(get_error(&self.here.url(), text))
    }

    fn unconnected(&self, error: &DialError) -> Outcome {
        error.outcome(|text| get_error(&self.here.url(), text))
    }

    /// Returns the outcome of a timeout. A body that stalls is a failure here, while the kubelet
    /// ignores it as an error of its own.
    fn timed_out(&self) -> Outcome {
        let when = "Client.Timeout exceeded while awaiting headers";
        match self.reached {
            Reached::Nothing => self.failure(format!("context deadline exceeded ({when})")),
            Reached::Handshake => self.failure(format!(
                "net/http: request canceled while waiting for connection ({when})"
            )),
            Reached::Body => Outcome::Failure(
                "context deadline exceeded (Client.Timeout or context cancellation while reading body)"
                    .to_owned(),
            ),
        }
    }
}

fn get_error(url: &str, text: impl std::fmt::Display) -> String {
    format!("Get {url:?}: {text}")
}

/// Sends requests until an answer is not a redirect that is followed. `Err` is the outcome of an
/// attempt that ended before an answer.
async fn follow(
    task: &dyn Target,
    get: &HttpGet,
    mut destination: Destination,
    port: u16,
    deadline: Instant,
    stage: &mut Stage,
) -> Result<Answer, Outcome> {
    let headers = Headers::new(&get.headers).map_err(|text| stage.failure(text))?;
    let mut redirect: Option<Redirect> = None;
    let mut referer = None;
    for sent in 1.. {
        let port = redirect.as_ref().map_or(port, |redirect| redirect.to.port);
        stage.reached = Reached::Nothing;
        let (stream, peer) = match destination.connect(task, port, deadline).await {
            Err(DialError::TimedOut(_)) if deadline <= Instant::now() => {
                return Err(stage.timed_out());
            }
            done => done.map_err(|error| stage.unconnected(&error))?,
        };
        // Only after the connection it is known whether the default host is 127.0.0.1 or ::1.
        let ip = peer.ip();
        let keep_host = redirect.as_ref().is_none_or(|redirect| redirect.is_relative());
        let here = match redirect {
            Some(redirect) => redirect.to,
            None => Location { hostname: destination.hostname(ip).into(), ..stage.here.clone() },
        };
        destination = destination.settle(ip);
        stage.here = here.clone();
        let request = headers.request(&here, keep_host, referer.as_deref());
        let request = request.map_err(|text| stage.failure(text))?;
        let next = match exchange((stream, peer), request, &here, stage).await? {
            Reply::Answer(answer) => return Ok(answer),
            Reply::Redirect(next) => next,
        };
        if sent >= MAX_REQUESTS {
            let text = get_error(&next.location, "stopped after 10 redirects");
            return Err(Outcome::Failure(text));
        }
        // The URL of an HTTPS request is not sent over plain HTTP.
        let sends_referer = !here.is_https() || next.to.is_https();
        referer = sends_referer.then(|| here.url());
        stage.here = next.to.clone();
        if !matches!(&*next.to.scheme, "http" | "https") {
            return Err(stage.failure(format!("unsupported protocol scheme {:?}", next.to.scheme)));
        }
        redirect = Some(next);
    }
    Err(stage.failure("stopped after 10 redirects"))
}

fn judge(answer: Answer) -> Outcome {
    match answer.status {
        200..=299 => Outcome::Success(answer.body),
        300..=399 => {
            Outcome::Warning(format!("Probe terminated redirects, Response body: {}", answer.body))
        }
        // The body is left out, because it may have data that must not be published in events.
        status => Outcome::Failure(format!("HTTP probe failed with statuscode: {status}")),
    }
}

#[cfg(test)]
pub(super) mod tests;
