//! The selected container: its state, its probes, and how it ended.

use jiff::Timestamp;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Paragraph};

use super::super::model::Model;
use super::super::row::{Probe, Row};
use super::super::spark::spark;
use super::super::theme::Theme;

/// The columns of a title, and of a probe's latency.
const TITLE: usize = 11;
const LATENCY: usize = 8;

pub fn paragraph<'a>(model: &'a Model, now: Timestamp, theme: Theme, area: Rect) -> Paragraph<'a> {
    let block = Block::new().borders(Borders::TOP).border_style(theme.faint());
    let Some(row) = model.list.selected() else { return Paragraph::new("").block(block) };
    let title = Span::styled(format!(" {} ", row.id), theme.title());
    let width = usize::from(area.width);
    let mut lines = vec![state(row, now, theme)];
    lines.extend(row.probes.iter().map(|one| probe(model, row, one, now, theme, width)));
    // The exits take the lines that are left.
    let left = usize::from(area.height).saturating_sub(lines.len() + 1);
    for (index, end) in row.end_lines(now).take(left).enumerate() {
        let title = if index == 0 { "Exits" } else { "" };
        lines.push(Line::from(vec![named(title, theme), Span::raw(end)]));
    }
    Paragraph::new(lines).block(block.title(title))
}

fn state(row: &Row, now: Timestamp, theme: Theme) -> Line<'static> {
    let text = Span::styled(row.state_line(now), theme.tone(row.tone));
    Line::from(vec![named("State", theme), text])
}

fn probe(
    model: &Model,
    row: &Row,
    probe: &Probe,
    now: Timestamp,
    theme: Theme,
    width: usize,
) -> Line<'static> {
    let bars = (width / 6).min(super::super::history::KEPT);
    let samples = model.list.histories.of(&row.id, probe.kind);
    let mut spans = vec![named(probe.title, theme)];
    spans.extend(bar_spans(&spark(samples, bars), theme));
    spans.push(Span::raw(format!(" {:>LATENCY$}  ", probe.latency())));
    spans.push(Span::styled(probe.result(now), theme.tone(probe.tone)));
    Line::from(spans)
}

/// The bars of a probe, each in the colour of its result.
pub fn bar_spans(bars: &[(char, super::super::row::Tone)], theme: Theme) -> Vec<Span<'static>> {
    let one = |(bar, tone): &(char, _)| Span::styled(bar.to_string(), theme.tone(*tone));
    bars.iter().map(one).collect()
}

fn named(title: &str, theme: Theme) -> Span<'static> {
    Span::styled(format!("{title:<TITLE$}"), theme.faint())
}
