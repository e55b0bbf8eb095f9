//! Output of a container before its first client, for which the container was started.

use std::collections::VecDeque;

use crate::format::{LINE, Stream};

/// Limit in bytes; older output is left out.
const KEPT: usize = 64 << 10;

#[derive(Debug, Default)]
pub struct Backlog {
    pieces: VecDeque<(Stream, Vec<u8>)>,
    length: usize,
    lost: u64,
}

impl Backlog {
    pub fn add(&mut self, stream: Stream, bytes: &[u8]) {
        match self.pieces.back_mut() {
            Some((last, piece))
                if *last == stream && piece.len().saturating_add(bytes.len()) <= LINE =>
            {
                piece.extend_from_slice(bytes);
            }
            _ => self.pieces.push_back((stream, bytes.to_vec())),
        }
        self.length = self.length.saturating_add(bytes.len());
        while self.length > KEPT {
            let Some((_, oldest)) = self.pieces.pop_front() else { break };
            self.length = self.length.saturating_sub(oldest.len());
            self.lost = self.lost.saturating_add(oldest.len() as u64);
        }
    }

    /// Returns what was left out, and the pieces, each of at most the size of a message.
    pub fn take(self) -> (u64, VecDeque<(Stream, Vec<u8>)>) {
        (self.lost, self.pieces)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_kept_in_its_order() {
        let mut backlog = Backlog::default();
        for byte in 0..3 {
            backlog.add(Stream::Stdout, &[byte]);
        }
        backlog.add(Stream::Stderr, b"e");
        let (lost, pieces) = backlog.take();
        assert_eq!(lost, 0);
        assert_eq!(pieces, [(Stream::Stdout, vec![0, 1, 2]), (Stream::Stderr, b"e".to_vec())]);
        let mut backlog = Backlog::default();
        for _ in 0..10 {
            backlog.add(Stream::Stdout, &[b'x'; LINE]);
        }
        let (lost, pieces) = backlog.take();
        assert_eq!(
            lost as usize + pieces.iter().map(|(_, piece)| piece.len()).sum::<usize>(),
            10 * LINE
        );
        assert!(pieces.len() <= KEPT / LINE);
    }
}
