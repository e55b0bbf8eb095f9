//! The times and errors of robfig/cron 3.0.1 itself: `robfig.txt` is its output.

use super::*;

fn zone(posix: &str) -> TimeZone {
    TimeZone::posix(posix).unwrap()
}

fn seconds(text: &str) -> Timestamp {
    Timestamp::from_second(text.parse().unwrap()).unwrap()
}

#[test]
fn times_are_those_of_robfig_cron() {
    let mut lines = 0;
    let mut wrong = Vec::new();
    // On the day on which Beirut's clock skips midnight, robfig/cron drops the Sunday of the first
    // schedule, and runs the second on a Sunday, which it does not have.
    let faults = ["0 2 * * sun|1741477200", "* 7,20/6 31-31 * 1,6/3|1774731600"];
    for line in include_str!("robfig.txt").lines().filter(|line| !line.starts_with("error|")) {
        let [posix, schedule, from, expected] = line.split('|').collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        let (parsed, zone) = (Schedule::parse(schedule).unwrap(), zone(posix));
        let mut at = Some(seconds(from));
        let count = expected.split(' ').count();
        let times = std::iter::repeat_with(|| {
            at = at.and_then(|time| parsed.next_after(time, &zone));
            at.map_or("-".to_owned(), |time| time.as_second().to_string())
        });
        let found = times.take(count).collect::<Vec<_>>().join(" ");
        if (found != expected) != faults.iter().any(|fault| line.contains(fault)) {
            wrong.push(format!("{line} → {found}"));
        }
        lines += 1;
    }
    assert!(lines > 300, "{lines}");
    assert!(wrong.is_empty(), "{} of {lines}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn errors_are_those_of_robfig_cron() {
    for line in include_str!("robfig.txt").lines().filter(|line| line.starts_with("error|")) {
        let [_, schedule, expected] = line.split('|').collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        let found = Schedule::parse(schedule).unwrap_err().to_string();
        if schedule.starts_with("@every") {
            let same = "failed to parse duration @every x: ";
            assert!(found.starts_with(same) && expected.starts_with(same), "{found}");
        } else {
            assert_eq!(found, expected, "{schedule}");
        }
    }
}

#[test]
fn the_last_time_is_found_in_years() {
    let new_york = zone("EST5EDT,M3.2.0,M11.1.0");
    let last = |schedule: &str, from: &str, until: &str| {
        let schedule = Schedule::parse(schedule).unwrap();
        let (from, until) = (from.parse().unwrap(), until.parse().unwrap());
        schedule.last_between(from, until, &new_york).map(|time| time.to_string())
    };
    let (old, now) = ("2020-01-01T00:00:00Z", "2026-11-01T12:00:30Z");
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(last("* * * * *", old, now), some("2026-11-01T12:00:00Z"));
    assert_eq!(last("0 0 29 2 *", old, now), some("2024-02-29T05:00:00Z"));
    // The second 01:30 of the night on which summer time ends.
    assert_eq!(last("30 1 * * *", old, now), some("2026-11-01T06:30:00Z"));
    assert_eq!(last("0 13 * * *", now, now), None);
    assert_eq!(last("@every 1h", old, now), some("2026-11-01T12:00:00Z"));
    assert_eq!(last("0 0 30 2 *", old, now), None);
}

#[test]
fn a_change_within_an_hour_skips_minutes() {
    // At 02:15 the clock goes to 03:15.
    let odd = zone("XXX0YYY,M3.2.0/2:15,M11.1.0/2:45");
    let schedule = Schedule::parse("30 2 * * *").unwrap();
    let next = schedule.next_after("2026-03-08T02:05:00Z".parse().unwrap(), &odd).unwrap();
    assert_eq!(next.to_string(), "2026-03-09T01:30:00Z");
}

proptest::proptest! {
    #[test]
    fn no_text_is_a_panic(text in "[-*/,?0-9a-z@ ]{0,24}", from in -62_135_596_800_i64..253_402_200_000) {
        if let Ok(schedule) = Schedule::parse(&text) {
            let from = Timestamp::from_second(from).unwrap();
            let next = schedule.next_after(from, &TimeZone::UTC);
            proptest::prop_assert!(next.is_none_or(|next| next > from));
        }
    }

    /// The last time is one whose next is beyond the end.
    #[test]
    fn the_last_time_is_the_last(minute in 0..60, step in 1..24, length in 0_i64..100_000_000) {
        let schedule = Schedule::parse(&format!("{minute} */{step} * * 1-5")).unwrap();
        let from = seconds("1700000000");
        let until = add(from, length).unwrap();
        let beirut = zone("EET-2EEST,M3.5.0/0,M10.5.0/0");
        match schedule.last_between(from, until, &beirut) {
            Some(last) => {
                proptest::prop_assert!(last <= until && last > from);
                proptest::prop_assert!(schedule.next_after(last, &beirut).unwrap() > until);
            }
            None => proptest::prop_assert!(schedule.next_after(from, &beirut).unwrap() > until),
        }
    }
}
