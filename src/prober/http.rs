//! The HTTP GET handler: one connection per request, redirects followed on the same hostname.

use tokio::time::{Instant, timeout_at};

use crate::domain::probe::Outcome;
use crate::domain::spec::HttpGet;
use crate::runtime::Task;

use super::tcp::Destination;

mod exchange;
mod headers;
mod place;

use exchange::{Answer, Reply, exchange};
use headers::Headers;
use place::{Place, Redirect};

/// As in Go's client: nine redirects are followed, the tenth is refused.
const MAX_REQUESTS: usize = 10;

/// One deadline holds for connections, redirects, headers and body together.
pub(super) async fn attempt(
    task: &dyn Task,
    get: &HttpGet,
    port: u16,
    deadline: Instant,
) -> Outcome {
    let destination = match Destination::new(get.host.as_deref()) {
        Ok(destination) => destination,
        Err(text) => return Outcome::Error(text),
    };
    let mut stage = Stage {
        url: Place::first(&destination.hostname(destination.first(port).ip()), port, &get.path)
            .url(),
        in_body: false,
    };
    let done = timeout_at(deadline, follow(task, get, destination, port, &mut stage)).await;
    match done {
        Ok(Ok(answer)) => judge(answer),
        Ok(Err(outcome)) => outcome,
        Err(_) => stage.timed_out(),
    }
}

/// How far an attempt has come; what it says when time is up depends on it.
struct Stage {
    url: String,
    in_body: bool,
}

impl Stage {
    fn failure(&self, text: impl std::fmt::Display) -> Outcome {
        Outcome::Failure(get_error(&self.url, text))
    }

    /// The kubelet discards a stalled body as an error of its own. To us it is a hang like any other.
    fn timed_out(&self) -> Outcome {
        if self.in_body {
            let text = "context deadline exceeded (Client.Timeout or context cancellation while reading body)";
            Outcome::Failure(text.to_owned())
        } else {
            self.failure(
                "context deadline exceeded (Client.Timeout exceeded while awaiting headers)",
            )
        }
    }
}

fn get_error(url: &str, text: impl std::fmt::Display) -> String {
    format!("Get {url:?}: {text}")
}

/// Requests until an answer is no redirect to follow. An `Err` has ended the attempt early.
async fn follow(
    task: &dyn Task,
    get: &HttpGet,
    mut destination: Destination,
    port: u16,
    stage: &mut Stage,
) -> Result<Answer, Outcome> {
    let headers = Headers::new(&get.headers).map_err(|text| stage.failure(text))?;
    let mut redirect: Option<Redirect> = None;
    let mut referer = None;
    for sent in 1.. {
        let port = redirect.as_ref().map_or(port, |redirect| redirect.to.port);
        let connected = destination.connect(task, port).await;
        let (stream, peer) =
            connected.map_err(|error| error.outcome(|text| get_error(&stage.url, text)))?;
        // Only now it is known whether the default host is 127.0.0.1 or ::1.
        let ip = peer.ip();
        let keep_host = redirect.as_ref().is_none_or(|redirect| redirect.is_relative());
        let here = match redirect {
            Some(redirect) => redirect.to,
            None => Place::first(&destination.hostname(ip), port, &get.path),
        };
        destination = destination.settle(ip);
        stage.url = here.url();
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
        referer = Some(here.url());
        stage.url = next.to.url();
        if next.to.scheme != "http" {
            let text = format!("following a redirect to {} is not supported yet", next.to.scheme);
            return Err(stage.failure(text));
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
        // The body stays out of it: it may hold what events should not show.
        status => Outcome::Failure(format!("HTTP probe failed with statuscode: {status}")),
    }
}

#[cfg(test)]
pub(super) mod tests;
