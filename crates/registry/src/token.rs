//! The challenge of a 401 answer, and the token for which a login is exchanged.

use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, HeaderValue};
use http_auth::parser::ChallengeParser;
use serde::Deserialize;
use url::Url;

use super::error::RegistryError;

/// The largest answer of a realm, in bytes. Tokens of real registries have a few KiB.
pub const LARGEST_TOKEN: usize = 256 << 10;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Challenge {
    Bearer { realm: String, service: Option<String> },
    Basic,
}

/// The challenge to answer: `Bearer` is preferred to `Basic`. `None` if there is neither.
pub fn challenge(headers: &HeaderMap) -> Option<Challenge> {
    let mut basic = None;
    for value in headers.get_all(WWW_AUTHENTICATE) {
        let challenges = ChallengeParser::new(value.to_str().unwrap_or_default());
        for challenge in challenges.map_while(Result::ok) {
            let parameter = |name: &str| {
                let mut all = challenge.params.iter();
                let found = all.find(|(key, _)| key.eq_ignore_ascii_case(name));
                found.map(|(_, value)| value.to_unescaped())
            };
            if challenge.scheme.eq_ignore_ascii_case("bearer") {
                if let Some(realm) = parameter("realm") {
                    return Some(Challenge::Bearer { realm, service: parameter("service") });
                }
            } else if challenge.scheme.eq_ignore_ascii_case("basic") {
                basic = Some(Challenge::Basic);
            }
        }
    }
    basic
}

/// The URL of the token for pulls from one repository. Fails if `realm` is no URL.
pub fn token_url(
    realm: &str,
    service: Option<&str>,
    repository: &str,
) -> Result<Url, RegistryError> {
    let mut url = Url::parse(realm)
        .map_err(|error| RegistryError::Refused(format!("realm {realm:?}: {error}")))?;
    let mut query = url.query_pairs_mut();
    query.append_pair("scope", &format!("repository:{repository}:pull"));
    if let Some(service) = service {
        query.append_pair("service", service);
    }
    drop(query);
    Ok(url)
}

#[derive(Deserialize)]
struct Granted {
    token: Option<String>,
    access_token: Option<String>,
}

/// The `Authorization` header for the token in a realm's answer. The error does not show the
/// answer, which may be secret.
pub fn token(body: &[u8]) -> Result<HeaderValue, RegistryError> {
    let refused = |why: &str| RegistryError::Refused(format!("the answer for a token {why}"));
    let granted: Granted =
        serde_json::from_slice(body).map_err(|_| refused("is not the JSON of one"))?;
    let token = granted.token.filter(|token| !token.is_empty()).or(granted.access_token);
    bearer(&token.ok_or_else(|| refused("has none"))?)
}

pub fn bearer(token: &str) -> Result<HeaderValue, RegistryError> {
    let refused = |_| RegistryError::Refused("a token that cannot be sent".to_owned());
    let mut value = HeaderValue::try_from(format!("Bearer {token}")).map_err(refused)?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(values: &[&str]) -> Option<Challenge> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_str(value).unwrap());
        }
        challenge(&headers)
    }

    #[test]
    fn a_bearer_challenge_is_preferred_to_a_basic_one() {
        let bearer = |service: Option<&str>| {
            let (realm, service) = ("https://a/t".to_owned(), service.map(str::to_owned));
            Some(Challenge::Bearer { realm, service })
        };
        let one = r#"Bearer realm="https://a/t",service="s",scope="x""#;
        assert_eq!(asked(&[one]), bearer(Some("s")));
        assert_eq!(asked(&["Basic realm=\"r\"", "bearer Realm=\"https://a/t\""]), bearer(None));
        assert_eq!(asked(&["Basic realm=\"r\""]), Some(Challenge::Basic));
        assert_eq!(asked(&["Bearer service=\"s\""]), None);
        assert_eq!(asked(&["Digest realm=\"r\"", "===", ""]), None);
        assert_eq!(asked(&[]), None);
    }

    #[test]
    fn a_token_is_requested_for_one_repository() {
        let url = token_url("https://a/t?x=1", Some("a b"), "some/app").unwrap();
        let expected = "https://a/t?x=1&scope=repository%3Asome%2Fapp%3Apull&service=a+b";
        assert_eq!(url.as_str(), expected);
        assert!(token_url("/t", None, "a").is_err());
    }

    #[test]
    fn both_token_fields_are_read_and_errors_show_no_content() {
        for body in [
            r#"{"token": "x"}"#,
            r#"{"access_token": "x"}"#,
            r#"{"token": "", "access_token": "x"}"#,
        ] {
            assert_eq!(token(body.as_bytes()).unwrap(), "Bearer x");
        }
        for body in ["hush", "{}", r#"{"token": "hush\n"}"#] {
            let error = token(body.as_bytes()).unwrap_err().to_string();
            assert!(!error.contains("hush"), "{error}");
        }
    }
}
