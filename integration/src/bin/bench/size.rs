//! The size of the binary, and the memory of the daemon without and with pods.

use std::fs;
use std::thread;
use std::time::Duration;

use anyhow::Result;
use probelet_integration::measure::Size;
use probelet_integration::{Host, probelet_bin};

use crate::probes::apply_pods;
use crate::report::Row;

/// The time after which one-time allocations are over.
pub const SETTLES: Duration = Duration::from_secs(5);

pub fn run() -> Result<Vec<Row>> {
    let binary = fs::metadata(probelet_bin())?.len();
    let mut host = Host::start()?;
    host.start_daemon()?;
    let mut rows = vec![Row::alone("binary", "MiB", mebi(binary))];
    rows.push(Row::alone("resident memory without a pod", "MiB", resident(&host)?));
    apply_pods(&host, 1, "1s")?;
    rows.push(Row::alone("resident memory with 1 pod", "MiB", resident(&host)?));
    apply_pods(&host, 100, "1s")?;
    rows.push(Row::alone(
        "resident memory with 100 pods probed each second",
        "MiB",
        resident(&host)?,
    ));
    Ok(rows)
}

/// The daemon's resident memory in MiB, once it has settled.
pub fn resident(host: &Host) -> Result<f64> {
    thread::sleep(SETTLES);
    Ok(mebi(Size::of(host.daemon_pid()?)?.resident))
}

pub fn mebi(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
