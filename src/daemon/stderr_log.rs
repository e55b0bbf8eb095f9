//! The daemon's log on stderr. It quotes containers, images and registries, so each event is escaped:
//! it does not control a terminal, and it is one line.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;

use probelet_text::escape::{Escaped, escaped_json};
use tracing::{Level, Metadata};
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, reload};

use super::config::{LogFormat, LogLevel};

/// The level of the log, which can be changed while the daemon runs.
#[derive(Clone)]
pub struct LogFilter(reload::Handle<Targets, Registry>);

impl LogFilter {
    /// Sets the level. `RUST_LOG` keeps its precedence.
    pub fn set(&self, level: LogLevel) -> Result<(), reload::Error> {
        self.0.reload(filter(level, rust_log().as_deref()))
    }
}

/// Starts the log. Levels in `RUST_LOG` take precedence over `level`.
pub fn log_to_stderr(format: Option<LogFormat>, level: LogLevel) -> LogFilter {
    let on_terminal = io::stderr().is_terminal();
    let has_colours = on_terminal && std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty());
    let format = format.unwrap_or(if on_terminal { LogFormat::Text } else { LogFormat::Logfmt });
    let has_priority = is_journal(io::stderr(), std::env::var("JOURNAL_STREAM").ok().as_deref());
    let named = rust_log();
    let (filter, handle) = reload::Layer::new(filter(level, named.as_deref()));
    let layer = tracing_subscriber::fmt::layer().with_ansi(false);
    let layer = match format {
        LogFormat::Text if has_colours => layer
            .with_ansi(true)
            .with_writer(io::stderr)
            // The colours are not escaped; the values between them are.
            .fmt_fields(debug_fn(field).delimited(" "))
            .boxed(),
        LogFormat::Text => layer.with_writer(Events::plain(io::stderr, has_priority)).boxed(),
        LogFormat::Logfmt => layer
            .with_writer(Events::plain(io::stderr, has_priority))
            .event_format(tracing_logfmt::EventsFormatter::default())
            .fmt_fields(tracing_logfmt::FieldsFormatter::default())
            .boxed(),
        LogFormat::Json => layer.with_writer(Events::json(io::stderr, has_priority)).json().boxed(),
    };
    tracing_subscriber::registry().with(filter).with(layer).init();
    LogFilter(handle)
}

fn rust_log() -> Option<String> {
    std::env::var("RUST_LOG").ok()
}

/// The levels of `RUST_LOG`, such as `warn,probelet::supervisor=debug`, and `level` for what it does
/// not name. A part that is not understood has no effect.
fn filter(level: LogLevel, named: Option<&str>) -> Targets {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let parts = named.unwrap_or_default().split(',').map(str::trim).filter(|it| !it.is_empty());
    let read = parts.filter_map(|part| part.parse::<Targets>().ok()).collect::<Vec<_>>();
    let default = read.iter().find_map(Targets::default_level).unwrap_or(level);
    Targets::new().with_targets(read.into_iter().flatten()).with_default(default)
}

/// True if the stream is the journal that `JOURNAL_STREAM` (DEVICE:INODE) names. The variable alone is
/// not enough, because a process inherits it also if its stderr is redirected.
fn is_journal(stream: impl AsFd, named: Option<&str>) -> bool {
    let about = rustix::fs::fstat(stream);
    about.is_ok_and(|about| named == Some(format!("{}:{}", about.st_dev, about.st_ino).as_str()))
}

fn field(
    out: &mut Writer<'_>,
    field: &tracing::field::Field,
    value: &dyn fmt::Debug,
) -> fmt::Result {
    match field.name() {
        "message" => write!(out, "{}", Escaped(format_args!("{value:?}"))),
        name => write!(out, "{name}={}", Escaped(format_args!("{value:?}"))),
    }
}

/// Makes a writer for each event.
struct Events<M> {
    make: M,
    escape: fn(&str) -> String,
    /// The lines begin with their priority, as the journal reads it.
    has_priority: bool,
}

impl<M> Events<M> {
    fn plain(make: M, has_priority: bool) -> Self {
        Self { make, escape: |line| Escaped(line).to_string(), has_priority }
    }

    fn json(make: M, has_priority: bool) -> Self {
        Self { make, escape: escaped_json, has_priority }
    }
}

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for Events<M> {
    type Writer = Lines<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        Lines { to: self.make.make_writer(), escape: self.escape, priority: "" }
    }

    fn make_writer_for(&'a self, about: &Metadata<'_>) -> Self::Writer {
        let priority = if self.has_priority { priority(about.level()) } else { "" };
        Lines { priority, ..self.make_writer() }
    }
}

/// The priority of syslog: err, warning, info and debug.
fn priority(level: &Level) -> &'static str {
    match *level {
        Level::ERROR => "<3>",
        Level::WARN => "<4>",
        Level::INFO => "<6>",
        Level::DEBUG | Level::TRACE => "<7>",
    }
}

/// A writer of lines. Each write is a whole event, as tracing writes it.
struct Lines<W> {
    to: W,
    escape: fn(&str) -> String,
    priority: &'static str,
}

impl<W: Write> Write for Lines<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let line = (self.escape)(text.strip_suffix('\n').unwrap_or(&text));
        self.to.write_all(format!("{}{line}\n", self.priority).as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use probelet_text::escape::is_hazard;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged<S: tracing::Subscriber + Send + Sync>(make: impl FnOnce(Buffer) -> S) -> String {
        let buffer = Buffer::default();
        tracing::subscriber::with_default(make(buffer.clone()), || {
            let hostile = "a\u{1b}[2J\n2026 ERROR forged\u{9b}31m\u{202e}b\r\u{2028}";
            let error = io::Error::other(hostile);
            tracing::info!(hostile, ?error, %error, "{hostile}");
        });
        let bytes = buffer.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn an_event_is_one_line_in_every_format() {
        let logs = [
            logged(|to| {
                let to = Events::plain(move || to.clone(), false);
                tracing_subscriber::fmt().with_ansi(false).with_writer(to).finish()
            }),
            logged(|to| {
                tracing_subscriber::fmt()
                    .with_writer(Events::plain(move || to.clone(), false))
                    .event_format(tracing_logfmt::EventsFormatter::default())
                    .fmt_fields(tracing_logfmt::FieldsFormatter::default())
                    .finish()
            }),
            logged(|to| {
                tracing_subscriber::fmt()
                    .with_writer(Events::json(move || to.clone(), false))
                    .json()
                    .finish()
            }),
            logged(|to| {
                let to = move || to.clone();
                let fields = debug_fn(field).delimited(" ");
                tracing_subscriber::fmt()
                    .with_ansi(false)
                    .fmt_fields(fields)
                    .with_writer(to)
                    .finish()
            }),
        ];
        for log in logs {
            let line = log.strip_suffix('\n').unwrap();
            assert!(line.contains("forged") && !line.chars().any(is_hazard), "{log}");
        }
    }

    #[test]
    fn a_line_for_the_journal_begins_with_its_priority() {
        let log = logged(|to| {
            tracing_subscriber::fmt()
                .with_writer(Events::plain(move || to.clone(), true))
                .with_ansi(false)
                .finish()
        });
        assert!(log.starts_with("<6>"), "{log}");
        let levels = [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE];
        assert_eq!(levels.map(|level| priority(&level)), ["<3>", "<4>", "<6>", "<7>", "<7>"]);
    }

    #[test]
    fn only_the_stream_that_is_named_is_the_journal() {
        let (file, other) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        let about = rustix::fs::fstat(&file).unwrap();
        let named = format!("{}:{}", about.st_dev, about.st_ino);
        assert!(is_journal(&file, Some(&named)));
        assert!(!is_journal(&other, Some(&named)) && !is_journal(&file, None));
    }

    #[test]
    fn what_rust_log_names_takes_precedence() {
        let level =
            |named, target, level| filter(LogLevel::Info, Some(named)).would_enable(target, &level);
        assert!(level("", "probelet", Level::INFO) && !level("", "probelet", Level::DEBUG));
        assert!(level("debug", "h2", Level::DEBUG));
        let named = "nonsense=loud, probelet::node=debug,warn";
        assert!(level(named, "probelet::node::start", Level::DEBUG));
        assert!(level(named, "probelet", Level::WARN) && !level(named, "probelet", Level::INFO));
    }

    #[test]
    fn the_level_can_be_changed() {
        let buffer = Buffer::default();
        let to = buffer.clone();
        let (filter, handle) = reload::Layer::new(filter(LogLevel::Warn, None));
        let layer = tracing_subscriber::fmt::layer().with_writer(move || to.clone());
        tracing::subscriber::with_default(Registry::default().with(filter).with(layer), || {
            tracing::info!("first");
            LogFilter(handle).set(LogLevel::Info).unwrap();
            tracing::info!("second");
            tracing::debug!("third");
        });
        let log = String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap();
        assert!(
            log.contains("second") && !log.contains("first") && !log.contains("third"),
            "{log}"
        );
    }
}
