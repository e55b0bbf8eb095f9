//! Escapes for text of containers, images and manifests, which must neither control a terminal nor
//! forge a line.

use std::fmt::{self, Display, Write};

/// Returns whether a character moves the cursor, ends a line, changes the order of the text or is
/// invisible: Unicode's control (Cc), format (Cf) and separator (Zl, Zp) characters.
#[must_use]
pub fn is_hazard(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
            | '\u{890}'..='\u{891}' | '\u{8e2}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e007f}')
}

/// Displays the inner value, with each hazard escaped as in a Rust string: `\n`, `\u{1b}`.
#[derive(Debug, Clone, Copy)]
pub struct Escaped<T>(pub T);

impl<T: Display> Display for Escaped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{}", self.0)
    }
}

struct Escaping<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some((at, hazard)) = rest.char_indices().find(|(_, c)| is_hazard(*c)) {
            let (before, after) = rest.split_at(at);
            self.0.write_str(before)?;
            write!(self.0, "{}", hazard.escape_default())?;
            rest = after.strip_prefix(hazard).unwrap_or_default();
        }
        self.0.write_str(rest)
    }
}

/// Returns JSON text with each hazard inside of its strings escaped as in JSON: `\u009b`. Outside
/// of strings JSON has no hazards except its line ends.
#[must_use]
pub fn escaped_json(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii_control() && c != '\u{7f}' || !is_hazard(c) {
            escaped.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                escaped.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hazards_are_escaped_and_nothing_else() {
        for (text, shown) in [
            ("plain, äöü, 日本, 🦀", "plain, äöü, 日本, 🦀"),
            ("\u{1b}[2J\u{7}\r\n\t\0", "\\u{1b}[2J\\u{7}\\r\\n\\t\\u{0}"),
            ("\u{9b}31m\u{7f}", "\\u{9b}31m\\u{7f}"),
            ("a\u{202e}b\u{2066}c\u{2028}d", "a\\u{202e}b\\u{2066}c\\u{2028}d"),
            ("\u{feff}\u{200b}\u{e0041}", "\\u{feff}\\u{200b}\\u{e0041}"),
            ("back\\slash", "back\\slash"),
        ] {
            assert_eq!(Escaped(text).to_string(), shown);
        }
    }

    #[test]
    fn json_stays_the_same_value() {
        let value = serde_json::json!({"a\u{202e}": ["\u{9b}\u{7f}\u{e0041}\n", "ä"]});
        let text = escaped_json(&serde_json::to_string_pretty(&value).unwrap());
        assert!(!text.chars().any(|c| is_hazard(c) && c != '\n'), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }
}
