//! Schedules of CronJobs: the syntax and the times of the library that Kubernetes uses, robfig/cron.
//!
//! A schedule fires at each minute whose time on the zone's clock matches. So a time that a change
//! to summer time skips does not fire on that day, and one that the change back repeats fires twice.
//! robfig/cron counts wrongly on a day without a midnight, which is not repeated here.

use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

mod parse;

#[cfg(test)]
mod tests;

pub use parse::CronError;

/// Years that are searched for the next time.
const YEARS: i16 = 5;
/// Searches of one minute, hour or day after which a schedule has no next time. Five years have
/// 1,827 days, and a day that does not fire costs at most one step for each of its hours.
const STEPS: usize = 60_000;
const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;

/// A schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule(Times);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Times {
    Clock(Clock),
    /// `@every`, in whole seconds.
    Every(Duration),
}

/// The minutes, hours and days that match, as bits.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Clock {
    minutes: u64,
    hours: u64,
    days: Field,
    months: u64,
    weekdays: Field,
}

/// Days, which are restricted unless they are written as `*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Field {
    bits: u64,
    star: bool,
}

fn has(bits: u64, number: i8) -> bool {
    u32::try_from(number).is_ok_and(|number| bits.checked_shr(number).unwrap_or(0) & 1 == 1)
}

impl Schedule {
    /// Reads `*/5 * * * *`, `0 9 * * mon-fri`, `@hourly` or `@every 90m`.
    ///
    /// # Errors
    ///
    /// The text of robfig/cron.
    pub fn parse(text: &str) -> Result<Self, CronError> {
        parse::schedule(text).map(Self)
    }

    /// The first time after `after`; none if there is none within five years.
    pub fn next_after(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        match &self.0 {
            Times::Every(period) => {
                let whole = Timestamp::from_second(after.as_second()).ok()?;
                whole.checked_add(SignedDuration::try_from(*period).ok()?).ok()
            }
            Times::Clock(clock) => clock.next_after(after, zone),
        }
    }

    /// The last time after `from` that is not after `until`. `@every` counts from `from`.
    pub fn last_between(
        &self,
        from: Timestamp,
        until: Timestamp,
        zone: &TimeZone,
    ) -> Option<Timestamp> {
        let fits = |after: i64| {
            let after = Timestamp::from_second(after).ok()?;
            self.next_after(after, zone).filter(|next| *next <= until)
        };
        let (mut low, mut high) = (from.as_second(), until.as_second());
        let mut found = fits(low)?;
        if let Times::Every(period) = &self.0 {
            let period = i64::try_from(period.as_secs()).ok()?;
            let periods = high.checked_sub(low)?.checked_div(period)?;
            return Timestamp::from_second(low.checked_add(periods.checked_mul(period)?)?).ok();
        }
        // The next time after a later time is never earlier, so the last one is found by halves.
        while low < high {
            let middle = low.midpoint(high).max(low.saturating_add(1));
            match fits(middle) {
                Some(later) => {
                    (low, found) = (middle.max(later.as_second().saturating_sub(1)), later)
                }
                None => high = middle.saturating_sub(1),
            }
        }
        Some(found)
    }
}

impl Clock {
    fn next_after(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let minute = after.as_second().div_euclid(MINUTE).checked_add(1)?;
        let mut at = Timestamp::from_second(minute.checked_mul(MINUTE)?).ok()?;
        let last_year = zone.to_datetime(at).year().checked_add(YEARS)?;
        for _ in 0..STEPS {
            let clock = zone.to_datetime(at);
            if clock.year() > last_year {
                return None;
            }
            if !self.fits_day(clock.date()) {
                at = self.next_day(clock.date(), last_year, zone)?;
                continue;
            }
            let minute = i64::from(clock.minute());
            if !has(self.hours, clock.hour()) {
                at = add(at, HOUR.checked_sub(minute.checked_mul(MINUTE)?)?)?;
                continue;
            }
            match (clock.minute()..60).find(|minute| has(self.minutes, *minute)) {
                Some(found) if found == clock.minute() => return Some(at),
                // The clock may change before that minute, so it is read again.
                Some(found) => {
                    at = add(at, i64::from(found).checked_sub(minute)?.checked_mul(MINUTE)?)?;
                }
                None => at = add(at, HOUR.checked_sub(minute.checked_mul(MINUTE)?)?)?,
            }
        }
        None
    }

    /// The first instant of the next day that matches.
    fn next_day(&self, from: Date, last_year: i16, zone: &TimeZone) -> Option<Timestamp> {
        let mut date = from;
        while date.year() <= last_year {
            date = date.checked_add(1.day()).ok()?;
            if self.fits_day(date) {
                // A day without a midnight begins with its first time.
                return zone.to_timestamp(date.at(0, 0, 0, 0)).ok();
            }
        }
        None
    }

    /// If both days are restricted, either may match.
    fn fits_day(&self, date: Date) -> bool {
        if !has(self.months, date.month()) {
            return false;
        }
        let day = has(self.days.bits, date.day());
        let weekday = has(self.weekdays.bits, date.weekday().to_sunday_zero_offset());
        if self.days.star || self.weekdays.star { day && weekday } else { day || weekday }
    }
}

fn add(time: Timestamp, seconds: i64) -> Option<Timestamp> {
    time.checked_add(SignedDuration::from_secs(seconds)).ok()
}
