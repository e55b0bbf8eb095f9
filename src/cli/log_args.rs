//! The flags of containers' logs.

use clap::Args;

use crate::domain::log::Limits;

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Container logs")]
pub struct LogArgs {
    /// A container's log is rotated before it gets larger than this. From 64Ki to 1Ti. Holds for
    /// what is started from then on.
    #[arg(long, value_name = "QUANTITY", env = "PROBELET_LOG_MAX_SIZE", default_value = "10Mi", value_parser = size)]
    pub log_max_size: u64,
    /// How many files of an attempt's log there are at most, the one that is written to among
    /// them. From 2 to 10000.
    #[arg(long, value_name = "N", env = "PROBELET_LOG_MAX_FILES", default_value_t = Limits::default().files, value_parser = clap::value_parser!(u32).range(i64::from(Limits::LEAST_FILES)..=10_000))]
    pub log_max_files: u32,
}

impl LogArgs {
    pub fn limits(&self) -> Limits {
        Limits { size: self.log_max_size, files: self.log_max_files }
    }
}

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

/// As Kubernetes writes sizes.
fn size(text: &str) -> Result<u64, String> {
    let unit = UNITS.iter().find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?, *bytes)));
    let (number, bytes) = unit.unwrap_or((text, 1));
    let size = number.parse::<u64>().ok().and_then(|number| number.checked_mul(bytes));
    let fits = size.filter(|size| (Limits::LEAST_SIZE..=1 << 40).contains(size));
    fits.ok_or_else(|| "must be a size like 10Mi, from 64Ki to 1Ti".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_kubernetes() {
        for (text, bytes) in [("10Mi", 10 << 20), ("65536", 65_536), ("1M", 1_000_000)] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "Mi", "1", "63Ki", "2Ti", "-1Mi", "1.5Gi", "10MB"] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}
