//! A text on the whole screen: `describe`, evidence, a log, the help.

use std::collections::VecDeque;

use unicode_width::UnicodeWidthChar;

use super::event::Key;

/// Lines that are kept: the newest of a log, the first of another text.
pub const KEPT: usize = 5_000;
/// Characters of a line that are kept.
pub const LONGEST: usize = 4_096;

#[derive(Debug)]
pub struct TextView {
    pub title: String,
    lines: VecDeque<String>,
    /// The number of rows above the screen.
    offset: usize,
    /// Whether the last row stays visible while lines are added.
    is_following: bool,
    size: (u16, u16),
}

impl TextView {
    /// A text that is complete. It must be escaped.
    pub fn of(title: String, text: &str, size: (u16, u16)) -> Self {
        let mut view = Self::empty(title, size);
        view.is_following = false;
        view.lines = text.lines().take(KEPT).map(cut).collect();
        if text.lines().count() > KEPT {
            view.lines.push_back(format!("… only the first {KEPT} lines are shown"));
        }
        view
    }

    /// A text that grows.
    pub fn empty(title: String, size: (u16, u16)) -> Self {
        Self { title, lines: VecDeque::new(), offset: 0, is_following: true, size }
    }

    /// Adds a line, which must be escaped. The oldest is dropped if there are too many.
    pub fn push(&mut self, line: &str) {
        if self.lines.len() >= KEPT
            && let Some(dropped) = self.lines.pop_front()
        {
            self.offset = self.offset.saturating_sub(wrapped(&dropped, self.width()).len());
        }
        self.lines.push_back(cut(line));
    }

    pub fn resize(&mut self, size: (u16, u16)) {
        self.size = size;
        self.scroll_to(self.offset);
    }

    /// Handles a key that scrolls.
    pub fn scroll(&mut self, key: Key) {
        let (page, last) = (self.height().saturating_sub(1).max(1), self.last_offset());
        let at = if self.is_following { last } else { self.offset };
        match key {
            Key::Up | Key::Char('k') => self.scroll_to(at.saturating_sub(1)),
            Key::Down | Key::Char('j') => self.scroll_to(at + 1),
            Key::PageUp | Key::Char('b') => self.scroll_to(at.saturating_sub(page)),
            Key::PageDown | Key::Char(' ') => self.scroll_to(at + page),
            Key::Home | Key::Char('g') => self.scroll_to(0),
            Key::End | Key::Char('G') => self.scroll_to(last),
            _ => {}
        }
    }

    /// A text that grows is followed again from its end.
    fn scroll_to(&mut self, offset: usize) {
        let last = self.last_offset();
        self.is_following = offset >= last;
        self.offset = offset.min(last);
    }

    /// The rows that are visible.
    pub fn visible(&self) -> Vec<&str> {
        let rows = self.rows();
        let last = rows.len().saturating_sub(self.height());
        let from = if self.is_following { last } else { self.offset.min(last) };
        rows.into_iter().skip(from).take(self.height()).collect()
    }

    /// How far the text is scrolled: `40%`, or `all`.
    pub fn position(&self) -> String {
        match self.last_offset() {
            0 => "all".to_owned(),
            _ if self.is_following => "end".to_owned(),
            last => format!("{}%", self.offset * 100 / last),
        }
    }

    fn rows(&self) -> Vec<&str> {
        self.lines.iter().flat_map(|line| wrapped(line, self.width())).collect()
    }

    fn last_offset(&self) -> usize {
        self.rows().len().saturating_sub(self.height())
    }

    fn width(&self) -> usize {
        usize::from(self.size.0).max(1)
    }

    /// The first row of the screen has the title, and the last one the keys.
    fn height(&self) -> usize {
        usize::from(self.size.1).saturating_sub(2)
    }
}

fn cut(line: &str) -> String {
    match line.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", line.get(..at).unwrap_or_default()),
        None => line.to_owned(),
    }
}

/// The rows of a line: as much as fits, up to a space if there is one in the second half.
pub fn wrapped(line: &str, width: usize) -> Vec<&str> {
    let (mut rows, mut rest) = (Vec::new(), line);
    loop {
        let (mut used, mut end, mut space) = (0, None, None);
        for (at, character) in rest.char_indices() {
            used += character.width().unwrap_or(0);
            if used > width {
                end = Some(at);
                break;
            }
            if character == ' ' && used * 2 > width {
                space = Some(at);
            }
        }
        // A character that is wider than the screen is a row of its own.
        let first = rest.chars().next().map_or(0, char::len_utf8);
        let Some(end) = end.map(|end| end.max(first)) else {
            rows.push(rest);
            return rows;
        };
        let (row, after) = rest.split_at(space.unwrap_or(end));
        rows.push(row);
        rest = if space.is_some() { after.trim_start_matches(' ') } else { after };
        if rest.is_empty() {
            return rows;
        }
    }
}
