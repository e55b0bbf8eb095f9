//! A row of bars, one for each result of a probe.

use std::time::Duration;

use super::history::Sample;
use super::row::Tone;

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The newest results that fit, the newest at the right: a bar as high as the latency among those
/// shown, and `×` for a failure, whose latency says little.
pub fn spark<'a>(
    samples: impl DoubleEndedIterator<Item = &'a Sample>,
    width: usize,
) -> Vec<(char, Tone)> {
    let mut shown: Vec<&Sample> = samples.rev().take(width).collect();
    shown.reverse();
    let is_bar = |sample: &&&Sample| sample.tone != Tone::Bad;
    let highest = shown.iter().filter(is_bar).map(|sample| sample.latency).max();
    let mark = |sample: &&Sample| match sample.tone {
        Tone::Bad => '×',
        _ => bar(sample.latency, highest.unwrap_or_default()),
    };
    let padding = std::iter::repeat_n((' ', Tone::Idle), width.saturating_sub(shown.len()));
    padding.chain(shown.iter().map(|sample| (mark(sample), sample.tone))).collect()
}

fn bar(latency: Duration, highest: Duration) -> char {
    let steps = BARS.len() as u128;
    let step = latency.as_nanos().saturating_mul(steps).div_ceil(highest.as_nanos().max(1));
    let step = usize::try_from(step.saturating_sub(1)).unwrap_or(usize::MAX);
    BARS.get(step.min(BARS.len() - 1)).copied().unwrap_or('█')
}
