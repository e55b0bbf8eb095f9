//! The first line: the containers by state, or that the daemon is away, and what is shown.

use std::collections::BTreeMap;

use jiff::Timestamp;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::super::super::times::since;
use super::super::model::{Daemon, Model};
use super::super::row::Tone;
use super::super::theme::Theme;
use super::table::fitted;

pub fn line(model: &Model, now: Timestamp, theme: Theme, width: u16) -> Line<'static> {
    if let Daemon::Away(why, last) = &model.daemon {
        let since = last.map_or_else(String::new, |last| {
            format!("; this is the state of {} ago", since(Some(last), now))
        });
        let text = format!("The daemon does not answer, trying again{since}: {why}");
        return Line::styled(text, theme.tone(Tone::Bad));
    }
    let right = shown(model);
    let room = usize::from(width).saturating_sub(right.width() + 2);
    let mut spans = Vec::new();
    let mut used: usize = 0;
    // The states are in the order of their urgency: what does not fit matters least.
    for span in counts(model, theme) {
        let left = room.saturating_sub(used);
        let text = fitted(&span.content, left);
        let is_cut = text != span.content;
        used += text.width();
        spans.push(Span::styled(text, span.style));
        if is_cut {
            break;
        }
    }
    let gap = usize::from(width).saturating_sub(used + right.width());
    spans.push(Span::raw(" ".repeat(gap)));
    spans.push(Span::styled(right, theme.faint()));
    Line::from(spans)
}

fn counts(model: &Model, theme: Theme) -> Vec<Span<'static>> {
    let shown = model.list.shown();
    let mut states: BTreeMap<(Tone, &str), usize> = BTreeMap::new();
    for row in &shown {
        // Without the marks.
        let state = row.state.split(',').next().unwrap_or_default();
        let count = states.entry((row.tone, state)).or_default();
        *count = count.saturating_add(1);
    }
    let s = if shown.len() == 1 { "" } else { "s" };
    let total = format!("{} container{s}", shown.len());
    let mut spans = vec![Span::styled(total, theme.title())];
    for ((tone, state), count) in states {
        spans.push(Span::raw(if spans.len() == 1 { ": " } else { ", " }));
        spans.push(Span::styled(format!("{count} {state}"), theme.tone(tone)));
    }
    spans
}

/// The namespaces, the filter and the order.
fn shown(model: &Model) -> String {
    let list = &model.list;
    let filter = match list.filter.as_str() {
        "" => String::new(),
        filter => format!(" with {filter:?}"),
    };
    format!("{}{filter} by {}", list.scope.title(), list.sort.title())
}
