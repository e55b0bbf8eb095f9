//! The daemon's log on stderr. It quotes containers, images and registries, so each event is escaped:
//! it does not control a terminal, and it is one line.

use std::fmt;
use std::io::{self, IsTerminal, Write};

use probelet_text::escape::{Escaped, escaped_json};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::{Writer, debug_fn};

use super::config::LogFormat;

/// Starts the log. `RUST_LOG` sets the levels; the default is `info`.
pub fn log_to_stderr(format: Option<LogFormat>) {
    let on_terminal = io::stderr().is_terminal();
    let format = format.unwrap_or(if on_terminal { LogFormat::Text } else { LogFormat::Logfmt });
    let filter =
        EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).from_env_lossy();
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false);
    match format {
        LogFormat::Text if on_terminal => subscriber
            .with_ansi(true)
            .with_writer(io::stderr)
            // The colours are not escaped; the values between them are.
            .fmt_fields(debug_fn(field).delimited(" "))
            .init(),
        LogFormat::Text => subscriber.with_writer(|| Lines::plain(io::stderr())).init(),
        LogFormat::Logfmt => subscriber
            .with_writer(|| Lines::plain(io::stderr()))
            .event_format(tracing_logfmt::EventsFormatter::default())
            .fmt_fields(tracing_logfmt::FieldsFormatter::default())
            .init(),
        LogFormat::Json => subscriber.with_writer(|| Lines::json(io::stderr())).json().init(),
    }
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

/// A writer of lines. Each write is a whole event, as tracing writes it.
struct Lines<W> {
    to: W,
    escape: fn(&str) -> String,
}

impl<W> Lines<W> {
    fn plain(to: W) -> Self {
        Self { to, escape: |line| Escaped(line).to_string() }
    }

    fn json(to: W) -> Self {
        Self { to, escape: escaped_json }
    }
}

impl<W: Write> Write for Lines<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let line = (self.escape)(text.strip_suffix('\n').unwrap_or(&text));
        self.to.write_all(format!("{line}\n").as_bytes())?;
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
                let to = move || Lines::plain(to.clone());
                tracing_subscriber::fmt().with_ansi(false).with_writer(to).finish()
            }),
            logged(|to| {
                tracing_subscriber::fmt()
                    .with_writer(move || Lines::plain(to.clone()))
                    .event_format(tracing_logfmt::EventsFormatter::default())
                    .fmt_fields(tracing_logfmt::FieldsFormatter::default())
                    .finish()
            }),
            logged(|to| {
                tracing_subscriber::fmt()
                    .with_writer(move || Lines::json(to.clone()))
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
}
