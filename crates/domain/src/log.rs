//! When a container's log is rotated, and how many files of it are kept.

/// Name in a URI's query, and the argument, that identify a logger of probelet.
pub const LOGGER: &str = "container-log";

/// Size at which a log is rotated, and the maximum number of its files, including the one that is
/// being written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Size of a file in bytes: a log is rotated before the record that would exceed it. 10 MiB by
    /// default, from 64 KiB to 1 TiB.
    pub size: u64,
    /// Number of files; 5 by default, from 2 to 10000.
    pub files: u32,
}

/// Log limits of one container; those of the host where unset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OwnLimits {
    /// Size of a file in bytes, see [`Limits::size`].
    pub size: Option<u64>,
    /// Number of files, see [`Limits::files`].
    pub files: Option<u32>,
}

/// The defaults of the kubelet.
impl Default for Limits {
    fn default() -> Self {
        Self { size: 10 << 20, files: 5 }
    }
}

const LEAST_SIZE: u64 = 64 << 10;
const LEAST_FILES: u32 = 2;
const MOST_FILES: u32 = 10_000;

const UNITS: [(&str, u64); 8] = [
    ("Ki", 1 << 10),
    ("Mi", 1 << 20),
    ("Gi", 1 << 30),
    ("Ti", 1 << 40),
    ("k", 1_000),
    ("M", 1_000_000),
    ("G", 1_000_000_000),
    ("T", 1_000_000_000_000),
];

impl Limits {
    /// These limits, replaced by those of the container that are set.
    pub fn with(self, own: OwnLimits) -> Self {
        Self { size: own.size.unwrap_or(self.size), files: own.files.unwrap_or(self.files) }
    }

    /// Reads a size as Kubernetes writes it.
    pub fn parse_size(text: &str) -> Result<u64, &'static str> {
        let unit = UNITS.iter().find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?, *bytes)));
        let (number, bytes) = unit.unwrap_or((text, 1));
        let size = number.parse::<u64>().ok().and_then(|number| number.checked_mul(bytes));
        let fits = size.filter(|size| (LEAST_SIZE..=1 << 40).contains(size));
        fits.ok_or("must be a size like 10Mi, from 64Ki to 1Ti")
    }

    /// Reads a number of files, from 2 to 10000.
    ///
    /// # Errors
    ///
    /// A text for the user if it is not a number within these bounds.
    pub fn parse_files(text: &str) -> Result<u32, &'static str> {
        let files = text.parse().ok().filter(|files| (LEAST_FILES..=MOST_FILES).contains(files));
        files.ok_or("must be a number from 2 to 10000")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_kubernetes() {
        for (text, bytes) in [("10Mi", 10 << 20), ("65536", 65_536), ("1M", 1_000_000)] {
            assert_eq!(Limits::parse_size(text), Ok(bytes), "{text}");
        }
        for text in ["", "Mi", "1", "63Ki", "2Ti", "-1Mi", "1.5Gi", "10MB"] {
            assert!(Limits::parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_container_has_its_own_before_the_hosts() {
        assert_eq!((Limits::parse_files("2"), Limits::parse_files("1").is_err()), (Ok(2), true));
        let (host, own) = (Limits::default(), OwnLimits { size: None, files: Some(2) });
        assert_eq!(host.with(own), Limits { files: 2, ..host });
        assert_eq!(host.with(OwnLimits::default()), host);
    }
}
