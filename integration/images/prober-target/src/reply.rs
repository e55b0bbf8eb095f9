//! The answers by path, for HTTP/1.1 and HTTP/2.
//!
//! `/status/N` · `/redirect/N` (N redirects, then 200) · `/loop` · `/foreign` (to another host) ·
//! `/headers` (the request's headers as body) · `/slow-body` (headers, then nothing) · `/huge` (a
//! body without end) · `/` and `/ok/ANY`: 200. [`crate::http1`] has further paths.

pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) location: Option<String>,
    pub(crate) body: Body,
}

pub(crate) enum Body {
    Text(String),
    Stalled,
    Endless,
}

impl Reply {
    pub(crate) fn text(status: u16, body: impl Into<String>) -> Self {
        Self { status, location: None, body: Body::Text(body.into()) }
    }

    fn redirect(location: impl Into<String>) -> Self {
        let body = Body::Text("elsewhere\n".to_owned());
        Self { status: 302, location: Some(location.into()), body }
    }

    /// The answer to a path. `headers` are the request's, one per line.
    pub(crate) fn to(path: &str, headers: &str) -> Self {
        let (name, argument) = match path.trim_start_matches('/').split_once('/') {
            Some((name, argument)) => (name, argument.parse::<u16>().unwrap_or_default()),
            None => (path.trim_start_matches('/'), 0),
        };
        match name {
            "status" => Self::text(argument, "status as asked for\n"),
            "redirect" if argument > 0 => Self::redirect(format!("/redirect/{}", argument - 1)),
            "loop" => Self::redirect("/loop"),
            "foreign" => Self::redirect("http://elsewhere.invalid/"),
            "headers" => Self::text(200, headers),
            "slow-body" => Self { status: 200, location: None, body: Body::Stalled },
            "huge" => Self { status: 200, location: None, body: Body::Endless },
            "" | "ok" | "redirect" | "wait" => Self::text(200, "well\n"),
            _ => Self::text(404, "no such misbehaviour\n"),
        }
    }
}
