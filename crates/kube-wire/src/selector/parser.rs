//! The grammar of label selectors. `in` and `notin` are operators behind a key, and names elsewhere.

use std::collections::BTreeSet;

use super::lexer::{Kind, Token, tokens};
use super::names;
use super::requirement::{Operator, Requirement};

struct Parser<'a> {
    tokens: Vec<Token<'a>>,
    at: usize,
}

/// The requirements of a selector, or Kubernetes' text of what is wrong.
pub(super) fn parse(text: &str) -> Result<Vec<Requirement>, String> {
    Parser { tokens: tokens(text), at: 0 }.selector()
}

impl<'a> Parser<'a> {
    /// The next token, where `in` and `notin` are names.
    fn peek(&self) -> Token<'a> {
        let token = self.operator_token();
        match token.kind {
            Kind::In | Kind::NotIn => Token { kind: Kind::Identifier, ..token },
            _ => token,
        }
    }

    fn operator_token(&self) -> Token<'a> {
        self.tokens.get(self.at).copied().unwrap_or(Token { kind: Kind::End, text: "" })
    }

    fn next(&mut self) -> Token<'a> {
        let token = self.peek();
        self.at += 1;
        token
    }

    fn selector(mut self) -> Result<Vec<Requirement>, String> {
        let mut requirements = Vec::new();
        loop {
            let token = self.peek();
            match token.kind {
                Kind::Identifier | Kind::Not => {}
                Kind::End => return Ok(requirements),
                _ => {
                    let text = token.text;
                    return Err(format!(
                        "found '{text}', expected: !, identifier, or 'end of string'"
                    ));
                }
            }
            let requirement = self.requirement();
            requirements.push(
                requirement.map_err(|error| format!("unable to parse requirement: {error}"))?,
            );
            let token = self.next();
            match token.kind {
                Kind::End => return Ok(requirements),
                Kind::Comma => {
                    let after = self.peek();
                    if !matches!(after.kind, Kind::Identifier | Kind::Not) {
                        let text = after.text;
                        return Err(format!("found '{text}', expected: identifier after ','"));
                    }
                }
                _ => {
                    let text = token.text;
                    return Err(format!("found '{text}', expected: ',' or 'end of string'"));
                }
            }
        }
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let mut token = self.next();
        let negated = token.kind == Kind::Not;
        if negated {
            token = self.next();
        }
        if token.kind != Kind::Identifier {
            return Err(format!("found '{}', expected: identifier", token.text));
        }
        let key = token.text;
        if let Some(error) = names::key_error(key) {
            return Err(format!("<nil>: Invalid value: {key:?}: {error}"));
        }
        if negated {
            return Requirement::new(key, Operator::DoesNotExist, BTreeSet::new());
        }
        if matches!(self.peek().kind, Kind::End | Kind::Comma) {
            return Requirement::new(key, Operator::Exists, BTreeSet::new());
        }
        let operator = self.operator()?;
        let values = match operator {
            Operator::In | Operator::NotIn => self.values()?,
            _ => self.value()?,
        };
        Requirement::new(key, operator, values)
    }

    fn operator(&mut self) -> Result<Operator, String> {
        let token = self.operator_token();
        self.at += 1;
        Ok(match token.kind {
            Kind::In => Operator::In,
            Kind::NotIn => Operator::NotIn,
            Kind::Equals => Operator::Equals,
            Kind::DoubleEquals => Operator::DoubleEquals,
            Kind::NotEquals => Operator::NotEquals,
            Kind::Greater => Operator::GreaterThan,
            Kind::Less => Operator::LessThan,
            _ => {
                let text = token.text;
                return Err(format!("found '{text}', expected: in, notin, =, ==, !=, gt, lt"));
            }
        })
    }

    /// The value of an exact match, which may be empty.
    fn value(&mut self) -> Result<BTreeSet<String>, String> {
        if matches!(self.peek().kind, Kind::End | Kind::Comma) {
            return Ok([String::new()].into());
        }
        let token = self.next();
        match token.kind {
            Kind::Identifier => Ok([token.text.to_owned()].into()),
            _ => Err(format!("found '{}', expected: identifier", token.text)),
        }
    }

    /// The values in brackets. `(a,,b)` has the empty value too.
    fn values(&mut self) -> Result<BTreeSet<String>, String> {
        let open = self.next();
        if open.kind != Kind::Open {
            return Err(format!("found '{}' expected: '('", open.text));
        }
        let mut values = BTreeSet::new();
        let mut empty = true;
        loop {
            let token = self.next();
            match token.kind {
                Kind::Identifier => {
                    values.insert(token.text.to_owned());
                    empty = false;
                    let after = self.peek();
                    if !matches!(after.kind, Kind::Comma | Kind::Close) {
                        let text = after.text;
                        return Err(format!("found '{text}', expected: ',' or ')'"));
                    }
                }
                Kind::Comma => {
                    if empty {
                        values.insert(String::new());
                    }
                    empty = true;
                }
                Kind::Close => {
                    if empty {
                        values.insert(String::new());
                    }
                    return Ok(values);
                }
                _ => {
                    let text = token.text;
                    return Err(format!("found '{text}', expected: ',', ')' or identifier"));
                }
            }
        }
    }
}
