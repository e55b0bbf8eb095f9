//! Lines of `/proc/PID/mountinfo`.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// A mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// The path at which it is mounted.
    pub point: PathBuf,
    /// Whether mounts on it propagate to others.
    pub is_shared: bool,
    /// Whether mounts of others propagate to it.
    pub is_slave: bool,
}

impl Mount {
    /// Parses a line `36 35 98:0 /root /point options tags… - type source options`; `None` if it has
    /// no mount point.
    pub fn parse(line: &[u8]) -> Option<Self> {
        let mut words = line.split(|byte| *byte == b' ').skip(4);
        let point = PathBuf::from(OsString::from_vec(unescape(words.next()?)));
        let tags: Vec<_> = words.skip(1).take_while(|word| *word != b"-").collect();
        let has = |tag: &[u8]| tags.iter().any(|word| word.starts_with(tag));
        Some(Self { point, is_shared: has(b"shared:"), is_slave: has(b"master:") })
    }
}

/// Decodes spaces and the like, which the kernel writes as three octal digits.
fn unescape(word: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(word.len());
    let mut rest = word;
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..3).filter(|_| *first == b'\\');
        let value = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        match value.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(3..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_line_is_read() {
        let mount =
            Mount::parse(b"36 35 98:0 / /a\\040b\\134 rw shared:7 - ext4 /dev/x rw").unwrap();
        assert_eq!(mount.point, Path::new("/a b\\"));
        assert!(mount.is_shared && !mount.is_slave);
        assert!(
            Mount::parse(b"36 35 98:0 / /x rw master:7 - ext4 /dev/x shared:1").unwrap().is_slave
        );
        assert!(Mount::parse(b"").is_none());
    }
}
