//! The HTTP side of the page: who may have it, and the headers that keep it from doing anything but
//! being looked at.

use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, REFERRER_POLICY, REFRESH,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use sha2::{Digest, Sha256};

use super::document::STYLE;

/// The seconds after which a browser loads the page again.
const AGAIN: &str = "10";
/// The query with which it does not.
pub const STAY: &str = "refresh=off";

/// Why a request gets no page; `None` if it does.
///
/// A web page can have its own name resolve to this host, and read then what is served here as if it
/// were its own. A browser cannot be made to send another name, so only the host's own names and plain
/// addresses are answered.
pub fn refusal<B>(request: &Request<B>, host: &str) -> Option<(StatusCode, &'static str)> {
    if !matches!(request.uri().query(), None | Some(STAY)) {
        return Some((StatusCode::BAD_REQUEST, "the page has no parameter but refresh=off\n"));
    }
    let text = "the page is served at the host's own name, at an address, and at localhost\n";
    let is_foreign = request
        .headers()
        .get(HOST)
        .is_some_and(|value| !value.to_str().is_ok_and(|authority| is_own(authority, host)));
    is_foreign.then_some((StatusCode::MISDIRECTED_REQUEST, text))
}

fn is_own(authority: &str, host: &str) -> bool {
    let without_port = match authority.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => authority,
    };
    let plain = without_port.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    plain.unwrap_or(without_port).parse::<IpAddr>().is_ok()
        || without_port.eq_ignore_ascii_case("localhost")
        || (!host.is_empty() && without_port.eq_ignore_ascii_case(host))
}

/// The answer with a page. `again`: whether the browser loads it again after a while.
pub fn page(page: Bytes, again: bool) -> Result<Response<Full<Bytes>>, http::Error> {
    let mut response = Response::builder()
        .header(CONTENT_TYPE, "text/html; charset=utf-8")
        .header(CONTENT_SECURITY_POLICY, policy())
        .header(X_CONTENT_TYPE_OPTIONS, "nosniff")
        .header(X_FRAME_OPTIONS, "DENY")
        .header("cross-origin-opener-policy", "same-origin")
        .header("cross-origin-resource-policy", "same-origin")
        .header(REFERRER_POLICY, "no-referrer")
        .header(CACHE_CONTROL, "no-store");
    if again {
        response = response.header(REFRESH, AGAIN);
    }
    response.body(Full::new(page))
}

/// The page has one style sheet and one icon, both in itself, and may load nothing.
fn policy() -> String {
    let style = STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; img-src data:; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'"
    )
}

/// An answer without a page.
pub fn plain(status: StatusCode, text: &'static str) -> Result<Response<Full<Bytes>>, http::Error> {
    Response::builder()
        .status(status)
        .header(CONTENT_TYPE, "text/plain; charset=utf-8")
        .header(X_CONTENT_TYPE_OPTIONS, "nosniff")
        .header(CACHE_CONTROL, "no-store")
        .body(Full::new(Bytes::from_static(text.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(uri: &str, host: Option<&str>) -> Request<()> {
        let request = Request::builder().uri(uri);
        host.map_or(Request::builder().uri(uri), |host| request.header(HOST, host))
            .body(())
            .unwrap()
    }

    #[test]
    fn another_name_is_refused() {
        for (host, is_refused) in [
            (None, false),
            (Some("127.0.0.1:9464"), false),
            (Some("192.0.2.1"), false),
            (Some("[::1]:9464"), false),
            (Some("[fd00::1]"), false),
            (Some("localhost:9464"), false),
            (Some("LOCALHOST"), false),
            (Some("node-7:9464"), false),
            (Some("node-7.attacker.example:9464"), true),
            (Some("attacker.example"), true),
            (Some("127.0.0.1.attacker.example:9464"), true),
            (Some("localhost.attacker.example"), true),
            (Some(""), true),
        ] {
            let refusal = refusal(&request("/", host), "node-7");
            let status = refusal.map(|(status, _)| status);
            let expected = is_refused.then_some(StatusCode::MISDIRECTED_REQUEST);
            assert_eq!(status, expected, "{host:?}");
        }
        // A host without a name has none that could be empty.
        assert!(refusal(&request("/", Some("")), "").is_some());
    }

    #[test]
    fn the_only_parameter_stops_the_refresh() {
        assert!(refusal(&request("/?refresh=off", None), "").is_none());
        for query in ["/?", "/?refresh", "/?refresh=on", "/?refresh=off&x=y"] {
            let refusal = refusal(&request(query, None), "").map(|(status, _)| status);
            assert_eq!(refusal, Some(StatusCode::BAD_REQUEST), "{query}");
        }
        let refresh = |again| page(Bytes::new(), again).unwrap().headers().get(REFRESH).cloned();
        assert_eq!(refresh(false), None);
        assert_eq!(refresh(true).unwrap(), AGAIN);
    }

    #[test]
    fn the_headers_let_the_page_do_nothing() {
        let response = page(Bytes::new(), true).unwrap();
        let header = |name: &str| response.headers().get(name).unwrap().to_str().unwrap();
        let policy = header("content-security-policy");
        for part in ["default-src 'none'; ", "style-src 'sha256-", "frame-ancestors 'none'"] {
            assert!(policy.contains(part), "no {part} in {policy}");
        }
        assert!(!policy.contains("script") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("referrer-policy"), "no-referrer");
        assert_eq!(header("cache-control"), "no-store");
        assert_eq!(header("content-type"), "text/html; charset=utf-8");
    }
}
