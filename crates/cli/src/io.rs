//! The output of a verb. Never `println!`: it panics on a closed pipe, which must end the command.
//!
//! All text is escaped, because it may contain text of containers, images and manifests: a line stays
//! one line, and nothing in it controls the terminal. The output of a container (`logs`, `exec`) is
//! not changed, as with kubectl.

use std::io::Write;

use jiff::Timestamp;
use probelet_text::escape::{Escaped, escaped_json, is_hazard};
use serde::Serialize;

use super::error::{Error, Result};
use super::printed::Printed;

/// Where a verb writes.
pub struct Io<'a> {
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
    is_interactive: bool,
    has_screen: bool,
}

impl<'a> Io<'a> {
    /// The output of a script: no person reads stderr while the verb runs.
    pub fn new(out: &'a mut dyn Write, err: &'a mut dyn Write) -> Self {
        Self { out, err, is_interactive: false, has_screen: false }
    }

    /// The same, for a person if stderr is a terminal.
    pub fn for_person(self, is_terminal: bool) -> Self {
        Self { is_interactive: is_terminal, ..self }
    }

    /// The same, with the whole terminal if stdin and stdout are one.
    pub fn with_screen(self, has_screen: bool) -> Self {
        Self { has_screen, ..self }
    }

    /// True if a verb may draw on the whole terminal.
    pub fn has_screen(&self) -> bool {
        self.has_screen
    }

    /// True if a person reads stderr.
    pub fn is_interactive(&self) -> bool {
        self.is_interactive
    }

    /// Writes one line to stdout.
    pub fn line(&mut self, text: &str) -> Result<()> {
        writeln!(self.out, "{}", Escaped(text))?;
        Ok(self.out.flush()?)
    }

    /// Writes a text to stdout.
    pub fn print(&mut self, text: &Printed) -> Result<()> {
        self.raw(text.as_bytes())
    }

    /// Prints an error at once, for verbs that continue with the next object.
    pub fn report(&mut self, error: &Error) -> Result<()> {
        error.lines().iter().try_for_each(|line| self.note(line))
    }

    /// Writes a warning to stderr.
    pub fn warn(&mut self, text: &str) -> Result<()> {
        self.note(&format!("Warning: {text}"))
    }

    /// Writes a line to stderr.
    pub fn note(&mut self, text: &str) -> Result<()> {
        Ok(writeln!(self.err, "{}", Escaped(text))?)
    }

    /// Writes the output of a container, or a text of this program with several lines.
    pub fn raw(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes)?;
        Ok(self.out.flush()?)
    }

    /// Writes the error output of a container.
    pub fn raw_err(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.err.write_all(bytes)?)
    }

    /// Writes a value to stdout as JSON.
    pub fn json(&mut self, value: &impl Serialize) -> Result<()> {
        let mut text = json(value)?;
        text.push('\n');
        self.raw(text.as_bytes())
    }

    /// Writes a value to stdout as YAML.
    pub fn yaml(&mut self, value: &impl Serialize) -> Result<()> {
        let mut text = serde_norway::to_string(value).map_err(Error::Yaml)?;
        // The writer of YAML does not escape all of them; JSON is YAML too.
        if text.chars().any(|c| is_hazard(c) && !matches!(c, '\n' | '\t')) {
            text = json(value)?;
            text.push('\n');
        }
        self.raw(text.as_bytes())
    }
}

fn json(value: &impl Serialize) -> Result<String> {
    let mut text = Vec::new();
    // Four spaces, as kubectl.
    let layout = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, layout);
    value.serialize(&mut serializer).map_err(Error::Json)?;
    Ok(escaped_json(&String::from_utf8_lossy(&text)))
}

/// The client's wall clock: ages are relative to it.
pub fn now() -> Timestamp {
    Timestamp::now()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A clear screen, a forged line, a C1 control, a reversal of the text.
    const HOSTILE: &str = "a\u{1b}[2J\nerror: forged\r\u{9b}31m\u{202e}b";

    fn shown(write: impl FnOnce(&mut Io<'_>) -> Result<()>) -> (String, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        write(&mut Io::new(&mut out, &mut err)).unwrap();
        (String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    fn is_one_line(text: &str) -> bool {
        text.strip_suffix('\n').is_some_and(|line| !line.chars().any(is_hazard))
    }

    #[test]
    fn a_line_is_one_line_whatever_is_in_it() {
        assert!(is_one_line(&shown(|io| io.line(HOSTILE)).0));
        assert!(is_one_line(&shown(|io| io.warn(HOSTILE)).1));
        assert!(is_one_line(&shown(|io| io.report(&Error::Other(HOSTILE.to_owned()))).1));
        let status = tonic::Status::not_found(HOSTILE);
        assert!(is_one_line(&shown(|io| io.report(&status.into())).1));
    }

    #[test]
    fn objects_keep_their_values_and_control_no_terminal() {
        let value = json!({ HOSTILE: HOSTILE });
        let is_safe = |text: &str| !text.chars().any(|c| is_hazard(c) && c != '\n');
        let (text, _) = shown(|io| io.json(&value));
        assert!(is_safe(&text), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
        let (text, _) = shown(|io| io.yaml(&value));
        assert!(is_safe(&text), "{text}");
        assert_eq!(serde_norway::from_str::<serde_json::Value>(&text).unwrap(), value);
        assert_eq!(shown(|io| io.yaml(&json!({ "a": "b\nc\n" }))).0, "a: |\n  b\n  c\n");
    }
}
