//! The terminal while the screen is shown: raw mode, its alternate screen, keys.

use std::io;

use crossterm::event::{Event as Input, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use jiff::Timestamp;
use ratatui::DefaultTerminal;

use super::event::{Event, Key};
use super::model::Model;
use super::render;
use super::theme::Theme;

/// The whole terminal, until this is dropped. A panic gives it back before its message is printed.
pub struct WholeTerminal(DefaultTerminal);

impl WholeTerminal {
    pub fn enter() -> io::Result<Self> {
        ratatui::try_init().map(Self).inspect_err(|_| leave())
    }

    /// Its columns and rows.
    pub fn size(&self) -> io::Result<(u16, u16)> {
        let size = self.0.size()?;
        Ok((size.width, size.height))
    }

    pub fn draw(&mut self, model: &Model, now: Timestamp, theme: Theme) -> io::Result<()> {
        self.0.draw(|frame| render::draw(frame, model, now, theme)).map(drop)
    }
}

impl Drop for WholeTerminal {
    fn drop(&mut self) {
        leave();
    }
}

fn leave() {
    // A terminal that was closed has nothing to restore.
    let _ = ratatui::try_restore();
}

/// The event of an input. `None` for what the screen does not know.
pub fn event(input: &Input) -> Option<Event> {
    match input {
        Input::Resize(width, height) => Some(Event::Resized(*width, *height)),
        Input::Key(key) if key.kind != KeyEventKind::Release => self::key(key).map(Event::Key),
        _ => None,
    }
}

fn key(key: &KeyEvent) -> Option<Key> {
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return (key.code == KeyCode::Char('c')).then_some(Key::Interrupt);
    }
    Some(match key.code {
        KeyCode::Char(character) => Key::Char(character),
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        KeyCode::Enter => Key::Enter,
        KeyCode::Esc => Key::Escape,
        KeyCode::Backspace => Key::Backspace,
        _ => return None,
    })
}
