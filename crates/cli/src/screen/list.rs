//! The containers: which are shown, in which order, and which is selected.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use jiff::Timestamp;
use probelet_api::pb;

use super::super::loads::loads;
use super::super::namespace::Namespaces;
use super::event::Key;
use super::history::Histories;
use super::row::{Id, Row};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    Name,
    State,
    Restarts,
    Cpu,
    Memory,
}

impl Sort {
    fn next(self) -> Self {
        match self {
            Self::Name => Self::State,
            Self::State => Self::Restarts,
            Self::Restarts => Self::Cpu,
            Self::Cpu => Self::Memory,
            Self::Memory => Self::Name,
        }
    }

    pub fn title(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::State => "state",
            Self::Restarts => "restarts",
            Self::Cpu => "CPU",
            Self::Memory => "memory",
        }
    }
}

#[derive(Debug)]
pub struct List {
    pub scope: Namespaces,
    /// The namespaces before all were chosen.
    before_all: Namespaces,
    /// Only this pod; all if empty.
    pod: String,
    pub filter: String,
    pub sort: Sort,
    pub histories: Histories,
    /// All containers in the order of their names.
    rows: Vec<Row>,
    usage: Vec<pb::Usage>,
    selected: Option<Id>,
    /// Where the selected container was, for when it is gone.
    position: usize,
    /// The first container that is visible.
    offset: usize,
}

impl List {
    pub fn new(scope: Namespaces, pod: String) -> Self {
        let before_all = if scope.are_all() { Namespaces::default() } else { scope.clone() };
        Self {
            scope,
            before_all,
            pod,
            filter: String::new(),
            sort: Sort::Name,
            histories: Histories::default(),
            rows: Vec::new(),
            usage: Vec::new(),
            selected: None,
            position: 0,
            offset: 0,
        }
    }

    /// Takes the daemon's answer.
    pub fn update(&mut self, containers: &[pb::Container], usage: Vec<pb::Usage>, now: Timestamp) {
        let is_one = |row: &Row| self.pod.is_empty() || row.id.pod == self.pod;
        let rows = containers.iter().filter_map(|container| Row::of(container, now));
        let mut rows: Vec<Row> = rows.filter(is_one).collect();
        let before: BTreeMap<&Id, &Row> = self.rows.iter().map(|row| (&row.id, row)).collect();
        for row in &mut rows {
            if let Some(before) = before.get(&row.id) {
                row.keep_probes(before);
            }
        }
        self.rows = rows;
        let mut loads = loads(&self.usage, &usage);
        self.usage = usage;
        for row in &mut self.rows {
            let Id { namespace, pod, container } = row.id.clone();
            row.load = loads.remove(&((namespace, pod), container));
        }
        self.rows.sort_by(|one, other| one.id.cmp(&other.id));
        self.histories.add(&self.rows);
    }

    /// The containers that are shown, in their order.
    pub fn shown(&self) -> Vec<&Row> {
        let filter = self.filter.to_lowercase();
        let has_text = |text: &str| text.to_lowercase().contains(&filter);
        let is_shown = |row: &&Row| {
            let Id { namespace, pod, container } = &row.id;
            self.scope.shows(namespace)
                && (has_text(&row.state)
                    || [namespace, pod, container].into_iter().any(|name| has_text(name)))
        };
        let mut shown: Vec<&Row> = self.rows.iter().filter(is_shown).collect();
        match self.sort {
            Sort::Name => {}
            Sort::State => {
                shown.sort_by(|one, other| (one.tone, &one.state).cmp(&(other.tone, &other.state)))
            }
            Sort::Restarts => shown.sort_by_key(|row| Reverse(row.restarts)),
            Sort::Cpu => shown.sort_by_key(|row| Reverse(row.load.map(|load| load.millicores))),
            Sort::Memory => shown.sort_by_key(|row| Reverse(row.load.map(|load| load.memory))),
        }
        shown
    }

    pub fn selected(&self) -> Option<&Row> {
        self.shown().get(self.position).copied()
    }

    /// The containers that are visible on so many rows, and which of them is selected.
    pub fn visible(&self, rows: usize) -> (Vec<&Row>, usize) {
        let shown = self.shown().into_iter().skip(self.offset).take(rows).collect();
        (shown, self.position.saturating_sub(self.offset))
    }

    pub fn next_sort(&mut self) {
        self.sort = self.sort.next();
    }

    /// Shows the containers of all namespaces, or again of those before.
    pub fn toggle_all(&mut self) {
        if self.scope.are_all() {
            self.scope = self.before_all.clone();
        } else {
            self.before_all = std::mem::replace(&mut self.scope, Namespaces::all());
        }
    }

    /// Handles a key that selects.
    pub fn select(&mut self, key: Key, rows: usize) {
        let last = self.shown().len().saturating_sub(1);
        let at = self.position;
        self.position = match key {
            Key::Up | Key::Char('k') => at.saturating_sub(1),
            Key::Down | Key::Char('j') => at + 1,
            Key::PageUp => at.saturating_sub(rows),
            Key::PageDown => at + rows,
            Key::Home | Key::Char('g') => 0,
            Key::End | Key::Char('G') => last,
            _ => at,
        }
        .min(last);
        self.selected = self.selected().map(|row| row.id.clone());
    }

    /// Finds the selected container again after a change, or the one in its position, and keeps it
    /// visible.
    pub fn settle(&mut self, rows: usize) {
        let shown = self.shown();
        let found = shown.iter().position(|row| Some(&row.id) == self.selected.as_ref());
        let position = found.unwrap_or(self.position).min(shown.len().saturating_sub(1));
        let selected = shown.get(position).map(|row| row.id.clone());
        // A screen that is too low for one row has the selected one.
        let rows = rows.max(1);
        let most = shown.len().saturating_sub(rows);
        self.offset = self.offset.clamp((position + 1).saturating_sub(rows), position).min(most);
        (self.position, self.selected) = (position, selected);
    }
}
