//! The clock, from which times of events and the validity of certificates follow.

use std::time::SystemTime;

use super::finding::Finding;

/// The subject of all findings about the clock.
const CLOCK: &str = "clock";

/// `built`: the time at which this program was built, which is past on any clock that is right.
pub fn clock(is_synchronized: Option<bool>, now: SystemTime, built: Option<SystemTime>) -> Finding {
    if let Some(built) = built.filter(|built| now < *built) {
        let found = format!("{}, before this program was built, {}", text(now), text(built));
        let advice = "set the clock: certificates are refused, and times in events are wrong";
        return Finding::degraded(CLOCK, found, advice);
    }
    match is_synchronized {
        Some(true) => Finding::good(CLOCK, format!("{}, synchronized", text(now))),
        Some(false) => {
            let found = format!("{}, not synchronized", text(now));
            let advice =
                "times in events and logs may be wrong; chrony or systemd-timesyncd sets it";
            Finding::degraded(CLOCK, found, advice)
        }
        None => {
            let found = format!("{}, and the kernel does not say whether it is right", text(now));
            Finding::degraded(CLOCK, found, "times in events and logs may be wrong")
        }
    }
}

fn text(time: SystemTime) -> String {
    let time = jiff::Timestamp::try_from(time).unwrap_or_default();
    time.strftime("%F %T UTC").to_string()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn a_clock_that_is_behind_the_build_is_wrong_whoever_sets_it() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let found = |synchronized, now, built| {
            let finding = clock(synchronized, at(now), built);
            (finding.verdict, finding.found)
        };
        let day = "1970-01-02 00:00:00 UTC";
        let good = (Verdict::Good, format!("{day}, synchronized"));
        assert_eq!(found(Some(true), 86_400, None), good);
        assert_eq!(found(Some(true), 86_400, Some(at(86_400))), good);
        let behind = format!("{day}, before this program was built, 1970-01-02 00:00:01 UTC");
        let built = Some(at(86_401));
        assert_eq!(found(Some(true), 86_400, built), (Verdict::Degraded, behind));
        let loose = (Verdict::Degraded, format!("{day}, not synchronized"));
        assert_eq!(found(Some(false), 86_400, None), loose);
        assert_eq!(found(None, 86_400, None).0, Verdict::Degraded);
    }
}
