//! The pictures of the page. Each has its meaning as text too, for screen readers.

use std::time::SystemTime;

use maud::{Markup, html};

use super::causes::{RECENT, is_recent, recent};
use super::values::age;
use crate::domain::status::ContainerStatus;
use crate::supervisor::{BOUNDS, DurationHistogram};

/// The slots of the last hour, two minutes each.
const SLOTS: usize = 30;
/// The width of a slot and the height of the picture, in units of the picture.
const SLOT: usize = 4;
const HEIGHT: usize = 22;
/// The number of ends in a slot from which its bar is full.
const MOST: usize = 3;

/// The unexpected ends of containers in the last hour as bars, now at the right. A part of the hour of
/// which ends are not kept any more is hatched.
pub fn ends<'a>(containers: impl Iterator<Item = &'a ContainerStatus>, now: SystemTime) -> Markup {
    let (mut times, mut unknown) = (Vec::new(), None);
    for status in containers {
        times.extend(recent(status, now).map(|end| end.finished_at));
        unknown = unknown.max(unknown_until(status, now));
    }
    let count_of = |slot: usize| times.iter().filter(|time| slot_of(**time, now) == slot).count();
    let bars: Vec<_> = (0..SLOTS).map(|slot| (slot, count_of(slot))).collect();
    let unknown = unknown.map(|until| slot_of(until, now).saturating_mul(SLOT)).unwrap_or_default();
    let text = text_of_ends(times.len(), times.iter().max().copied(), now, unknown > 0);
    html! {
        svg.ends viewBox={ "0 0 " (SLOTS * SLOT) " " (HEIGHT) } role="img" aria-label=(text) {
            title { (text) }
            @if unknown > 0 {
                rect.unknown x="0" y="0" width=(unknown) height=(HEIGHT) {}
            }
            @for (slot, count) in bars.into_iter().filter(|(_, count)| *count > 0) {
                @let height = (count.min(MOST) * (HEIGHT - 2)) / MOST;
                rect x=(slot * SLOT) y=(HEIGHT - 1 - height) width=(SLOT - 1) height=(height) {}
            }
            line x1="0" x2=(SLOTS * SLOT) y1=(HEIGHT - 1) y2=(HEIGHT - 1) {}
        }
    }
}

fn text_of_ends(
    count: usize,
    newest: Option<SystemTime>,
    now: SystemTime,
    has_unknown: bool,
) -> String {
    let mut text = match (count, newest) {
        (1, Some(newest)) => format!("1 unexpected end in the last hour, {} ago", age(newest, now)),
        (count, Some(newest)) => {
            let newest = age(newest, now);
            format!("{count} unexpected ends in the last hour, the newest {newest} ago")
        }
        (_, None) => "no unexpected end in the last hour".to_owned(),
    };
    if has_unknown {
        text.push_str("; earlier ones are not kept");
    }
    text
}

/// The slot of a time within the last hour.
fn slot_of(time: SystemTime, now: SystemTime) -> usize {
    let age = now.duration_since(time).unwrap_or_default().min(RECENT).as_secs();
    let slots = SLOTS as u64;
    let back = age.saturating_mul(slots) / RECENT.as_secs();
    SLOTS.saturating_sub(1).saturating_sub(usize::try_from(back).unwrap_or(SLOTS))
}

/// The oldest end that is kept, if it is in the last hour and earlier ones were dropped.
fn unknown_until(status: &ContainerStatus, now: SystemTime) -> Option<SystemTime> {
    let oldest = status.history.iter().last()?;
    (oldest.attempt.0 > 0 && is_recent(oldest, now)).then_some(oldest.finished_at)
}

/// The height of the bars, and the place of all, of a picture of latencies.
const BARS: u64 = 72;
const STEP: usize = 36;
const WIDTH: usize = (BOUNDS.len() + 1) * STEP;

/// How long attempts took, as one bar for each bucket of the metric.
pub fn latencies(kind: &str, histogram: &DurationHistogram) -> Markup {
    let highest = histogram.buckets.iter().copied().max().unwrap_or_default().max(1);
    let text = text_of_latencies(kind, histogram);
    let names = BOUNDS.iter().map(|bound| bound_text(*bound)).chain(["more".to_owned()]);
    let bars = histogram.buckets.iter().zip(names).enumerate().map(|(at, (count, name))| {
        // A bucket that is not empty is seen, however few attempts are in it.
        let height = (count.saturating_mul(BARS) / highest).max(u64::from(*count > 0));
        (at.saturating_mul(STEP), height, *count, name)
    });
    html! {
        figure {
            figcaption { b { (kind) } " " (text) }
            svg.latency viewBox={ "-8 0 " (WIDTH + 16) " 96" } role="img" aria-label={ (kind) ": " (text) } {
                @for (x, height, count, name) in bars {
                    @if height > 0 {
                        rect x=(x + 3) y=(BARS - height) width=(STEP - 6) height=(height) {
                            title { (count) " up to " (name) }
                        }
                    }
                    // On a narrow screen there is room for each second name.
                    @if (x / STEP).is_multiple_of(2) {
                        text x=(x + STEP / 2) y="90" text-anchor="middle" { (name) }
                    }
                }
                line x1="0" x2=(WIDTH) y1=(BARS) y2=(BARS) {}
            }
        }
    }
}

fn bound_text(seconds: f64) -> String {
    if seconds < 1.0 { format!("{}ms", seconds * 1e3) } else { format!("{seconds}s") }
}

fn text_of_latencies(kind: &str, histogram: &DurationHistogram) -> String {
    let count: u64 = histogram.buckets.iter().sum();
    let within = |per_cent: u64| {
        let wanted = count.saturating_mul(per_cent).div_ceil(100);
        let mut sum = 0_u64;
        let bucket = histogram.buckets.iter().position(|bucket| {
            sum = sum.saturating_add(*bucket);
            sum >= wanted
        });
        match bucket.and_then(|bucket| BOUNDS.get(bucket)) {
            Some(bound) => format!("within {}", bound_text(*bound)),
            None => "in more than 10s".to_owned(),
        }
    };
    match count {
        0 => format!("no {kind} probe has run"),
        1 => format!("1 attempt, {}", within(100)),
        count => format!("{count} attempts: half {}, 99 % {}", within(50), within(99)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn the_newest_end_is_in_the_last_slot() {
        let now = UNIX_EPOCH + Duration::from_secs(100_000);
        let ago = |seconds| now - Duration::from_secs(seconds);
        for (seconds, slot) in [(0, 29), (119, 29), (120, 28), (3599, 0), (3600, 0), (9999, 0)] {
            assert_eq!(slot_of(ago(seconds), now), slot, "{seconds} s");
        }
        assert_eq!(slot_of(now + Duration::from_secs(5), now), 29);
    }

    #[test]
    fn latencies_are_told_in_words() {
        let mut histogram = DurationHistogram::default();
        assert_eq!(text_of_latencies("startup", &histogram), "no startup probe has run");
        histogram.buckets[2] = 1;
        assert_eq!(text_of_latencies("startup", &histogram), "1 attempt, within 2.5ms");
        histogram.buckets[2] = 97;
        histogram.buckets[9] = 1;
        histogram.buckets[12] = 2;
        let text = "100 attempts: half within 2.5ms, 99 % in more than 10s";
        assert_eq!(text_of_latencies("startup", &histogram), text);
        // One attempt in a million is seen too.
        histogram.buckets[2] = 1_000_000;
        let picture = latencies("startup", &histogram).into_string();
        assert_eq!(picture.matches("<rect").count(), 3, "{picture}");
        assert!(picture.contains("height=\"1\""), "{picture}");
    }

    #[test]
    fn ends_are_told_in_words() {
        let now = UNIX_EPOCH + Duration::from_secs(100_000);
        let newest = Some(now - Duration::from_secs(90));
        assert_eq!(text_of_ends(0, None, now, false), "no unexpected end in the last hour");
        let one = "1 unexpected end in the last hour, 90s ago";
        assert_eq!(text_of_ends(1, newest, now, false), one);
        let ten =
            "10 unexpected ends in the last hour, the newest 90s ago; earlier ones are not kept";
        assert_eq!(text_of_ends(10, newest, now, true), ten);
    }
}
