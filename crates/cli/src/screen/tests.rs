//! The screen as a person sees it: keys and answers of the daemon in, lines of the terminal out.

use std::time::Duration;

use jiff::Timestamp;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Color;

use super::super::namespace::Namespaces;
use super::command::{Call, Command};
use super::event::{Event, Key};
use super::model::Model;
use super::render;
use super::row::Id;
use super::text_view::wrapped;
use super::theme::Theme;
use probelet_api::pb;
use probelet_api::pb::container_state::{Running, State, Terminated, Waiting};

const START: i64 = 1_800_000_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(START + seconds).unwrap()
}

fn stamp(seconds: i64) -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp { seconds: START + seconds, nanos: 0 })
}

fn state(state: State) -> Option<pb::ContainerState> {
    Some(pb::ContainerState { state: Some(state) })
}

fn running(namespace: &str, pod: &str, container: &str) -> pb::Container {
    pb::Container {
        namespace: namespace.to_owned(),
        pod: pod.to_owned(),
        name: container.to_owned(),
        ready: true,
        state: state(State::Running(Running::default())),
        ..pb::Container::default()
    }
}

fn crashing(pod: &str) -> pb::Container {
    let end = Terminated {
        attempt: 2,
        exit_code: 137,
        reason: "Error".to_owned(),
        cause: "liveness probe failed: HTTP probe failed with statuscode: 500".to_owned(),
        finished_at: stamp(-12),
        ..Terminated::default()
    };
    pb::Container {
        restart_count: 2,
        ready: false,
        next_try: stamp(8),
        state: state(State::Waiting(Waiting {
            reason: "CrashLoopBackOff".to_owned(),
            message: "back-off 20s".to_owned(),
        })),
        history: vec![end],
        ..running("default", pod, pod)
    }
}

fn probe(kind: &str, outcome: &str, seconds: i64, millis: u64) -> pb::ProbeStatus {
    pb::ProbeStatus {
        kind: kind.to_owned(),
        last_outcome: outcome.to_owned(),
        last_output: format!("{outcome} of {kind}"),
        last_at: stamp(seconds),
        last_latency: prost_types::Duration::try_from(Duration::from_millis(millis)).ok(),
        consecutive: 3,
        ..pb::ProbeStatus::default()
    }
}

fn usage(pod: &str, seconds: i64, cpu: i64, memory: u64) -> pb::Usage {
    pb::Usage {
        namespace: "default".to_owned(),
        pod: pod.to_owned(),
        container: pod.to_owned(),
        at: stamp(seconds),
        cpu: Some(prost_types::Duration { seconds: cpu, nanos: 0 }),
        memory_bytes: memory << 20,
        ..pb::Usage::default()
    }
}

/// A screen, and the time on it.
struct Screen {
    model: Model,
    now: i64,
}

impl Screen {
    fn new(width: u16, height: u16) -> Self {
        Self { model: Model::new(Namespaces::default(), String::new(), (width, height)), now: 0 }
    }

    fn with(containers: Vec<pb::Container>) -> Self {
        let mut screen = Self::new(80, 24);
        screen.polled(containers);
        screen
    }

    fn event(&mut self, event: Event) -> Option<Command> {
        self.model.handle(event, at(self.now))
    }

    fn polled(&mut self, containers: Vec<pb::Container>) {
        self.event(Event::Polled { containers, usage: Vec::new() });
    }

    fn keys(&mut self, keys: &str) -> Option<Command> {
        keys.chars().map(|key| self.event(Event::Key(Key::Char(key)))).last().flatten()
    }

    fn press(&mut self, key: Key) -> Option<Command> {
        self.event(Event::Key(key))
    }

    fn terminal(&self, has_colours: bool) -> Terminal<TestBackend> {
        let (width, height) = self.model.size;
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        let theme = Theme { has_colours };
        terminal.draw(|frame| render::draw(frame, &self.model, at(self.now), theme)).unwrap();
        terminal
    }

    fn lines(&self) -> Vec<String> {
        let terminal = self.terminal(true);
        let buffer = terminal.backend().buffer();
        let row = |y| (0..buffer.area.width).map(move |x| buffer[(x, y)].symbol());
        (0..buffer.area.height).map(|y| row(y).collect::<String>().trim_end().to_owned()).collect()
    }

    fn text(&self) -> String {
        self.lines().join("\n")
    }

    fn last_line(&self) -> String {
        self.lines().pop().unwrap()
    }

    /// The pods in the table, from above.
    fn pods(&self) -> Vec<String> {
        let lines = self.lines();
        let rows = lines.iter().skip(2).take(self.model.places().rows());
        rows.filter_map(|line| line.split_whitespace().next().map(str::to_owned)).collect()
    }
}

fn id(pod: &str) -> Id {
    Id { namespace: "default".to_owned(), pod: pod.to_owned(), container: pod.to_owned() }
}

#[test]
fn a_container_has_its_state_restarts_use_probe_and_last_exit() {
    let mut screen = Screen::new(80, 24);
    let mut web = running("default", "web", "web");
    web.probes = vec![probe("liveness", "success", 0, 2)];
    let containers = vec![crashing("kubia"), web.clone()];
    screen.event(Event::Polled { containers, usage: vec![usage("web", 0, 10, 1)] });
    web.probes = vec![probe("liveness", "success", 1, 4)];
    screen.now = 2;
    let containers = vec![crashing("kubia"), web.clone()];
    screen.event(Event::Polled { containers, usage: vec![usage("web", 2, 11, 23)] });
    web.probes = vec![probe("liveness", "failure", 2, 1000)];
    let containers = vec![crashing("kubia"), web];
    screen.event(Event::Polled { containers, usage: vec![usage("web", 4, 12, 23)] });
    let lines = screen.lines();
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(
        words(&lines[0]),
        "2 containers: 1 CrashLoopBackOff, 1 Running namespace default by name"
    );
    assert_eq!(words(&lines[1]), "POD STATE RESTARTS CPU MEM PROBE");
    assert_eq!(words(&lines[2]), "kubia CrashLoopBackOff 2 (14s) - -");
    assert_eq!(words(&lines[3]), "web Running 0 500m 23Mi L ▄█× 1.00s");
    let text = screen.text();
    assert!(text.contains("default/kubia [kubia]"), "{text}");
    assert!(text.contains("CrashLoopBackOff, next try in 6s: back-off 20s"), "{text}");
    assert!(text.contains("attempt 2, 14s ago: liveness probe failed: HTTP"), "{text}");
    screen.keys("j");
    let text = screen.text();
    assert!(text.contains("failure 0s ago, 3 in a row: failure of l"), "{text}");
}

#[test]
fn a_wide_screen_has_each_probe_and_the_last_failure_beside_each_other() {
    let mut screen = Screen::new(160, 50);
    let mut web = running("default", "web", "app");
    web.probes = vec![probe("liveness", "success", 0, 2), probe("readiness", "success", 0, 9)];
    screen.polled(vec![crashing("kubia"), web]);
    let lines = screen.lines();
    let words: Vec<_> = lines[1].split_whitespace().collect();
    let titles = "POD CONTAINER STATE RESTARTS CPU MEM LIVENESS READINESS LAST FAILURE";
    assert_eq!(words.join(" "), titles);
    assert!(lines[2].contains("2 (12s ago)"), "{}", lines[2]);
    assert!(lines[2].contains("12s ago: liveness probe failed"), "{}", lines[2]);
    assert!(lines[3].contains("2.0ms") && lines[3].contains("9.0ms"), "{}", lines[3]);
}

#[test]
fn what_probes_said_stays_while_no_instance_runs() {
    let mut kubia = running("default", "kubia", "kubia");
    kubia.probes = vec![probe("liveness", "failure", 0, 2)];
    let mut screen = Screen::with(vec![kubia]);
    screen.polled(vec![crashing("kubia")]);
    assert!(screen.lines()[2].contains('×'), "{}", screen.lines()[2]);
    // What failed last is the exit.
    screen.event(Event::Resized(160, 50));
    assert!(screen.lines()[2].contains("12s ago: liveness probe failed"), "{}", screen.lines()[2]);
    screen.polled(vec![running("default", "kubia", "kubia")]);
    assert!(!screen.text().contains('×'), "{}", screen.text());
}

#[test]
fn many_states_and_long_names_leave_room_for_the_rest() {
    let mut containers = Vec::new();
    for n in 0..9 {
        let mut one = crashing(&format!("a-service-with-quite-a-long-name-{n}"));
        let reason = format!("CrashLoopBackOff{n}");
        one.state = state(State::Waiting(Waiting { reason, message: String::new() }));
        containers.push(one);
    }
    let lines = Screen::with(containers).lines();
    let first = &lines[0];
    assert!(first.starts_with("9 containers: 1 CrashLoopBackOff0, 1 Cra"), "{first}");
    assert!(first.contains('…') && first.ends_with("  namespace default by name"), "{first}");
    for (n, line) in lines[2..11].iter().enumerate() {
        assert!(line.starts_with("a-service"), "{line}");
        assert!(line.contains(&format!("name-{n} CrashLoop")), "{line}");
    }
}

#[test]
fn every_size_is_drawn() {
    for (width, height) in [(1, 1), (7, 2), (20, 5), (80, 15), (80, 16), (109, 36), (300, 100)] {
        let mut screen = Screen::new(width, height);
        assert_eq!(screen.lines().len(), usize::from(height));
        screen.polled(vec![crashing("kubia"), running("default", "web", "app")]);
        screen.lines();
        screen.keys("r");
        screen.lines();
        screen.keys("n?");
        screen.keys("jG");
        screen.lines();
    }
}

#[test]
fn text_of_a_container_cannot_control_the_terminal() {
    let hostile = "\u{1b}[2J\u{202e}\n\u{9b}31m";
    let mut one = running("default", "web", "app");
    one.name = hostile.to_owned();
    one.state =
        state(State::Waiting(Waiting { reason: hostile.to_owned(), message: hostile.to_owned() }));
    one.probes = vec![pb::ProbeStatus {
        last_output: hostile.to_owned(),
        ..probe("liveness", hostile, 0, 1)
    }];
    one.history =
        vec![Terminated { cause: hostile.to_owned(), exit_code: 1, ..Default::default() }];
    let mut screen = Screen::new(160, 50);
    screen.polled(vec![one]);
    let check = |screen: &Screen| {
        let text = screen.text();
        let hazard = |c: char| probelet_text::escape::is_hazard(c) && c != '\n';
        assert!(!text.contains(hazard), "{text:?}");
        assert!(text.contains("\\u{1b}[2J\\u{202e}"), "{text}");
    };
    check(&screen);
    screen.event(Event::Lost(hostile.to_owned()));
    check(&screen);
    screen.keys("l");
    screen.event(Event::Log(format!("{hostile}\n").into_bytes()));
    check(&screen);
    screen.event(Event::LogEnded(Some(hostile.to_owned())));
    screen.press(Key::Escape);
    screen.keys("d");
    screen.event(Event::Failed(hostile.to_owned()));
    check(&screen);
}

#[test]
fn keys_select_and_what_is_selected_stays_selected() {
    let pods = |count: u32| -> Vec<_> {
        (0..count).map(|n| format!("p{n:02}")).map(|pod| running("default", &pod, &pod)).collect()
    };
    let mut screen = Screen::with(pods(40));
    let selected = |screen: &Screen| screen.model.list.selected().map(|row| row.id.pod.clone());
    assert_eq!(selected(&screen).as_deref(), Some("p00"));
    screen.keys("jjk");
    screen.press(Key::Down);
    assert_eq!(selected(&screen).as_deref(), Some("p02"));
    screen.press(Key::PageDown);
    assert_eq!(selected(&screen).as_deref(), Some("p17"));
    assert!(screen.pods().contains(&"p17".to_owned()), "{:?}", screen.pods());
    screen.keys("G");
    assert_eq!(selected(&screen).as_deref(), Some("p39"));
    assert_eq!(screen.pods().last().map(String::as_str), Some("p39"));
    screen.keys("j");
    assert_eq!(selected(&screen).as_deref(), Some("p39"));
    // Containers before it are gone, and then it is gone itself.
    let mut fewer = pods(40);
    fewer.drain(..30);
    screen.polled(fewer);
    assert_eq!(selected(&screen).as_deref(), Some("p39"));
    assert_eq!(screen.pods().len(), 10);
    screen.polled(pods(5));
    assert_eq!(selected(&screen).as_deref(), Some("p04"));
    screen.polled(Vec::new());
    assert_eq!(selected(&screen), None);
    assert_eq!(screen.keys("rdelp"), None);
    screen.polled(pods(3));
    screen.keys("g");
    screen.event(Event::Resized(80, 8));
    assert_eq!(screen.pods(), ["p00", "p01", "p02"]);
}

#[test]
fn a_change_is_asked_for_before_it_is_made() {
    let mut screen = Screen::with(vec![running("default", "web", "web")]);
    for (key, call) in [("r", Call::Restart(id("web"))), ("p", Call::Pause(id("web")))] {
        for no in ["n", "x", "q"] {
            assert_eq!(screen.keys(key), None);
            assert!(screen.last_line().contains("default/web [web]? y/n"));
            assert_eq!(screen.keys(no), None);
        }
        screen.keys(key);
        assert_eq!(screen.press(Key::Escape), None);
        screen.keys(key);
        assert_eq!(screen.keys("y"), Some(Command::Call(call)));
        // Nothing else begins before the call has ended.
        assert_eq!(screen.keys("d"), None);
        assert!(screen.last_line().starts_with("not now: "), "{}", screen.last_line());
        screen.event(Event::Failed("pods \"web\" not found".to_owned()));
        assert_eq!(screen.last_line(), "pods \"web\" not found");
    }
    let mut paused = running("default", "web", "web");
    paused.probes_paused_until = stamp(60);
    screen.polled(vec![paused]);
    assert!(screen.text().contains("Running,ProbesPa…"), "{}", screen.text());
    assert_eq!(screen.keys("py"), Some(Command::Call(Call::Resume(id("web")))));
    screen.event(Event::Done("pod/web probes resumed".to_owned()));
    assert_eq!(screen.last_line(), "pod/web probes resumed");
    // The keys come back with the next key.
    screen.keys("j");
    assert!(screen.last_line().starts_with("d describe"), "{}", screen.last_line());
}

#[test]
fn lists_are_filtered_and_sorted() {
    let mut other = running("other", "db", "db");
    other.restart_count = 5;
    let containers = vec![running("default", "web", "web"), other, crashing("kubia")];
    let mut screen = Screen::with(containers);
    assert_eq!(screen.pods(), ["kubia", "web"]);
    screen.keys("A");
    assert_eq!(screen.pods(), ["default", "default", "other"]);
    screen.keys("ss");
    assert!(screen.lines()[0].ends_with("all namespaces by restarts"), "{}", screen.lines()[0]);
    assert_eq!(screen.pods(), ["other", "default", "default"]);
    screen.keys("A");
    assert_eq!(screen.pods(), ["kubia", "web"]);
    screen.keys("/crash");
    assert!(screen.last_line().starts_with("filter: crash"), "{}", screen.last_line());
    screen.press(Key::Enter);
    assert_eq!(screen.pods(), ["kubia"]);
    // A filter is dropped first.
    assert_eq!(screen.press(Key::Escape), None);
    assert_eq!(screen.pods(), ["kubia", "web"]);
    screen.keys("nother");
    screen.press(Key::Enter);
    assert_eq!(screen.pods(), ["db"]);
    screen.keys("nnowhere");
    screen.press(Key::Enter);
    assert!(screen.text().contains("No containers in namespace nowhere."), "{}", screen.text());
    screen.keys("nx");
    assert_eq!(screen.press(Key::Escape), None);
    assert!(screen.text().contains("No containers in namespace nowhere."), "{}", screen.text());
    screen.keys("n");
    screen.press(Key::Enter);
    assert_eq!(screen.pods(), ["kubia", "web"]);
    assert_eq!(screen.press(Key::Escape), Some(Command::Quit));
    assert_eq!(screen.keys("q"), Some(Command::Quit));
}

#[test]
fn a_daemon_that_is_away_is_reported_with_the_age_of_what_is_shown() {
    let mut screen = Screen::with(vec![running("default", "web", "web")]);
    screen.now = 5;
    screen.event(Event::Lost("connection refused".to_owned()));
    screen.now = 7;
    screen.event(Event::Lost("connection refused".to_owned()));
    let first = &screen.lines()[0];
    assert!(
        first.starts_with("The daemon does not answer, trying again; this is the state of 7s ago"),
        "{first}"
    );
    assert_eq!(screen.pods(), ["web"]);
    screen.polled(Vec::new());
    assert!(screen.lines()[0].starts_with("0 containers"), "{}", screen.lines()[0]);
}

#[test]
fn a_text_is_read_line_by_line_and_left() {
    let mut screen = Screen::with(vec![running("default", "web", "web")]);
    assert_eq!(screen.press(Key::Enter), Some(Command::Call(Call::Describe(id("web")))));
    let text: Vec<_> = (0..50).map(|n| format!("line {n}")).collect();
    screen.event(Event::Shown(text.join("\n")));
    let lines = screen.lines();
    assert_eq!((lines[0].as_str(), lines[1].as_str()), ("Pod default/web", "line 0"));
    assert_eq!(lines[22], "line 21");
    screen.keys("j");
    assert_eq!(screen.lines()[1], "line 1");
    screen.press(Key::PageDown);
    assert_eq!(screen.lines()[1], "line 22");
    screen.keys("G");
    assert_eq!(screen.lines()[22], "line 49");
    screen.keys("g");
    assert_eq!(screen.lines()[1], "line 0");
    screen.event(Event::Resized(80, 60));
    assert!(screen.last_line().ends_with("(all)"), "{}", screen.last_line());
    assert_eq!(screen.keys("q"), Some(Command::Unfollow));
    assert_eq!(screen.pods(), ["web"]);
}

#[test]
fn a_log_is_followed_from_its_end_until_one_scrolls_back() {
    let mut screen = Screen::with(vec![running("default", "web", "web")]);
    assert_eq!(screen.keys("l"), Some(Command::Follow(id("web"))));
    let lines: String = (0..7000).map(|n| format!("line {n}\n")).collect();
    screen.event(Event::Log(lines.into_bytes()));
    screen.event(Event::Log(b"half".to_vec()));
    assert_eq!(screen.lines()[22], "line 6999");
    screen.event(Event::Log(b" and\thalf\r\n".to_vec()));
    assert_eq!(screen.lines()[22], "half and    half");
    screen.keys("kk");
    assert_eq!(screen.lines()[22], "line 6998");
    screen.event(Event::Log(b"new\n".to_vec()));
    assert_eq!(screen.lines()[22], "line 6998");
    screen.keys("G");
    screen.event(Event::LogEnded(None));
    assert_eq!(screen.lines()[21..23], ["new", "— the end of this attempt's log —"]);
    screen.keys("g");
    // The oldest lines are dropped.
    assert_eq!(screen.lines()[1], "line 2003");
    // What comes after the text was left changes nothing.
    screen.press(Key::Escape);
    screen.event(Event::Log(b"late\n".to_vec()));
    assert_eq!(screen.pods(), ["web"]);
}

#[test]
fn ctrl_c_ends_it_in_every_mode() {
    for keys in ["", "?", "/x", "n", "r", "l"] {
        let mut screen = Screen::with(vec![running("default", "web", "web")]);
        screen.keys(keys);
        assert_eq!(screen.press(Key::Interrupt), Some(Command::Quit), "{keys}");
    }
}

#[test]
fn without_colours_there_is_none() {
    let screen = Screen::with(vec![crashing("kubia")]);
    let has_colour = |has_colours| {
        let terminal = screen.terminal(has_colours);
        let cells = &terminal.backend().buffer().content;
        cells.iter().any(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset)
    };
    assert!(has_colour(true) && !has_colour(false));
}

#[test]
fn the_help_names_each_key() {
    let mut screen = Screen::new(100, 40);
    screen.keys("?");
    let text = screen.text();
    for key in
        ["Enter, d", "l  ", "e  ", "r  ", "p  ", "/  ", "n  ", "A  ", "s  ", "q, Esc, Ctrl-C"]
    {
        assert!(text.contains(&format!("  {key}")), "{key}: {text}");
    }
}

#[test]
fn completed_init_containers_are_left_out() {
    let end = |exit_code| state(State::Terminated(Terminated { exit_code, ..Default::default() }));
    let init = |name: &str, state| pb::Container {
        init_container: true,
        ready: false,
        state,
        ..running("default", "web", name)
    };
    let containers = vec![init("done", end(0)), init("failed", end(3))];
    let text = Screen::with(containers).text();
    assert!(text.contains("failed") && !text.contains("done"), "{text}");
}

#[test]
fn lines_are_wrapped_at_spaces() {
    assert_eq!(wrapped("", 5), [""]);
    assert_eq!(wrapped("hello", 5), ["hello"]);
    assert_eq!(wrapped("hello world", 8), ["hello", "world"]);
    assert_eq!(wrapped("a bcdefgh", 5), ["a bcd", "efgh"]);
    assert_eq!(wrapped("日本日本", 5), ["日本", "日本"]);
    assert_eq!(wrapped("日本", 1), ["日", "本"]);
}
