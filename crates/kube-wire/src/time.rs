//! Times of objects: RFC 3339 as Kubernetes writes it, and ages as `kubectl get` prints them.

#[cfg(test)]
mod tests;

const MICROS: i64 = 1_000_000;
const DAY: i64 = 86_400;

/// A point in time, in microseconds since 1970. The clock is the caller's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From microseconds since 1970.
    pub fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since 1970.
    pub fn micros(self) -> i64 {
        self.0
    }

    /// Reads `2026-01-02T03:04:05Z`, with or without a fraction, `Z` or an offset.
    pub fn parse(text: &str) -> Option<Self> {
        let (date, rest) = text.split_at_checked(10)?;
        let days = days(date)?;
        let rest = rest.strip_prefix(['T', 't', ' '])?;
        let (clock, rest) = rest.split_at_checked(8)?;
        let mut parts = clock.split(':');
        let (hour, minute, second) =
            (digits(parts.next()?)?, digits(parts.next()?)?, digits(parts.next()?)?);
        if hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let (fraction, zone) = fraction(rest)?;
        let seconds = days * DAY + hour * 3_600 + minute * 60 + second - offset(zone)?;
        seconds.checked_mul(MICROS)?.checked_add(fraction).map(Self)
    }

    /// `metav1.Time`: seconds, UTC.
    pub fn to_seconds_text(self) -> String {
        self.text(None)
    }

    /// `metav1.MicroTime`: six digits of a fraction, UTC.
    pub fn to_micros_text(self) -> String {
        self.text(Some(self.0.rem_euclid(MICROS)))
    }

    fn text(self, fraction: Option<i64>) -> String {
        let seconds = self.0.div_euclid(MICROS);
        let (year, month, day) = civil(seconds.div_euclid(DAY));
        let clock = seconds.rem_euclid(DAY);
        let fraction = fraction.map(|micros| format!(".{micros:06}")).unwrap_or_default();
        let (hour, minute, second) = (clock / 3_600, clock / 60 % 60, clock % 60);
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
    }

    /// The age at `now` as kubectl prints it.
    pub fn age(self, now: Self) -> String {
        human_duration(now.0.saturating_sub(self.0) / MICROS)
    }
}

fn digits(text: &str) -> Option<i64> {
    let all = text.bytes().all(|byte| byte.is_ascii_digit());
    (all && text.len() <= 4).then(|| text.parse().ok()).flatten()
}

/// Days since 1970 of a date such as `2026-01-02`.
fn days(date: &str) -> Option<i64> {
    let mut parts = date.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if (year.len(), month.len(), day.len()) != (4, 2, 2) {
        return None;
    }
    let (year, month, day) = (digits(year)?, digits(month)?, digits(day)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let longest = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=longest).contains(&day) {
        return None;
    }
    // A year that begins in March has its leap day at the end.
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * month + 2) / 5 + day - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

/// Year, month and day of the days since 1970.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (year + era * 400 + next, month, day)
}

/// Microseconds of a fraction, and the text behind it. More digits than six are cut off.
fn fraction(text: &str) -> Option<(i64, &str)> {
    let Some(rest) = text.strip_prefix('.') else { return Some((0, text)) };
    let length = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, zone) = rest.split_at_checked(length)?;
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    let six: String = digits.chars().chain(std::iter::repeat('0')).take(6).collect();
    Some((six.parse().ok()?, zone))
}

/// Seconds east of UTC.
fn offset(zone: &str) -> Option<i64> {
    if matches!(zone, "Z" | "z") {
        return Some(0);
    }
    let (sign, rest) = match zone.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    if (hours.len(), minutes.len()) != (2, 2) {
        return None;
    }
    let (hours, minutes) = (digits(hours)?, digits(minutes)?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3_600 + minutes * 60))
}

/// A duration in seconds by the rule of kubectl's columns: two or three significant figures.
pub fn human_duration(seconds: i64) -> String {
    let pair = |big: i64, unit: &str, small: i64, part: &str| match small {
        0 => format!("{big}{unit}"),
        _ => format!("{big}{unit}{small}{part}"),
    };
    let (minutes, hours) = (seconds / 60, seconds / 3_600);
    let (days, years) = (hours / 24, hours / 24 / 365);
    match seconds {
        // A clock that is a second behind is tolerated.
        ..=-2 => "<invalid>".to_owned(),
        -1 => "0s".to_owned(),
        0..120 => format!("{seconds}s"),
        _ if minutes < 10 => pair(minutes, "m", seconds % 60, "s"),
        _ if minutes < 180 => format!("{minutes}m"),
        _ if hours < 8 => pair(hours, "h", minutes % 60, "m"),
        _ if hours < 48 => format!("{hours}h"),
        _ if hours < 192 => pair(days, "d", hours % 24, "h"),
        _ if hours < 24 * 365 * 2 => format!("{days}d"),
        _ if hours < 24 * 365 * 8 => pair(years, "y", days % 365, "d"),
        _ => format!("{years}y"),
    }
}
