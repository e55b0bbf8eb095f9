//! A container's output as lines for the screen.

use probelet_text::escape::Escaped;

use super::text_view::LONGEST;

/// A line that is not complete yet.
#[derive(Debug, Default)]
pub struct LogLines(Vec<u8>);

impl LogLines {
    /// The lines that the output completes. A line that is too long comes in parts.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.0.extend_from_slice(piece);
            if piece.ends_with(b"\n") || self.0.len() >= LONGEST {
                lines.push(shown(&self.0));
                self.0.clear();
            }
        }
        lines
    }

    /// The last line, if it has no end.
    pub fn finish(&mut self) -> Option<String> {
        let last = std::mem::take(&mut self.0);
        (!last.is_empty()).then(|| shown(&last))
    }
}

fn shown(line: &[u8]) -> String {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let text = String::from_utf8_lossy(line).replace('\t', "    ");
    Escaped(text).to_string()
}
