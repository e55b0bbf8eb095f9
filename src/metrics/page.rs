//! The page of metrics, to which one family after the other is added.

use std::fmt::Result;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use crate::supervisor::{BOUNDS, DurationHistogram};

/// Labels of a value. Their values are bounded: names of objects that exist, and constants.
pub type Labels<'a> = Vec<(&'static str, &'a str)>;

pub struct Page<'a>(DescriptorEncoder<'a>);

impl<'e> Page<'e> {
    pub fn new(encoder: DescriptorEncoder<'e>) -> Self {
        Self(encoder)
    }

    pub fn gauges<'a>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = (Labels<'a>, f64)>,
    ) -> Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labels, value) in rows {
            family.encode_family(&labels)?.encode_gauge(&value)?;
        }
        Ok(())
    }

    pub fn gauge(&mut self, name: &str, help: &str, value: impl Into<f64>) -> Result {
        self.gauges(name, help, [(vec![], value.into())])
    }

    /// Adds a family of counters. The encoder adds `_total` to the name.
    pub fn counters<'a>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = (Labels<'a>, f64)>,
    ) -> Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, value) in rows {
            let mut encoder = family.encode_family(&labels)?;
            encoder.encode_counter::<NoLabelSet, f64, u64>(&value, None)?;
        }
        Ok(())
    }

    pub fn counter(&mut self, name: &str, help: &str, value: f64) -> Result {
        self.counters(name, help, [(vec![], value)])
    }

    pub fn histograms<'a>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = (Labels<'a>, &'a DurationHistogram)>,
    ) -> Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for (labels, histogram) in rows {
            let bounds = BOUNDS.into_iter().chain([f64::INFINITY]);
            let buckets: Vec<_> = bounds.zip(histogram.buckets).collect();
            let count = histogram.buckets.iter().sum();
            let sum = histogram.sum.as_secs_f64();
            let mut encoder = family.encode_family(&labels)?;
            encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)?;
        }
        Ok(())
    }
}

/// A time in seconds of Unix time.
pub fn seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
