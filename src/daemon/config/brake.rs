//! The flags of the brake on kills by probes.

use std::time::Duration;

use probelet_text::duration;

use crate::domain::brake::Limits;

#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Brake on kills by probes")]
pub struct BrakeConfig {
    /// The number of kills by probes that the host allows at once; each further one waits for the
    /// budget. From 1 to 10000. A container that fails alone never waits.
    #[arg(long, value_name = "N", env = "PROBELET_KILL_BURST", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    kill_burst: u32,
    /// The time after which the budget has one more kill. From 100ms to 1h.
    #[arg(long, value_name = "DURATION", env = "PROBELET_KILL_REFILL", default_value = "6s", value_parser = refill)]
    kill_refill: Duration,
    /// The number of containers that must fail their probes for a storm, which holds further kills
    /// for at most 5 minutes. From 2 to 10000.
    #[arg(long, value_name = "N", env = "PROBELET_STORM_CONTAINERS", default_value_t = 5, value_parser = clap::value_parser!(u32).range(2..=10_000))]
    storm_containers: u32,
    /// The share of the probed containers that must fail for a storm. Above 0, at most 1.
    #[arg(long, value_name = "SHARE", env = "PROBELET_STORM_SHARE", default_value_t = 0.5, value_parser = share)]
    storm_share: f64,
    /// The time within which they must fail for a storm. From 1s to 1h.
    #[arg(long, value_name = "DURATION", env = "PROBELET_STORM_WINDOW", default_value = "10s", value_parser = window)]
    storm_window: Duration,
    /// Kills for probes that failed by timeout are also held, for 5 minutes at the longest, while
    /// the host's memory or io pressure, `full avg10` in /proc/pressure, is above this. Other
    /// failures (an error status, a refusal, an exit code) are no effect of a starved host. Above 0,
    /// at most 100, which never holds a kill.
    #[arg(long, value_name = "PERCENT", env = "PROBELET_PRESSURE_LIMIT", default_value_t = 60.0, value_parser = percent)]
    pressure_limit: f64,
    /// Never hold a kill.
    #[arg(
        long,
        value_name = "BOOL",
        env = "PROBELET_NO_BRAKE",
        num_args = 0..=1,
        require_equals = true,
        default_value = "false",
        default_missing_value = "true",
        action = clap::ArgAction::Set,
        value_parser = clap::builder::BoolishValueParser::new()
    )]
    no_brake: bool,
}

impl BrakeConfig {
    /// The limits; `None` if the brake is disabled.
    pub fn limits(&self) -> Option<Limits> {
        (!self.no_brake).then_some(Limits {
            burst: self.kill_burst,
            refill: self.kill_refill,
            storm_containers: usize::try_from(self.storm_containers).unwrap_or(usize::MAX),
            storm_share: self.storm_share,
            storm_window: self.storm_window,
            pressure: self.pressure_limit,
        })
    }
}

const HOUR: Duration = Duration::from_secs(3600);

fn refill(text: &str) -> Result<Duration, String> {
    between(text, Duration::from_millis(100), "must be from 100ms to 1h")
}

fn window(text: &str) -> Result<Duration, String> {
    between(text, Duration::from_secs(1), "must be from 1s to 1h")
}

fn between(text: &str, least: Duration, why: &str) -> Result<Duration, String> {
    let time = duration::parse(text)?;
    if (least..=HOUR).contains(&time) { Ok(time) } else { Err(why.to_owned()) }
}

fn share(text: &str) -> Result<f64, String> {
    up_to(1.0, text)
}

fn percent(text: &str) -> Result<f64, String> {
    up_to(100.0, text)
}

fn up_to(most: f64, text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if number > 0.0 && number <= most => Ok(number),
        _ => Err(format!("must be a number above 0, at most {most}")),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        brake: BrakeConfig,
    }

    fn limits(flags: &[&str]) -> Result<Option<Limits>, clap::Error> {
        Ok(Flags::try_parse_from(["serve"].iter().chain(flags))?.brake.limits())
    }

    #[test]
    fn the_defaults_of_the_flags_are_those_of_the_brake() {
        assert_eq!(limits(&[]).unwrap(), Some(Limits::default()));
        assert_eq!(limits(&["--no-brake"]).unwrap(), None);
    }

    #[test]
    fn each_flag_reaches_its_limit() {
        let flags = [
            "--kill-burst=3",
            "--kill-refill=100ms",
            "--storm-containers=2",
            "--storm-share=1",
            "--storm-window=1h",
            "--pressure-limit=99.5",
        ];
        let expected = Limits {
            burst: 3,
            refill: Duration::from_millis(100),
            storm_containers: 2,
            storm_share: 1.0,
            storm_window: HOUR,
            pressure: 99.5,
        };
        assert_eq!(limits(&flags).unwrap(), Some(expected));
    }

    #[test]
    fn a_value_out_of_bounds_is_wrong_usage() {
        for flag in [
            "--kill-burst=0",
            "--kill-burst=10001",
            "--kill-refill=99ms",
            "--kill-refill=61m",
            "--storm-containers=1",
            "--storm-share=0",
            "--storm-share=1.01",
            "--storm-share=NaN",
            "--storm-window=999ms",
            "--pressure-limit=0",
            "--pressure-limit=101",
        ] {
            let error = limits(&[flag]).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{flag}");
            assert!(error.to_string().contains(flag.split('=').next().unwrap()), "{error}");
        }
    }
}
