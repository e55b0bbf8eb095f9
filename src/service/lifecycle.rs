//! Hooks, stop signals and restart rules: conversions from the API's messages to the domain.

use super::probes::{duration, http_get};
use crate::domain::signal;
use crate::domain::spec::{
    Exec, ExitCodeOperator, HookHandler, Lifecycle, RestartAction, RestartRule, SpecError,
};
use crate::pb;
use crate::pb::lifecycle_handler::Handler;

pub fn lifecycle(given: Option<pb::Lifecycle>) -> Result<Lifecycle, SpecError> {
    let given = given.unwrap_or_default();
    Ok(Lifecycle {
        post_start: hook("lifecycle.postStart", given.post_start)?,
        pre_stop: hook("lifecycle.preStop", given.pre_stop)?,
        stop_signal: signal_of("lifecycle.stopSignal", &given.stop_signal)?,
        evidence_signal: signal_of("lifecycle.evidenceSignal", &given.evidence_signal)?,
        evidence_exec: given.evidence_exec.map(|exec| Exec { command: exec.command }),
    })
}

fn hook(path: &str, given: Option<pb::LifecycleHandler>) -> Result<Option<HookHandler>, SpecError> {
    let Some(given) = given else { return Ok(None) };
    let handler = match given.handler {
        None => return Err(SpecError::required(path, "must specify a handler type")),
        Some(Handler::Exec(exec)) => HookHandler::Exec(Exec { command: exec.command }),
        Some(Handler::HttpGet(get)) => {
            HookHandler::HttpGet(http_get(&format!("{path}.httpGet"), get)?)
        }
        Some(Handler::Sleep(length)) => {
            let length = duration(&format!("{path}.sleep"), Some(length))?;
            HookHandler::Sleep(length.unwrap_or_default())
        }
    };
    Ok(Some(handler))
}

fn signal_of(field: &str, text: &str) -> Result<Option<i32>, SpecError> {
    if text.is_empty() {
        return Ok(None);
    }
    let unknown = || SpecError::invalid(field, text, "must be a signal's name");
    signal::parse(text).map(Some).ok_or_else(unknown)
}

pub fn rules(given: Vec<pb::RestartRule>) -> Result<Vec<RestartRule>, SpecError> {
    let rule = |(index, given): (usize, pb::RestartRule)| {
        let operator = match given.operator.as_str() {
            "In" => ExitCodeOperator::In,
            "NotIn" => ExitCodeOperator::NotIn,
            other => {
                let field = format!("restartPolicyRules[{index}].operator");
                return Err(SpecError::unsupported(field, other, &["In", "NotIn"]));
            }
        };
        let action = RestartAction::Restart;
        Ok(RestartRule { action, operator, values: given.exit_codes })
    };
    given.into_iter().enumerate().map(rule).collect()
}
