//! The tokens of a label selector.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    End,
    Close,
    Comma,
    Not,
    DoubleEquals,
    Equals,
    Greater,
    Identifier,
    In,
    Less,
    NotEquals,
    NotIn,
    Open,
}

/// A token, and its text for errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a str,
}

const SYMBOLS: [(&str, Kind); 9] = [
    ("==", Kind::DoubleEquals),
    ("!=", Kind::NotEquals),
    ("=", Kind::Equals),
    ("!", Kind::Not),
    ("(", Kind::Open),
    (")", Kind::Close),
    (",", Kind::Comma),
    (">", Kind::Greater),
    ("<", Kind::Less),
];

/// All tokens of a text; the last one is `End`.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let is_space = |c: char| matches!(c, ' ' | '\t' | '\r' | '\n');
    let mut tokens = Vec::new();
    let mut rest = text.trim_start_matches(is_space);
    while !rest.is_empty() {
        let symbol = SYMBOLS.iter().find(|(symbol, _)| rest.starts_with(symbol));
        let (length, kind) = match symbol {
            Some((symbol, kind)) => (symbol.len(), Some(*kind)),
            None => {
                let ends = |c: char| is_space(c) || "=!(),><".contains(c);
                (rest.find(ends).unwrap_or(rest.len()), None)
            }
        };
        let Some((token, after)) = rest.split_at_checked(length) else { break };
        let kind = kind.unwrap_or(match token {
            "in" => Kind::In,
            "notin" => Kind::NotIn,
            _ => Kind::Identifier,
        });
        tokens.push(Token { kind, text: token });
        rest = after.trim_start_matches(is_space);
    }
    tokens.push(Token { kind: Kind::End, text: "" });
    tokens
}
