//! State of the brake for the metrics.

use std::time::Instant;

use super::{Brake, Hold, Pressure};

/// State of the brake, as in the metric `probelet_brake_state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Only the budget holds a kill.
    Free,
    /// Many containers failed their probes at once: kills are held.
    Storm,
    /// The daemon ran probes late, or the host's memory or I/O pressure is above its limit: kills
    /// for timeouts are held.
    Starved,
}

impl Standing {
    /// All states, in the order of the metric's series.
    pub const ALL: [Self; 3] = [Self::Free, Self::Storm, Self::Starved];

    /// Value of the metric's label `state`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Storm => "storm",
            Self::Starved => "starved",
        }
    }
}

/// Reading of the brake for the metrics.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gauge {
    /// State of the brake.
    pub standing: Standing,
    /// Kills that the budget allows now.
    pub tokens: f64,
    /// Containers that are condemned and held.
    pub waiting: usize,
}

impl Brake {
    /// Returns state, budget and waiting kills of the brake; `None` if the brake is off.
    pub fn gauge(&mut self, now: Instant, pressure: Pressure) -> Option<Gauge> {
        let limits = self.limits?;
        self.advance(&limits, now);
        let starved = || self.starved(&limits, || pressure);
        let standing = match self.storm(&limits).or_else(starved) {
            None | Some(Hold::Budget { .. }) => Standing::Free,
            Some(Hold::Storm { .. }) => Standing::Storm,
            Some(Hold::Late { .. } | Hold::Pressure { .. }) => Standing::Starved,
        };
        let tokens = self.credit.as_secs_f64() / limits.refill.as_secs_f64();
        Some(Gauge { standing, tokens, waiting: self.waiting.len() })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{KillRequest, Limits};
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "a test has to start somewhere")]
    fn now() -> Instant {
        Instant::now()
    }

    #[test]
    fn the_gauge_has_the_state_that_decides_kills() {
        let now = now();
        let high = Pressure { io: Some(81.0), ..Pressure::default() };
        let mut brake = Brake::new(Some(Limits::default()));
        let gauge = |standing, tokens, waiting| Some(Gauge { standing, tokens, waiting });
        assert_eq!(brake.gauge(now, Pressure::default()), gauge(Standing::Free, 10.0, 0));
        assert_eq!(brake.gauge(now, high), gauge(Standing::Starved, 10.0, 0));
        for who in ["a", "b", "c", "d", "e", "f"] {
            let condemned = KillRequest { since: now, by_timeout: false };
            brake.ask(who, condemned, now, Pressure::default);
        }
        // The first four kills are granted before the storm begins.
        assert_eq!(brake.gauge(now, high), gauge(Standing::Storm, 6.0, 2));
        let later = now + Duration::from_secs(11);
        let after = brake.gauge(later, Pressure::default()).unwrap();
        assert_eq!((after.standing, after.waiting), (Standing::Free, 0));
        assert!(after.tokens > 7.0 && after.tokens < 8.0);
        assert_eq!(Brake::new(None).gauge(now, high), None);
    }
}
