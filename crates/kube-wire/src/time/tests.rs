use proptest::prelude::*;

use super::*;

#[test]
fn times_are_read_in_every_notation() {
    let rows = [
        ("1970-01-01T00:00:00Z", Some(0)),
        ("2026-08-21T12:00:00Z", Some(1_787_313_600_000_000)),
        ("2026-08-21T14:00:00+02:00", Some(1_787_313_600_000_000)),
        ("2026-08-21T12:00:00.5Z", Some(1_787_313_600_500_000)),
        ("2026-08-21T12:00:00.123456789Z", Some(1_787_313_600_123_456)),
        ("2024-02-29T00:00:00Z", Some(1_709_164_800_000_000)),
        ("1969-12-31T23:59:59Z", Some(-1_000_000)),
        ("0001-01-01T00:00:00Z", Some(-62_135_596_800_000_000)),
        ("2026-02-29T00:00:00Z", None),
        ("2026-13-01T00:00:00Z", None),
        ("2026-08-21T24:00:00Z", None),
        ("2026-08-21T12:00:00", None),
        ("2026-08-21T12:00:00+2:00", None),
        ("2026-08-21", None),
        ("", None),
        ("20é6-08-21T12:00:00Z", None),
    ];
    for (text, expected) in rows {
        assert_eq!(Timestamp::parse(text).map(Timestamp::micros), expected, "{text}");
    }
}

#[test]
fn ages_follow_kubectls_rule() {
    let (minute, hour, day, year) = (60, 3_600, 86_400, 31_536_000);
    let rows = [
        (-2, "<invalid>"),
        (-1, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (9 * minute + 59, "9m59s"),
        (10 * minute + 1, "10m"),
        (3 * hour - 1, "179m"),
        (3 * hour, "3h"),
        (3 * hour + minute, "3h1m"),
        (8 * hour + minute, "8h"),
        (48 * hour, "2d"),
        (49 * hour, "2d1h"),
        (8 * day, "8d"),
        (2 * year - 1, "729d"),
        (2 * year, "2y"),
        (2 * year + day, "2y1d"),
        (8 * year, "8y"),
    ];
    for (seconds, text) in rows {
        assert_eq!(human_duration(seconds), text, "{seconds}");
    }
    let now = Timestamp::from_micros(10_900_000);
    assert_eq!(Timestamp::from_micros(10_000_000).age(now), "0s");
    assert_eq!(Timestamp::from_micros(12_800_000).age(now), "0s", "less than two seconds ahead");
}

proptest! {
    #[test]
    fn what_is_written_is_read(micros in -62_135_596_800_000_000i64..253_402_300_799_000_000) {
        let time = Timestamp::from_micros(micros);
        prop_assert_eq!(Timestamp::parse(&time.to_micros_text()), Some(time));
        let seconds = Timestamp::parse(&time.to_seconds_text()).unwrap().micros();
        prop_assert_eq!(seconds, micros.div_euclid(MICROS) * MICROS);
    }

    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,40}") {
        let _ = Timestamp::parse(&text);
    }

    #[test]
    fn no_number_makes_it_panic(micros: i64, now: i64) {
        let _ = Timestamp::from_micros(micros).age(Timestamp::from_micros(now));
        let _ = Timestamp::from_micros(micros).to_micros_text();
    }
}
