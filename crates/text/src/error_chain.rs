//! An error with its causes, in one line.

use std::error::Error;

/// The text of an error and of its causes. A cause that the text before it ends with is left out.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let next = error.to_string();
        if !text.ends_with(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Failed {
        text: &'static str,
        #[source]
        source: Option<Box<Failed>>,
    }

    #[test]
    fn each_cause_is_named_once() {
        let failed = |text, source: Option<Failed>| Failed { text, source: source.map(Box::new) };
        let error = failed("a", Some(failed("b: c", Some(failed("c", None)))));
        assert_eq!(chain(&error), "a: b: c");
    }
}
