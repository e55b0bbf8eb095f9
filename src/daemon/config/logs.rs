//! The flags of the logs of containers.

use crate::domain::log::Limits;

#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Container logs")]
pub struct LogConfig {
    /// A container's log is rotated before it gets larger than this. From 64Ki to 1Ti. Applies to
    /// instances that are started from then on.
    #[arg(long, value_name = "QUANTITY", env = "PROBELET_LOG_MAX_SIZE", default_value = "10Mi", value_parser = Limits::parse_size)]
    log_max_size: u64,
    /// The maximum number of files of an attempt's log, including the one that is written to. From 2 to 10000.
    #[arg(long, value_name = "N", env = "PROBELET_LOG_MAX_FILES", default_value_t = Limits::default().files, value_parser = Limits::parse_files)]
    log_max_files: u32,
}

impl LogConfig {
    pub fn limits(&self) -> Limits {
        Limits { size: self.log_max_size, files: self.log_max_files }
    }
}
