//! The flags of containers' logs.

use clap::Args;

use crate::domain::log::Limits;

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Container logs")]
pub struct LogArgs {
    /// A container's log is rotated before it gets larger than this. From 64Ki to 1Ti. Holds for
    /// what is started from then on.
    #[arg(long, value_name = "QUANTITY", env = "PROBELET_LOG_MAX_SIZE", default_value = "10Mi", value_parser = Limits::parse_size)]
    pub log_max_size: u64,
    /// How many files of an attempt's log there are at most, the one that is written to among
    /// them. From 2 to 10000.
    #[arg(long, value_name = "N", env = "PROBELET_LOG_MAX_FILES", default_value_t = Limits::default().files, value_parser = Limits::parse_files)]
    pub log_max_files: u32,
}

impl LogArgs {
    pub fn limits(&self) -> Limits {
        Limits { size: self.log_max_size, files: self.log_max_files }
    }
}
