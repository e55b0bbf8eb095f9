//! Measures probelet beside raw programs, and others, that do the same in the same minutes, and prints one table.
//!
//! ```text
//! bench [size|restart|signal|probes|kube|scale]…      (default: all)
//! ```
//!
//! Each run appends a line to `target/bench.jsonl` and is compared with the line before.

mod kube;
mod peers;
mod probes;
mod report;
mod restart;
mod scale;
mod signal;
mod size;

use anyhow::{Context, Result};

use report::{Report, Row};

type Measure = fn() -> Result<Vec<Row>>;

const MEASURES: [(&str, Measure); 6] = [
    ("size", size::run),
    ("restart", restart::run),
    ("signal", signal::run),
    ("probes", probes::run),
    ("kube", kube::run),
    ("scale", scale::run),
];

fn main() -> Result<()> {
    let names: Vec<String> = std::env::args().skip(1).collect();
    for name in &names {
        let known = MEASURES.iter().any(|(measure, _)| measure == name);
        anyhow::ensure!(
            known,
            "no such measure: {name} (size, restart, signal, probes, kube, scale)"
        );
    }
    let mut report = Report::begin();
    for (name, measure) in MEASURES {
        if names.is_empty() || names.iter().any(|wanted| wanted == name) {
            eprintln!("measuring: {name}");
            let rows = measure().with_context(|| format!("measure {name}"))?;
            report.add(name, rows);
        }
    }
    report.finish()
}
