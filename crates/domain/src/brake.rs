//! The brake on probe kills, one for the whole host.
//!
//! When many probes fail at once, the fault is rarely in the containers: the host is starved, or a
//! common dependency is unavailable. Killing and restarting all of them then makes it worse. So
//! kills by probes are paid from a budget, and none is allowed while a storm of verdicts lasts or
//! the host is starved. The kill of a container that fails alone is always allowed at once.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use super::text::go_duration;
use super::time::Later;

mod gauge;
pub use gauge::{Gauge, Standing};

#[cfg(test)]
mod tests;

/// Limits of the brake. The command line bounds the values; any values are safe here.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Number of kills that a full budget allows at once.
    pub burst: u32,
    /// Time after which the budget has one kill more.
    pub refill: Duration,
    /// Number of containers that makes a storm if their probes fail within the window, and if
    /// `storm_share` is reached too. From 2 to 10000; 5 by default.
    pub storm_containers: usize,
    /// Share of the probed containers that makes a storm, if `storm_containers` are reached too.
    /// Above 0, at most 1; 0.5 by default.
    pub storm_share: f64,
    /// Time within which the containers must fail for a storm, from 1 s to 1 h; 10 s by default.
    pub storm_window: Duration,
    /// Pressure in percent above which the host counts as starved.
    pub pressure: f64,
}

impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { burst, refill, storm_containers, storm_share, storm_window, pressure } = self;
        write!(
            f,
            "{burst} kills at once, one more each {refill:?}; storm from {storm_containers} \
             containers and {storm_share} of them within {storm_window:?}; pressure {pressure} %"
        )
    }
}

impl Default for Limits {
    /// A start costs a tenth of a second of a core: any host can run ten at once, and ten a minute
    /// never keep a core busy, while a hundred containers that need a start get one within ten
    /// minutes. A pressure of 60 % means that for 60 % of ten seconds no process on the host made
    /// progress for want of memory or of the disk; systemd-oomd kills at that value.
    fn default() -> Self {
        Self {
            burst: 10,
            refill: Duration::from_secs(6),
            storm_containers: 5,
            storm_share: 0.5,
            storm_window: Duration::from_secs(10),
            pressure: 60.0,
        }
    }
}

/// `full avg10` of the kernel's pressure stall information in percent, if the kernel reports it:
/// the share of the last ten seconds in which no process on the host made progress for want of the
/// resource. The CPU is not among them: its `some` is near 100 % wherever more processes run than
/// there are cores, although probes are answered as fast as ever, and the kernel has no `full` for
/// it. A host that is so short of CPU that probes time out is detected by the daemon running probes
/// late.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Pressure {
    /// Memory pressure in percent; `None` if the kernel does not report it.
    pub memory: Option<f64>,
    /// I/O pressure in percent; `None` if the kernel does not report it.
    pub io: Option<f64>,
}

/// Request for a kill that a probe has decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KillRequest {
    /// Time of the probe's final failure.
    pub since: Instant,
    /// True if the probe's failures that were answers would not have sufficed. A starved host
    /// explains a timeout, but no answer: an error status, a refusal, an exit code.
    pub by_timeout: bool,
}

/// Reason why a kill has to wait.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Hold {
    /// Many containers failed their probes at once.
    Storm {
        /// Number of containers that failed within the window.
        failed: usize,
        /// Number of containers that a probe may end; at least `failed`.
        probed: usize,
        /// Length of the window.
        window: Duration,
    },
    /// The daemon itself ran probes late. This holds only kills for timeouts.
    Late {
        /// Number of containers whose probes were late within the window of a storm.
        containers: usize,
    },
    /// The host is short of memory or I/O. This holds only kills for timeouts.
    Pressure {
        /// Resource under pressure: `memory` or `io`.
        of: &'static str,
        /// Pressure in percent, `full avg10` of the kernel.
        percent: f64,
        /// Limit in percent that the pressure exceeds.
        limit: f64,
    },
    /// The budget is used up.
    Budget {
        /// Number of kills that a full budget allows at once.
        burst: u32,
        /// Time after which the budget has one more kill.
        refill: Duration,
    },
}

impl Hold {
    /// True if both holds are of the same kind, whatever their numbers.
    pub fn is_like(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Storm { failed, probed, window } => {
                let window = go_duration(*window);
                write!(f, "{failed} of {probed} probed containers failed within {window}")
            }
            Self::Late { containers } => {
                write!(f, "probelet itself was late with the probes of {containers} containers")
            }
            Self::Pressure { of, percent, limit } => {
                write!(f, "the host's full {of} pressure is {percent:.0}%, above {limit}%")
            }
            Self::Budget { burst, refill } => {
                let refill = go_duration(*refill);
                write!(f, "the budget of {burst} probe kills is used up, one more every {refill}")
            }
        }
    }
}

/// Answer of the brake to a [`KillRequest`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Ruling {
    /// The kill may begin now. The budget has paid for it.
    Granted,
    /// The kill has to wait. The caller asks again at `again`, or loses its place in the queue.
    Held {
        /// Reason of the hold.
        why: Hold,
        /// Time at which to ask again, 0.1 s to 1 s from now. After 3 s without a question the
        /// brake drops the request.
        again: Instant,
    },
}

/// Shortest and longest time until the brake is to be asked again.
const SOONEST: Duration = Duration::from_millis(100);
const LATEST: Duration = Duration::from_secs(1);
/// A request that was not repeated for this long is dropped.
const LEASE: Duration = Duration::from_secs(3);
/// Longest time for which a storm or a starved host holds a kill: a condition that lasts longer is
/// no storm. After it only the budget holds the kill.
const LONGEST: Duration = Duration::from_secs(300);
/// One late probe may be caused by the container, such as a hanging exec. Two are caused by the
/// host.
const LATE_CONTAINERS: usize = 2;

/// The brake of a host: the budget of kills, the recent failures, and the kills that wait.
#[derive(Debug)]
pub struct Brake {
    /// Limits; `None` allows every kill.
    limits: Option<Limits>,
    /// Saved time, which buys kills at `refill` each.
    credit: Duration,
    topped: Option<Instant>,
    /// Number of containers of each pod that a probe may end.
    probed: BTreeMap<String, usize>,
    /// Newest failure verdict, kill and late probe of each container, within the window.
    failed: Recent,
    killed: Recent,
    late: Recent,
    waiting: BTreeMap<String, Waiting>,
}

type Recent = BTreeMap<String, Instant>;

#[derive(Debug, Clone, Copy)]
struct Waiting {
    since: Instant,
    asked: Instant,
}

impl Brake {
    /// Returns a brake with a full budget, which it also has after a restart of the daemon.
    pub fn new(limits: Option<Limits>) -> Self {
        let full = limits.map(|limits| full(&limits)).unwrap_or_default();
        Self {
            limits,
            credit: full,
            topped: None,
            probed: BTreeMap::new(),
            failed: Recent::new(),
            killed: Recent::new(),
            late: Recent::new(),
            waiting: BTreeMap::new(),
        }
    }

    /// Changes the limits. The budget keeps the number of kills that it has, up to the new burst; a
    /// brake that was disabled gets a full one. Held kills ask again within a second.
    pub fn set_limits(&mut self, limits: Option<Limits>) {
        self.credit = match (self.limits, limits) {
            (Some(before), Some(limits)) => {
                let kills = self.credit.as_nanos() * limits.refill.as_nanos();
                let credit = kills / before.refill.as_nanos().max(1);
                let credit = Duration::from_nanos(u64::try_from(credit).unwrap_or(u64::MAX));
                credit.min(full(&limits))
            }
            (_, limits) => limits.map(|limits| full(&limits)).unwrap_or_default(),
        };
        self.limits = limits;
    }

    /// Sets the number of containers of a pod that a probe may end now.
    pub fn count(&mut self, pod: &str, containers: usize) {
        if containers == 0 {
            self.probed.remove(pod);
        } else {
            self.probed.insert(pod.to_owned(), containers);
        }
    }

    /// Records that the daemon ran a probe late.
    pub fn late(&mut self, who: &str, now: Instant) {
        if let Some(limits) = self.limits {
            self.advance(&limits, now);
            self.late.insert(who.to_owned(), now);
        }
    }

    /// Decides whether the container that a probe condemned may be killed now. A granted kill is
    /// paid from the budget. The pressure is read only if the decision depends on it.
    pub fn ask(
        &mut self,
        who: &str,
        KillRequest { since, by_timeout }: KillRequest,
        now: Instant,
        pressure: impl FnOnce() -> Pressure,
    ) -> Ruling {
        let Some(limits) = self.limits else { return Ruling::Granted };
        self.failed.insert(who.to_owned(), since);
        self.waiting.insert(who.to_owned(), Waiting { since, asked: now });
        self.advance(&limits, now);
        let held = if self.is_alone(who) {
            None
        } else {
            let patient = now.saturating_duration_since(since) >= LONGEST;
            let starved = match patient {
                true => None,
                false => self
                    .storm(&limits)
                    .or_else(|| by_timeout.then(|| self.starved(&limits, pressure))?),
            };
            let again = now.later(LATEST);
            starved.map(|why| (why, again)).or_else(|| self.short_of_budget(&limits, who, now))
        };
        match held {
            Some((why, again)) => Ruling::Held { why, again },
            None => {
                self.credit = self.credit.saturating_sub(limits.refill);
                self.waiting.remove(who);
                self.killed.insert(who.to_owned(), now);
                Ruling::Granted
            }
        }
    }

    /// Returns whether no other container failed, waits or was killed lately.
    fn is_alone(&self, who: &str) -> bool {
        let others = self.failed.keys().chain(self.killed.keys()).chain(self.waiting.keys());
        others.into_iter().all(|other| other == who)
    }

    fn storm(&self, limits: &Limits) -> Option<Hold> {
        let failed = self.failed.len();
        let probed = self.probed.values().sum::<usize>().max(failed);
        let is_storm = failed >= limits.storm_containers
            && failed as f64 >= limits.storm_share * probed as f64;
        is_storm.then_some(Hold::Storm { failed, probed, window: limits.storm_window })
    }

    fn starved(&self, limits: &Limits, pressure: impl FnOnce() -> Pressure) -> Option<Hold> {
        if self.late.len() >= LATE_CONTAINERS {
            return Some(Hold::Late { containers: self.late.len() });
        }
        let Pressure { memory, io } = pressure();
        let all = [("memory", memory), ("io", io)];
        let mut high = all.into_iter().filter_map(|(of, percent)| Some((of, percent?)));
        let (of, percent) = high.find(|(_, percent)| *percent > limits.pressure)?;
        Some(Hold::Pressure { of, percent, limit: limits.pressure })
    }

    /// Holds a kill that the budget cannot pay yet. Kills are granted in the order of the verdicts,
    /// the oldest first.
    fn short_of_budget(&self, limits: &Limits, who: &str, now: Instant) -> Option<(Hold, Instant)> {
        let since = self.waiting.get(who)?.since;
        let before =
            |(other, waiting): &(&String, &Waiting)| (waiting.since, other.as_str()) < (since, who);
        let place = self.waiting.iter().filter(before).count();
        let price = limits.refill.saturating_mul(u32::try_from(place + 1).unwrap_or(u32::MAX));
        if price <= self.credit {
            return None;
        }
        let left = price.saturating_sub(self.credit).clamp(SOONEST, LATEST);
        Some((Hold::Budget { burst: limits.burst, refill: limits.refill }, now.later(left)))
    }

    fn advance(&mut self, limits: &Limits, now: Instant) {
        // The readings of several actors may come out of order.
        let topped = self.topped.map_or(now, |topped| topped.max(now));
        let passed =
            self.topped.map_or(Duration::ZERO, |before| topped.saturating_duration_since(before));
        self.credit = self.credit.saturating_add(passed).min(full(limits));
        self.topped = Some(topped);
        for recent in [&mut self.failed, &mut self.killed, &mut self.late] {
            recent.retain(|_, at| now.saturating_duration_since(*at) <= limits.storm_window);
        }
        self.waiting.retain(|_, own| now.saturating_duration_since(own.asked) <= LEASE);
    }
}

fn full(limits: &Limits) -> Duration {
    limits.refill.saturating_mul(limits.burst)
}
