//! Bytes as they come in; whole lines, and pieces of long ones, as they go out.

use super::Tag;

/// The most of a line that one record holds, as containerd's CRI has it.
pub const LINE: usize = 16 * 1024;

/// Of one stream. Its size never changes.
#[derive(Debug)]
pub struct Lines {
    /// Of a line whose end has not come.
    held: Vec<u8>,
}

impl Default for Lines {
    fn default() -> Self {
        Self { held: Vec::with_capacity(LINE) }
    }
}

impl Lines {
    /// `emit` gets the content of each record in two parts.
    pub fn push(&mut self, mut bytes: &[u8], mut emit: impl FnMut(Tag, [&[u8]; 2])) {
        while !bytes.is_empty() {
            let room = LINE.saturating_sub(self.held.len());
            // A line of just this length is a whole one.
            let window = bytes.get(..=room).unwrap_or(bytes);
            let (tag, at, used) = match memchr::memchr(b'\n', window) {
                Some(at) => (Tag::Full, at, at + 1),
                None if bytes.len() > room => (Tag::Partial, room, room),
                None => return self.held.extend_from_slice(bytes),
            };
            let (content, _) = bytes.split_at(at);
            emit(tag, [&self.held, content]);
            self.held.clear();
            bytes = bytes.get(used..).unwrap_or_default();
        }
    }

    /// A last line without an end is a partial one, so that it is shown as it was written.
    pub fn finish(&mut self, mut emit: impl FnMut(Tag, [&[u8]; 2])) {
        if !self.held.is_empty() {
            emit(Tag::Partial, [&self.held, b""]);
            self.held.clear();
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
        assert_eq!(lines.held.capacity(), LINE);
        out
    }

    #[test]
    fn lines_are_whole_however_they_come() {
        let full = |text: &str| (Tag::Full, text.as_bytes().to_vec());
        assert_eq!(
            records(&[b"a\nb", b"c\n\n", b"d\n"]),
            [full("a"), full("bc"), full(""), full("d")]
        );
        assert_eq!(records(&[b"a\nend"]), [full("a"), (Tag::Partial, b"end".to_vec())]);
        assert_eq!(records(&[]), []);
    }

    #[test]
    fn a_huge_line_comes_in_pieces_and_one_that_just_fits_does_not() {
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
