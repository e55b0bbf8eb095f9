//! `pods`, `pod NAME`, `pod/NAME`: what a verb is asked to work on.

use super::error::{Error, Result};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Pod,
    Event,
}

fn kind(word: &str) -> Result<Kind> {
    match word.to_ascii_lowercase().as_str() {
        "pod" | "pods" | "po" => Ok(Kind::Pod),
        "event" | "events" | "ev" => Ok(Kind::Event),
        _ => Err(Error::Usage(format!("no resource type {word:?}: probelet has pods and events"))),
    }
}

/// `pod/NAME`; an adopted container's own name has a slash, too.
fn typed(word: &str) -> bool {
    word.split_once('/').is_some_and(|(word, _)| kind(word).is_ok())
}

/// A type with names, or `TYPE/NAME` over and over.
pub(super) fn resource(words: &[String]) -> Result<(Kind, Vec<String>)> {
    let Some((first, rest)) = words.split_first() else {
        return Err(Error::Usage("a resource type is needed: pods or events".to_owned()));
    };
    if !first.contains('/') {
        if let Some(word) = rest.iter().find(|w| typed(w)) {
            return Err(Error::Usage(format!("{word:?}: the type was already given")));
        }
        return Ok((kind(first)?, rest.to_vec()));
    }
    let mut wanted = None;
    let mut names = Vec::with_capacity(words.len());
    for word in words {
        let (word_kind, name) = word.split_once('/').unwrap_or((word, ""));
        let word_kind = kind(word_kind)?;
        if name.is_empty() || wanted.is_some_and(|k| k != word_kind) {
            return Err(Error::Usage(format!("{word:?}: TYPE/NAME of one type is needed")));
        }
        wanted = Some(word_kind);
        names.push(name.to_owned());
    }
    Ok((wanted.unwrap_or(Kind::Pod), names))
}

/// Pods only, and at least one name.
pub(super) fn pods(words: &[String]) -> Result<Vec<String>> {
    match resource(words)? {
        (Kind::Pod, names) if !names.is_empty() => Ok(names),
        (Kind::Pod, _) => Err(Error::Usage("the name of a pod is needed".to_owned())),
        (Kind::Event, _) => Err(Error::Usage("this works on pods only".to_owned())),
    }
}

/// `NAME` or `pod/NAME`.
pub(super) fn pod(word: &str) -> Result<String> {
    let words = [word.to_owned()];
    if typed(word) {
        return Ok(pods(&words)?.into_iter().collect());
    }
    Ok(word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn every_form() {
        assert_eq!(resource(&words("po")).unwrap(), (Kind::Pod, vec![]));
        assert_eq!(resource(&words("ev web")).unwrap(), (Kind::Event, words("web")));
        assert_eq!(resource(&words("pod/a pods/b")).unwrap(), (Kind::Pod, words("a b")));
        assert_eq!(pods(&words("pod a b")).unwrap(), words("a b"));
        assert_eq!(pod("pod/a").unwrap(), "a");
        assert_eq!(pod("a").unwrap(), "a");
        assert_eq!(pod("default/web").unwrap(), "default/web");
        assert_eq!(pod("pod/default/web").unwrap(), "default/web");
        assert_eq!(pods(&words("pod default/web")).unwrap(), words("default/web"));
    }

    #[test]
    fn wrong_usage() {
        for text in ["service a", "pod/", "pod/a event/b", "pod a pod/b", "pod/a b"] {
            assert!(matches!(resource(&words(text)), Err(Error::Usage(_))), "{text}");
        }
        assert!(pods(&words("pod")).is_err());
        assert!(pod("event/a").is_err());
    }
}
