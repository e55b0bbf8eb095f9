//! Environments and Kubernetes' `$(VAR)` (`third_party/forked/golang/expansion`).

use std::cell::RefCell;

/// In the order of first appearance; a later value of the same name takes its place.
#[derive(Debug, Default)]
pub(in crate::runtime) struct Env(Vec<(String, String)>);

impl Env {
    pub(in crate::runtime) fn set(&mut self, name: &str, value: String) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    /// Lines as `NAME=value`.
    pub(in crate::runtime) fn set_all(&mut self, lines: impl IntoIterator<Item = String>) {
        for line in lines {
            let (name, value) = line.split_once('=').unwrap_or((&line, ""));
            self.set(name, value.to_owned());
        }
    }

    pub(in crate::runtime) fn lines(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|(name, value)| format!("{name}={value}"))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// [`expand`] for whom every name must be known; the error is the one that is not.
pub(in crate::runtime) fn expand_all(text: &str, env: &Env) -> Result<String, String> {
    let unknown = RefCell::new(None);
    let expanded = expand_by(text, |name| {
        let value = env.get(name);
        if value.is_none() {
            unknown.borrow_mut().get_or_insert_with(|| name.to_owned());
        }
        value
    });
    unknown.into_inner().map_or(Ok(expanded), Err)
}

/// `$(NAME)` becomes the value; an unknown name stays as written, and `$$` is a dollar sign.
pub(in crate::runtime) fn expand(text: &str, env: &Env) -> String {
    expand_by(text, |name| env.get(name))
}

fn expand_by<'a>(text: &str, value_of: impl Fn(&str) -> Option<&'a str>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        rest = after;
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some((name, after)) =
            rest.strip_prefix('(').and_then(|inner| inner.split_once(')'))
        {
            match value_of(name) {
                Some(value) => out.push_str(value),
                None => out.push_str(&format!("$({name})")),
            }
            rest = after;
        } else {
            out.push('$');
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expansion_is_kubernetes() {
        let mut env = Env::default();
        env.set_all(["A=1", "B=$(A)", "EMPTY="].map(str::to_owned));
        for (text, expected) in [
            ("$(A)", "1"),
            ("x$(A)y$(A)", "x1y1"),
            ("$(B)", "$(A)"),
            ("$(EMPTY)!", "!"),
            ("$(NONE)", "$(NONE)"),
            ("$$(A)", "$(A)"),
            ("$$$(A)", "$1"),
            ("$A ${A}", "$A ${A}"),
            ("$(A", "$(A"),
            ("$", "$"),
            ("a$$", "a$"),
            ("", ""),
            ("$()", "$()"),
            ("$($(A))", "$($(A))"),
        ] {
            assert_eq!(expand(text, &env), expected, "{text}");
        }
    }

    #[test]
    fn a_later_value_wins_in_the_place_of_the_first() {
        let mut env = Env::default();
        env.set_all(["A=1", "B=2", "A=3", "C"].map(str::to_owned));
        assert_eq!(env.lines().collect::<Vec<_>>(), ["A=3", "B=2", "C="]);
    }
}
