//! Image names, parsed and completed as in Docker and containerd.

/// Registry of a name without a host.
const DOCKER_HUB: &str = "docker.io";

/// Parts of a valid image name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reference {
    /// `HOST` or `HOST:PORT`.
    pub registry: String,
    /// Path below the registry, such as `library/busybox`.
    pub repository: String,
    /// Tag; `latest` by default, `None` in a name that has only a digest.
    pub tag: Option<String>,
    /// Digest: `sha256:` or `sha512:`, and hexadecimal digits.
    pub digest: Option<String>,
}

impl Reference {
    /// Parses a name and completes it with the registry and the tag.
    ///
    /// # Errors
    ///
    /// The kubelet's text for an invalid name.
    pub fn parse(name: &str) -> Result<Self, String> {
        let invalid = || format!("couldn't parse image name {name:?}: invalid reference format");
        let full = normalise(name);
        let (named, digest) = match full.split_once('@') {
            Some((named, digest)) => (named, Some(digest)),
            None => (full.as_str(), None),
        };
        let (registry, path) = named.split_once('/').ok_or_else(invalid)?;
        let (path, tag) = match path.split_once(':') {
            Some((path, tag)) => (path, Some(tag)),
            None => (path, None),
        };
        let good = is_host(registry)
            && path.len() <= 255
            && path.split('/').all(is_component)
            && tag.is_none_or(is_tag)
            && digest.is_none_or(is_digest);
        if !good {
            return Err(invalid());
        }
        Ok(Self {
            registry: registry.to_owned(),
            repository: path.to_owned(),
            tag: tag.map(str::to_owned),
            digest: digest.map(str::to_owned),
        })
    }
}

fn is_host(host: &str) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (host, None),
    };
    let literal = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let named = match literal {
        Some(address) => address.bytes().all(|b| b.is_ascii_hexdigit() || b == b':'),
        None => name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-')),
    };
    !name.is_empty() && named && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

/// Returns whether a part of the path has lower-case letters and digits, with single separators
/// between them.
fn is_component(part: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let ends = part.bytes().next().is_some_and(plain) && part.bytes().last().is_some_and(plain);
    let known = part.bytes().all(|b| plain(b) || matches!(b, b'.' | b'_' | b'-'));
    ends && known && !["..", "___", "._", "_.", ".-", "-."].iter().any(|bad| part.contains(bad))
}

fn is_tag(tag: &str) -> bool {
    let is_edge = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    tag.len() <= 128
        && tag.bytes().next().is_some_and(is_edge)
        && tag.bytes().all(|b| is_edge(b) || matches!(b, b'.' | b'-'))
}

/// Returns whether the digest is of an algorithm that containerd's store can verify: SHA-256 or
/// SHA-512.
fn is_digest(digest: &str) -> bool {
    let hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    match digest.split_once(':') {
        Some(("sha256", text)) => hex(text, 64),
        Some(("sha512", text)) => hex(text, 128),
        _ => false,
    }
}

/// Returns whether a name means the tag `latest`, for which Kubernetes' default policy is `Always`.
pub fn is_latest(name: &str) -> bool {
    let full = normalise(name);
    !full.contains('@') && full.ends_with(":latest")
}

/// Completes a name as Docker does: `busybox` → `docker.io/library/busybox:latest`.
pub fn normalise(name: &str) -> String {
    let is_host = |host: &str| {
        host.contains(['.', ':']) || host == "localhost" || host.to_lowercase() != host
    };
    let (host, path) = match name.split_once('/') {
        Some(("index.docker.io", path)) => (DOCKER_HUB, path),
        Some((host, path)) if is_host(host) => (host, path),
        _ => (DOCKER_HUB, name),
    };
    let library = if host == DOCKER_HUB && !path.contains('/') { "library/" } else { "" };
    let mut full = format!("{host}/{library}{path}");
    if repository(&full) == full {
        full.push_str(":latest");
    }
    full
}

/// Returns a name without its tag and digest.
pub fn repository(name: &str) -> &str {
    let name = name.split_once('@').map_or(name, |(name, _)| name);
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_completed_as_in_docker() {
        for (name, full) in [
            ("busybox", "docker.io/library/busybox:latest"),
            ("busybox:1.36", "docker.io/library/busybox:1.36"),
            ("docker.io/busybox", "docker.io/library/busybox:latest"),
            ("index.docker.io/a/b", "docker.io/a/b:latest"),
            ("luksa/kubia-unhealthy", "docker.io/luksa/kubia-unhealthy:latest"),
            ("localhost/a", "localhost/a:latest"),
            ("localhost:5000/a", "localhost:5000/a:latest"),
            ("registry.k8s.io/pause:3.9", "registry.k8s.io/pause:3.9"),
            ("a@sha256:00", "docker.io/library/a@sha256:00"),
        ] {
            assert_eq!(normalise(name), full);
        }
    }

    #[test]
    fn a_repository_is_a_name_without_tag_and_digest() {
        for (name, expected) in [
            ("docker.io/library/a:1", "docker.io/library/a"),
            ("localhost:5000/a", "localhost:5000/a"),
            ("localhost:5000/a:1@sha256:00", "localhost:5000/a"),
            ("a@sha256:00", "a"),
        ] {
            assert_eq!(repository(name), expected);
        }
    }

    #[test]
    fn a_name_is_parsed_into_its_parts() {
        let digest = format!("sha256:{}", "0a".repeat(32));
        let named = Reference::parse(&format!("r.io:5000/a/b-c__d:V1.2@{digest}")).unwrap();
        assert_eq!((named.registry.as_str(), named.repository.as_str()), ("r.io:5000", "a/b-c__d"));
        assert_eq!((named.tag.as_deref(), named.digest.as_ref()), (Some("V1.2"), Some(&digest)));
        assert_eq!(Reference::parse("a").unwrap().tag.as_deref(), Some("latest"));
        assert_eq!(Reference::parse(&format!("a@{digest}")).unwrap().tag, None);
        assert_eq!(Reference::parse("[::1]:5000/a").unwrap().registry, "[::1]:5000");
    }

    #[test]
    fn an_invalid_name_is_refused() {
        for bad in [
            "",
            "A",
            "a:",
            "a:b:c",
            "a/../b",
            "a//b",
            "-a",
            "a@sha256:00",
            "a b",
            "r.io:x/a",
            "a:-1",
            "a/b_",
            "http://r.io/a",
            "r.io/",
        ] {
            let error = Reference::parse(bad).unwrap_err();
            assert!(error.ends_with("invalid reference format"), "{bad}: {error}");
        }
    }
}
