//! The last line: a question, an input, the result of a call, or the keys.

use ratatui::text::{Line, Span};

use super::super::help::{KEYS, TEXT_KEYS};
use super::super::model::{Mode, Model};
use super::super::row::{Tone, short};
use super::super::text_view::TextView;
use super::super::theme::Theme;

pub fn line(model: &Model, theme: Theme) -> Line<'static> {
    match (&model.mode, &model.note) {
        (Mode::Ask(question), _) => Line::styled(question.text.clone(), theme.asking()),
        (Mode::Type(input), _) => {
            let text = format!("{}{}█", input.label(), short(&input.text));
            Line::styled(text, theme.asking())
        }
        (_, Some(note)) if note.is_error => Line::styled(note.text.clone(), theme.tone(Tone::Bad)),
        (_, Some(note)) => Line::raw(note.text.clone()),
        (_, None) => keys(&KEYS, theme),
    }
}

pub fn of_text(view: &TextView, theme: Theme) -> Line<'static> {
    let mut line = keys(&TEXT_KEYS, theme);
    line.push_span(Span::styled(format!("({})", view.position()), theme.faint()));
    line
}

fn keys(keys: &[(&'static str, &'static str)], theme: Theme) -> Line<'static> {
    let one = |(key, what): &(&'static str, &'static str)| {
        [Span::styled(*key, theme.title()), Span::styled(format!(" {what}  "), theme.faint())]
    };
    Line::from(keys.iter().flat_map(one).collect::<Vec<_>>())
}
