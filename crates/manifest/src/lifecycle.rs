//! Hooks and stop signals, both ways.

use std::time::Duration;

use k8s_openapi::api::core::v1 as k8s;

use crate::durations::seconds;
use crate::http_get;
use probelet_domain::signal;
use probelet_domain::spec::{Exec, HookHandler, Lifecycle, SpecError};

pub fn read(at: &str, given: Option<k8s::Lifecycle>, errors: &mut Vec<SpecError>) -> Lifecycle {
    let given = given.unwrap_or_default();
    let mut hook = |name: &str, hook: Option<k8s::LifecycleHandler>| {
        hook.and_then(|hook| read_handler(&format!("{at}.{name}"), hook, errors))
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
        // Kubernetes has no fields for these: they are annotations.
        evidence_signal: None,
        evidence_exec: None,
    }
}

fn read_handler(
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
        return Some(HookHandler::HttpGet(http_get::read(&format!("{at}.httpGet"), http, errors)));
    }
    if hook.tcp_socket.is_some() {
        // Kubernetes accepts it, and then the hook always fails.
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

pub fn render(lifecycle: &Lifecycle) -> Option<k8s::Lifecycle> {
    let out = k8s::Lifecycle {
        post_start: lifecycle.post_start.as_ref().map(render_handler),
        pre_stop: lifecycle.pre_stop.as_ref().map(render_handler),
        stop_signal: lifecycle.stop_signal.map(signal::name),
    };
    (out != k8s::Lifecycle::default()).then_some(out)
}

fn render_handler(hook: &HookHandler) -> k8s::LifecycleHandler {
    let mut out = k8s::LifecycleHandler::default();
    match hook {
        HookHandler::Exec(exec) => {
            out.exec = Some(k8s::ExecAction { command: Some(exec.command.clone()) });
        }
        HookHandler::HttpGet(get) => out.http_get = Some(http_get::render(get)),
        HookHandler::Sleep(length) => {
            out.sleep = Some(k8s::SleepAction { seconds: seconds(*length) });
        }
    }
    out
}
