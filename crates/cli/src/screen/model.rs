//! The state of the screen. Events change it; the commands that they return are carried out by the
//! adapter.

use jiff::Timestamp;

use super::super::namespace::Namespaces;
use super::command::{Call, Command};
use super::event::{Event, Key};
use super::help;
use super::list::List;
use super::log_lines::LogLines;
use super::places::Places;
use super::prompt::{Field, Input, Question, Typed};
use super::row::{Id, short};
use super::text_view::TextView;

/// What the daemon was like when it was last asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Daemon {
    /// It has not answered yet.
    Asked,
    Answered(Timestamp),
    /// It does not answer, why, and when it last did.
    Away(String, Option<Timestamp>),
}

#[derive(Debug)]
pub enum Mode {
    List,
    Ask(Question),
    Type(Input),
    Read(TextView),
}

/// What the last line says about a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    pub text: String,
    pub is_error: bool,
}

#[derive(Debug)]
pub struct Model {
    pub list: List,
    pub mode: Mode,
    pub daemon: Daemon,
    pub note: Option<Note>,
    pub size: (u16, u16),
    call: Option<Call>,
    log: LogLines,
}

impl Model {
    /// The containers of these namespaces, and only of this pod unless its name is empty.
    pub fn new(scope: Namespaces, pod: String, size: (u16, u16)) -> Self {
        Self {
            list: List::new(scope, pod),
            mode: Mode::List,
            daemon: Daemon::Asked,
            note: None,
            size,
            call: None,
            log: LogLines::default(),
        }
    }

    pub fn places(&self) -> Places {
        Places::of(self.size.1)
    }

    pub fn handle(&mut self, event: Event, now: Timestamp) -> Option<Command> {
        let command = self.change(event, now);
        self.list.settle(self.places().rows());
        command
    }

    fn change(&mut self, event: Event, now: Timestamp) -> Option<Command> {
        match event {
            Event::Key(Key::Interrupt) => return Some(Command::Quit),
            Event::Key(key) => return self.key(key),
            Event::Resized(width, height) => {
                self.size = (width, height);
                if let Mode::Read(view) = &mut self.mode {
                    view.resize(self.size);
                }
            }
            Event::Polled { containers, usage } => {
                self.daemon = Daemon::Answered(now);
                self.list.update(&containers, usage, now);
            }
            Event::Lost(why) => {
                let since = match &self.daemon {
                    Daemon::Asked => None,
                    Daemon::Answered(at) => Some(*at),
                    Daemon::Away(_, since) => *since,
                };
                self.daemon = Daemon::Away(short(&why), since);
            }
            Event::Shown(text) => {
                if let Some(call) = self.call.take() {
                    self.note = None;
                    let title = title(&call);
                    self.mode = Mode::Read(TextView::of(title, &text, self.size));
                }
            }
            Event::Done(text) => self.end_call(&text, false),
            Event::Failed(text) => self.end_call(&text, true),
            Event::Log(bytes) => {
                let lines = self.log.push(&bytes);
                self.add_to_log(&lines);
            }
            Event::LogEnded(error) => {
                let last = self.log.finish();
                let end = match error {
                    Some(error) => format!("— {} —", short(&error)),
                    None => "— the end of this attempt's log —".to_owned(),
                };
                self.add_to_log(&last.into_iter().chain([end]).collect::<Vec<_>>());
            }
        }
        None
    }

    fn end_call(&mut self, text: &str, is_error: bool) {
        self.call = None;
        self.note = Some(Note { text: short(text), is_error });
    }

    fn add_to_log(&mut self, lines: &[String]) {
        if let Mode::Read(view) = &mut self.mode {
            lines.iter().for_each(|line| view.push(line));
        }
    }

    fn key(&mut self, key: Key) -> Option<Command> {
        match &mut self.mode {
            Mode::Read(_) if matches!(key, Key::Escape | Key::Char('q')) => {
                self.mode = Mode::List;
                Some(Command::Unfollow)
            }
            Mode::Read(view) => {
                view.scroll(key);
                None
            }
            Mode::Ask(question) => {
                let call = question.call.clone();
                self.mode = Mode::List;
                if matches!(key, Key::Char('y' | 'Y')) { self.call(call) } else { None }
            }
            Mode::Type(input) => {
                match input.key(key) {
                    Typed::More => {}
                    Typed::Dropped => self.mode = Mode::List,
                    Typed::Entered => {
                        let (field, text) = (input.field, input.text.trim().to_owned());
                        match field {
                            Field::Filter => self.list.filter = text,
                            Field::Namespace => self.list.scope = Namespaces::only(&text),
                        }
                        self.mode = Mode::List;
                    }
                }
                None
            }
            Mode::List => self.list_key(key),
        }
    }

    fn list_key(&mut self, key: Key) -> Option<Command> {
        if self.call.is_none() {
            self.note = None;
        }
        match key {
            Key::Escape if !self.list.filter.is_empty() => self.list.filter.clear(),
            Key::Char('q') | Key::Escape => return Some(Command::Quit),
            Key::Char('/') => self.mode = Mode::Type(Input::of(Field::Filter)),
            Key::Char('n') => self.mode = Mode::Type(Input::of(Field::Namespace)),
            Key::Char('A') => self.list.toggle_all(),
            Key::Char('s') => self.list.next_sort(),
            Key::Char('?') => {
                let view = TextView::of("Keys".to_owned(), help::TEXT, self.size);
                self.mode = Mode::Read(view);
            }
            Key::Enter | Key::Char('d') => return self.of_selected(Call::Describe),
            Key::Char('e') => return self.of_selected(Call::Evidence),
            Key::Char('l') => {
                let id = self.list.selected()?.id.clone();
                self.log = LogLines::default();
                let title = format!("Log of {id}");
                self.mode = Mode::Read(TextView::empty(title, self.size));
                return Some(Command::Follow(id));
            }
            Key::Char('r') => {
                self.ask(Call::Restart, "restart");
            }
            Key::Char('p') if self.list.selected()?.are_probes_paused => {
                self.ask(Call::Resume, "resume the probes of");
            }
            Key::Char('p') => {
                self.ask(Call::Pause, "pause for 10 minutes the probes of");
            }
            key => self.list.select(key, self.places().rows()),
        }
        None
    }

    fn ask(&mut self, call: fn(Id) -> Call, what: &str) {
        if let Some(row) = self.list.selected() {
            let text = format!("{what} {}? y/n", row.id);
            self.mode = Mode::Ask(Question { text, call: call(row.id.clone()) });
        }
    }

    fn of_selected(&mut self, call: fn(Id) -> Call) -> Option<Command> {
        let id = self.list.selected()?.id.clone();
        self.call(call(id))
    }

    /// Begins a call, unless another one has not ended.
    fn call(&mut self, call: Call) -> Option<Command> {
        if let Some(running) = &self.call {
            let text = format!("not now: {}", running.progress());
            self.note = Some(Note { text, is_error: true });
            return None;
        }
        self.note = Some(Note { text: call.progress(), is_error: false });
        self.call = Some(call.clone());
        Some(Command::Call(call))
    }
}

fn title(call: &Call) -> String {
    let id = call.id();
    match call {
        Call::Evidence(_) => format!("Evidence of {id}"),
        _ => format!("Pod {}/{}", id.namespace, id.pod),
    }
}
