//! The flags of `get` for what is printed, and how.

use super::object_output::Output;

#[derive(Debug, clap::Args)]
pub struct View {
    /// The output format.
    #[arg(short, long, value_enum)]
    pub output: Option<Output>,
    /// Keep printing changes.
    #[arg(short, long)]
    pub watch: bool,
    /// Leave out the line with the names of the columns.
    #[arg(long)]
    pub no_headers: bool,
    /// Add a column with the labels of each pod.
    #[arg(long)]
    pub show_labels: bool,
}
