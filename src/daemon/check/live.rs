//! The checks of a running daemon.

use std::sync::Arc;

use tonic::async_trait;

use super::finding::Finding;
use super::{Config, host, lasting};
use crate::domain::brake::{Gauge, Standing};
use crate::pb;
use crate::service::HostChecks;
use crate::supervisor::Supervisor;

/// What the daemon can say of its host at any time.
pub struct LiveChecks {
    config: Config,
    supervisor: Arc<Supervisor>,
}

impl LiveChecks {
    pub fn new(config: Config, supervisor: Arc<Supervisor>) -> Self {
        Self { config, supervisor }
    }
}

#[async_trait]
impl HostChecks for LiveChecks {
    async fn findings(&self) -> Vec<pb::HostFinding> {
        let mut findings = vec![brake(self.supervisor.brake())];
        let config = self.config.clone();
        let read = tokio::task::spawn_blocking(move || {
            let folders = [&config.data_dir, &config.log_dir, &config.run_dir];
            let mut findings = lasting(&config);
            findings.extend(folders.map(|folder| host::space(folder)));
            findings
        });
        findings.extend(read.await.unwrap_or_default());
        findings.into_iter().map(message).collect()
    }
}

fn message(finding: Finding) -> pb::HostFinding {
    let Finding { subject, verdict, found, advice } = finding;
    pb::HostFinding {
        subject: subject.to_owned(),
        verdict: verdict.as_str().to_owned(),
        found,
        advice: advice.to_owned(),
    }
}

/// The brake on kills by probes.
fn brake(gauge: Option<Gauge>) -> Finding {
    let Some(Gauge { standing, waiting, .. }) = gauge else {
        return Finding::good("brake", "off: no kill is held");
    };
    let kills = match waiting {
        0 => "no kill waits".to_owned(),
        1 => "1 kill waits".to_owned(),
        waiting => format!("{waiting} kills wait"),
    };
    let found = format!("{}, {kills}", standing.as_str());
    let advice = match standing {
        Standing::Free if waiting == 0 => return Finding::good("brake", found),
        Standing::Free => "the budget of kills is used up; they are carried out one by one",
        Standing::Storm => "many containers fail at once: is what they depend on there?",
        Standing::Starved => "the host is overloaded: kills for timeouts wait up to 5 minutes",
    };
    Finding::degraded("brake", found, advice)
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn a_brake_that_holds_kills_is_degraded() {
        let of = |standing, waiting| brake(Some(Gauge { standing, tokens: 1.0, waiting }));
        assert_eq!(of(Standing::Free, 0), Finding::good("brake", "free, no kill waits"));
        assert_eq!(of(Standing::Free, 2).found, "free, 2 kills wait");
        for (standing, waiting) in
            [(Standing::Free, 1), (Standing::Storm, 0), (Standing::Starved, 0)]
        {
            assert_eq!(of(standing, waiting).verdict, Verdict::Degraded);
        }
        assert_eq!(brake(None).verdict, Verdict::Good);
    }
}
