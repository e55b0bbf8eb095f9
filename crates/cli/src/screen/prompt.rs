//! What the last line asks for.

use super::command::Call;
use super::event::Key;

/// Characters of an input.
const LONGEST: usize = 100;

/// A question before a container is changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    pub text: String,
    pub call: Call,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    Filter,
    Namespace,
}

/// A text that is being typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    pub field: Field,
    pub text: String,
}

/// What a key did to an input.
#[derive(Debug, PartialEq, Eq)]
pub enum Typed {
    More,
    Entered,
    Dropped,
}

impl Input {
    pub fn of(field: Field) -> Self {
        Self { field, text: String::new() }
    }

    pub fn label(&self) -> &'static str {
        match self.field {
            Field::Filter => "filter: ",
            Field::Namespace => "namespace: ",
        }
    }

    pub fn key(&mut self, key: Key) -> Typed {
        match key {
            Key::Enter => return Typed::Entered,
            Key::Escape => return Typed::Dropped,
            Key::Backspace if self.text.is_empty() => return Typed::Dropped,
            Key::Backspace => drop(self.text.pop()),
            Key::Char(typed) if self.text.chars().count() < LONGEST => self.text.push(typed),
            _ => {}
        }
        Typed::More
    }
}
