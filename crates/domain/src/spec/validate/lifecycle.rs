//! Hooks, stop signals and restart rules.

use std::time::Duration;

use super::{Findings, SpecError, exec_rules, http_rules};
use crate::signal;
use crate::spec::{ContainerSpec, HookHandler, HookKind, Lifecycle};

const MAX_RULES: usize = 20;
const MAX_VALUES: usize = 255;

/// Checks the hooks. `grace` is that of the pod; a sleep may not be longer.
pub fn lifecycle_rules(found: &mut Findings, at: &str, container: &ContainerSpec, grace: Duration) {
    for kind in [HookKind::PostStart, HookKind::PreStop] {
        let at = format!("{at}.{}", kind.as_str());
        match container.lifecycle.get(kind) {
            None => {}
            Some(HookHandler::Exec(exec)) => exec_rules(found, &at, exec),
            Some(HookHandler::HttpGet(http)) => {
                http_rules(found, &format!("{at}.httpGet"), http, &container.ports);
            }
            Some(HookHandler::Sleep(length)) => found.check(*length <= grace, || {
                let grace = grace.as_secs();
                let why = format!(
                    "must be non-negative and less than terminationGracePeriodSeconds ({grace})"
                );
                SpecError::invalid(format!("{at}.sleep.seconds"), length.as_secs(), &why)
            }),
        }
    }
}

/// SIGKILL and SIGSTOP, which no process can handle, so that they would destroy the evidence.
const NO_EVIDENCE: [i32; 2] = [9, 19];

pub fn evidence_rules(found: &mut Findings, at: &str, lifecycle: &Lifecycle) {
    if let Some(signal) = lifecycle.evidence_signal {
        found.check((1..=64).contains(&signal) && !NO_EVIDENCE.contains(&signal), || {
            let why = "must be a signal that the process can handle";
            SpecError::invalid(format!("{at}.evidenceSignal"), signal::name(signal), why)
        });
    }
    if let Some(exec) = &lifecycle.evidence_exec {
        found.check(!exec.command.is_empty(), || {
            SpecError::required(format!("{at}.evidenceExec"), "")
        });
    }
}

pub fn restart_rules(found: &mut Findings, at: &str, container: &ContainerSpec) {
    let rules = &container.restart_policy_rules;
    if rules.is_empty() {
        return;
    }
    found.check(container.restart_policy.is_some(), || {
        let why = "must specify restartPolicy when restart rules are used";
        SpecError::required(format!("{at}.restartPolicy"), why)
    });
    let at = format!("{at}.restartPolicyRules");
    found.check(rules.len() <= MAX_RULES, || too_many(&at, rules.len(), MAX_RULES));
    for (index, rule) in rules.iter().enumerate() {
        let at = format!("{at}[{index}].exitCodes.values");
        let count = rule.values.len();
        found.check(count <= MAX_VALUES, || too_many(&at, count, MAX_VALUES));
    }
}

fn too_many(field: &str, count: usize, max: usize) -> SpecError {
    SpecError::new(field, format!("Too many: {count}: must have at most {max} items"))
}
