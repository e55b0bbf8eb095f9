//! Hooks, stop signals and restart rules: conversions from the API's messages to the domain. A field
//! with an error has its default.

use super::findings::Findings;
use super::probes::{duration, http_get};
use crate::domain::signal;
use crate::domain::spec::{
    Exec, ExitCodeOperator, HookHandler, Lifecycle, RestartAction, RestartRule, SpecError,
};
use crate::pb;
use crate::pb::lifecycle_handler::Handler;

pub fn lifecycle(given: Option<pb::Lifecycle>, found: &mut Findings) -> Lifecycle {
    let given = given.unwrap_or_default();
    Lifecycle {
        post_start: hook("lifecycle.postStart", given.post_start, found),
        pre_stop: hook("lifecycle.preStop", given.pre_stop, found),
        stop_signal: found.value(signal_of("lifecycle.stopSignal", &given.stop_signal)),
        evidence_signal: found.value(signal_of("lifecycle.evidenceSignal", &given.evidence_signal)),
        evidence_exec: given.evidence_exec.map(|exec| Exec { command: exec.command }),
    }
}

fn hook(
    path: &str,
    given: Option<pb::LifecycleHandler>,
    found: &mut Findings,
) -> Option<HookHandler> {
    match given?.handler {
        None => {
            found.add(SpecError::required(path, "must specify a handler type"));
            None
        }
        Some(Handler::Exec(exec)) => Some(HookHandler::Exec(Exec { command: exec.command })),
        Some(Handler::HttpGet(get)) => {
            Some(HookHandler::HttpGet(http_get(&format!("{path}.httpGet"), get, found)))
        }
        Some(Handler::Sleep(length)) => {
            let length = found.value(duration(&format!("{path}.sleep"), Some(length)));
            Some(HookHandler::Sleep(length.unwrap_or_default()))
        }
    }
}

fn signal_of(field: &str, text: &str) -> Result<Option<i32>, SpecError> {
    if text.is_empty() {
        return Ok(None);
    }
    let unknown = || SpecError::invalid(field, text, "must be a signal's name");
    signal::parse(text).map(Some).ok_or_else(unknown)
}

pub fn rules(given: Vec<pb::RestartRule>, found: &mut Findings) -> Vec<RestartRule> {
    let rule = |(index, given): (usize, pb::RestartRule)| {
        let operator = match given.operator.as_str() {
            "In" => ExitCodeOperator::In,
            "NotIn" => ExitCodeOperator::NotIn,
            other => {
                let field = format!("restartPolicyRules[{index}].operator");
                found.add(SpecError::unsupported(field, other, &["In", "NotIn"]));
                return None;
            }
        };
        let action = RestartAction::Restart;
        Some(RestartRule { action, operator, values: given.exit_codes })
    };
    given.into_iter().enumerate().filter_map(rule).collect()
}
