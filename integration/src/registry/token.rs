//! Logins with tokens, as public registries have them: a token is for one repository.

use super::{PASSWORD, USER};

/// The header `Authorization` of `USER:PASSWORD`.
const LOGIN: &str = "Basic c29tZWJvZHk6aHVzaA==";

/// The answer to a request for a token or without a valid one; `None` if the request has its token.
pub(super) fn gate(address: &str, target: &str, head: &[String]) -> Option<String> {
    debug_assert_eq!((USER, PASSWORD), ("somebody", "hush"));
    let authorization = head.iter().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("authorization").then(|| value.trim())
    });
    if let Some(query) = target.strip_prefix("/token?") {
        let query = query.replace("%3A", ":").replace("%2F", "/");
        let scope = query.split('&').find_map(|pair| pair.strip_prefix("scope=repository:"));
        let repository = scope.and_then(|scope| scope.strip_suffix(":pull")).unwrap_or_default();
        return Some(if authorization == Some(LOGIN) {
            let body = format!("{{\"token\":\"for-{repository}\",\"expires_in\":60}}");
            answer("200 OK", "", &body)
        } else {
            answer("401 Unauthorized", "", "")
        });
    }
    let repository = target
        .strip_prefix("/v2/")
        .and_then(|path| path.split_once("/manifests/").or_else(|| path.split_once("/blobs/")))
        .map_or("", |(repository, _)| repository);
    if !repository.is_empty() && authorization == Some(&format!("Bearer for-{repository}")) {
        return None;
    }
    let scope = if repository.is_empty() {
        String::new()
    } else {
        format!(",scope=\"repository:{repository}:pull\"")
    };
    let challenge = format!(
        "WWW-Authenticate: Bearer realm=\"http://{address}/token\",service=\"test\"{scope}\r\n"
    );
    Some(answer("401 Unauthorized", &challenge, ""))
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}
