//! Keys that leave a container which runs on.

use std::str::FromStr;

/// Longest sequence, in keys.
const LONGEST: usize = 8;

/// A sequence of keys, as docker's: `ctrl-p,ctrl-q`. An empty one is never typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DetachKeys(Vec<u8>);

impl FromStr for DetachKeys {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let key = |word: &str| match word.as_bytes() {
            [letter] if letter.is_ascii_graphic() => Some(*letter),
            [b'c', b't', b'r', b'l', b'-', key @ (b'@'..=b'_' | b'a'..=b'z')] => Some(key & 0x1f),
            _ => None,
        };
        let words = text.split(',').filter(|_| !text.is_empty());
        let keys: Option<Vec<u8>> = words.map(key).collect();
        match keys.filter(|keys| keys.len() <= LONGEST) {
            Some(keys) => Ok(Self(keys)),
            None => Err("must be keys like ctrl-p,ctrl-q or a".to_owned()),
        }
    }
}

/// Input that is searched for the keys.
#[derive(Debug)]
pub struct Watcher {
    keys: Vec<u8>,
    /// How many of the keys were typed, one after another.
    typed: usize,
}

impl Watcher {
    pub fn new(keys: &DetachKeys) -> Self {
        Self { keys: keys.0.clone(), typed: 0 }
    }

    /// Returns the input for the container, and whether the keys were typed. Keys that may begin the
    /// sequence are kept until the next one is known.
    pub fn feed(&mut self, input: &[u8]) -> (Vec<u8>, bool) {
        let mut out = Vec::with_capacity(input.len());
        if self.keys.is_empty() {
            return (input.to_vec(), false);
        }
        for byte in input {
            if self.keys.get(self.typed) != Some(byte) {
                out.extend(self.keys.iter().take(self.typed));
                self.typed = 0;
            }
            if self.keys.get(self.typed) != Some(byte) {
                out.push(*byte);
                continue;
            }
            self.typed = self.typed.saturating_add(1);
            if self.typed == self.keys.len() {
                return (out, true);
            }
        }
        (out, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_docker_s() {
        let keys = |text: &str| text.parse::<DetachKeys>().map(|keys| keys.0);
        assert_eq!(keys("ctrl-p,ctrl-q"), Ok(vec![16, 17]));
        assert_eq!(keys("ctrl-],a"), Ok(vec![29, b'a']));
        assert_eq!(keys(""), Ok(vec![]));
        for text in ["ctrl-", "ctrl-pp", "ab", ",", "a,b,c,d,e,f,g,h,i", "ä"] {
            assert!(keys(text).is_err(), "{text}");
        }
    }

    #[test]
    fn only_the_whole_sequence_detaches() {
        let mut watcher = Watcher::new(&"ctrl-p,ctrl-q".parse().unwrap());
        assert_eq!(watcher.feed(b"ls\n"), (b"ls\n".to_vec(), false));
        // The shell's Ctrl-P, then another key.
        assert_eq!(watcher.feed(b"\x10"), (vec![], false));
        assert_eq!(watcher.feed(b"\x10"), (b"\x10".to_vec(), false));
        assert_eq!(watcher.feed(b"x"), (b"\x10x".to_vec(), false));
        assert_eq!(watcher.feed(b"a\x10\x11b"), (b"a".to_vec(), true));
        let mut none = Watcher::new(&"".parse().unwrap());
        assert_eq!(none.feed(b"\x10\x11"), (b"\x10\x11".to_vec(), false));
    }
}
