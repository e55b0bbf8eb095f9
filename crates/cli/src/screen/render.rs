//! Draws the state of the screen. Everything that is drawn is a function of the state and the time.

mod footer;
mod header;
mod pane;
mod table;

use jiff::Timestamp;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout};
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use super::model::{Mode, Model};
use super::text_view::TextView;
use super::theme::Theme;

pub fn draw(frame: &mut Frame<'_>, model: &Model, now: Timestamp, theme: Theme) {
    let places = model.places();
    let body = places.table + places.pane;
    let [top, middle, bottom] =
        Layout::vertical([Constraint::Length(1), Constraint::Length(body), Constraint::Length(1)])
            .areas(frame.area());
    if let Mode::Read(view) = &model.mode {
        text(frame, view, theme);
        frame.render_widget(footer::of_text(view, theme), bottom);
        return;
    }
    frame.render_widget(header::line(model, now, theme, top.width), top);
    let [table, pane] =
        Layout::vertical([Constraint::Length(places.table), Constraint::Length(places.pane)])
            .areas(middle);
    table::draw(frame, table, model, now, theme);
    if places.pane > 0 {
        frame.render_widget(pane::paragraph(model, now, theme, pane), pane);
    }
    frame.render_widget(footer::line(model, theme), bottom);
}

fn text(frame: &mut Frame<'_>, view: &TextView, theme: Theme) {
    let title = Line::styled(view.title.as_str(), theme.title());
    let lines = view.visible().into_iter().map(Line::raw);
    let all: Vec<_> = std::iter::once(title).chain(lines).collect();
    frame.render_widget(Paragraph::new(all), frame.area());
}
