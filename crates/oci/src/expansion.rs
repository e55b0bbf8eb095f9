//! Environment variables and Kubernetes' `$(VAR)` (`third_party/forked/golang/expansion`).

use std::cell::RefCell;

/// Maximum size in bytes of one argument or variable: the kernel's `MAX_ARG_STRLEN`.
const LONGEST: usize = 128 << 10;
/// Maximum size in bytes of all of them together: three quarters of the kernel's `_STK_LIM`.
const LONGEST_OF_ALL: usize = 6 << 20;

/// Error of a text that is longer than this limit in bytes after the expansion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Too long: with its variables replaced it has more than {0} bytes")]
pub struct TooLong(usize);

/// Variables in the order in which their names first appeared.
#[derive(Debug, Default)]
pub struct Env(Vec<(String, String)>);

impl Env {
    /// Sets a variable. A variable of the same name gets the new value and keeps its position.
    pub fn set(&mut self, name: &str, value: String) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    /// Sets variables from lines of the form `NAME=value`.
    pub fn set_all(&mut self, lines: impl IntoIterator<Item = String>) {
        for line in lines {
            let (name, value) = line.split_once('=').unwrap_or((&line, ""));
            self.set(name, value.to_owned());
        }
    }

    /// Returns the variables as `NAME=value`, in their order.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|(name, value)| format!("{name}={value}"))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Expands a text like [`expand`], in which every name must be known.
///
/// # Errors
///
/// A name is unknown, or the result is too long.
pub fn expand_all(text: &str, env: &Env) -> Result<String, String> {
    let unknown = RefCell::new(None);
    let expanded = expand_by(text, |name| {
        let value = env.get(name);
        if value.is_none() {
            unknown.borrow_mut().get_or_insert_with(|| name.to_owned());
        }
        value
    });
    match unknown.into_inner() {
        Some(name) => Err(format!("missing value for {name:?}")),
        None => expanded.map_err(|error| error.to_string()),
    }
}

/// Replaces `$(NAME)` by the value of the variable. An unknown name stays as it is written, and
/// `$$` becomes a dollar sign.
///
/// # Errors
///
/// The result is longer than the kernel accepts.
pub fn expand(text: &str, env: &Env) -> Result<String, TooLong> {
    expand_by(text, |name| env.get(name))
}

/// Expands the arguments of a command like [`expand`].
///
/// # Errors
///
/// An argument, or all of them together, are longer than the kernel accepts.
pub fn expand_words(words: &[String], env: &Env) -> Result<Vec<String>, TooLong> {
    let mut length = 0_usize;
    let expanded = words.iter().map(|word| {
        let word = expand(word, env)?;
        length = length.saturating_add(word.len());
        fits(length).map(|()| word)
    });
    expanded.collect()
}

/// Checks the total size of a program's arguments or variables.
///
/// # Errors
///
/// The size is larger than the kernel accepts.
pub fn fits(length: usize) -> Result<(), TooLong> {
    if length > LONGEST_OF_ALL { Err(TooLong(LONGEST_OF_ALL)) } else { Ok(()) }
}

/// Expands a text. The length is checked after each value, because values that refer to each other
/// can grow exponentially.
fn expand_by<'a>(
    text: &str,
    value_of: impl Fn(&str) -> Option<&'a str>,
) -> Result<String, TooLong> {
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
            if out.len() > LONGEST.max(text.len()) {
                return Err(TooLong(LONGEST));
            }
            rest = after;
        } else {
            out.push('$');
        }
    }
    out.push_str(rest);
    Ok(out)
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
            assert_eq!(expand(text, &env).unwrap(), expected, "{text}");
        }
        let unknown = expand_all("$(A)/$(NONE)", &env);
        assert_eq!(unknown, Err("missing value for \"NONE\"".to_owned()));
    }

    #[test]
    fn values_that_double_each_other_end_at_the_kernels_limit() {
        let mut env = Env::default();
        env.set_all(["A=".to_owned() + &"x".repeat(1 << 10)]);
        let mut last = Ok(String::new());
        for _ in 0..40 {
            last = expand("$(A)$(A)", &env);
            let Ok(value) = &last else { break };
            env.set("A", value.clone());
        }
        assert_eq!(last, Err(TooLong(LONGEST)));
        let words = vec!["$(A)".to_owned(); 100_000];
        assert_eq!(expand_words(&words, &env), Err(TooLong(LONGEST_OF_ALL)));
        let written = "y".repeat(2 * LONGEST) + "$(NONE)";
        assert_eq!(expand(&written, &env).as_deref(), Ok(written.as_str()));
    }

    #[test]
    fn a_later_value_has_the_position_of_the_first() {
        let mut env = Env::default();
        env.set_all(["A=1", "B=2", "A=3", "C"].map(str::to_owned));
        assert_eq!(env.lines().collect::<Vec<_>>(), ["A=3", "B=2", "C="]);
    }
}
