//! The syntax of schedules, with the error texts of robfig/cron.

use std::time::Duration;

use super::{Clock, Field, Times};

/// A schedule that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CronError(String);

/// The numbers that a field may have, and their names.
struct Range {
    least: i64,
    most: i64,
    names: &'static [&'static str],
}

const MINUTES: Range = Range { least: 0, most: 59, names: &[] };
const HOURS: Range = Range { least: 0, most: 23, names: &[] };
const DAYS: Range = Range { least: 1, most: 31, names: &[] };
const MONTHS: Range = Range {
    least: 1,
    most: 12,
    names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
};
const WEEKDAYS: Range =
    Range { least: 0, most: 6, names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"] };

const DESCRIPTORS: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

pub(super) fn schedule(text: &str) -> Result<Times, CronError> {
    if text.is_empty() {
        return Err(CronError("empty spec string".to_owned()));
    }
    if text.starts_with('@') {
        return descriptor(text);
    }
    let fields: Vec<_> = text.split_whitespace().collect();
    let [minutes, hours, days, months, weekdays] = fields.as_slice() else {
        let count = fields.len();
        let found = fields.join(" ");
        return Err(CronError(format!("expected exactly 5 fields, found {count}: [{found}]")));
    };
    Ok(Times::Clock(Clock {
        minutes: field(minutes, &MINUTES)?.bits,
        hours: field(hours, &HOURS)?.bits,
        days: field(days, &DAYS)?,
        months: field(months, &MONTHS)?.bits,
        weekdays: field(weekdays, &WEEKDAYS)?,
    }))
}

fn descriptor(text: &str) -> Result<Times, CronError> {
    if let Some((_, fields)) = DESCRIPTORS.iter().find(|(name, _)| *name == text) {
        return schedule(fields);
    }
    let Some(period) = text.strip_prefix("@every ") else {
        return Err(CronError(format!("unrecognized descriptor: {text}")));
    };
    let period = probelet_text::duration::parse(period)
        .map_err(|error| CronError(format!("failed to parse duration {text}: {error}")))?;
    // Less than a second is a second.
    Ok(Times::Every(Duration::from_secs(period.as_secs().max(1))))
}

fn field(text: &str, range: &Range) -> Result<Field, CronError> {
    let mut field = Field { bits: 0, star: false };
    for item in text.split(',').filter(|item| !item.is_empty()) {
        let Field { bits, star } = item_of(item, range)?;
        field.bits |= bits;
        field.star |= star;
    }
    Ok(field)
}

/// One of a field's items: `*`, `*/2`, `5`, `5/10`, `1-5` or `1-30/7`.
fn item_of(item: &str, range: &Range) -> Result<Field, CronError> {
    let error = |text: String| Err(CronError(format!("{text}: {item}")));
    let parts: Vec<_> = item.split('/').collect();
    let (span, step) = match parts.as_slice() {
        [span] => (*span, None),
        [span, step] => (*span, Some(*step)),
        _ => return error("too many slashes".to_owned()),
    };
    let ends: Vec<_> = span.split('-').collect();
    let (mut star, start, mut end) = match ends.as_slice() {
        ["*" | "?", ..] => (true, range.least, range.most),
        [only] => {
            let only = number(only, range)?;
            (false, only, only)
        }
        [first, last] => (false, number(first, range)?, number(last, range)?),
        _ => return error("too many hyphens".to_owned()),
    };
    let step = match step {
        None => 1,
        Some(step) => {
            let step = number(step, &MINUTES)?;
            if ends.len() == 1 {
                end = range.most;
            }
            star &= step <= 1;
            step
        }
    };
    let (least, most) = (range.least, range.most);
    match () {
        () if start < least => {
            error(format!("beginning of range ({start}) below minimum ({least})"))
        }
        () if end > most => error(format!("end of range ({end}) above maximum ({most})")),
        () if start > end => {
            error(format!("beginning of range ({start}) beyond end of range ({end})"))
        }
        () if step == 0 => error("step of range should be a positive number".to_owned()),
        () => {
            let step = usize::try_from(step).unwrap_or(usize::MAX);
            let bit = |number: i64| 1_u64.checked_shl(u32::try_from(number).unwrap_or(64));
            let bits = (start..=end).step_by(step).filter_map(bit).fold(0, |all, bit| all | bit);
            Ok(Field { bits, star })
        }
    }
}

fn number(text: &str, range: &Range) -> Result<i64, CronError> {
    let lower = text.to_lowercase();
    let named = range.names.iter().zip(range.least..).find(|(name, _)| **name == lower);
    if let Some((_, number)) = named {
        return Ok(number);
    }
    let number: i64 = text.parse().map_err(|_| {
        let why = format!("strconv.Atoi: parsing {text:?}: invalid syntax");
        CronError(format!("failed to parse int from {text}: {why}"))
    })?;
    if number < 0 {
        return Err(CronError(format!("negative number ({number}) not allowed: {text}")));
    }
    Ok(number)
}
