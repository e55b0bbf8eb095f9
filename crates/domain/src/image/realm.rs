//! Hosts that may receive a registry's login, and redirects that may be followed.

use std::str::FromStr;

use url::Url;

/// Registries whose tokens come from another host, according to their operators' documentation.
const KNOWN: [(&str, &str); 3] = [
    ("docker.io", "https://auth.docker.io"),
    ("registry.digitalocean.com", "https://api.digitalocean.com"),
    ("registry.gitlab.com", "https://gitlab.com"),
];

/// A host that may exchange the logins of a registry for tokens: `REGISTRY=https://HOST`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Realm {
    registry: String,
    host: Url,
}

impl FromStr for Realm {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (registry, host) = text.split_once('=').ok_or("must be REGISTRY=https://HOST")?;
        if registry.is_empty() || registry.contains('/') {
            return Err(format!("{registry:?} is not the HOST[:PORT] of a registry"));
        }
        let host = Url::parse(host).map_err(|error| format!("{host:?}: {error}"))?;
        if !is_http(&host) {
            return Err(format!("{:?}: must be http or https", host.as_str()));
        }
        Ok(Self { registry: registry.to_owned(), host })
    }
}

/// Returns whether the login of `registry`, whose requests go to `own`, may be sent to `realm`. It
/// may if `realm` has the scheme, host and port of `own`, or is configured or documented for the
/// registry. It may never go from HTTPS to HTTP.
pub fn receives_login(registry: &str, own: &Url, realm: &Url, configured: &[Realm]) -> bool {
    if !is_http(realm) || is_downgrade(own, realm) {
        return false;
    }
    // The host of a mirror may have a path.
    let registry = registry.split('/').next().unwrap_or(registry);
    let known = KNOWN.iter().filter(|(name, _)| *name == registry);
    let mut known = known.filter_map(|(_, host)| Url::parse(host).ok());
    let mut configured = configured.iter().filter(|realm| realm.registry == registry);
    own.origin() == realm.origin()
        || configured.any(|entry| entry.host.origin() == realm.origin())
        || known.any(|host| host.origin() == realm.origin())
}

/// Returns whether a redirect from `from` to `to` may be followed. A redirect from HTTPS to HTTP
/// may only if the content is compared with a known digest.
pub fn may_follow(from: &Url, to: &Url, by_digest: bool) -> bool {
    is_http(to) && (by_digest || !is_downgrade(from, to))
}

fn is_http(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
}

fn is_downgrade(from: &Url, to: &Url) -> bool {
    from.scheme() == "https" && to.scheme() != "https"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(registry: &str, own: &str, realm: &str, configured: &[&str]) -> bool {
        let configured: Vec<Realm> = configured.iter().map(|text| text.parse().unwrap()).collect();
        let url = |text: &str| Url::parse(text).unwrap();
        receives_login(registry, &url(own), &url(realm), &configured)
    }

    #[test]
    fn a_login_goes_to_its_registry_and_to_configured_realms() {
        let own = "https://r.io/v2/";
        assert!(sent("r.io", own, "https://r.io/token", &[]));
        assert!(sent("r.io", own, "https://R.IO:443/token", &[]));
        for realm in [
            "https://r.io:444/token",
            "https://auth.r.io/token",
            "https://r.io.evil.io/token",
            "https://r.io@evil.io/token",
            "http://r.io/token",
            "ftp://r.io/token",
        ] {
            assert!(!sent("r.io", own, realm, &["other.io=https://auth.r.io"]), "{realm}");
        }
        assert!(sent("r.io", own, "https://auth.r.io/x", &["r.io=https://auth.r.io"]));
        assert!(sent("docker.io", "https://index.docker.io/v2/", "https://auth.docker.io/t", &[]));
    }

    #[test]
    fn a_login_never_goes_from_https_to_http() {
        let own = "https://r.io/v2/";
        assert!(!sent("r.io", own, "http://auth.r.io/x", &["r.io=http://auth.r.io"]));
        let (plain, realm) = ("http://127.0.0.1:5000/v2/", "http://127.0.0.1:5001/x");
        assert!(!sent("127.0.0.1:5000", plain, realm, &[]));
        let configured = ["127.0.0.1:5000=http://127.0.0.1:5001"];
        assert!(sent("127.0.0.1:5000", plain, realm, &configured));
    }

    #[test]
    fn only_a_request_by_digest_follows_from_https_to_http() {
        let [https, http, ftp] = ["https://r.io/a", "http://r.io/a", "ftp://r.io/a"]
            .map(|text| Url::parse(text).unwrap());
        assert!(may_follow(&https, &http, true) && !may_follow(&https, &http, false));
        assert!(may_follow(&http, &https, false) && may_follow(&http, &http, false));
        assert!(!may_follow(&http, &ftp, true));
    }

    #[test]
    fn an_invalid_realm_is_an_error() {
        for (text, why) in [
            ("r.io", "must be REGISTRY="),
            ("=https://a", "is not the HOST"),
            ("r.io/a=https://a", "is not the HOST"),
            ("r.io=auth.r.io", "relative URL"),
            ("r.io=ftp://a", "must be http or https"),
        ] {
            let error = text.parse::<Realm>().unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
