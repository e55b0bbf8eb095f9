//! The table of containers.

use jiff::Timestamp;
use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Paragraph, Row as TableRow, Table, TableState};
use unicode_width::UnicodeWidthStr;

use super::super::model::{Daemon, Model};
use super::super::row::{KINDS, Probe, Row};
use super::super::spark::spark;
use super::super::theme::Theme;
use super::pane::bar_spans;

/// From this width on each kind of probe has its column, and there is one for the last failure.
const WIDE: u16 = 110;
/// The width of a column for the probes of one kind: bars, and the latency.
const PROBE: usize = 18;
const LATENCY: usize = 7;
/// The least width of the column of the most important probe.
const LEAST_PROBE: usize = 15;
/// The widths below which a name, and above which bars, are not useful.
const NARROWEST_NAME: usize = 12;
/// The width that a name may have on a wide screen, also if less is left for the last failure.
const NAME: usize = 24;
const WIDEST_BARS: usize = 30;

pub fn draw(frame: &mut Frame<'_>, area: Rect, model: &Model, now: Timestamp, theme: Theme) {
    let (rows, selected) = model.list.visible(model.places().rows());
    if rows.is_empty() {
        frame.render_widget(Paragraph::new(nothing(model)), area);
        return;
    }
    let columns = Columns::of(model, now, area.width);
    let titles = columns.titles().into_iter().map(Line::raw);
    let titles = TableRow::new(titles.collect::<Vec<_>>()).style(theme.title());
    let cells = rows.iter().map(|row| TableRow::new(columns.cells(row, model, now, theme)));
    let widths = columns.widths().into_iter().map(|width| Constraint::Length(clamp(width)));
    let table = Table::new(cells, widths)
        .header(titles)
        .column_spacing(1)
        .row_highlight_style(theme.selected());
    let mut state = TableState::new().with_selected(selected);
    frame.render_stateful_widget(table, area, &mut state);
}

fn nothing(model: &Model) -> String {
    let list = &model.list;
    match (&model.daemon, list.filter.as_str()) {
        (Daemon::Answered(_), "") => {
            let all = if list.scope.are_all() { "" } else { " Press A for all namespaces." };
            format!("No containers in {}.{all}", list.scope.title())
        }
        (Daemon::Answered(_), filter) => {
            format!("No container has {filter:?} in its names or its state. Press Esc for all.")
        }
        _ => String::new(),
    }
}

fn clamp(width: usize) -> u16 {
    u16::try_from(width).unwrap_or(u16::MAX)
}

/// The columns, and the width of each. A width of 0 means that there is no such column.
struct Columns {
    namespace: usize,
    pod: usize,
    container: usize,
    state: usize,
    restarts: usize,
    /// One column for the most important probe of each container.
    probe: usize,
    /// The kinds that have a column of their own.
    kinds: Vec<(&'static str, &'static str)>,
    failure: usize,
}

const CPU: usize = 5;
const MEMORY: usize = 6;

impl Columns {
    /// The widths depend on all containers that are shown, so that they stay while one scrolls.
    fn of(model: &Model, now: Timestamp, width: u16) -> Self {
        let rows = model.list.shown();
        let is_wide = width >= WIDE;
        let widest = |title: &str, text: &dyn Fn(&Row) -> String, most: usize| {
            let widths = rows.iter().map(|row| text(row).width());
            widths.max().unwrap_or_default().max(title.len()).min(most)
        };
        let has_several = rows.iter().any(|row| row.id.container != row.id.pod);
        let most = if is_wide { 40 } else { 14 };
        let mut columns = Self {
            namespace: match model.list.scope.are_all() {
                true => widest("NAMESPACE", &|row| row.id.namespace.clone(), most),
                false => 0,
            },
            pod: widest("POD", &|row| row.id.pod.clone(), 60),
            container: match has_several {
                true => widest("CONTAINER", &|row| row.id.container.clone(), most),
                false => 0,
            },
            state: widest("STATE", &|row| row.state.clone(), if is_wide { 30 } else { 17 }),
            restarts: widest("RESTARTS", &|row| restarts(row, now, is_wide), 16),
            probe: 0,
            kinds: Vec::new(),
            failure: 0,
        };
        if is_wide {
            let has = |kind: &str| rows.iter().any(|row| row.probes.iter().any(|p| p.kind == kind));
            columns.kinds = KINDS.into_iter().filter(|(kind, _)| has(kind)).collect();
        }
        columns.share(usize::from(width), is_wide);
        columns
    }

    /// Gives the name of the pod and the last column what is left.
    fn share(&mut self, width: usize, is_wide: bool) {
        self.failure = usize::from(is_wide);
        self.probe = usize::from(!is_wide);
        let gaps = self.widths().len().saturating_sub(1);
        let fixed: usize = self.widths().into_iter().sum::<usize>() + gaps - self.pod - 1;
        let left = width.saturating_sub(fixed);
        let most = match is_wide {
            true => (left / 2).max(NAME),
            false => left.saturating_sub(LEAST_PROBE).max(NARROWEST_NAME),
        };
        self.pod = self.pod.min(most);
        let last = left.saturating_sub(self.pod);
        match is_wide {
            true => self.failure = last,
            false => self.probe = last,
        }
    }

    fn widths(&self) -> Vec<usize> {
        let Self { namespace, pod, container, state, restarts, probe, kinds, failure } = self;
        let first = [*namespace, *pod, *container, *state, *restarts, CPU, MEMORY, *probe];
        let kinds = kinds.iter().map(|_| PROBE);
        first.into_iter().chain(kinds).chain([*failure]).filter(|width| *width > 0).collect()
    }

    fn titles(&self) -> Vec<String> {
        let named = |title: &str, width: usize| (width > 0).then(|| title.to_owned());
        let first = [
            named("NAMESPACE", self.namespace),
            named("POD", self.pod),
            named("CONTAINER", self.container),
            named("STATE", self.state),
            named("RESTARTS", self.restarts),
            Some(format!("{:>CPU$}", "CPU")),
            Some(format!("{:>MEMORY$}", "MEM")),
            named("PROBE", self.probe),
        ];
        let kinds = self.kinds.iter().map(|(_, title)| Some(title.to_uppercase()));
        let last = named("LAST FAILURE", self.failure);
        first.into_iter().chain(kinds).chain([last]).flatten().collect()
    }

    fn cells(&self, row: &Row, model: &Model, now: Timestamp, theme: Theme) -> Vec<Cell<'static>> {
        let text = |text: &str, width: usize| (width > 0).then(|| Line::raw(fitted(text, width)));
        let name =
            |text: &str, width: usize| (width > 0).then(|| Line::raw(short_name(text, width)));
        let is_wide = self.probe == 0;
        let right = |text: String| Some(Line::raw(text).alignment(Alignment::Right));
        let [cpu, memory] = row.load.map_or_else(|| ["-".into(), "-".into()], |load| load.cells());
        let state = Line::styled(fitted(&row.state, self.state), theme.tone(row.tone));
        let first = [
            name(&row.id.namespace, self.namespace),
            name(&row.id.pod, self.pod),
            name(&row.id.container, self.container),
            Some(state),
            text(&restarts(row, now, is_wide), self.restarts),
            right(cpu),
            right(memory),
            (!is_wide).then(|| important(row, model, theme, self.probe)),
        ];
        let kinds = self.kinds.iter().map(|(kind, _)| {
            let probe = row.probes.iter().find(|probe| probe.kind == *kind);
            Some(probe.map_or_else(Line::default, |probe| bars(row, probe, model, theme, PROBE)))
        });
        let failure = row.last_failure(now).unwrap_or_default();
        let last = text(&failure, self.failure);
        first.into_iter().chain(kinds).chain([last]).flatten().map(Cell::from).collect()
    }
}

/// `2 (3s ago)`, or `2 (3s)`.
fn restarts(row: &Row, now: Timestamp, is_wide: bool) -> String {
    let text = row.restarts(now);
    if is_wide { text } else { text.replace(" ago", "") }
}

/// The probe that fails, else that of liveness, else the first.
fn important(row: &Row, model: &Model, theme: Theme, width: usize) -> Line<'static> {
    let is_liveness = |probe: &&Probe| probe.kind == "liveness";
    let failing = row.probes.iter().min_by_key(|probe| (probe.tone, !is_liveness(probe)));
    let Some(probe) = failing else { return Line::default() };
    let name: String = probe.title.chars().take(1).collect();
    let mut line = bars(row, probe, model, theme, width.saturating_sub(2).min(WIDEST_BARS));
    line.spans.insert(0, Span::styled(format!("{name} "), theme.faint()));
    line
}

fn bars(row: &Row, probe: &Probe, model: &Model, theme: Theme, width: usize) -> Line<'static> {
    let samples = model.list.histories.of(&row.id, probe.kind);
    let mut spans = bar_spans(&spark(samples, width.saturating_sub(LATENCY + 1)), theme);
    spans.push(Span::raw(format!(" {:>LATENCY$}", probe.latency())));
    Line::from(spans)
}

/// A name that is cut in its middle if it is too long: names often differ at their ends.
fn short_name(name: &str, width: usize) -> String {
    if name.width() <= width {
        return name.to_owned();
    }
    let start = fitted(name, width.div_ceil(2));
    let room = width.saturating_sub(start.width());
    let mut end = name;
    while end.width() > room {
        let first = end.chars().next().map_or(0, char::len_utf8);
        end = end.get(first..).unwrap_or_default();
    }
    format!("{start}{end}")
}

/// A text that is cut visibly if it is too long.
pub fn fitted(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut cut = String::new();
    for character in text.chars() {
        let next = format!("{cut}{character}");
        if next.width() >= width {
            break;
        }
        cut = next;
    }
    cut.push('…');
    cut
}
