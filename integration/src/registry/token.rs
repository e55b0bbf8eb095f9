//! Logins as public registries have them: a token from elsewhere, for one repository.

use super::{PASSWORD, USER};

/// `USER:PASSWORD`, as Basic has it.
const LOGIN: &str = "Basic c29tZWJvZHk6aHVzaA==";

/// What a request gets instead of what it asks for; none where it has its token.
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
