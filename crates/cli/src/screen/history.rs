//! The latencies of probes, collected while the screen is shown: the daemon has only the latest.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use jiff::Timestamp;

use super::row::{Id, Row, Tone};

/// The results of a probe that are kept.
pub const KEPT: usize = 120;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    pub latency: Duration,
    pub tone: Tone,
}

#[derive(Debug, Default)]
struct Samples {
    newest: Option<Timestamp>,
    samples: VecDeque<Sample>,
}

#[derive(Debug, Default)]
pub struct Histories(BTreeMap<Id, BTreeMap<&'static str, Samples>>);

impl Histories {
    /// Adds the results that are new, and drops the probes that no longer exist.
    pub fn add(&mut self, rows: &[Row]) {
        let mut old = std::mem::take(&mut self.0);
        for row in rows {
            let mut of_row = old.remove(&row.id).unwrap_or_default();
            of_row.retain(|kind, _| row.probes.iter().any(|probe| probe.kind == *kind));
            for probe in &row.probes {
                let Some((at, latency)) = probe.last else { continue };
                let of_probe = of_row.entry(probe.kind).or_default();
                if of_probe.newest == Some(at) {
                    continue;
                }
                of_probe.newest = Some(at);
                if of_probe.samples.len() >= KEPT {
                    of_probe.samples.pop_front();
                }
                of_probe.samples.push_back(Sample { latency, tone: probe.tone });
            }
            self.0.insert(row.id.clone(), of_row);
        }
    }

    /// The results of a probe, the oldest first.
    pub fn of(&self, id: &Id, kind: &str) -> impl DoubleEndedIterator<Item = &Sample> {
        let of_probe = self.0.get(id).and_then(|of_row| of_row.get(kind));
        of_probe.into_iter().flat_map(|of_probe| &of_probe.samples)
    }
}
