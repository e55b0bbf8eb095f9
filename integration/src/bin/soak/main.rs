//! Long runs: `probes` measures the punctuality of many probes, `life` looks for growth while all
//! that a host does in months happens in an hour.

#![allow(clippy::indexing_slicing, reason = "a missing key of a JSON value is Null")]

mod growth;
mod life;
mod punctual;

use std::process::ExitCode;

use anyhow::{Result, bail};

const USAGE: &str = "usage: soak [probes] [--minutes 10] [--containers 200]
       soak life [--minutes 60 | --hours 1]";

fn main() -> Result<ExitCode> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (is_life, flags) = match words.split_first() {
        Some((word, flags)) if word == "life" => (true, flags),
        Some((word, flags)) if word == "probes" => (false, flags),
        _ => (false, words.as_slice()),
    };
    let (mut minutes, mut containers) = (if is_life { 60 } else { 10 }, 200);
    for pair in flags.chunks(2) {
        match pair {
            [flag, value] if flag == "--minutes" => minutes = value.parse()?,
            [flag, value] if flag == "--hours" => minutes = 60 * value.parse::<u32>()?,
            [flag, value] if flag == "--containers" && !is_life => containers = value.parse()?,
            _ => bail!(USAGE),
        }
    }
    let faults = if is_life { life::soak(minutes)? } else { punctual::soak(minutes, containers)? };
    for fault in &faults {
        eprintln!("error: {fault}");
    }
    Ok(if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
