//! Conversion of a byte stream into lines, and of long lines into pieces.

use super::Tag;

/// Maximum size in bytes of a record's content, as in containerd's CRI plugin.
pub const LINE: usize = 16 * 1024;

/// Line buffer of one stream. Its memory does not grow.
#[derive(Debug)]
pub struct Lines {
    /// Beginning of a line whose end has not been read yet.
    pending: Vec<u8>,
}

impl Default for Lines {
    fn default() -> Self {
        Self { pending: Vec::with_capacity(LINE) }
    }
}

impl Lines {
    /// Adds bytes, and calls `emit` for each complete record, with its content in two parts.
    pub fn push(&mut self, mut bytes: &[u8], mut emit: impl FnMut(Tag, [&[u8]; 2])) {
        while !bytes.is_empty() {
            let room = LINE.saturating_sub(self.pending.len());
            // A line of exactly the maximum size is one full record.
            let window = bytes.get(..=room).unwrap_or(bytes);
            let (tag, at, used) = match memchr::memchr(b'\n', window) {
                Some(at) => (Tag::Full, at, at + 1),
                None if bytes.len() > room => (Tag::Partial, room, room),
                None => return self.pending.extend_from_slice(bytes),
            };
            let (content, _) = bytes.split_at(at);
            emit(tag, [&self.pending, content]);
            self.pending.clear();
            bytes = bytes.get(used..).unwrap_or_default();
        }
    }

    /// Emits the last line if it has no end, as a partial record, so that no newline is added when
    /// it is printed.
    pub fn finish(&mut self, mut emit: impl FnMut(Tag, [&[u8]; 2])) {
        if !self.pending.is_empty() {
            emit(Tag::Partial, [&self.pending, b""]);
            self.pending.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn records(pieces: &[&[u8]]) -> Vec<(Tag, Vec<u8>)> {
        let (mut lines, mut out) = (Lines::default(), Vec::new());
        for piece in pieces {
            lines.push(piece, |tag, parts| out.push((tag, parts.concat())));
        }
        lines.finish(|tag, parts| out.push((tag, parts.concat())));
        assert_eq!(lines.pending.capacity(), LINE);
        out
    }

    #[test]
    fn lines_are_complete_however_they_are_split() {
        let full = |text: &str| (Tag::Full, text.as_bytes().to_vec());
        assert_eq!(
            records(&[b"a\nb", b"c\n\n", b"d\n"]),
            [full("a"), full("bc"), full(""), full("d")]
        );
        assert_eq!(records(&[b"a\nend"]), [full("a"), (Tag::Partial, b"end".to_vec())]);
        assert_eq!(records(&[]), []);
    }

    #[test]
    fn only_a_line_above_the_maximum_is_split_into_pieces() {
        let fits = [vec![b'x'; LINE], b"\n".to_vec()].concat();
        assert_eq!(records(&[&fits]), [(Tag::Full, vec![b'x'; LINE])]);
        let (head, tail) = fits.split_at(LINE);
        assert_eq!(records(&[head, tail]), [(Tag::Full, vec![b'x'; LINE])]);
        let long = [vec![b'x'; 2 * LINE + 1], b"\n".to_vec()].concat();
        let lengths: Vec<_> = records(&[&long]).iter().map(|(tag, c)| (*tag, c.len())).collect();
        assert_eq!(lengths, [(Tag::Partial, LINE), (Tag::Partial, LINE), (Tag::Full, 1)]);
    }

    proptest! {
        #[test]
        fn no_byte_is_lost_or_doubled(pieces in prop::collection::vec(
            (prop::collection::vec(prop::sample::select(&b"ab\n"[..]), 0..40), 1_usize..2000), 0..12)
        ) {
            let pieces: Vec<_> = pieces.iter().map(|(bytes, times)| bytes.repeat(*times)).collect();
            let slices: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            let mut back = Vec::new();
            for (tag, content) in records(&slices) {
                prop_assert!(content.len() <= LINE);
                back.extend(content);
                back.extend((tag == Tag::Full).then_some(b'\n'));
            }
            prop_assert_eq!(back, pieces.concat());
        }
    }
}
