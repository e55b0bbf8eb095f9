//! Kubernetes' hooks, stop signals and restart rules, both ways.

use std::time::Duration;

use k8s_openapi::api::core::v1 as k8s;

use super::probes::http_get;
use super::spec_out::{http_get as http_get_out, seconds};
use probelet_domain::signal;
use probelet_domain::spec::{
    Exec, ExitCodeOperator, HookHandler, Lifecycle, RestartAction, RestartRule, SpecError,
};

pub(super) fn lifecycle(
    at: &str,
    given: Option<k8s::Lifecycle>,
    errors: &mut Vec<SpecError>,
) -> Lifecycle {
    let given = given.unwrap_or_default();
    let mut hook = |name: &str, hook: Option<k8s::LifecycleHandler>| {
        hook.and_then(|hook| handler(&format!("{at}.{name}"), hook, errors))
    };
    Lifecycle {
        post_start: hook("postStart", given.post_start),
        pre_stop: hook("preStop", given.pre_stop),
        stop_signal: given.stop_signal.and_then(|name| {
            let signal = signal::parse(&name);
            if signal.is_none() {
                let field = format!("{at}.stopSignal");
                errors.push(SpecError::invalid(field, &name, "must be a signal's name"));
            }
            signal
        }),
        // Annotations, which Kubernetes has no fields for.
        evidence_signal: None,
        evidence_exec: None,
    }
}

fn handler(
    at: &str,
    hook: k8s::LifecycleHandler,
    errors: &mut Vec<SpecError>,
) -> Option<HookHandler> {
    let given = [
        ("exec", hook.exec.is_some()),
        ("httpGet", hook.http_get.is_some()),
        ("tcpSocket", hook.tcp_socket.is_some()),
        ("sleep", hook.sleep.is_some()),
    ];
    for (name, _) in given.into_iter().filter(|(_, is_given)| *is_given).skip(1) {
        let why = "may not specify more than 1 handler type";
        errors.push(SpecError::forbidden(format!("{at}.{name}"), why));
    }
    if let Some(exec) = hook.exec {
        return Some(HookHandler::Exec(Exec { command: exec.command.unwrap_or_default() }));
    }
    if let Some(http) = hook.http_get {
        return Some(HookHandler::HttpGet(http_get(&format!("{at}.httpGet"), http, errors)));
    }
    if hook.tcp_socket.is_some() {
        // Kubernetes takes it and then fails when it should run.
        let why = "a tcpSocket is no lifecycle handler";
        errors.push(SpecError::forbidden(format!("{at}.tcpSocket"), why));
        return None;
    }
    let Some(sleep) = hook.sleep else {
        errors.push(SpecError::required(at, "must specify a handler type"));
        return None;
    };
    let seconds = u64::try_from(sleep.seconds).unwrap_or_else(|_| {
        let field = format!("{at}.sleep.seconds");
        errors.push(SpecError::invalid(field, sleep.seconds, "must be non-negative"));
        0
    });
    Some(HookHandler::Sleep(Duration::from_secs(seconds)))
}

pub(super) fn lifecycle_out(lifecycle: &Lifecycle) -> Option<k8s::Lifecycle> {
    let out = k8s::Lifecycle {
        post_start: lifecycle.post_start.as_ref().map(handler_out),
        pre_stop: lifecycle.pre_stop.as_ref().map(handler_out),
        stop_signal: lifecycle.stop_signal.map(signal::name),
    };
    (out != k8s::Lifecycle::default()).then_some(out)
}

fn handler_out(hook: &HookHandler) -> k8s::LifecycleHandler {
    let mut out = k8s::LifecycleHandler::default();
    match hook {
        HookHandler::Exec(exec) => {
            out.exec = Some(k8s::ExecAction { command: Some(exec.command.clone()) });
        }
        HookHandler::HttpGet(get) => out.http_get = Some(http_get_out(get)),
        HookHandler::Sleep(length) => {
            out.sleep = Some(k8s::SleepAction { seconds: seconds(*length) });
        }
    }
    out
}

pub(super) fn rules(
    at: &str,
    given: Option<Vec<k8s::ContainerRestartRule>>,
    errors: &mut Vec<SpecError>,
) -> Vec<RestartRule> {
    let given = given.unwrap_or_default().into_iter().enumerate();
    given.filter_map(|(index, given)| rule(&format!("{at}[{index}]"), given, errors)).collect()
}

fn rule(
    at: &str,
    given: k8s::ContainerRestartRule,
    errors: &mut Vec<SpecError>,
) -> Option<RestartRule> {
    let action = match given.action.as_str() {
        "Restart" => Some(RestartAction::Restart),
        "RestartAllContainers" => Some(RestartAction::RestartAllContainers),
        other => {
            let supported = ["Restart", "RestartAllContainers"];
            errors.push(SpecError::unsupported(format!("{at}.action"), other, &supported));
            None
        }
    };
    let at = format!("{at}.exitCodes");
    let Some(codes) = given.exit_codes else {
        errors.push(SpecError::required(at, "must be specified"));
        return None;
    };
    let operator = match codes.operator.as_str() {
        "In" => Some(ExitCodeOperator::In),
        "NotIn" => Some(ExitCodeOperator::NotIn),
        other => {
            let supported = ["In", "NotIn"];
            errors.push(SpecError::unsupported(format!("{at}.operator"), other, &supported));
            None
        }
    };
    Some(RestartRule {
        action: action?,
        operator: operator?,
        values: codes.values.unwrap_or_default(),
    })
}

pub(super) fn rule_out(rule: &RestartRule) -> k8s::ContainerRestartRule {
    let action = match rule.action {
        RestartAction::Restart => "Restart",
        RestartAction::RestartAllContainers => "RestartAllContainers",
    };
    let operator = match rule.operator {
        ExitCodeOperator::In => "In",
        ExitCodeOperator::NotIn => "NotIn",
    };
    k8s::ContainerRestartRule {
        action: action.to_owned(),
        exit_codes: Some(k8s::ContainerRestartRuleOnExitCodes {
            operator: operator.to_owned(),
            values: Some(rule.values.clone()),
        }),
    }
}
